"""The command line, as people and programs use it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import resource
import select
import shlex
import signal
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from omnichat_async.cli.settings import SANDBOX_ROWS, hoisted
from omnichat_async.cli.times import is_absolute, parse_time
from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.ledger import Ledger
from omnichat_async.sandbox import Fault, Sandbox
from tests.support.exports import (
    BEFORE,
    RANGE,
    ROOT,
    STREAM_NAMES,
    arguments,
    command,
    complete,
    environment,
    in_process,
    read_csv,
    read_jsonl,
    read_rows,
    same,
    served,
    truth,
)
from tests.support.run import run
from tests.support.wire import HostileServer, Request, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "tok-9f8e7d6c5b4a"
NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMNICHAT_API_TOKEN", raising=False)
    monkeypatch.delenv("OMNICHAT_BASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(token=TOKEN) as running:
        yield running


def events(out: str) -> list[dict[str, Any]]:
    """The events of --json; every line is one."""
    assert out.endswith("\n")
    return [json.loads(line) for line in out.splitlines()]


def break_at(sandbox: Sandbox, n: int, path: str = "") -> None:
    """Fail for good at the n-th request: with a code that is never repeated."""
    code = "MARKETING_MESSAGES_LITE_NOT_ENABLED"
    sandbox.add_fault(Fault(kind="json500", at=n, code=code, path=path))


def break_at_the_end(sandbox: Sandbox, end: int = BEFORE) -> None:
    """Fail for good at the last range of an export up to `end`. However far is read ahead, the
    ranges before it are safe then."""
    break_at(sandbox, 1, f"/messages?before={end}")
    break_at(sandbox, 1, f"/contacts?updatedBefore={end}")


def safe_rows(out: Path) -> int:
    """The rows that count by the ledger beside a file."""
    ledger = Ledger(out.with_name(out.name + ".checkpoint"))
    try:
        return sum(done.rows for job in ledger.jobs() for done in ledger.done(job))
    finally:
        ledger.close()


# ---- exports -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", STREAM_NAMES)
def test_every_stream_has_a_command(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, stream: str
) -> None:
    out = tmp_path / "rows.jsonl"
    code, stdout, stderr = in_process(capsys, *arguments(sandbox, stream, out, *RANGE))
    rows = read_jsonl(out)
    assert code == 0
    assert same(rows, truth(sandbox, stream))
    words = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in stdout.splitlines())
    assert list(words) == [
        *("file", "rows", "size", "complete", "windows", "ranges", "requests", "rate", "429s"),
        *("departures", "peak rows"),
    ]
    assert words["complete"] == "up to 2025-01-18 00:00 UTC"
    assert words["file"].strip() == str(out)
    assert words["rows"].strip() == f"{len(rows):,}"
    assert words["windows"].strip() == "3"
    assert words["requests"].split()[0] == str(sandbox.stats().requests)
    assert stderr == f"{stream}, 2025-01-01 08:00 UTC to 2025-01-18 00:00 UTC\n"


def test_filters_and_formats(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    channel: Any = truth(sandbox, "contacts", "line")[0]["channel"]
    chosen = ("--platform", "line", "--channel-id", channel["channelId"])
    code, *_ = in_process(capsys, *arguments(sandbox, "contacts", out, *chosen, *RANGE))
    expected = [row for row in truth(sandbox, "contacts", "line") if row["channel"] == channel]
    assert code == 0
    assert sorted(row["id"] for row in read_csv(out)) == sorted(row["id"] for row in expected)
    assert 0 < len(expected) < len(truth(sandbox, "contacts", "line"))


@pytest.mark.parametrize("platform", ["website", "WEB", "Webchat"])
def test_a_platform_goes_by_any_of_its_names(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, platform: str
) -> None:
    out = tmp_path / "rows.jsonl"
    argv = arguments(sandbox, "messages", out, "--platform", platform, *RANGE)
    assert in_process(capsys, *argv)[0] == 0
    assert same(read_jsonl(out), truth(sandbox, "messages", "webchat"))


def test_json_is_one_event_a_line(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    code, stdout, stderr = in_process(
        capsys, *arguments(sandbox, "messages", out, *RANGE), "--json"
    )
    first, *progress, last = events(stdout)
    assert (code, stderr) == (0, "")
    after, before = int(RANGE[1]), int(RANGE[3])
    assert first == {
        "event": "started",
        "stream": "messages",
        "file": str(out),
        "after": after,
        "before": before,
    }
    assert progress
    keys = {"event", "rows", "done", "rate", "eta", "window"}
    assert all(each.keys() == keys for each in progress)
    assert last["event"] == "finished"
    assert (last["watermark"], last["clamped"], last["incomplete"]) == (before, False, [])
    assert last["rows"] == last["fresh_rows"] == len(read_jsonl(out))
    assert last["bytes"] == out.stat().st_size
    assert (last["windows"], last["throttled"]) == (3, 0)
    assert last["requests"] == sandbox.stats().requests
    parts = ("useful", "proofs", "probes", "repairs", "retries")
    assert sum(last[name] for name in parts) == last["requests"]


def test_a_failure_says_what_and_how_to_go_on(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path
) -> None:
    out = tmp_path / "two words.jsonl"
    break_at_the_end(sandbox)
    code, stdout, stderr = in_process(capsys, *arguments(sandbox, "messages", out, *RANGE))
    head, error, says, stopped, line = stderr.splitlines()
    assert (code, stdout) == (1, "")
    assert head.startswith("messages, ")
    assert says.startswith("  the API says: ")
    assert error.startswith("omnichat: GET /messages: HTTP 500 MARKETING_MESSAGES_LITE")
    assert stopped == f"Stopped. {safe_rows(out):,} rows are safe; go on with:"
    assert line == (
        f"  omnichat --base-url {sandbox.url} --rate 2000 export messages --out '{out}' --resume "
        "--platform whatsapp"
    )
    done = subprocess.run(
        line, shell=True, env=environment(OMNICHAT_API_TOKEN=TOKEN), timeout=60, check=True
    )
    assert done.returncode == 0
    assert same(read_jsonl(out), truth(sandbox, "messages"))


def test_a_failure_as_json(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    break_at_the_end(sandbox)
    argv = arguments(sandbox, "contacts", out, *RANGE, "--channel-id", "")
    code, stdout, _ = in_process(capsys, *argv, "--json")
    assert (code, events(stdout)[0]["type"]) == (2, "InvalidRequest")
    argv = arguments(sandbox, "contacts", out, *RANGE, "--json")
    code, stdout, stderr = in_process(capsys, *argv)
    *_, error, interrupted = events(stdout)
    assert (code, stderr) == (1, "")
    assert (error["event"], error["type"]) == ("error", "MarketingMessagesLiteNotEnabled")
    assert (interrupted["event"], interrupted["rows"]) == ("interrupted", safe_rows(out))


def test_the_same_command_goes_on(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "rows.sqlite"
    argv = arguments(sandbox, "contacts", out, *RANGE)
    break_at_the_end(sandbox)
    assert in_process(capsys, *argv)[0] == 1
    assert in_process(capsys, *argv)[0] == 0
    assert same(read_rows(out, "contacts"), truth(sandbox, "contacts"))


def test_every_night_adds_what_is_new(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    argv = arguments(sandbox, "messages", out, "--since-last", *RANGE[:2])
    for before in (str(int(RANGE[3]) - 86_400_000), RANGE[3]):
        code, stdout, _ = in_process(capsys, *argv, "--before", before)
        assert code == 0
    assert same(read_rows(out), truth(sandbox, "messages"))
    assert re.search(r"rows +[\d,]+ \([\d,]+ of them now\)", stdout)


def test_a_night_does_not_wait_for_a_backfill_that_was_interrupted(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path
) -> None:
    """And the command that goes on with the backfill names it: there are other ranges."""
    out = tmp_path / "rows.sqlite"
    argv = arguments(sandbox, "messages", out)
    half = str(BEFORE - 86_400_000)
    times = ("--after", RANGE[1], "--before", half)
    break_at_the_end(sandbox, int(half))
    code, _, stderr = in_process(capsys, *argv, *times)
    assert code == 1
    assert in_process(capsys, *argv, "--after", half, "--before", str(int(half) + 1))[0] == 0
    code, stdout, _ = in_process(
        capsys, *argv, "--since-last", "--after", "120w", "--before", RANGE[3], "--json"
    )
    assert (code, events(stdout)[-1]["watermark"]) == (0, int(RANGE[3]))
    line = stderr.splitlines()[-1]
    assert line.endswith(f"--resume --after {RANGE[1]} --before {half} --platform whatsapp")
    subprocess.run(
        line, shell=True, env=environment(OMNICHAT_API_TOKEN=TOKEN), timeout=60, check=True
    )
    assert same(read_rows(out), truth(sandbox, "messages"))


@pytest.mark.parametrize("fixed", [RANGE[:2], [*RANGE[2:], "--after", "120w"]])
def test_another_range_of_a_database_may_have_a_time_that_moves(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, fixed: list[str]
) -> None:
    """`--before now` is that of an earlier run only where this one goes on with it."""
    argv = arguments(sandbox, "messages", tmp_path / "rows.sqlite")
    option, time, *moving = fixed
    for code in (0, 2):  # the second time it is there, and finished
        assert in_process(capsys, *argv, option, str(int(time) - 1), *moving)[0] == code
        assert in_process(capsys, *argv, option, time, *moving)[0] == code


def test_a_spreadsheet_runs_no_cell(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    argv = arguments(sandbox, "contacts", tmp_path / "rows.csv.gz", *RANGE, "--csv-safe")
    assert in_process(capsys, *argv)[0] == 0
    rows = read_csv(tmp_path / "rows.csv.gz")
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]
    code, _, stderr = in_process(
        capsys, *arguments(sandbox, "contacts", tmp_path / "rows.jsonl", "--csv-safe")
    )
    assert (code, stderr) == (2, "omnichat: --csv-safe: is for .csv files; given: '.jsonl'\n")


# ---- ranges that cannot be proved complete -----------------------------------------------------


def unsettled(request: Request) -> Any:
    """A server that counts more rows than it ever gives, in a range that cannot be cut."""
    first = parse_qs(urlsplit(request.target).query)["page"] == ["1"]
    rows = [{"id": str(n), "time": int(RANGE[1])} for n in range(100)] if first else []
    return reply(body={"content": rows, "totalElement": 150})


def hostile(tmp_path: Path, *flags: str) -> tuple[int, str, str]:
    """An export of one millisecond from such a server."""

    async def main() -> subprocess.CompletedProcess[str]:
        async with HostileServer(unsettled) as server:
            argv = ["--token", TOKEN, "--base-url", server.url, "--rate", "2000", "export"]
            argv += ["messages", "--out", str(tmp_path / "rows.jsonl"), *flags]
            argv += ["--after", RANGE[1], "--before", str(int(RANGE[1]) + 1)]
            return await asyncio.to_thread(complete, *argv)

    done = run(main())
    return done.returncode, done.stdout, done.stderr


def test_a_range_that_cannot_be_proved_complete_exits_3(tmp_path: Path) -> None:
    code, stdout, stderr = hostile(tmp_path)
    assert (code, stdout) == (3, "")
    assert re.search("omnichat: .*(counts|complete|certif)", stderr)
    assert not (tmp_path / "rows.jsonl").exists()


def test_recorded_it_is_listed_and_exits_3_too(tmp_path: Path) -> None:
    code, stdout, stderr = hostile(tmp_path, "--record-incomplete")
    start = datetime.fromtimestamp(int(RANGE[1]) / 1000, UTC)
    assert code == 3
    assert "1 none" in stdout
    assert f"INCOMPLETE: {start.isoformat(timespec='milliseconds')} to " in stderr
    assert len(read_jsonl(tmp_path / "rows.jsonl")) == 100
    code, stdout, _ = hostile(tmp_path, "--resume", "--json")
    assert (code, events(stdout)[-1]["incomplete"]) == (3, [[int(RANGE[1]), int(RANGE[1]) + 1]])


def test_nothing_to_go_on_with_is_not_offered(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path
) -> None:
    argv = arguments(sandbox, "messages", tmp_path / "rows.jsonl", *RANGE)
    break_at(sandbox, 1)
    code, _, stderr = in_process(capsys, *argv)
    assert code == 1
    error, says = stderr.splitlines()[-2:]
    assert error.startswith("omnichat: GET /messages: HTTP 500")
    assert says.startswith("  the API says: ")
    code, *_ = in_process(capsys, *argv)  # and nothing is in the way of a better command
    assert code == 0


@pytest.mark.parametrize("suffix", ["jsonl", "sqlite"])
def test_resume_does_not_begin_another_range(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, suffix: str
) -> None:
    """Where nothing came of the first run, nobody knows what range it was of."""
    out = tmp_path / f"rows.{suffix}"
    break_at(sandbox, 1)
    assert in_process(capsys, *arguments(sandbox, "messages", out, *RANGE))[0] == 1
    code, stdout, stderr = in_process(capsys, *arguments(sandbox, "messages", out, "--resume"))
    assert (code, stdout) == (2, "")
    assert stderr.startswith("omnichat: --resume: needs an export of this query to go on with")
    assert in_process(capsys, *arguments(sandbox, "messages", out, "--resume", *RANGE))[0] == 0
    assert same(read_rows(out), truth(sandbox, "messages"))


@pytest.mark.parametrize("times", [[], ["--after", "30d", "--before", "now"], RANGE, RANGE[2:]])
def test_resume_keeps_the_range(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, times: list[str]
) -> None:
    out = tmp_path / "rows.jsonl"
    break_at_the_end(sandbox)
    assert in_process(capsys, *arguments(sandbox, "messages", out, *RANGE))[0] == 1
    argv = arguments(sandbox, "messages", out, "--resume", *times)
    assert in_process(capsys, *argv)[0] == 0
    assert same(read_jsonl(out), truth(sandbox, "messages"))


def test_existing_files_are_safe(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    out.write_text("mine")
    argv = arguments(sandbox, "messages", out, *RANGE)
    for flags, words in (
        ([], "--out: must not exist yet"),
        (["--resume"], "--resume: needs the file's .checkpoint"),
        (["--force", "--resume"], "--force, --resume, --since-last: exclude each other"),
    ):
        code, stdout, stderr = in_process(capsys, *argv, *flags)
        assert (code, stdout) == (2, "")
        assert stderr.startswith(f"omnichat: {words}")
        assert stderr.count("\n") == 1
        assert out.read_text() == "mine"
    assert in_process(capsys, *argv, "--force")[0] == 0
    assert same(read_jsonl(out), truth(sandbox, "messages"))


def test_a_file_shorter_than_its_note(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    break_at_the_end(sandbox)
    in_process(capsys, *arguments(sandbox, "messages", out, *RANGE))
    out.write_text("short")
    code, _, stderr = in_process(capsys, *arguments(sandbox, "messages", out, "--resume"))
    assert code == 2
    assert "rows.jsonl must hold the" in stderr
    assert "go on with" not in stderr
    assert out.read_text() == "short"


# ---- the disk ----------------------------------------------------------------------------------


def unwritable(tmp_path: Path) -> Path:
    """A folder in which no file can be made, by root neither."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        folder = Path("/sys/kernel")
    if not folder.is_dir():
        pytest.skip("no unwritable folder here")
    return folder


