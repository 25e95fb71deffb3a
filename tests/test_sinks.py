"""Sinks: what each one keeps, what reads it, and what a user's own one has to do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import OmnichatClient, RateLimiter
from omnichat_async.errors import InvalidRequest, MarketingMessagesLiteNotEnabled
from omnichat_async.jobs import STREAMS, Batch, CallbackSink, Export, Progress, Receipt, Sink
from omnichat_async.jobs import export as export_module
from omnichat_async.jobs.ledger import Done, Job, Ledger
from omnichat_async.jobs.sinks import sink_for
from omnichat_async.jobs.sinks.sqlite import SqliteSink
from omnichat_async.sandbox import Fault
from omnichat_async.windows import Window
from tests.sandbox.support import DAY_MS, small
from tests.support.exports import AFTER, BEFORE, ROOT, STREAM_NAMES, same, truth
from tests.support.run import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from omnichat_async.sandbox import Sandbox


async def export(sandbox: Sandbox, out: Any, stream: str = "messages", **options: Any) -> Any:
    """Export RANGE from a running sandbox."""
    if STREAMS[stream].by_platform:
        options["platform"] = "whatsapp"
    async with OmnichatClient(
        sandbox.token, base_url=sandbox.url, limiter=RateLimiter(None)
    ) as client:
        times: dict[str, Any] = {"after": AFTER, "before": BEFORE}
        on_progress = options.pop("on_progress", None)
        return await Export(client, stream, out, **times | options).run(on_progress)


def exported(sandbox: Sandbox, out: Any, stream: str = "messages", **options: Any) -> Any:
    async def main() -> Any:
        async with sandbox:
            return await export(sandbox, out, stream, **options)

    return run(main())


# ---- parquet -----------------------------------------------------------------------------------


def test_duckdb_pandas_and_polars_read_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb = pytest.importorskip("duckdb", reason="pip install duckdb")
    pandas = pytest.importorskip("pandas", reason="pip install pandas")
    polars = pytest.importorskip("polars", reason="pip install polars")
    monkeypatch.setattr(export_module, "COMMIT_ROWS", 1)  # so that there are several parts
    sandbox, out = small(rows=2000), tmp_path / "rows.parquet"
    exported(sandbox, out)
    rows = truth(sandbox, "messages")
    assert len(list(out.iterdir())) > 1
    first = min(row["time"] for row in rows)
    found = duckdb.sql(f"SELECT count(*), epoch_ms(min(time)), count(DISTINCT id) FROM '{out}'")
    assert found.fetchall() == [(len(rows), first, len(rows))]
    frame = pandas.read_parquet(out)
    assert len(frame) == len(rows)
    assert str(frame["time"].dtype) == "datetime64[ms, UTC]"
    assert frame["time"].min() == pandas.Timestamp(first, unit="ms", tz="UTC")
    table = polars.read_parquet(out)
    assert table.schema["time"] == polars.Datetime("ms", "UTC")
    assert sorted(table["id"]) == sorted(row["id"] for row in rows)
    assert set(table["channel_platform"]) == {"whatsapp"}


@pytest.mark.parametrize("stream", STREAM_NAMES)
def test_the_schema_is_the_same_whatever_the_rows_hold(tmp_path: Path, stream: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    for rows in (0, 500):
        exported(small(rows=rows), tmp_path / f"{rows}.parquet", stream)
    empty, full = (parquet.read_table(tmp_path / f"{rows}.parquet") for rows in (0, 500))
    assert empty.schema == full.schema
    assert full.num_rows > 0
    assert empty.num_rows == 0 or stream == "report-messages"
    times = {field.name: str(field.type) for field in full.schema if "timestamp" in str(field.type)}
    if stream == "tagging-logs":
        assert times == {"time": "timestamp[ms]"}  # the API sends it without a zone
    else:
        assert times
        assert set(times.values()) == {"timestamp[ms, tz=UTC]"}
    for name in times:
        assert full[name].null_count < full.num_rows or name == "unsubscribedAt"


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("0001-01-01T00:00:00+08:00", None),  # an empty time as .NET writes it
        ("9999-12-31T23:59:59-08:00", None),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("2026-01-01T08:00:00+08:00", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_that_no_reader_could_show_is_in_raw_alone(
    tmp_path: Path, time: str, shown: datetime | None
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    stream, out = STREAMS["report-orders"], tmp_path / "x.parquet"
    job = Job(stream=stream.name, params={}, window=Window(0, 10), horizon=10)
    sink = sink_for(out)
    ledger = Ledger(sink.checkpoint)
    ledger.start(job)
    sink.open(job, stream, [], ledger.database)
    with ledger.transaction():
        rows = [{"date": time}]
        sink.write(Batch(job=job.id, stream=stream, window=job.window, rows=rows))
    (row,) = parquet.read_table(out).to_pylist()
    assert (row["date"], json.loads(row["raw"])) == (shown, {"date": time})
    ledger.close()


def test_arrow_of_the_rest_of_the_program_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part takes its memory from the system, and nobody else has to."""
    pyarrow = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    monkeypatch.delattr(pyarrow, "set_memory_pool")
    before = pyarrow.default_memory_pool().max_memory()
    exported(small(rows=500), tmp_path / "rows.parquet")
    assert pyarrow.default_memory_pool().max_memory() == before


