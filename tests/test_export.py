"""Exports: every row once, whatever interrupts them, and nothing overwritten."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import shutil
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from omnichat_async import OmnichatClient, RateLimiter
from omnichat_async.errors import APIError, BadRequest, InvalidRequest
from omnichat_async.jobs import STREAMS, Batch, CallbackSink, Export, ExportReport, Progress, Sink
from omnichat_async.jobs import export as export_module
from omnichat_async.jobs.columns import flat_columns
from omnichat_async.jobs.ledger import Ledger
from omnichat_async.jobs.sinks.files import JsonlFormat
from omnichat_async.retries import RetryPolicy
from omnichat_async.sandbox import Fault
from omnichat_async.windows import Window
from tests.sandbox.support import DAY_MS, small
from tests.support.exports import (
    AFTER,
    BEFORE,
    SINKS,
    STREAM_NAMES,
    Row,
    read_csv,
    read_jsonl,
    read_rows,
    same,
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


def export(
    client: OmnichatClient, out: Path | Sink, stream: str = "messages", **options: Any
) -> Export:
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


# ---- all streams, all sinks -----------------------------------------------------------------


@pytest.mark.parametrize("stream", STREAM_NAMES)
@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "parquet", "sqlite"])
def test_a_sink_holds_the_servers_own_objects(tmp_path: Path, stream: str, suffix: str) -> None:
    sandbox, out = small(rows=3000), tmp_path / f"rows.{suffix}"
    report = exported(sandbox, out, stream)
    rows = read_rows(out, stream)
    assert same(rows, truth(sandbox, stream))
    assert len(rows) == report.rows == report.fresh_rows > 100
    stats = sandbox.stats()
    assert report.path == out
    assert (report.stream, report.window) == (stream, Window(AFTER, BEFORE))
    assert (report.watermark, report.clamped) == (BEFORE, False)
    assert report.bytes > 1000
    assert report.windows == 3
    assert report.ranges == sum(report.certificates.values()) >= 3
    assert (report.weak, report.incomplete, report.departures) == ([], [], 0)
    assert (report.requests, report.throttled) == (stats.requests, stats.refused)
    assert report.useful + report.proofs + report.probes + report.repairs == stats.requests
    assert report.retries == 0
    assert report.peak_rows > 0
    assert report.rate == report.requests / report.seconds
    assert attrs.evolve(report, seconds=0.0).rate == 0
    assert json.loads(json.dumps(report.to_dict()))["window"] == [AFTER, BEFORE]


@pytest.mark.parametrize("suffix", SINKS)
def test_what_a_finished_export_leaves_in_its_folder(tmp_path: Path, suffix: str) -> None:
    exported(small(rows=300), tmp_path / f"rows.{suffix}")
    beside = {"sqlite": [], "parquet": [".checkpoint", ".manifest.json"]}
    expected = ["", *beside.get(suffix, [".checkpoint"])]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"rows.{suffix}{more}" for more in expected]


@pytest.mark.parametrize("suffix", ["jsonl.gz", "parquet", "sqlite"])
def test_the_report_has_the_size_of_what_is_there(tmp_path: Path, suffix: str) -> None:
    sandbox, out = small(rows=1000), tmp_path / f"rows.{suffix}"
    report = exported(sandbox, out)
    files = list(out.iterdir()) if out.is_dir() else [out]
    assert report.bytes == sum(file.stat().st_size for file in files) > report.rows


def test_rows_come_in_order_of_time(tmp_path: Path) -> None:
    exported(small(rows=3000), tmp_path / "rows.jsonl")
    times = [row["time"] for row in read_jsonl(tmp_path / "rows.jsonl")]
    assert times == sorted(times)


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
    exported(sandbox, tmp_path / "rows.jsonl", stream)
    rows, expected = read_csv(out), read_jsonl(tmp_path / "rows.jsonl")
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


def odd_export(out: Path, rows: list[Any] = ODD_ROWS) -> None:
    def answer(request: Request) -> Any:
        first = "page=1&" in request.target + "&"
        return reply(body={"content": rows if first else [], "totalElement": len(rows)})

    export_answers(out, answer)


def export_answers(out: Path, answer: Any) -> None:
    """Export what a server answers."""

    async def main() -> None:
        async with (
            HostileServer(answer) as server,
            OmnichatClient("t", base_url=server.url, limiter=RateLimiter(None)) as client,
        ):
            await export(client, out, before=AFTER + 1000).run()

    run(main())


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "parquet", "sqlite"])
def test_odd_rows_are_written_as_they_came(tmp_path: Path, suffix: str) -> None:
    odd_export(tmp_path / f"rows.{suffix}")
    assert same(read_rows(tmp_path / f"rows.{suffix}"), ODD_ROWS)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_rows_as_text_are_the_rows_that_came(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = {"big": 2**70, "floats": [1e-7, 1e16, -0.0, 2.5], "small": 0xCB}
    rows = [*ODD_ROWS, {"id": "5", "time": 1, **numbers}, {"id": "4", "time": 1}, {"id": 4}]
    texts, plain = tmp_path / f"texts.{suffix}", tmp_path / f"plain.{suffix}"
    odd_export(texts, rows)
    monkeypatch.setattr(JsonlFormat, "as_text", False)
    odd_export(plain, rows)
    assert same(read_rows(texts), rows)
    assert same(read_rows(plain), rows)


def test_a_line_is_what_the_server_wrote(tmp_path: Path) -> None:
    pytest.importorskip("msgspec", reason="pip install 'omnichat_async[speed]'")
    row = f'{{"id": "1", "time":{AFTER},  "x":1.10, "name":"\\u738b"}}'
    out = tmp_path / "rows.jsonl"
    body = f'{{"content":[{row}],"totalElement":1}}'.encode()
    export_answers(out, lambda _: reply(body=body))
    assert out.read_text(encoding="utf-8") == row + "\n"


class TextSink(CallbackSink):
    """Takes the text of rows."""

    as_text = True


@pytest.mark.parametrize(
    ("stream", "kind"), [("contacts", bytes), ("tagging-logs", dict), ("report-messages", dict)]
)
def test_a_sink_of_ones_own_may_take_the_text_of_rows_with_a_key(
    tmp_path: Path, stream: str, kind: type[Any]
) -> None:
    batches: list[Batch] = []

    async def deliver(batch: Batch) -> None:
        batches.append(batch)

    async def main() -> None:
        async with small(rows=300) as sandbox, client_of(sandbox) as client:
            sink = TextSink(deliver, checkpoint=tmp_path / "rows.checkpoint")
            report = await export(client, sink, stream).run()
        rows = [row for batch in batches for row in batch.rows]
        assert {type(row) for row in rows} == {kind}
        assert len(rows) == report.rows

    run(main())


def test_what_has_no_column_lands_in_extra(tmp_path: Path) -> None:
    odd_export(tmp_path / "rows.csv")
    rows = read_csv(tmp_path / "rows.csv")
    by_id = {row["id"]: row for row in rows}
    assert sorted(row["id"] for row in rows) == ["", "", "", "1", "2", "3"]
    assert by_id["1"]["message"] == ODD_ROWS[0]["message"]
    assert by_id["2"]["message"] == "half \\ud800 pair"
    assert json.loads(by_id["1"]["extra"]) == {"brandNew": {"x": [None]}}
    assert json.loads(by_id["2"]["extra"]) == {"channel": {"newer": 1}}
    assert json.loads(by_id["3"]["message"]) == {"not": "text"}
    assert "not even an object" in [row["extra"] for row in rows]


@pytest.mark.parametrize("suffix", SINKS)
def test_a_range_without_rows_gives_a_file_all_the_same(tmp_path: Path, suffix: str) -> None:
    seen: list[Progress] = []
    out = tmp_path / f"rows.{suffix}"
    report = exported(small(rows=0), out, on_progress=seen.append)
    assert (read_csv(out) if "csv" in suffix else read_rows(out)) == []
    assert (report.rows, report.windows, report.requests) == (0, 3, 3)
    assert (seen[0].done, seen[-1].done) == (0.0, 1.0)


def test_a_range_that_has_not_begun(tmp_path: Path) -> None:
    """Its watermark is its start: the next run begins there."""
    ahead = int(datetime.now(UTC).timestamp() * 1000) + DAY_MS
    report = exported(
        small(end_ms=ahead + 9 * DAY_MS), tmp_path / "rows.jsonl", after=ahead, before=ahead + 9
    )
    assert (report.rows, report.watermark, report.clamped) == (0, ahead, True)
    assert read_jsonl(tmp_path / "rows.jsonl") == []


def test_times_may_be_datetimes(tmp_path: Path) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    after, before = (epoch + timedelta(milliseconds=ms) for ms in (AFTER, BEFORE))
    sandbox = small(rows=500)
    report = exported(sandbox, tmp_path / "rows.jsonl", after=after, before=before)
    assert report.window == Window(AFTER, BEFORE)
    assert same(read_jsonl(tmp_path / "rows.jsonl"), truth(sandbox, "messages"))


# ---- progress ----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_progress_only_grows_and_ends_at_one(tmp_path: Path, order: str) -> None:
    seen: list[Progress] = []
    report = exported(
        small(rows=3000, order=order), tmp_path / "rows.jsonl", on_progress=seen.append
    )
    assert all(0 <= one.done <= 1 for one in seen)
    assert [one.done for one in seen] == sorted(one.done for one in seen)
    assert [one.rows for one in seen] == sorted(one.rows for one in seen)
    assert (seen[-1].rows, seen[-1].done) == (report.rows, 1.0)
    read = [one.window for one in seen if one.window is not None]
    assert (read[0].after, read[-1].before) == (AFTER, BEFORE)
    assert [one.after for one in read[1:]] == [one.before for one in read[:-1]]
    assert seen[-1].rate > 0


# ---- interrupted and gone on with --------------------------------------------------------------


class StopError(Exception):
    """Raised by a callback."""


def stop_after(ranges: int) -> Callable[[Progress], None]:
    """Raise once so many ranges were read; before the first one there is a call as well."""
    left = iter(range(ranges))

    def callback(_: Progress) -> None:
        if next(left, None) is None:
            raise StopError

    return callback


@pytest.mark.parametrize("suffix", SINKS)
@pytest.mark.parametrize("ranges", [1, 2, 3])
def test_a_raising_callback_loses_nothing(tmp_path: Path, ranges: int, suffix: str) -> None:
    sandbox, whole, out = small(rows=3000), tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    exported(sandbox, whole)
    with pytest.raises(StopError):
        exported(sandbox, out, on_progress=stop_after(ranges))
    sandbox.reset_stats()
    report = exported(sandbox, out, after=None, before=None)
    assert report.rows - report.fresh_rows > 0
    assert report.rows == len(truth(sandbox, "messages"))
    if "csv" in suffix:
        assert read_csv(out) == read_csv(whole)
    else:
        assert same(read_rows(out), truth(sandbox, "messages"))
    assert sandbox.stats().requests <= 12


@pytest.mark.parametrize("stream", STREAM_NAMES)
@pytest.mark.parametrize("suffix", ["jsonl", "sqlite"])
def test_a_cancelled_export_goes_on_where_it_was(tmp_path: Path, stream: str, suffix: str) -> None:
    sandbox, out = small(rows=3000), tmp_path / f"rows.{suffix}"

    async def main() -> None:
        async with sandbox, client_of(sandbox) as client:
            reached = asyncio.Event()

            def count(progress: Progress) -> None:
                if progress.window is not None:
                    reached.set()

            first = export(client, out, stream)
            task = asyncio.create_task(first.run(count))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert first.safe_rows > 0
            await export(client, out, stream).run()

    run(main())
    assert same(read_rows(out, stream), truth(sandbox, stream))


@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_an_error_of_the_server_carries_on_later(tmp_path: Path, n: int) -> None:
    sandbox, out = small(rows=3000), tmp_path / "rows.jsonl"
    sandbox.add_fault(Fault(kind="json500", at=n))
    # One in a range that is read ahead is asked again in its turn, and costs nothing.
    with pytest.raises(APIError) if n == 1 else contextlib.suppress(APIError):
        exported(sandbox, out)
    assert sandbox.stats().faults == 1
    exported(sandbox, out, resume=True)
    assert same(read_jsonl(out), truth(sandbox, "messages"))


@pytest.mark.parametrize("suffix", SINKS)
def test_after_each_commit_a_copy_of_the_folder_can_be_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """What a crash leaves: the files of any moment, and half a row behind them."""
    monkeypatch.setattr(export_module, "COMMIT_S", 0.0)
    sandbox, folder = small(rows=1500), tmp_path / "now"
    copies: list[Path] = []
    folder.mkdir()

    def copy(_: Progress) -> None:
        copies.append(tmp_path / str(len(copies)))
        shutil.copytree(folder, copies[-1])

    exported(sandbox, folder / f"rows.{suffix}", on_progress=copy)
    assert len(copies) >= 4
    for place, there in enumerate(copies[:-1]):  # the last one is of the finished export
        out = there / f"rows.{suffix}"
        (there / f"rows.{suffix}.lock").unlink(missing_ok=True)
        if out.is_file() and suffix != "sqlite":
            with out.open("ab") as file:
                file.write(b'{"half a ro'[: place * 2])
        exported(sandbox, out, resume=True)
        rows: Any = read_csv(out) if "csv" in suffix else read_rows(out)
        assert sorted(row["id"] for row in rows) == sorted(
            row["id"] for row in truth(sandbox, "messages")
        )


def test_resume_leaves_a_finished_export_alone(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.jsonl"
    first = exported(sandbox, out)
    sandbox.reset_stats()
    before = out.read_bytes()
    again = exported(sandbox, out, resume=True)
    assert (again.rows, again.fresh_rows, again.requests) == (first.rows, 0, 0)
    assert (out.read_bytes(), sandbox.stats().requests) == (before, 0)


def test_an_export_that_never_got_an_answer_leaves_nothing(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.csv"
    sandbox.add_fault(Fault(kind="json500", at=1, times=9))
    with pytest.raises(APIError):
        exported(sandbox, out)
    assert list(tmp_path.iterdir()) == []


def test_an_export_may_run_again(tmp_path: Path) -> None:
    sandbox, out = small(rows=1500), tmp_path / "rows.jsonl"

    async def main() -> None:
        async with sandbox, client_of(sandbox) as client:
            again = export(client, out, resume=True)
            with pytest.raises(StopError):
                await again.run(stop_after(2))
            assert again.safe_rows > 0
            await again.run()
            await again.run()

    run(main())
    assert same(read_jsonl(out), truth(sandbox, "messages"))


def test_the_page_size_may_be_another_one(tmp_path: Path) -> None:
    sandbox, out = small(rows=1500), tmp_path / "rows.jsonl"
    with pytest.raises(StopError):
        exported(sandbox, out, on_progress=stop_after(2), options={"page_size": 30})
    exported(sandbox, out, resume=True)
    assert same(read_jsonl(out), truth(sandbox, "messages"))


# ---- what is not gone on with ------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path: Path) -> tuple[Sandbox, Path]:
    """An export that was stopped after two ranges."""
    sandbox, out = small(rows=3000), tmp_path / "rows.jsonl"
    with pytest.raises(StopError):
        exported(sandbox, out, on_progress=stop_after(2))
    return sandbox, out


@pytest.mark.parametrize(
    ("stream", "options", "message"),
    [
        (
            "contacts",
            {},
            "out: must be of this query: stream, platform, channel_id, host of the API (i",
        ),
        (
            "messages",
            {"after": AFTER + 1},
            (
                "after, before: must be left out, or be those of the export that is there "
                f"(2025-01-01 08:00:00+00:00 to 2025-01-18 00:00:00+00:00, epoch ms {AFTER} to "
                f"{BEFORE}; force starts over); given: {AFTER + 1} to {BEFORE}"
            ),
        ),
        ("messages", {"after": None, "before": BEFORE - 1}, "after, before: must be left out"),
        ("messages", {"before": AFTER}, "after: must be earlier than before"),
        ("messages", {"platform": "line"}, "out: must be of this query"),
        ("messages", {"channel_id": "c"}, "out: must be of this query"),
        ("messages", {"force": True}, "force, resume, since_last: exclude each other"),
    ],
)
def test_another_query_does_not_go_on(
    stopped: tuple[Sandbox, Path], stream: str, options: dict[str, Any], message: str
) -> None:
    sandbox, out = stopped
    refused(sandbox, out, message, stream, **{"resume": True} | options)


def test_made_up_rows_are_not_gone_on_with(tmp_path: Path) -> None:
    """An export of a sandbox, and then one of the API by the same command."""
    out = tmp_path / "rows.jsonl"
    exported(small(rows=300), out)
    held = out.read_bytes()

    async def from_elsewhere() -> None:
        async with OmnichatClient("t", base_url="https://api.invalid/v1") as client:
            await export(client, out, resume=True).run()

    with pytest.raises(InvalidRequest, match="host of the API"):
        run(from_elsewhere())
    assert out.read_bytes() == held


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


def test_a_checkpoint_of_another_kind_stops_a_resume_and_force_does_not_mind(
    stopped: tuple[Sandbox, Path],
) -> None:
    sandbox, out = stopped
    out.with_name("rows.jsonl.checkpoint").write_text("rubbish" * 1000)
    refused(
        sandbox,
        out,
        "out: the database rows.jsonl.checkpoint must be one that this package made; given: some",
        resume=True,
    )
    exported(sandbox, out, force=True)
    assert same(read_jsonl(out), truth(sandbox, "messages"))


def test_a_file_other_than_its_checkpoint_says(stopped: tuple[Sandbox, Path]) -> None:
    sandbox, out = stopped
    content = out.read_bytes()
    message = f"resume: rows.jsonl must hold the {len(content)} bytes that were written to it"
    out.unlink()
    refused(sandbox, out, message, resume=True)
    out.write_bytes(content[:-1])
    refused(sandbox, out, message, resume=True)
    out.write_bytes(content[:-2] + b"?" + content[-1:])
    refused(sandbox, out, message, resume=True)


def test_a_finished_file_is_left_alone(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.jsonl"
    exported(sandbox, out)
    refused(
        sandbox,
        out,
        "out: must not exist yet (since_last adds what is new to a finished export, force starts",
    )
    out.with_name("rows.jsonl.checkpoint").unlink()
    refused(sandbox, out, "resume: needs the file's .checkpoint", resume=True)
    refused(sandbox, out, "since_last: needs the file's .checkpoint", since_last=True)
    refused(sandbox, out, "out: must not exist yet")
    out.write_text("something of mine")
    exported(sandbox, out, force=True)
    assert same(read_jsonl(out), truth(sandbox, "messages"))


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.jsonl"
    exported(sandbox, out)
    for given in ("a finished export", "one whose file is gone"):
        with pytest.raises(InvalidRequest, match=f"must not exist yet .*; given: {given}$"):
            exported(sandbox, out)
        out.unlink(missing_ok=True)
    with pytest.raises(InvalidRequest, match="it is an export of messages, platform whatsapp, h"):
        exported(sandbox, out, platform="line")
    out.write_text("mine")
    out.with_name("rows.jsonl.checkpoint").unlink()
    with pytest.raises(InvalidRequest, match="given: another file, or one without"):
        exported(sandbox, out)


def test_a_forced_export_that_fails_at_once_leaves_the_old_file(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.jsonl"
    out.write_text("the export of yesterday")
    with pytest.raises(BadRequest):
        exported(sandbox, out, force=True, platform="telegram")
    assert out.read_text() == "the export of yesterday"
    exported(sandbox, out, force=True)
    assert same(read_jsonl(out), truth(sandbox, "messages"))


# ---- what cannot be exported -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "name", "options", "message"),
    [
        ("chats", "x.csv", {}, "stream: must be one of messages, contacts, tagging-logs, report-"),
        ("messages", "x.txt", {}, "out: must end in .jsonl, .jsonl.gz, .csv, .csv.gz, .parquet,"),
        ("messages", "x", {}, "out: must end in .jsonl, "),
        ("messages", "x.csv", {"platform": None}, "platform: is needed for messages"),
        ("contacts", "x.csv", {"platform": ""}, "platform: is needed for contacts"),
        ("tagging-logs", "x.csv", {"platform": "line"}, "platform: is not a filter of tagging-"),
        ("report-orders", "x.csv", {"channel_id": "1"}, "channel_id: is not a filter of report-"),
        ("report-orders", "x.csv", {"on_incomplete": "x"}, "on_incomplete: must be raise or rec"),
        ("contacts", "x.csv", {"since_last": True}, "since_last: needs a .sqlite file for cont"),
        ("report-orders", "x.csv", {"after": BEFORE}, "after: must be earlier than before"),
        ("report-orders", "x.csv", {"after": AFTER // 1000}, "after: must be epoch milliseconds"),
        (
            "report-orders",
            "x.csv",
            {"after": AFTER // 1000, "before": None},
            "after: must be epoch milliseconds, and such numbers look like seconds: 1735718400000",
        ),
        ("report-orders", "x.csv", {"force": 1}, "force: must be True or False; given: int"),
        ("report-orders", "x.csv", {"on_incomplete": []}, "on_incomplete: must be raise or record"),
        ("report-orders", "x\0.csv", {}, "out: must be a path or a Sink; given: "),
        ("report-orders", "x.csv", {"options": {"page_size": 0}}, "page_size: must be 1 to 100"),
        (
            "report-orders",
            "x.csv",
            {"force": True, "resume": True},
            "force, resume, since_last: excl",
        ),
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


@pytest.mark.parametrize("out", [None, 7, b"x.csv", io.StringIO()])
def test_what_is_neither_a_path_nor_a_sink_is_refused(out: Any) -> None:
    with pytest.raises(InvalidRequest, match="out: must be a path or a Sink; given: "):
        export(OmnichatClient("t"), out)


def test_progress_is_not_awaited(tmp_path: Path) -> None:
    async def progress(_: Progress) -> None: ...

    with pytest.raises(InvalidRequest, match="on_progress: must be a plain function"):
        exported(small(), tmp_path / "x.csv", on_progress=progress)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["after", "before"])
def test_a_start_needs_both_times(tmp_path: Path, missing: str) -> None:
    options: dict[str, Any] = {missing: None}
    with pytest.raises(InvalidRequest, match="after, before: are needed to start"):
        exported(small(), tmp_path / "x.csv", **options)
    assert not list(tmp_path.iterdir())


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "device.csv").symlink_to("/dev/null")
    (tmp_path / "file.parquet").touch()
    client = OmnichatClient("t")
    for name, strerror, place in (
        ("folder.csv", "not a file", "folder.csv"),
        ("device.csv", "not a file", "device.csv"),
        ("file.parquet", "not a folder", "file.parquet"),
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


def done_rows(out: Path) -> int:
    """The rows that count by the ledger."""
    ledger = Ledger(out.with_name(out.name + ".checkpoint"))
    try:
        return sum(done.rows for job in ledger.jobs() for done in ledger.done(job))
    finally:
        ledger.close()


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
    assert (done_rows(out) == 0) == fails
    monkeypatch.undo()
    exported(sandbox, out, resume=True)
    assert same(read_jsonl(out), truth(sandbox, "messages"))