def test_places_where_no_file_can_be(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.jsonl").mkdir()
    for out, message in (
        (unwritable(tmp_path) / "x.jsonl", r"/x\.jsonl: (Permission denied|Read-only file system)"),
        (tmp_path / "none" / "x.jsonl", "/none: no such folder"),
        (tmp_path / "file" / "x.jsonl", "/file: no such folder"),
        (tmp_path / "folder.jsonl", "/folder.jsonl: not a file"),
    ):
        code, stdout, stderr = in_process(capsys, *arguments(sandbox, "messages", out, *RANGE))
        assert (code, stdout) == (1, "")
        assert re.fullmatch(rf"omnichat: \S+{message}", stderr.splitlines()[-1])
        assert "Traceback" not in stderr


@pytest.mark.parametrize(("suffix", "room"), [("jsonl", 500_000), ("sqlite", 600_000)])
def test_a_full_disk_keeps_what_fits(tmp_path: Path, suffix: str, room: int) -> None:
    with served(token=TOKEN) as sandbox:
        full_disk(sandbox, tmp_path / f"rows.{suffix}", room)


def full_disk(sandbox: Sandbox, out: Path, room: int) -> None:
    argv = arguments(sandbox, "messages", out, *RANGE)
    full = subprocess.run(
        [sys.executable, "-c", EAGER, *argv],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )
    assert full.returncode == 1
    assert "Stopped. " in full.stderr
    assert "Traceback" not in full.stderr
    assert re.search(rf"omnichat: {out}: (File too large|Input/output error|.* full)", full.stderr)
    again = complete(*argv, "--resume", "--json")
    assert again.returncode == 0
    last = events(again.stdout)[-1]
    assert 0 < last["fresh_rows"] < last["rows"]
    assert same(read_rows(out), truth(sandbox, "messages"))


@pytest.mark.parametrize("as_json", [True, False])
def test_output_that_nobody_can_take(sandbox: Sandbox, tmp_path: Path, as_json: bool) -> None:
    argv = arguments(sandbox, "messages", tmp_path / "rows.jsonl", *RANGE)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(*argv, *["--json"] * as_json),
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr


# ---- signals -----------------------------------------------------------------------------------


def start(*argv: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*argv),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


EAGER = (
    "import omnichat_async.jobs.export as export\n"
    "from omnichat_async.cli import main\n"
    "export.COMMIT_S = 0.0\n"
    "main()\n"
)
"""The command line, which commits after each range, so that short runs have something to keep."""


def interrupted_export(
    sandbox: Sandbox, out: Path, signum: signal.Signals, *flags: str
) -> tuple[int, str, str]:
    """Start an export in a process of its own, and signal it once rows are in the file.

    Its first request brings all rows of the first window, before the second is sent.
    """
    sandbox.add_fault(Fault(kind="slow", at=2, delay_ms=60_000))
    process = subprocess.Popen(
        [sys.executable, "-c", EAGER, *arguments(sandbox, "messages", out, *RANGE, *flags)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (out.exists() and out.stat().st_size):
        assert process.poll() is None
        select.select([], [], [], 0.01)
    process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=60)
    return process.returncode, stdout, stderr


@pytest.fixture
def quiet() -> Iterator[Sandbox]:
    """A sandbox with one page of rows for a window."""
    with served(token=TOKEN, rows=500) as running:
        yield running


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_prints_the_command_that_goes_on(
    quiet: Sandbox, tmp_path: Path, signum: signal.Signals
) -> None:
    sandbox, out = quiet, tmp_path / "rows.jsonl"
    code, stdout, stderr = interrupted_export(sandbox, out, signum)
    assert (code, stdout) == (130, "")
    _, stopped, line = stderr.splitlines()
    assert stopped == f"Stopped. {safe_rows(out):,} rows are safe; go on with:"
    assert len(read_jsonl(out)) == safe_rows(out) > 0
    again = subprocess.run(
        line,
        shell=True,
        env=environment(OMNICHAT_API_TOKEN=TOKEN),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert TOKEN not in stdout + stderr + again.stdout + again.stderr
    assert same(read_jsonl(out), truth(sandbox, "messages"))


def test_an_interruption_as_json(quiet: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    code, stdout, stderr = interrupted_export(quiet, out, signal.SIGINT, "--json")
    *_, last = events(stdout)
    assert (code, stderr, last["event"], last["rows"]) == (130, "", "interrupted", safe_rows(out))
    assert last["resume"].endswith(f"--out {out} --resume --platform whatsapp")


def test_a_second_signal_kills(sandbox: Sandbox, tmp_path: Path) -> None:
    """The first one waits for the disk here, which never comes back."""
    out = tmp_path / "rows.jsonl"
    code = (
        "import os, sys, time\n"
        "import omnichat_async.jobs.export as export\n"
        "from omnichat_async.cli import main\n"
        "export.COMMIT_S = 0.0\n"
        "def hang(_):\n"
        "    print('syncing', flush=True)\n"
        "    time.sleep(600)\n"
        "os.fsync = hang\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments(sandbox, "messages", out, *RANGE)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "syncing\n"
        process.send_signal(signal.SIGINT)
        # Both at once may count as one: the second is sent until it has been taken.
        while process.poll() is None:
            select.select([], [], [], 0.1)
            process.send_signal(signal.SIGINT)
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_serves_until_it_is_stopped(signum: signal.Signals) -> None:
    flags = ("--limit", "0", "--rows", "1000", "--fault", "html500@1")
    with start("sandbox", "--port", "0", *flags) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said, exports = process.stdout.readline(), process.stdout.readline()
        url = said.removeprefix("Omnichat sandbox on ").strip()
        assert exports == f"export OMNICHAT_BASE_URL={url} OMNICHAT_API_TOKEN=sandbox-token\n"
        stats = url.removesuffix("/v1") + "/_sandbox/stats"
        with urllib.request.urlopen(stats, timeout=30) as answer:
            assert json.load(answer)["requests"] == 0
        process.send_signal(signum)
        assert process.wait(30) == 0
        assert process.stdout.read() + process.stderr.read() == ""


def test_a_port_that_is_taken(capsys: Capture, sandbox: Sandbox) -> None:
    port = sandbox.url.rsplit(":", 1)[1].removesuffix("/v1")
    code, stdout, stderr = in_process(capsys, "sandbox", "--port", port)
    assert (code, stdout) == (1, "")
    assert stderr.startswith("omnichat: ")
    assert "address already in use" in stderr.lower()
    assert stderr.count("\n") == 1


# ---- usage -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("", "Usage: omnichat [OPTIONS] COMMAND"),
        ("export", "Usage: omnichat export [OPTIONS] COMMAND"),
        ("bogus", "No such command 'bogus'"),
        ("export messages", "Missing option '--out'"),
        ("export messages --out x.jsonl --bogus", "No such option: --bogus"),
        ("export tagging-logs --out x.jsonl --platform line", "No such option: --platform"),
        ("export messages --out x.jsonl --platform telegram", "Invalid value for '--platform'"),
        ("export contacts --out x.jsonl --platform telegram", "one of line, facebook, instagram"),
        ("--sandbox export messages --out x.jsonl --channel-id=", "--channel-id: must be a non-"),
        ("export messages --out x.jsonl --rate fast", "Invalid value for '--rate'"),
        ("export messages --out x.jsonl --token", "Option '--token' requires an argument"),
        ("sandbox --port 70000", "Invalid value for '--port'"),
        ("--sandbox export messages --out x.txt", "--out: must end in .jsonl, .jsonl.gz, .csv,"),
        ("plan", "Usage: omnichat plan [OPTIONS] COMMAND"),
        ("plan export messages --offline --after soon", "--after: must be a date"),
        ("plan export messages", "token: pass token= (--token) or set $OMNICHAT_API_TOKEN"),
        ("--sandbox export messages --out x.csv --after soon", "--after: must be a date"),
        ("--sandbox export messages --out x.csv --before 9x", "--before: must be a date"),
        ("--sandbox export messages --out x.csv --after now", "--after: must be earlier"),
        ("--sandbox --rate 0 export messages --out x.csv", "--rate: must be above 0"),
        ("--sandbox --rate nan export messages --out x.csv", "--rate: must be above 0"),
        ("--sandbox --token t export messages --out x.csv", "--sandbox goes without --token"),
        ("--sandbox --base-url u export messages --out x.csv", "--sandbox goes without --token"),
        (
            "export messages --out x.csv",
            "token: pass token= (--token) or set $OMNICHAT_API_TOKEN",
        ),
        ("--token t --base-url http://a.b export messages --out x.csv", "unencrypted"),
        ("sandbox --port 0 --fault bogus@1", "fault 'bogus@1'"),
        ("sandbox --port 0 --rows -1", "rows is -1: give 0 or more"),
    ],
)
def test_a_wrong_command_line_exits_2(
    capsys: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: str,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, stdout, stderr = in_process(capsys, *argv.split())
    assert code == 2
    assert words in stdout + stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("export x --json --out f", "--json export x --out f"),
        ("export x --token t --rate=9 --sandbox", "--token t --rate=9 --sandbox export x"),
        ("--base-url u export x", "--base-url u export x"),
        ("export x --token --json", "--token --json export x"),
        ("export x --json --token", "--json --token"),
        ("export x -- --json", "export x -- --json"),
    ],
)
def test_global_options_may_stand_anywhere(argv: str, expected: str) -> None:
    assert hoisted(argv.split()) == expected.split()


@pytest.mark.parametrize("argv", [("--help",), ("export", "--help"), ("sandbox", "--help")])
def test_help(capsys: Capture, argv: tuple[str, ...]) -> None:
    code, stdout, stderr = in_process(capsys, *argv)
    assert (code, stderr) == (0, "")
    assert stdout.startswith("Usage: omnichat")


def test_the_module_runs_too() -> None:
    done = complete("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: omnichat [OPTIONS] COMMAND")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_one_sentence(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\nfrom omnichat_async.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "omnichat needs the extra: pip install 'omnichat_async[cli]'\n"


def test_the_token_is_never_shown(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    argv = arguments(sandbox, "messages", out, *RANGE)
    shown = ""
    for flags in ([], ["--json"], ["--force", "--json"]):
        break_at(sandbox, 1)
        shown += "".join(map(str, in_process(capsys, *argv, *flags)))
        shown += "".join(map(str, in_process(capsys, *argv, *flags, "--bogus")))
    for flags in (["--after", "rubbish"], ["--force"]):
        shown += "".join(map(str, in_process(capsys, *argv, *flags)))
    shown += out.with_name("rows.jsonl.checkpoint").read_bytes().decode("latin-1")
    wrong = TOKEN + "-wrong"
    code, stdout, stderr = in_process(
        capsys, *("export", "messages", "--token", wrong, "--base-url", sandbox.url), "--force",
        *("--out", str(out)),
    )  # fmt: skip
    assert code == 1
    assert "HTTP 401" in stderr
    assert TOKEN not in shown + stdout + stderr


def test_the_account_comes_from_the_environment(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNICHAT_API_TOKEN", f"Bearer {TOKEN}")
    monkeypatch.setenv("OMNICHAT_BASE_URL", sandbox.url)
    out = tmp_path / "rows.jsonl"
    code, *_ = in_process(capsys, "export", "report-orders", "--out", str(out), *RANGE)
    assert code == 0
    assert same(read_jsonl(out), truth(sandbox, "report-orders"))


def test_a_sandbox_of_its_own(capsys: Capture, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    code, stdout, _ = in_process(
        capsys, "export", "messages", "--out", str(out), "--after", "1d", "--sandbox", "--json"
    )
    assert code == 0
    rows, last = read_jsonl(out), events(stdout)[-1]
    assert len(rows) == last["rows"] > 500
    started = events(stdout)[0]
    twin = Sandbox(rows=SANDBOX_ROWS)
    if rows[0] in list(twin.rows("messages", started["after"], started["before"], "whatsapp")):
        ids = twin.message_ids("whatsapp", started["after"], last["watermark"])
        assert sorted(row["id"] for row in rows) == sorted(ids)


# ---- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("20261101", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01T08:00+08:00", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01 08:00:00.5Z", datetime(2026, 11, 1, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("1604647464032", datetime(2020, 11, 6, 7, 24, 24, 32_000, tzinfo=UTC)),
        ("253402300799999", datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        ("30d", NOW - timedelta(days=30)),
        ("12h", NOW - timedelta(hours=12)),
        ("45m", NOW - timedelta(minutes=45)),
        ("2w", NOW - timedelta(weeks=2)),
        ("now", NOW),
    ],
)
def test_a_time(text: str, expected: datetime) -> None:
    moment = parse_time("after", text, NOW)
    assert moment == expected
    assert moment.tzinfo is not None
    assert is_absolute(text) == (text not in {"30d", "12h", "45m", "2w", "now"})


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "30", "d", "-30d", "1.5d", "30 d", "30D", "1234567d", "999999w", "NOW"),
        *("2026-13-01", "2026-11-31", "01/11/2026", "12345678", "9" * 5000, "١٢٣٤٥٦٧٨٩"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidRequest, match="after: must be a date"):
        parse_time("after", text, NOW)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1735689600", "after: must be epoch milliseconds.* 1735689600000 is 2025-01-01 00:00:00"),
        ("9" * 17, "after: must be epoch milliseconds before the year 10000"),
    ],
)
def test_another_unit_of_time_is_told_from_milliseconds(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parse_time("after", text, NOW)


# ---- what a person sees ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["[bold]", ":smile:", "[/]", "a long name of many words " * 4])
def test_a_name_is_shown_as_it_is(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = tmp_path / name.replace("/", "") / "rows.jsonl"
    out.parent.mkdir()
    break_at_the_end(sandbox)
    code, _, stderr = in_process(capsys, *arguments(sandbox, "messages", out, *RANGE))
    assert code == 1
    assert shlex.quote(str(out)) in stderr.splitlines()[-1]
    code, stdout, _ = in_process(capsys, *arguments(sandbox, "messages", out, "--resume"))
    assert code == 0
    assert stdout.splitlines()[0].split(maxsplit=1)[1] == str(out)


def test_a_name_that_the_terminal_cannot_show(sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "訊息.jsonl"
    argv = arguments(sandbox, "messages", out, *RANGE)
    done = complete(*argv, env=environment(PYTHONIOENCODING="ascii"))
    assert done.returncode == 0
    assert r"\u8a0a\u606f.jsonl" in done.stdout


def test_on_a_terminal_there_is_a_bar_and_a_summary(sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    ours, theirs = pty.openpty()
    size = {"COLUMNS": "100", "LINES": "30", "TERM": "xterm"}
    with subprocess.Popen(
        command(*arguments(sandbox, "messages", out, *RANGE)),
        env=environment(**size),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    ) as process:
        os.close(theirs)
        screen = b""
        while chunk := read_terminal(ours):
            screen += chunk
    os.close(ours)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.decode())
    rows = len(read_csv(out))
    assert "messages, 2025-01-01 08:00 UTC to 2025-01-18 00:00 UTC" in text
    assert re.search(rf"{rows:,} rows ━{{20,}} 100 % +[\d,]+ rows/s +0:00:00 left", text)
    assert re.search(rf"file +{re.escape(str(out))} *\r\nrows +{rows:,} *\r\n", text)
    assert text.index("100 %") < text.index("file  ")


def read_terminal(descriptor: int) -> bytes:
    """What the other end wrote; nothing once it is closed, which Linux reports as an error."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_the_command_is_installed() -> None:
    assert (ROOT / "omnichat_async").is_dir()
    done = subprocess.run(
        ["omnichat", "--help"], env=environment(), capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0
