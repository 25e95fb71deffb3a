"""Ranges that could not be proved complete are read again, and nothing else is."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest

from omnichat_async import OmnichatClient, RateLimiter
from omnichat_async.jobs import Export, ExportReport, Progress
from omnichat_async.jobs.ledger import Ledger
from omnichat_async.jobs.sinks.parquet import ParquetSink
from omnichat_async.windows import Window
from tests.support.exports import AFTER, complete, environment, read_rows
from tests.support.run import run
from tests.support.wire import HostileServer, Request, reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY_MS = 86_400_000
CROWDED = (AFTER + DAY_MS, AFTER + 9 * DAY_MS)
"""Two milliseconds with more rows than a page, of which some are not given at first."""
QUIET = AFTER + 15 * DAY_MS
BEFORE = AFTER + 16 * DAY_MS
REPLACING = ["parquet", "sqlite"]

RowAt = dict[str, Any]


@attrs.define
class Unsettled:
    """A server that counts more rows of some moments than it gives."""

    hidden: dict[int, int] = attrs.field(factory=lambda: dict.fromkeys(CROWDED, 30))
    asked: list[Window] = attrs.field(factory=list)
    broken: bool = False

    def rows(self) -> list[RowAt]:
        """All of them."""
        times = [time for time in CROWDED for _ in range(130)] + [QUIET] * 3
        return [
            {"id": f"{n}", "time": time, "messageContent": {"n": n}} for n, time in enumerate(times)
        ]

    def __call__(self, request: Request) -> Any:
        query = parse_qs(urlsplit(request.target).query)
        after, before, page = (
            int(next(query[name][0] for name in names if name in query))
            for names in (("after", "taggedAfter"), ("before", "taggedBefore"), ("page",))
        )
        self.asked.append(Window(after, before))
        if self.broken and before <= CROWDED[0] + 1:
            return reply(403, {"errorCode": "FORBIDDEN"})
        found = [row for row in self.rows() if after <= row["time"] < before]
        given = [
            row for row in found if int(row["id"]) % 130 < 130 - self.hidden.get(row["time"], 0)
        ]
        page_rows = given[(page - 1) * 100 : page * 100]
        return reply(body={"content": page_rows, "totalElements": len(found)})


def exported(
    server: Unsettled,
    out: Path,
    on_progress: Callable[[Progress], None] | None = None,
    stream: str = "messages",
    **options: Any,
) -> ExportReport:
    """Export all of it."""
    by_platform = {"platform": "line"} if stream == "messages" else {}

    async def main() -> ExportReport:
        server.asked.clear()
        async with (
            HostileServer(server) as running,
            OmnichatClient("t", base_url=running.url, limiter=RateLimiter(None)) as client,
        ):
            fixed: dict[str, Any] = {"after": AFTER, "before": BEFORE, **by_platform}
            return await Export(client, stream, out, **fixed | options).run(on_progress)

    return run(main())


def recorded(server: Unsettled, out: Path, **options: Any) -> ExportReport:
    """An export that has two ranges which could not be proved."""
    report = exported(server, out, on_incomplete="record", **options)
    assert report.incomplete == [Window(time, time + 1) for time in CROWDED]
    assert report.rows == 2 * 100 + 3
    return report


def ids(out: Path, stream: str = "messages") -> list[int]:
    return sorted(int(row["id"]) for row in read_rows(out, stream))


def known_ids(*without: int) -> list[int]:
    """The ids there must be; those of some moments only as far as they were given."""
    rows = Unsettled().rows()
    return [
        int(row["id"]) for row in rows if row["time"] not in without or int(row["id"]) % 130 < 100
    ]


@pytest.mark.parametrize("suffix", REPLACING)
def test_what_can_be_proved_now_takes_its_place(tmp_path: Path, suffix: str) -> None:
    server, out = Unsettled(), tmp_path / f"rows.{suffix}"
    before = recorded(server, out)
    server.hidden = {CROWDED[1]: 30}
    report = exported(server, out, resume=True)
    assert {*server.asked} == {Window(time, time + 1) for time in CROWDED}
    assert report.incomplete == [Window(CROWDED[1], CROWDED[1] + 1)]
    assert (report.rows, report.fresh_rows) == (233, 130)
    assert (report.watermark, report.clamped) == (before.watermark, before.clamped)
    assert ids(out) == known_ids(CROWDED[1])
    server.hidden = {}
    report = exported(server, out, resume=True)
    assert (report.rows, report.fresh_rows, report.incomplete) == (263, 130, [])
    assert ids(out) == known_ids()
    exported(server, out, resume=True)
    assert server.asked == []


def test_rows_without_an_id_are_replaced_with_their_range(tmp_path: Path) -> None:
    server, out = Unsettled(), tmp_path / "rows.sqlite"
    recorded(server, out, stream="tagging-logs")
    server.hidden = {}
    assert exported(server, out, stream="tagging-logs", resume=True).incomplete == []
    assert ids(out, "tagging-logs") == known_ids()


def test_the_folder_holds_just_the_parts_that_count(tmp_path: Path) -> None:
    server, out = Unsettled(), tmp_path / "rows.parquet"
    recorded(server, out)
    for hidden in ({CROWDED[0]: 20}, {CROWDED[1]: 30}, {}):
        server.hidden = hidden
        exported(server, out, resume=True)
        manifest = json.loads(out.with_name("rows.parquet.manifest.json").read_text())
        assert {part["file"] for part in manifest["parts"]} == {each.name for each in out.iterdir()}
        assert manifest["rows"] == len(read_rows(out))
    assert ids(out) == known_ids()


@pytest.mark.parametrize("suffix", REPLACING)
def test_what_still_cannot_be_proved_stays_as_it_was(tmp_path: Path, suffix: str) -> None:
    server, out = Unsettled(), tmp_path / f"rows.{suffix}"
    first = recorded(server, out)
    server.hidden = dict.fromkeys(CROWDED, 60)  # and gives even less than before
    seen: list[int] = []
    report = exported(server, out, lambda progress: seen.append(progress.rows), resume=True)
    assert (report.incomplete, report.rows, report.fresh_rows) == (first.incomplete, first.rows, 0)
    assert ids(out) == known_ids(*CROWDED)
    assert set(seen) == {first.rows}


def test_a_file_that_is_only_added_to_is_left_alone(tmp_path: Path) -> None:
    server, out = Unsettled(), tmp_path / "rows.jsonl"
    first = recorded(server, out)
    before = out.read_bytes()
    server.hidden = {}
    assert exported(server, out, resume=True).incomplete == first.incomplete
    assert (out.read_bytes(), server.asked) == (before, [])


@pytest.mark.parametrize("suffix", REPLACING)
def test_a_failure_meanwhile_loses_nothing(tmp_path: Path, suffix: str) -> None:
    server, out = Unsettled(), tmp_path / f"rows.{suffix}"
    recorded(server, out)
    server.hidden, server.broken = {}, True
    with pytest.raises(Exception, match="HTTP 403"):
        exported(server, out, resume=True)
    assert ids(out) == known_ids(*CROWDED)
    server.broken = False
    assert exported(server, out, resume=True).incomplete == []
    assert ids(out) == known_ids()


@pytest.mark.parametrize("where", ["add", "finish"])
def test_a_crash_between_two_parts_of_a_range_leaves_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Before the new one counts, and behind it, when the former one is still there."""
    server, out = Unsettled(), tmp_path / "rows.parquet"
    recorded(server, out)
    server.hidden = {}

    def crash(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Ledger if where == "add" else ParquetSink, where, crash)
    with pytest.raises(OSError, match="Input/output"):
        exported(server, out, resume=True)
    monkeypatch.undo()
    exported(server, out, resume=True)
    assert ids(out) == known_ids()


