"""Exports: every row once, whatever interrupts them, and nothing overwritten."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest

from omnichat_async import OmnichatClient, RateLimiter
from omnichat_async.errors import APIError, BadRequest, InvalidRequest, OmnichatError
from omnichat_async.jobs import STREAMS, Export, ExportReport, Progress
from omnichat_async.jobs import export as export_module
from omnichat_async.jobs.files import note_path, read_note, write_note
from omnichat_async.jobs.streams import flat_columns
from omnichat_async.retries import RetryPolicy
from omnichat_async.sandbox import Fault
from omnichat_async.windows import Window
from tests.sandbox.support import small
from tests.support.exports import (
    AFTER,
    BEFORE,
    STREAM_NAMES,
    Row,
    read_csv,
    read_jsonl,
    truth,
)
from tests.support.run import run
from tests.support.wire import HostileServer, Request, reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from omnichat_async.sandbox import Sandbox

ONCE = RetryPolicy(max_attempts=1)


def client_of(sandbox: Sandbox, **options: Any) -> OmnichatClient:
    return OmnichatClient(
        sandbox.token, base_url=sandbox.url, limiter=RateLimiter(None), retry=ONCE, **options
    )


def export(client: OmnichatClient, out: Path, stream: str = "messages", **options: Any) -> Export:
    """An export of RANGE, of whatsapp where a platform is needed."""
    by_platform = {"platform": "whatsapp"} if STREAMS[stream].by_platform else {}
    fixed: dict[str, Any] = {"after": AFTER, "before": BEFORE, **by_platform}
    return Export(client, stream, out, **fixed | options)


def exported(
    sandbox: Sandbox,
    out: Path,
    stream: str = "messages",
    *,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> ExportReport:
    """Run the sandbox and one export of it."""

    async def main() -> ExportReport:
        async with sandbox, client_of(sandbox) as client:
            return await export(client, out, stream, **options).run(on_progress)

    return run(main())


def reads_back(cell: str, value: Any) -> bool:
    """Whether a CSV cell holds this value."""
    if value is None or isinstance(value, str):
        return cell == (value or "")
    return bool(json.loads(cell) == value)


def at_path(row: Row, column: str) -> Any:
    value: Any = row
    for name in column.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


# ---- all streams, both formats -----------------------------------------------------------------


@pytest.mark.parametrize("stream", STREAM_NAMES)
def test_jsonl_holds_the_servers_own_objects(tmp_path: Path, stream: str) -> None:
    sandbox, out = small(rows=3000), tmp_path / "rows.jsonl"
    report = exported(sandbox, out, stream)
    rows = read_jsonl(out)
    assert rows == truth(sandbox, stream)
    assert len(rows) == report.rows == report.fresh_rows > 100
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    stats = sandbox.stats()
    assert report == ExportReport(
        path=out,
        stream=stream,
        window=Window(AFTER, BEFORE),
        rows=len(rows),
        fresh_rows=len(rows),
        bytes=out.stat().st_size,
        windows=3,
        requests=stats.requests,
        throttled=stats.refused,
        seconds=report.seconds,
    )
    assert report.rate == report.requests / report.seconds
    assert attrs.evolve(report, seconds=0.0).rate == 0


def test_messages_are_those_of_the_sandbox_by_id(tmp_path: Path) -> None:
    sandbox, out = small(rows=3000, order="id"), tmp_path / "rows.jsonl"
    channel = next(sandbox.rows("messages", AFTER, BEFORE, "line"))["channel"]
    assert isinstance(channel, dict)
    exported(sandbox, out, platform="line", channel_id=channel["channelId"])
    ids = [row["id"] for row in read_jsonl(out)]
    truth_ids = sandbox.message_ids("line", AFTER, BEFORE, channel["channelId"])
    assert sorted(ids) == sorted(truth_ids)
    assert len(set(ids)) == len(ids) > 100


@pytest.mark.parametrize("stream", STREAM_NAMES)
def test_csv_holds_the_same_values(tmp_path: Path, stream: str) -> None:
    sandbox, out = small(rows=3000), tmp_path / "ROWS.CSV"
    exported(sandbox, out, stream)
    rows, expected = read_csv(out), truth(sandbox, stream)
    columns = flat_columns(STREAMS[stream])
    assert list(rows[0]) == columns
    assert len(rows) == len(expected)
    for cells, row in zip(rows, expected, strict=True):
        assert cells["extra"] == ""
        for column in columns[:-1]:
            assert reads_back(cells[column], at_path(row, column)), (column, row)


ODD_ROWS: list[Any] = [
    {"id": "1", "message": 'a "b", c\nd\te 你好 🎉', "channel": None, "brandNew": {"x": [None]}},
    {"id": "2", "message": "half \ud800 pair", "channel": {"platform": None, "newer": 1}},
    {"id": "3", "time": "not a time", "message": {"not": "text"}},
    None,
    "not even an object",
    {},
]


def odd_server(request: Request) -> Any:
    first = "page=1&" in request.target + "&"
    return reply(body={"content": ODD_ROWS if first else [], "totalElement": len(ODD_ROWS)})


def odd_export(out: Path) -> None:
    async def main() -> None:
        async with (
            HostileServer(odd_server) as server,
            OmnichatClient("t", base_url=server.url, limiter=RateLimiter(None)) as client,
        ):
            await export(client, out, before=AFTER + 1000).run()

    run(main())


def test_odd_rows_are_written_as_they_came(tmp_path: Path) -> None:
    odd_export(tmp_path / "rows.jsonl")
    assert read_jsonl(tmp_path / "rows.jsonl") == ODD_ROWS


def test_what_has_no_column_lands_in_extra(tmp_path: Path) -> None:
    odd_export(tmp_path / "rows.csv")
    rows = read_csv(tmp_path / "rows.csv")
    assert [row["id"] for row in rows] == ["1", "2", "3", "", "", ""]
    assert rows[0]["message"] == ODD_ROWS[0]["message"]
    assert rows[1]["message"] == "half \\ud800 pair"
    assert json.loads(rows[0]["extra"]) == {"brandNew": {"x": [None]}}
    assert json.loads(rows[1]["extra"]) == {"channel": {"newer": 1}}
    assert json.loads(rows[2]["message"]) == {"not": "text"}
    assert rows[4]["extra"] == "not even an object"


def test_a_range_without_rows_gives_a_file_all_the_same(tmp_path: Path) -> None:
    seen: list[Progress] = []
    report = exported(small(rows=0), tmp_path / "rows.csv", on_progress=seen.append)
    assert read_csv(tmp_path / "rows.csv") == []
    assert (report.rows, report.windows, report.requests) == (0, 3, 3)
    assert seen == [Progress(rows=0, done=1.0)]


def test_times_may_be_datetimes(tmp_path: Path) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    after, before = (epoch + timedelta(milliseconds=ms) for ms in (AFTER, BEFORE))
    sandbox = small(rows=500)
    report = exported(sandbox, tmp_path / "rows.jsonl", after=after, before=before)
    assert report.window == Window(AFTER, BEFORE)
    assert read_jsonl(tmp_path / "rows.jsonl") == truth(sandbox, "messages")


# ---- progress ----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_progress_only_grows_and_ends_at_one(tmp_path: Path, order: str) -> None:
    seen: list[Progress] = []
    report = exported(
        small(rows=3000, order=order), tmp_path / "rows.jsonl", on_progress=seen.append
    )
    assert all(0 < one.done <= 1 for one in seen)
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert [one.rows for one in seen] == sorted(one.rows for one in seen)
    assert seen[-1] == Progress(rows=report.rows, done=1.0)
    assert len({one.done for one in seen}) > 10


def test_progress_does_not_go_back_when_rows_arrive_meanwhile(tmp_path: Path) -> None:
    seen: list[Progress] = []

    def growing(request: Request) -> Any:
        number = int(parse_qs(urlsplit(request.target).query)["page"][0])
        rows = [{"id": f"{number}.{n}"} for n in range(100 if number < 6 else 7)]
        return reply(body={"content": rows, "totalElement": 200 if number == 1 else 507})

    async def main() -> None:
        async with (
            HostileServer(growing) as server,
            OmnichatClient("t", base_url=server.url, limiter=RateLimiter(None)) as client,
        ):
            await export(client, tmp_path / "rows.jsonl", before=AFTER + 1000).run(seen.append)

    run(main())
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert seen[-1] == Progress(rows=507, done=1.0)


# ---- interrupted and gone on with --------------------------------------------------------------


class StopError(Exception):
    """Raised by a callback."""


def stop_after(pages: int) -> Callable[[Progress], None]:
    left = iter(range(pages - 1))

    def callback(_: Progress) -> None:
        if next(left, None) is None:
            raise StopError

    return callback


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize("pages", [1, 2, 5, 13, 14])
def test_a_raising_callback_loses_nothing(tmp_path: Path, pages: int, suffix: str) -> None:
    sandbox, whole, out = small(rows=3000), tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    exported(sandbox, whole)
    with pytest.raises(StopError):
        exported(sandbox, out, on_progress=stop_after(pages))
    note = read_note(out)
    assert note is not None
    assert note.bytes == out.stat().st_size
    report = exported(sandbox, out, resume=True, after=None, before=None)
    assert out.read_bytes() == whole.read_bytes()
    assert report.rows == note.rows + report.fresh_rows
    assert report.rows == len(truth(sandbox, "messages"))
    assert not note_path(out).exists()


@pytest.mark.parametrize("stream", STREAM_NAMES)
@pytest.mark.parametrize("pages", [1, 2])
def test_a_cancelled_export_goes_on_where_it_was(tmp_path: Path, stream: str, pages: int) -> None:
    sandbox, out = small(rows=3000), tmp_path / "rows.jsonl"

    async def main() -> None:
        async with sandbox, client_of(sandbox) as client:
            reached = asyncio.Event()
            left = iter(range(pages - 1))

            def count(_: Progress) -> None:
                if next(left, None) is None:
                    reached.set()

            task = asyncio.create_task(export(client, out, stream).run(count))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert note_path(out).exists()
            await export(client, out, stream, resume=True).run()

    run(main())
    assert read_jsonl(out) == truth(sandbox, stream)


@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_an_error_of_the_server_carries_on_later(tmp_path: Path, n: int) -> None:
    sandbox, out = small(rows=3000), tmp_path / "rows.jsonl"
    sandbox.add_fault(Fault(kind="json500", at=n))
    with pytest.raises(APIError):
        exported(sandbox, out)
    assert out.exists() == (read_note(out) != start_of(sandbox, out))
    report = exported(sandbox, out, resume=True)
    assert read_jsonl(out) == truth(sandbox, "messages")
    assert report.requests <= 20


def start_of(sandbox: Sandbox, out: Path) -> Any:
    """The note of an export that has not begun."""
    note = read_note(out)
    assert note is not None
    first = attrs.evolve(note.checkpoint, window=AFTER, page=1, done=False)
    return attrs.evolve(note, bytes=0, rows=0, checkpoint=first)


def test_after_each_commit_a_copy_of_the_folder_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a crash of the machine would leave: the file of this moment, an older note."""
    monkeypatch.setattr(export_module, "COMMIT_S", 0.0)
    sandbox, out = small(rows=1500), tmp_path / "rows.jsonl"
    copies: list[tuple[bytes, bytes]] = []

    def copy(_: Progress) -> None:
        copies.append((out.read_bytes(), note_path(out).read_bytes()))

    exported(sandbox, out, on_progress=copy)
    whole = out.read_bytes()
    assert len(copies) > 5
    for place, (rows, note) in enumerate(copies):
        out.write_bytes(rows + b'{"half a ro'[: place * 2])
        note_path(out).write_bytes(note)
        exported(sandbox, out, resume=True)
        assert out.read_bytes() == whole