def test_parts_hold_no_dictionaries(tmp_path: Path) -> None:
    """Which take 8 MB while they are made, and make the file larger."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    exported(small(rows=500), tmp_path / "rows.parquet")
    part, *_ = (tmp_path / "rows.parquet").iterdir()
    columns = parquet.ParquetFile(part).metadata.row_group(0)
    assert not [n for n in range(columns.num_columns) if columns.column(n).has_dictionary_page]


def test_files_of_somebody_else_are_neither_removed_nor_read_as_rows(tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "part-00000-5f1c.snappy.parquet").write_text("mine too")
    with pytest.raises(InvalidRequest, match="files but an export's own"):
        exported(small(rows=500), out, force=True)
    (out / "part-00000-5f1c.snappy.parquet").rename(out / "part-mine")
    exported(small(rows=500), out, force=True)
    assert {"notes.txt", "part-mine"} < {each.name for each in out.iterdir()}


def test_the_manifest_names_the_parts_that_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "COMMIT_ROWS", 1)
    out = tmp_path / "rows.parquet"
    report = exported(small(rows=2000), out)
    manifest = json.loads((tmp_path / "rows.parquet.manifest.json").read_text())
    assert manifest["rows"] == report.rows == sum(part["rows"] for part in manifest["parts"])
    assert {part["file"] for part in manifest["parts"]} == {each.name for each in out.iterdir()}
    assert (manifest["stream"], manifest["horizon"]) == ("messages", BEFORE)
    assert manifest["finished"]


def test_the_manifest_of_an_export_under_way_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "COMMIT_S", 0.0)
    manifest = tmp_path / "rows.parquet.manifest.json"
    seen: list[bool] = []

    def look(_: Progress) -> None:
        if manifest.exists():
            seen.append(json.loads(manifest.read_text())["finished"])

    exported(small(rows=2000), tmp_path / "rows.parquet", on_progress=look)
    assert seen
    assert [*seen[:-1], not seen[-1]] == [False] * len(seen)


def test_a_missing_extra_is_one_sentence(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from omnichat_async.jobs.sinks import sink_for\n"
        "sink_for(sys.argv[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.parquet")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.endswith(
        "ConfigurationError: a .parquet file needs the extra: "
        "pip install 'omnichat_async[parquet]'\n"
    )


# ---- SQLite ------------------------------------------------------------------------------------


def test_a_table_has_typed_columns_and_the_whole_row(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.sqlite"
    exported(sandbox, out, "contacts")
    with contextlib.closing(sqlite3.connect(out)) as database:
        kinds = {row[1]: row[2] for row in database.execute("PRAGMA table_info(contacts)")}
        found = database.execute(
            "SELECT id, channel_platform, updatedAt, status, raw FROM contacts ORDER BY id"
        ).fetchall()
    assert (kinds["updatedAt"], kinds["name"], kinds["raw"]) == ("INTEGER", "TEXT", "TEXT")
    expected = sorted(truth(sandbox, "contacts"), key=lambda row: str(row["id"]))
    assert [row[:4] for row in found] == [
        (row["id"], row["channel"]["platform"], row.get("updatedAt"), row["status"])
        for row in expected
    ]
    assert [json.loads(row[4]) for row in found] == expected


def test_of_two_versions_the_newer_one_stays(tmp_path: Path) -> None:
    stream = STREAMS["contacts"]
    job = Job(stream="contacts", params={}, window=Window(0, 10), horizon=10)
    ledger, sink = Ledger(tmp_path / "x.db"), SqliteSink(tmp_path / "x.db")
    ledger.start(job)
    sink.open(job, stream, [], ledger.database)
    for version in (5, 7, 6, None, 3):
        rows = [{"id": "a", "updatedAt": version}]
        with ledger.transaction():
            sink.write(Batch(job=job.id, stream=stream, window=job.window, rows=rows))
        held = ledger.database.execute("SELECT updatedAt FROM contacts").fetchall()
        assert held == [{5: (5,), 7: (7,), 6: (7,), None: (None,), 3: (3,)}[version]]
    ledger.close()


@pytest.mark.parametrize("lacking", [None, ""])
def test_rows_that_lack_their_id_are_known_by_all_they_hold(tmp_path: Path, lacking: Any) -> None:
    stream = STREAMS["report-orders"]
    job = Job(stream=stream.name, params={}, window=Window(0, 10), horizon=10)
    ledger, sink = Ledger(tmp_path / "x.db"), SqliteSink(tmp_path / "x.db")
    ledger.start(job)
    sink.open(job, stream, [], ledger.database)
    rows = [{"orderId": lacking, "currency": each} for each in ("HKD", "TWD", "TWD")]
    with ledger.transaction():
        sink.write(Batch(job=job.id, stream=stream, window=job.window, rows=rows))
    found = ledger.database.execute("SELECT currency FROM report_orders").fetchall()
    assert sorted(found) == [("HKD",), ("TWD",)]
    ledger.close()


def test_an_id_that_is_no_unicode_stops_nothing(tmp_path: Path) -> None:
    stream = STREAMS["report-orders"]
    job = Job(stream=stream.name, params={}, window=Window(0, 10), horizon=10)
    ledger, sink = Ledger(tmp_path / "x.db"), SqliteSink(tmp_path / "x.db")
    ledger.start(job)
    sink.open(job, stream, [], ledger.database)
    rows = [{"orderId": "half \ud800 pair", "currency": each} for each in ("HKD", "TWD")]
    with ledger.transaction():
        sink.write(Batch(job=job.id, stream=stream, window=job.window, rows=rows))
    found = ledger.database.execute("SELECT orderId, currency FROM report_orders").fetchall()
    assert found == [("half \\ud800 pair", "TWD")]
    ledger.close()


def test_equal_rows_without_an_id_are_two_events(tmp_path: Path) -> None:
    stream = STREAMS["tagging-logs"]
    job = Job(stream=stream.name, params={}, window=Window(0, 10), horizon=10)
    ledger, sink = Ledger(tmp_path / "x.db"), SqliteSink(tmp_path / "x.db")
    ledger.start(job)
    sink.open(job, stream, [], ledger.database)
    with ledger.transaction():
        sink.write(Batch(job=job.id, stream=stream, window=job.window, rows=[{"tag": "a"}] * 2))
    assert ledger.database.execute("SELECT tag FROM tagging_logs").fetchall() == [("a",)] * 2
    ledger.close()


# ---- a callback --------------------------------------------------------------------------------


def test_a_callback_gets_every_row_once_if_nothing_fails(tmp_path: Path) -> None:
    sandbox = small(rows=2000)
    batches: list[Batch] = []

    async def deliver(batch: Batch) -> None:
        await asyncio.sleep(0)
        batches.append(batch)

    async def main() -> None:
        async with sandbox:
            await export(sandbox, CallbackSink(deliver, checkpoint=tmp_path / "x.checkpoint"))

    run(main())
    assert same([row for batch in batches for row in batch.rows], truth(sandbox, "messages"))
    assert (batches[0].window.after, batches[-1].window.before) == (AFTER, BEFORE)


def test_a_failed_delivery_comes_again_with_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if other leaves would be put together by then."""
    monkeypatch.setattr(export_module, "COMMIT_S", 0.0)
    sandbox = small(rows=2000)
    kept: dict[str, list[Any]] = {}
    failed: list[str] = []

    async def deliver(batch: Batch) -> None:
        if len(kept) == 1 and not failed:
            failed.append(batch.key)
            raise ConnectionError("the receiver is down")
        kept[batch.key] = batch.rows

    async def main() -> None:
        async with sandbox:
            with pytest.raises(ConnectionError):
                await export(sandbox, CallbackSink(deliver, checkpoint=tmp_path / "x"))
            monkeypatch.setattr(export_module, "COMMIT_S", 1e9)
            await export(sandbox, CallbackSink(deliver, checkpoint=tmp_path / "x"))

    run(main())
    assert failed[0] in kept
    assert len(kept) == 3
    assert same([row for rows in kept.values() for row in rows], truth(sandbox, "messages"))


