"""``omnichat broadcast``, as people and programs use it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async.sandbox import Fault
from tests.support.exports import command, environment, in_process, read_csv, served
from tests.support.fanouts import LINE, WHATSAPP, people, served_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from omnichat_async.sandbox import Sandbox

Capture = pytest.CaptureFixture[str]

MESSAGE = {
    "subject": "Spring sale",
    "platform": "line",
    "channelId": LINE,
    "messages": [{"type": "text", "text": "The sale has begun"}],
}


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OMNICHAT_API_TOKEN", raising=False)
    monkeypatch.delenv("OMNICHAT_BASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "message.json").write_text(json.dumps(MESSAGE))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with served(rows=10) as running:
        yield running


def to(path: Path, count: int) -> None:
    """A file of so many people."""
    (path / "people.txt").write_text("\n".join(people(count)))


def account(sandbox: Sandbox) -> list[str]:
    return ["--token", sandbox.token, "--base-url", sandbox.url, "--rate", "2000"]


def send(sandbox: Sandbox, *more: str, recipients: str = "people.txt") -> list[str]:
    """The command line that sends to everybody in the file."""
    words = ["--recipients", recipients, "--message", "message.json", "--journal", "job"]
    return [*account(sandbox), "broadcast", "send", *words, *more]


def go_on(sandbox: Sandbox, *more: str) -> list[str]:
    return [*account(sandbox), "broadcast", "resume", "--journal", "job", *more]


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_dry_run_shows_everything_and_leaves_nothing(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "people.csv").write_text("to\nU1\n\nU1\nU2\n" + " ,\n" * 12)
    code, out, err = in_process(capsys, *send(sandbox, "--dry-run", recipients="people.csv"))
    assert code == 0
    assert re.search(r"recipients +2\b", out)
    assert re.search(r"duplicates +1\b", out)
    assert "  line 6: row: must have 1 cells; given: 2" in err
    assert "  and 2 more" in err
    assert '"to": [\n    "U1"\n  ]' in err
    assert sandbox.stats().requests == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["message.json", "people.csv"]


def test_the_number_is_confirmed_before_anything_is_sent(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to(tmp_path, 1234)
    answer(monkeypatch, "n\n")
    code, _, err = in_process(capsys, *send(sandbox))
    assert code == 130
    assert "Send to 1,234 people?" in err
    assert "broadcast resume --journal job" in err
    assert sandbox.token not in err
    assert sandbox.stats().requests == 0
    answer(monkeypatch, "y\n")
    code, _, err = in_process(capsys, *go_on(sandbox, "--limit", "200"))
    assert (code, "Send to 200 people?" in err) == (0, True)
    assert served_to(sandbox).total() == 200
    assert in_process(capsys, *go_on(sandbox, "--yes"))[0] == 0
    assert served_to(sandbox) == dict.fromkeys(people(1234), 1)


def test_a_program_confirms_with_yes(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    to(tmp_path, 300)
    code, out, _ = in_process(capsys, *send(sandbox, "--json"))
    assert (code, events(out)[-1]["type"]) == (2, "ConfigurationError")
    code, out, err = in_process(capsys, *go_on(sandbox, "--json", "--yes"))
    assert (code, err) == (0, "")
    told = events(out)
    assert {each["event"] for each in told} == {"progress", "status"}
    assert (told[-1]["sent"], told[-1]["unknown"]) == (300, 0)


def test_what_is_unknown_ends_with_3_until_somebody_decides(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path
) -> None:
    to(tmp_path, 450)
    sandbox.add_fault(Fault(kind="reset_after", at=1, path="/broadcast"))
    sandbox.add_fault(Fault(kind="reset_before", at=2, path="/broadcast"))
    code, out, err = in_process(capsys, *send(sandbox, "--yes"))
    assert code == 3
    assert re.search(r"unknown +300\b", out)
    assert "--resend-unknown" in err
    code, out, _ = in_process(capsys, "broadcast", "status", "--journal", "job", "--json")
    assert (code, events(out)[0]["unknown"]) == (3, 300)
    code, out, err = in_process(capsys, *go_on(sandbox, "--yes"))
    assert (code, served_to(sandbox).total()) == (3, 300)
    assert "Found on the server: 150. Still unknown: 150." in err
    code, out, err = in_process(capsys, *go_on(sandbox, "--yes", "--resend-unknown"))
    assert code == 2  # too early
    assert re.search(r"try again in [1-9]\d* s", err)
    both = ["--resend-unknown", "--drop-unknown"]
    assert in_process(capsys, *go_on(sandbox, "--yes", *both))[0] == 2
    again = ["--yes", "--resend-unknown", "--settle", "0", "--json"]
    code, out, _ = in_process(capsys, *go_on(sandbox, *again))
    assert (code, events(out)[-1]["sent"]) == (0, 450)
    assert served_to(sandbox) == dict.fromkeys(people(450), 1)


def test_the_unknown_can_be_dropped(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    to(tmp_path, 100)
    sandbox.add_fault(Fault(kind="reset_before", at=1, path="/broadcast"))
    assert in_process(capsys, *send(sandbox, "--yes"))[0] == 3
    code, out, _ = in_process(capsys, *go_on(sandbox, "--drop-unknown"))
    assert (code, bool(re.search(r"dropped +100\b", out))) == (0, True)
    assert served_to(sandbox).total() == 0


def test_an_error_of_the_account_ends_with_1_and_how_to_go_on(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path
) -> None:
    to(tmp_path, 100)
    code, _, err = in_process(capsys, *send(sandbox, "--yes", "--token", "wrong"))
    assert code == 1
    assert "check the token" in err
    assert "broadcast resume --journal job" in err
    code, out, _ = in_process(capsys, *go_on(sandbox, "--yes", "--json", "--token", "wrong"))
    assert (code, [each["event"] for each in events(out)][-2:]) == (1, ["error", "interrupted"])
    assert in_process(capsys, *go_on(sandbox, "--yes"))[0] == 0
    assert served_to(sandbox) == dict.fromkeys(people(100), 1)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_calls_under_way_end(tmp_path: Path, signum: signal.Signals) -> None:
    to(tmp_path, 15_000)
    with served(rows=10, rtt_ms=150) as sandbox:
        with subprocess.Popen(
            command(*send(sandbox, "--yes", "--json", "--rate", "50")),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while sandbox.stats().requests < 5:
                time.sleep(0.002)
            process.send_signal(signum)
            out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (130, "")
        last = events(out)[-1]
        assert (last["event"], last["unknown"], last["sending"]) == ("interrupted", 0, 0)
        assert 0 < last["sent"] == served_to(sandbox).total() < 15_000
        assert last["resume"].endswith("--rate 50 broadcast resume --journal job")
        sandbox.add_fault(Fault(kind="429", at=3, retry_after="0"))
        done = subprocess.run(command(*go_on(sandbox, "--yes")), env=environment(), check=False)
        assert done.returncode == 0
        assert served_to(sandbox) == dict.fromkeys(people(15_000), 1)


@pytest.mark.slow
def test_a_person_sees_a_bar(tmp_path: Path, sandbox: Sandbox) -> None:
    to(tmp_path, 9_000)
    ours, theirs = pty.openpty()
    size = {"COLUMNS": "120", "LINES": "30", "TERM": "xterm"}
    with subprocess.Popen(
        command(*send(sandbox, "--yes")),
        env=environment(**size),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    ) as process:
        os.close(theirs)
        screen = b""
        while chunk := _read_terminal(ours):
            screen += chunk
    os.close(ours)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.decode())
    pattern = r"100 % 9,000 sent 0 refused 0 unknown [\d,]+/s 0:00:00 left"
    assert re.search(pattern, text), text[-2000:]


def _read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_a_report_has_a_row_for_everybody(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path
) -> None:
    numbers = [str(85260000000 + number) for number in range(400)]
    (tmp_path / "people.csv").write_text("phone\n" + "\n".join(numbers) + "\nno phone\n")
    (tmp_path / "out.txt").write_text(numbers[7])
    more = ["--platform", "whatsapp", "--channel-id", WHATSAPP, "--column", "phone", "--yes"]
    argv = send(sandbox, *more, "--suppress", "out.txt", recipients="people.csv")
    assert in_process(capsys, *argv)[0] == 0
    words = [*account(sandbox), "broadcast", "report", "--journal", "job"]
    code, out, _ = in_process(capsys, *words, "--out", "report.csv")
    assert code == 0
    rows = read_csv(tmp_path / "report.csv")
    assert len(rows) == 401
    assert {row["state"] for row in rows} == {"sent", "excluded", "invalid"}
    sent = [row for row in rows if row["state"] == "sent"]
    assert all(row["phone"] == row["address"] and row["ref"] for row in sent)
    reached = sum(row["success"] == "True" for row in sent)
    assert re.search(rf"success +{reached}  \d+\.\d\d %", out)
    code, out, _ = in_process(capsys, *words, "--out", "report.json", "--json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["address"] for row in report] == [row["address"] for row in rows]
    (told,) = events(out)
    assert (told["success"], told["shown"], told["broadcasts"]) == (reached, 399, 3)
    assert told["rates"]["success"] == reached / 399
    assert told["rates"]["read"] == told["read"] / reached
    code, _, err = in_process(capsys, *words, "--out", "report.pdf")
    assert (code, ".csv or .json" in err) == (2, True)


def test_what_the_server_has_can_be_read(capsys: Capture, sandbox: Sandbox, tmp_path: Path) -> None:
    to(tmp_path, 450)
    assert in_process(capsys, *send(sandbox, "--yes"))[0] == 0
    words = [*account(sandbox), "broadcast"]
    code, out, _ = in_process(capsys, *words, "list", "--platform", "line", "--json")
    listed = events(out)
    assert (code, len(listed)) == (0, 3)
    assert re.fullmatch(r"Spring sale \[[0-9a-f]{8}-\d\]", listed[0]["subject"])
    assert len(in_process(capsys, *words, "list", "--limit", "2")[1].splitlines()) == 3
    number = listed[0]["id"]
    code, out, _ = in_process(capsys, *words, "show", number)
    assert (code, number in out, "recipient_count" in out) == (0, True, True)
    assert events(in_process(capsys, *words, "show", number, "--json")[1])[0]["id"] == number
    code, out, _ = in_process(capsys, *words, "recipients", number, "--json")
    assert (code, len(events(out))) == (0, 150)
    code, out, _ = in_process(capsys, *words, "recipients", number, "--limit", "5")
    assert (code, len(out.splitlines())) == (0, 6)
    code, _, err = in_process(capsys, *words, "show", "9748a4b1-d106-4d67-bc1c-9fe6cb85a91b")
    assert (code, "BROADCAST_NOT_FOUND" in err) == (1, True)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("{", "message"),
        ("[]", "message"),
        ('{"kind": "fax"}', "kind"),
        ('{"subject": "s"}', "--platform"),
        (json.dumps({**MESSAGE, "to": ["U1"]}), "message"),
        (json.dumps({**MESSAGE, "messages": [{"type": "text", "text": ""}]}), "text"),
    ],
)
def test_a_wrong_message_is_refused_before_anything_else(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, content: str, names: str
) -> None:
    to(tmp_path, 3)
    (tmp_path / "message.json").write_text(content)
    code, _, err = in_process(capsys, *send(sandbox, "--yes"))
    assert (code, err.startswith(f"omnichat: {names}: ")) == (2, True)
    assert not (tmp_path / "job").exists()


def test_a_journal_that_is_not_there_is_not_made(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path
) -> None:
    for words in (["status"], ["resume", "--yes"], ["report"]):
        code, _, err = in_process(
            capsys, *account(sandbox), "broadcast", words[0], "--journal", "job", *words[1:]
        )
        assert (code, "No such file" in err) == (1, True)
    assert not (tmp_path / "job").exists()


@pytest.mark.slow
def test_a_signal_during_the_look_at_the_server_changes_nothing(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path
) -> None:
    to(tmp_path, 100)
    sandbox.add_fault(Fault(kind="reset_before", at=1, path="/broadcast"))
    assert in_process(capsys, *send(sandbox, "--yes"))[0] == 3
    seen = sandbox.stats().requests
    slowly = ["--rate", "0.02", "--yes", "--resend-unknown", "--settle", "0"]  # it looks twice
    with subprocess.Popen(
        command(*go_on(sandbox, *slowly)),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while sandbox.stats().requests == seen:
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (130, "Interrupted: nothing was sent.")
    code, out, _ = in_process(capsys, "broadcast", "status", "--journal", "job", "--json")
    assert (code, events(out)[0]["unknown"], events(out)[0]["pending"]) == (3, 100, 0)
    assert not list(tmp_path.glob("job.worker-*"))


def test_nobody_there_to_answer_is_a_no(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to(tmp_path, 10)
    answer(monkeypatch, "")
    code, _, err = in_process(capsys, *send(sandbox))
    assert (code, "Nothing was sent" in err, "--yes" in err) == (130, True, True)
    assert sandbox.stats().requests == 0


def test_the_command_that_sends_after_a_no_sends_no_more_and_no_less(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to(tmp_path, 10)
    answer(monkeypatch, "n\n")
    _, _, err = in_process(capsys, *send(sandbox, "--limit", "5"))
    assert err.splitlines()[-1].endswith("broadcast resume --journal job --limit 5")
    sandbox.add_fault(Fault(kind="reset_before", at=1, path="/broadcast"))
    assert in_process(capsys, *go_on(sandbox, "--yes"))[0] == 3
    answer(monkeypatch, "n\n")
    code, _, err = in_process(capsys, *go_on(sandbox, "--resend-unknown", "--settle", "0"))
    assert (code, "Send to 10 people?" in err) == (130, True)
    assert err.splitlines()[-1].endswith("broadcast resume --journal job --resend-unknown")
    assert served_to(sandbox).total() == 0


def test_the_rest_after_a_first_small_batch_is_pointed_out(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path
) -> None:
    to(tmp_path, 300)
    code, out, err = in_process(capsys, *send(sandbox, "--yes", "--limit", "10"))
    assert (code, bool(re.search(r"pending +290\b", out))) == (0, True)
    assert "Send to those who are pending with:" in err
    assert "broadcast resume --journal job" in err
    _, _, err = in_process(capsys, *go_on(sandbox, "--yes"))
    assert "resume" not in err


def test_what_would_be_refused_is_refused_before_the_question(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to(tmp_path, 100)
    sandbox.add_fault(Fault(kind="reset_before", at=1, path="/broadcast"))
    assert in_process(capsys, *send(sandbox, "--yes"))[0] == 3
    answer(monkeypatch, "y\n")
    code, _, err = in_process(capsys, *go_on(sandbox, "--resend-unknown"))
    assert (code, "Send to" in err, "try again in" in err) == (2, False, True)
    elsewhere = ["--base-url", "https://open-api.example/v1", "broadcast", "resume"]
    code, _, err = in_process(capsys, "--token", "t", *elsewhere, "--journal", "job")
    assert (code, "Send to" in err, "belongs to this machine" in err) == (2, False, True)
    assert "Go on with" not in err


def test_a_trial_on_the_sandbox_goes_on_there(capsys: Capture, tmp_path: Path) -> None:
    to(tmp_path, 300)
    words = ["--recipients", "people.txt", "--message", "message.json", "--journal", "job"]
    argv = ["--sandbox", "broadcast", "send", *words, "--yes", "--limit", "150"]
    code, _, err = in_process(capsys, *argv)
    assert (code, "  omnichat --sandbox broadcast resume --journal job" in err) == (0, True)
    code, out, _ = in_process(
        capsys, "--sandbox", "broadcast", "resume", "--journal", "job", "--yes"
    )
    assert (code, bool(re.search(r"sent +300\b", out))) == (0, True)


def test_ids_and_subjects_are_shown_as_they_are_however_narrow_it_is(
    capsys: Capture, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to(tmp_path, 10)
    subject = "Sale :smile: [bold]"
    (tmp_path / "message.json").write_text(json.dumps({**MESSAGE, "subject": subject}))
    code, _, err = in_process(capsys, *send(sandbox, "--yes"))
    assert (code, subject in err) == (0, True)
    monkeypatch.setenv("COLUMNS", "40")
    (sent,) = sandbox._world.broadcasts
    for words in (["list"], ["show", sent.id]):
        code, out, _ = in_process(capsys, *account(sandbox), "broadcast", *words)
        assert (code, sent.id in out, f"{subject} [" in out, sent.subject in out) == (
            0,
            *[True] * 3,
        )