def test_an_interrupted_export_is_ended_first(tmp_path: Path) -> None:
    """What could not be proved is for when nothing else is left."""
    server, out = Unsettled(), tmp_path / "rows.sqlite"

    class StopError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.window is not None and progress.window.after >= CROWDED[0] + 1:
            raise StopError

    with pytest.raises(StopError):
        exported(server, out, stop, on_incomplete="record")
    server.hidden = {}
    report = exported(server, out, resume=True)
    assert report.incomplete == [Window(CROWDED[0], CROWDED[0] + 1)]
    assert Window(CROWDED[0], CROWDED[0] + 1) not in server.asked
    assert exported(server, out, resume=True).incomplete == []
    assert ids(out) == known_ids()


# ---- on the command line -----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["sqlite", "csv"])
def test_the_command_that_reads_them_again_is_printed(tmp_path: Path, suffix: str) -> None:
    server, out = Unsettled(), tmp_path / f"rows.{suffix}"
    start = ["--platform", "line", "--after", str(AFTER), "--before", str(BEFORE)]

    async def main() -> None:
        async with HostileServer(server) as running:
            argv = ["--base-url", running.url, "--rate", "2000", "export", "messages", "--out"]
            argv += [str(out), *start, "--record-incomplete"]
            env = environment(OMNICHAT_API_TOKEN="t")
            done = await asyncio.to_thread(complete, *argv, env=env)
            assert done.returncode == 3
            *_, head, line = done.stderr.splitlines()
            again = await asyncio.to_thread(complete, *argv[:-1], "--resume", "--json", env=env)
            assert again.returncode == 3
            last = json.loads(again.stdout.splitlines()[-1])
            if suffix == "csv":
                assert re.match("Such a file is only added to at its end: --force reads all", line)
                assert last["again"] is None
                return
            assert head == "Read them again with:"
            assert shlex.split(line) == shlex.split(last["again"])
            server.hidden = {}
            program, *words = shlex.split(line)
            assert program == "omnichat"
            done = await asyncio.to_thread(complete, *words, env=env)
            assert (done.returncode, "INCOMPLETE" in done.stderr) == (0, False)
            assert "again" not in done.stderr

    run(main())
    if suffix == "sqlite":
        assert ids(out) == known_ids()