def test_a_checkpoint_that_is_somebody_elses_database_is_not_replaced(tmp_path: Path) -> None:
    """Even by force: what rows are delivered to may well be a database, and its path at hand."""
    warehouse = tmp_path / "warehouse.db"
    with contextlib.closing(sqlite3.connect(warehouse)) as database:
        database.execute("CREATE TABLE customers (id)")
    before = warehouse.read_bytes()
    sandbox = small(rows=500)

    async def deliver(batch: Batch) -> None:
        del batch

    async def main() -> None:
        async with sandbox:
            await export(sandbox, CallbackSink(deliver, checkpoint=warehouse), force=True)

    with pytest.raises(InvalidRequest, match=r"warehouse\.db must be one that this package made"):
        run(main())
    assert warehouse.read_bytes() == before


def test_what_may_have_been_delivered_is_never_delivered_in_part(tmp_path: Path) -> None:
    """Whatever fails while it is read again."""
    sandbox = small(rows=2000)
    keys: list[str] = []

    async def deliver(batch: Batch) -> None:
        keys.append(batch.key)
        if len(keys) == 1:
            raise ConnectionError("the receiver is down")

    async def main() -> None:
        async with sandbox:
            with pytest.raises(ConnectionError):
                await export(sandbox, CallbackSink(deliver, checkpoint=tmp_path / "x"))
            code = "MARKETING_MESSAGES_LITE_NOT_ENABLED"  # for the second window, and the third
            sandbox.add_fault(Fault(kind="json500", at=2, times=2, code=code))
            with pytest.raises(MarketingMessagesLiteNotEnabled):
                await export(sandbox, CallbackSink(deliver, checkpoint=tmp_path / "x"))
            assert len(keys) == 1
            await export(sandbox, CallbackSink(deliver, checkpoint=tmp_path / "x"))

    run(main())
    assert keys[1] == keys[0]