def test_everything_done_but_the_last_step(tmp_path: Path) -> None:
    sandbox, out = small(rows=3000), tmp_path / "rows.jsonl"

    def stop_at_the_end(progress: Progress) -> None:
        if progress.done == 1.0 and stops:
            raise stops.pop()

    stops = [StopError(), StopError()]
    for _ in range(2):
        with pytest.raises(StopError):
            exported(sandbox, out, on_progress=stop_at_the_end, resume=True)
    sandbox.reset_stats()
    report = exported(sandbox, out, on_progress=stop_at_the_end, resume=True)
    assert (report.fresh_rows, report.requests, sandbox.stats().requests) == (0, 0, 0)
    assert read_jsonl(out) == truth(sandbox, "messages")


def test_a_note_without_rows_is_where_an_export_begins(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.csv"
    sandbox.add_fault(Fault(kind="json500", at=1, times=9))
    with pytest.raises(APIError):
        exported(sandbox, out)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv.checkpoint"]
    calm = small(rows=500)
    assert exported(calm, out, resume=True).rows == len(read_csv(out)) > 0


def test_a_note_without_its_file_is_of_no_account_for_a_fresh_start(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.jsonl"
    note_path(out).write_text("stale")
    exported(sandbox, out)
    assert read_jsonl(out) == truth(sandbox, "messages")


def test_resume_starts_where_there_is_nothing_yet(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.jsonl"
    exported(sandbox, out, resume=True)
    assert read_jsonl(out) == truth(sandbox, "messages")


def test_an_export_may_run_again(tmp_path: Path) -> None:
    sandbox, out = small(rows=1500), tmp_path / "rows.jsonl"

    async def main() -> None:
        async with sandbox, client_of(sandbox) as client:
            again = export(client, out)
            await again.run()
            with pytest.raises(StopError):
                await again.run(stop_after(3))
            assert note_path(out).exists()
            await again.run()

    run(main())
    assert read_jsonl(out) == truth(sandbox, "messages")


def test_the_page_size_of_the_first_run_is_kept(tmp_path: Path) -> None:
    sandbox, out = small(rows=1500), tmp_path / "rows.jsonl"
    with pytest.raises(StopError):
        exported(sandbox, out, on_progress=stop_after(3), options={"page_size": 30})
    exported(sandbox, out, resume=True)
    assert read_jsonl(out) == truth(sandbox, "messages")


# ---- what is not gone on with ------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path: Path) -> tuple[Sandbox, Path]:
    """An export that was stopped after three pages."""
    sandbox, out = small(rows=3000), tmp_path / "rows.jsonl"
    with pytest.raises(StopError):
        exported(sandbox, out, on_progress=stop_after(3))
    return sandbox, out


@pytest.mark.parametrize(
    ("stream", "options", "message"),
    [
        ("contacts", {}, "resume: must be an export of contacts; given: 'messages'"),
        (
            "messages",
            {"after": AFTER + 1},
            (
                "after, before: must be left out, or be those of the export that is resumed "
                "(2025-01-01 08:00:00+00:00 to 2025-01-18 00:00:00+00:00); "
                "given: 2025-01-01 08:00:00.001000+00:00 to 2025-01-18 00:00:00+00:00"
            ),
        ),
        ("messages", {"after": None, "before": BEFORE - 1}, "after, before: must be left out"),
        ("messages", {"before": AFTER}, "after: must be earlier than before"),
        (
            "messages",
            {"platform": "line"},
            "platform, channel_id: must be those of the export that is resumed; given: others",
        ),
        ("messages", {"channel_id": "c"}, "platform, channel_id: must be those"),
        ("messages", {"options": {"page_size": 50}}, "page_size: must be 100"),
        ("messages", {"force": True}, "force, resume: exclude each other; given: both"),
        ("messages", {"resume": False}, "out: must not exist yet"),
    ],
)
def test_another_query_does_not_go_on(
    stopped: tuple[Sandbox, Path], stream: str, options: dict[str, Any], message: str
) -> None:
    sandbox, out = stopped
    refused(sandbox, out, message, stream, **{"resume": True} | options)


def refused(
    sandbox: Sandbox, out: Path, message: str, stream: str = "messages", **options: Any
) -> None:
    """This export is refused before anything is sent, and no file changes."""
    before = {path: path.read_bytes() for path in out.parent.iterdir()}
    sandbox.reset_stats()
    with pytest.raises(InvalidRequest) as caught:
        exported(sandbox, out, stream, **options)
    assert str(caught.value).startswith(message)
    assert {path: path.read_bytes() for path in out.parent.iterdir()} == before
    assert sandbox.stats().requests == 0


def test_a_note_of_another_kind_stops_a_resume_and_force_does_not_mind(
    stopped: tuple[Sandbox, Path],
) -> None:
    sandbox, out = stopped
    note = read_note(out)
    assert note is not None
    for text in ("rubbish", note.to_json().replace('"v": 1', '"v": 2')):
        note_path(out).write_text(text)
        refused(sandbox, out, "resume: rows.jsonl.checkpoint must be", resume=True)
    exported(sandbox, out, force=True)
    assert read_jsonl(out) == truth(sandbox, "messages")


@pytest.mark.parametrize("length", [None, 0, 100])
def test_a_file_shorter_than_its_note(stopped: tuple[Sandbox, Path], length: int | None) -> None:
    sandbox, out = stopped
    good = out.stat().st_size
    if length is None:
        out.unlink()
    else:
        os.truncate(out, length)
    message = f"resume: rows.jsonl must hold the {good} bytes that its .checkpoint speaks of"
    refused(sandbox, out, message, resume=True)


def test_a_note_from_another_time_of_the_same_range(stopped: tuple[Sandbox, Path]) -> None:
    sandbox, out = stopped
    note = read_note(out)
    assert note is not None
    write_note(out, attrs.evolve(note, checkpoint=attrs.evolve(note.checkpoint, window=AFTER + 1)))
    refused(sandbox, out, "resume_from: must name one of the windows", resume=True)


def test_a_finished_file_is_left_alone(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.jsonl"
    exported(sandbox, out)
    refused(
        sandbox,
        out,
        "out: must not exist yet (resume goes on with an interrupted export, force starts over)",
    )
    refused(sandbox, out, "resume: needs the file's .checkpoint", resume=True)
    out.write_text("something of mine")
    exported(sandbox, out, force=True)
    assert read_jsonl(out) == truth(sandbox, "messages")


def test_a_forced_export_that_fails_at_once_leaves_the_old_file(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.jsonl"
    out.write_text("the export of yesterday")
    with pytest.raises(BadRequest):
        exported(sandbox, out, force=True, platform="telegram")
    assert out.read_text() == "the export of yesterday"
    exported(sandbox, out, force=True)
    assert read_jsonl(out) == truth(sandbox, "messages")


# ---- what cannot be exported -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "name", "options", "message"),
    [
        ("chats", "x.csv", {}, "stream: must be one of messages, contacts, tagging-logs, report-"),
        ("messages", "x.txt", {}, "out: must end in .jsonl or .csv; given: '.txt'"),
        ("messages", "x", {}, "out: must end in .jsonl or .csv; given: ''"),
        ("messages", "x.csv", {"platform": None}, "platform: is needed for messages"),
        ("contacts", "x.csv", {"platform": ""}, "platform: is needed for contacts"),
        ("tagging-logs", "x.csv", {"platform": "line"}, "platform: is not a filter of tagging-"),
        ("report-orders", "x.csv", {"channel_id": "1"}, "channel_id: is not a filter of report-"),
        ("report-orders", "x.csv", {"after": None}, "after, before: are needed to start"),
        ("report-orders", "x.csv", {"before": None}, "after, before: are needed to start"),
        ("report-orders", "x.csv", {"after": BEFORE}, "after: must be earlier than before"),
        ("report-orders", "x.csv", {"options": {"page_size": 0}}, "page_size: must be 1 to 100"),
        ("report-orders", "x.csv", {"force": True, "resume": True}, "force, resume: exclude"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    tmp_path: Path, stream: str, name: str, options: dict[str, Any], message: str
) -> None:
    by_platform = {"platform": "line"} if stream in {"messages", "contacts"} else {}
    fixed: dict[str, Any] = {"after": AFTER, "before": BEFORE, **by_platform}
    client = OmnichatClient("t")
    with pytest.raises(InvalidRequest) as caught:
        Export(client, stream, tmp_path / name, **fixed | options)
    assert str(caught.value).startswith(message)
    assert not list(tmp_path.iterdir())


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "device.csv").symlink_to("/dev/null")
    client = OmnichatClient("t")
    for name, strerror, place in (
        ("folder.csv", "not a file", "folder.csv"),
        ("device.csv", "not a file", "device.csv"),
        ("none/x.csv", "no such folder", "none"),
        ("file/x.csv", "no such folder", "file"),
    ):
        with pytest.raises(OSError, match=strerror) as caught:
            export(client, tmp_path / name, "report-orders", force=True)
        assert caught.value.filename == str(tmp_path / place)


# ---- the disk, beside the event loop -----------------------------------------------------------


def test_the_event_loop_never_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "COMMIT_S", 0.0)
    threads: set[int] = set()
    real = os.fsync

    def noted(descriptor: int) -> None:
        threads.add(threading.get_ident())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with pytest.raises(StopError):
        exported(small(rows=1500), tmp_path / "a.jsonl", on_progress=stop_after(3))
    exported(small(rows=1500), tmp_path / "b.jsonl")
    assert threads
    assert threading.get_ident() not in threads


class SlowDisk:
    """An fsync that takes its time, and may fail in the end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: OSError | None = None) -> None:
        self.entered, self.go_on = threading.Event(), threading.Event()
        self._error, self._real = error, os.fsync
        monkeypatch.setattr(export_module, "COMMIT_S", 0.0)
        monkeypatch.setattr(os, "fsync", self._sync)
        self.armed = False

    def _sync(self, descriptor: int) -> None:
        if self.armed:
            self.entered.set()
            assert self.go_on.wait(30)
            if self._error is not None:
                raise self._error
        self._real(descriptor)


@pytest.mark.parametrize("fails", [False, True])
def test_a_cancel_waits_for_a_commit_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    sandbox, out = small(rows=3000), tmp_path / "rows.jsonl"
    disk = SlowDisk(monkeypatch, OSError(5, "Input/output error") if fails else None)

    def arm(_: Progress) -> None:
        disk.armed = True

    async def main() -> None:
        async with sandbox, client_of(sandbox) as client:
            task = asyncio.create_task(export(client, out).run(arm))
            await asyncio.to_thread(disk.entered.wait, 30)
            for _ in range(3):  # once is a wish, thrice is impatience
                task.cancel()
                await asyncio.sleep(0)
                assert not task.done()
            disk.go_on.set()
            with pytest.raises(OSError if fails else asyncio.CancelledError):
                await task

    run(main())
    note = read_note(out)
    assert note is not None
    assert note.rows == (0 if fails else 100)
    monkeypatch.undo()
    exported(sandbox, out, resume=True)
    assert read_jsonl(out) == truth(sandbox, "messages")


def test_an_error_of_the_walk_goes_before_one_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, out = small(rows=3000), tmp_path / "rows.jsonl"
    sandbox.add_fault(Fault(kind="json500", at=9))
    disk = SlowDisk(monkeypatch, OSError(5, "Input/output error"))
    monkeypatch.setattr(export_module, "COMMIT_S", 1e9)
    disk.go_on.set()

    def arm(_: Progress) -> None:
        disk.armed = True

    with pytest.raises(OmnichatError):
        exported(sandbox, out, on_progress=arm)
    monkeypatch.undo()
    exported(sandbox, out, resume=True)
    assert read_jsonl(out) == truth(sandbox, "messages")
