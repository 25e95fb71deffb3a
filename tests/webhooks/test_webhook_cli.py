"""``omnichat webhook``: a process that receives, is killed, and loses nothing."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async.errors import InvalidRequest
from omnichat_async.testing import FakeOmnichat, event_data, whatsapp_body, whatsapp_message
from omnichat_async.webhooks import SqliteInbox
from tests.support.run import run
from tests.webhooks.support import SECRET, TOKEN
from tests.webhooks.test_inbox import record

pytest.importorskip("typer", reason="needs the extra cli: pip install 'omnichat_async[cli]'")

from omnichat_async.cli.webhook import _Lines
from tests.support.exports import command, complete, environment, in_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENV = {"OMNICHAT_SIGNATURE_SECRET": SECRET, "OMNICHAT_VERIFY_TOKEN": TOKEN}


@contextlib.contextmanager
def serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        command("webhook", "serve", "--port", "0", *options),
        env=environment(**ENV),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.fullmatch(r"receiving webhooks on (http://127\.0\.0\.1:\d+/webhooks)\n", line)
        assert found, line + process.stderr.read()
        yield found[1], process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


def post(url: str, *bodies: tuple[dict[str, Any], str | None]) -> None:
    async def main() -> None:
        async with FakeOmnichat(url, secret=SECRET, verify_token=TOKEN) as omnichat:
            await omnichat.handshake()
            for body, topic in bodies:
                assert await omnichat.post(body, topic=topic) == 200

    run(main())


def test_events_are_printed_as_lines_of_json(tmp_path: Path) -> None:
    with serving("--inbox", str(tmp_path / "inbox.db")) as (url, process):
        ticket = event_data("ticket/update", customerName="王小明")
        post(url, (ticket, "ticket/update"), (whatsapp_body(whatsapp_message()), None))
        assert process.stdout is not None
        rows = sorted(
            (json.loads(process.stdout.readline()) for _ in range(2)), key=lambda row: row["name"]
        )
    assert [row["event"] for row in rows] == ["InboundMessage", "OmnichatEvent"]
    assert rows[1]["raw"] == ticket
    assert rows[1]["headers"]["X-Omnichat-Topic"] == "ticket/update"


def test_a_reader_that_stops_reading_keeps_no_request_waiting(tmp_path: Path) -> None:
    """A pipe holds 64 KiB; with each line written by the loop, the next request was in vain."""
    ticket = event_data("ticket/update", subject="x" * 10_000)
    with serving("--inbox", str(tmp_path / "inbox.db")) as (url, process):
        post(url, *[(ticket, "ticket/update")] * 40)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0  # nor does a stop wait for the reader

    async def left() -> dict[str, int]:
        inbox = SqliteInbox(tmp_path / "inbox.db")
        counts = await inbox.counts()
        await inbox.aclose()
        return counts

    counts = run(left())
    assert counts["done"] + counts["open"] == 40
    assert counts["open"] > 20


def test_events_go_to_a_private_file_and_dead_ones_are_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox, out = tmp_path / "inbox.db", tmp_path / "events.jsonl"

    async def bury() -> None:
        box = SqliteInbox(inbox)
        await box.put([record("a"), record("b")], dead="ValueError")
        await box.aclose()

    run(bury())
    base = ("webhook", "replay", "--inbox", str(inbox))
    code, stdout, stderr = in_process(capsys, *base, "--dry-run")
    assert (code, stdout.count("ticket/update  ValueError")) == (0, 2)
    assert stderr == "2 dead events would be back in line\n"
    code, _, stderr = in_process(capsys, *base, "--key", "a")
    assert (code, stderr) == (0, "1 dead events are back in line\n")
    with serving("--inbox", str(inbox), "--out", str(out)):
        for _ in range(600):
            if out.exists() and out.read_text().endswith("\n"):
                break
            signal.sigtimedwait([], 0.1)
    (row,) = map(json.loads, out.read_text().splitlines())
    assert row["key"] == "a"
    assert out.stat().st_mode & 0o777 == 0o600
    assert in_process(capsys, *base, "--done")[2] == "1 done events are back in line\n"


def test_a_line_that_does_not_fit_on_the_disk_is_not_half_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "events.jsonl"
    lines = _Lines(out)
    file, real = lines._file, os.write
    assert file is not None
    lines._append(file, b"first\n")
    room = [2, 1]

    def short(descriptor: int, data: bytes) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "no space left")
        return real(descriptor, data[: room.pop()])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(OSError, match="no space"):
        lines._append(file, b"second\n")
    assert out.read_bytes() == b"first\n"
    room += [3, 4]
    lines._append(file, b"third\n")
    lines.close()
    assert out.read_bytes() == b"first\nthird\n"


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = complete("webhook", "serve", "--inbox", str(tmp_path / "inbox.db"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--secret" in done.stderr
    code, _, stderr = in_process(capsys, "webhook", "replay", "--inbox", str(tmp_path / "none.db"))
    assert (code, "there is no inbox" in stderr) == (2, True)
    assert not (tmp_path / "none.db").exists()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidRequest, match="must be a file"):
        _Lines(tmp_path / "pipe")