# ---- a user's own ------------------------------------------------------------------------------


class Counts:
    """The least that a sink needs: what the protocol says, without inheriting anything."""

    upserts = shared = delivers = False

    def __init__(self, folder: Path) -> None:
        self.path = folder / "counts"
        self.checkpoint = folder / "counts.checkpoint"
        self.calls: list[str] = []
        self.rows = 0

    def open(
        self, job: Job, stream: Any, done: Sequence[Done], database: sqlite3.Connection
    ) -> None:
        self.calls.append("open")
        database.execute("CREATE TABLE IF NOT EXISTS counts (a INTEGER, rows INTEGER)")

    def write(self, batch: Batch) -> Receipt:
        self.calls.append("write")
        self.database_rows(batch)
        return Receipt()

    def database_rows(self, batch: Batch) -> None:
        self.rows += len(batch.rows)

    def finish(self) -> None:
        self.calls.append("finish")

    def close(self) -> None:
        self.calls.append("close")


def test_a_sink_of_ones_own(tmp_path: Path) -> None:
    sandbox = small(rows=2000)
    sink: Sink = Counts(tmp_path)
    assert isinstance(sink, Counts)
    report = exported(sandbox, sink)
    assert sink.rows == report.rows == len(truth(sandbox, "messages"))
    assert (sink.calls[:2], sink.calls[-2:]) == (["open", "write"], ["finish", "close"])
    assert set(sink.calls[1:-2]) == {"write"}
    assert exported(sandbox, Counts(tmp_path), resume=True).fresh_rows == 0


def test_the_sink_of_the_docs_loses_and_doubles_nothing(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "pages" / "exports.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import json.*?class Lines.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    sandbox, path = small(rows=2000), tmp_path / "lines.db"
    runs: list[dict[str, Any]] = [
        {"before": BEFORE - 5 * DAY_MS},
        {"since_last": True},
        {"force": True},
    ]
    for options in runs:
        exported(sandbox, names["Lines"](path), **options)
    with contextlib.closing(sqlite3.connect(path)) as database:
        found = [json.loads(line) for (line,) in database.execute("SELECT line FROM lines")]
    assert same(found, truth(sandbox, "messages"))


def test_two_exports_to_one_file_at_once_are_refused(tmp_path: Path) -> None:
    sandbox = small(rows=500)

    async def main() -> list[Any]:
        async with sandbox:
            both = [export(sandbox, tmp_path / "rows.jsonl") for _ in range(2)]
            return await asyncio.gather(*both, return_exceptions=True)

    ended = sorted(type(each).__name__ for each in run(main()))
    assert ended == ["ExportReport", "InvalidRequest"]


def test_a_link_is_the_file_it_leads_to(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.jsonl"
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link.jsonl"
    link.symlink_to(out)

    async def main() -> list[Any]:
        async with sandbox:
            both = [export(sandbox, path, force=True) for path in (out, link)]
            return await asyncio.gather(*both, return_exceptions=True)

    ended = sorted(type(each).__name__ for each in run(main()))
    assert ended == ["ExportReport", "InvalidRequest"]
