"""A file that is gone on with: of one kind from end to end, and as it was left."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import OmnichatClient, RateLimiter
from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs import Export, ExportReport
from omnichat_async.jobs import export as export_module
from omnichat_async.jobs.columns import columns_of, flat_columns
from omnichat_async.jobs.ledger import Ledger
from omnichat_async.jobs.sinks import files, parquet, sink_for, sqlite
from omnichat_async.jobs.sinks.files import FileSink
from omnichat_async.jobs.store import Store
from tests.sandbox.support import DAY_MS, START_MS, small
from tests.support.exports import AFTER, BEFORE, read_csv, read_rows, same, truth
from tests.support.run import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from omnichat_async.jobs.ledger import Done
    from omnichat_async.jobs.sinks import Sink
    from omnichat_async.sandbox import Sandbox

EARLIER = BEFORE - 2 * DAY_MS
"""The end of a first run, which a second one goes on from."""


def night(sandbox: Sandbox, out: Path | Sink, before: int = BEFORE, **options: Any) -> ExportReport:
    """A run that adds what is new."""
    fixed: dict[str, Any] = {"platform": "whatsapp", "since_last": True, "after": AFTER}

    async def main() -> ExportReport:
        async with (
            sandbox,
            OmnichatClient(
                sandbox.token, base_url=sandbox.url, limiter=RateLimiter(None)
            ) as client,
        ):
            return await Export(client, "messages", out, before=before, **fixed | options).run()

    return run(main())


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refused(sandbox: Sandbox, out: Path | Sink, folder: Path, message: str) -> None:
    """This run is refused before anything is sent, and no file changes."""
    before = files_in(folder)
    sandbox.reset_stats()
    with pytest.raises(InvalidRequest) as caught:
        night(sandbox, out)
    assert str(caught.value).startswith(message)
    assert files_in(folder) == before
    assert sandbox.stats().requests == 0


# ---- of one kind -------------------------------------------------------------------------------


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_safe_and_unsafe_cells_are_never_in_one_file(
    tmp_path: Path, suffix: str, safe: bool
) -> None:
    sandbox, out = small(rows=1000), tmp_path / f"rows.{suffix}"
    night(sandbox, sink_for(out, csv_safe=safe), EARLIER)
    refused(
        sandbox,
        sink_for(out, csv_safe=not safe),
        tmp_path,
        f"csv_safe: must be {'on' if safe else 'off'}, as {out.name} was begun, or its rows would",
    )
    night(sandbox, sink_for(out, csv_safe=safe))
    night(sandbox, sink_for(out, csv_safe=not safe), since_last=False, force=True)
    refused(sandbox, sink_for(out, csv_safe=safe), tmp_path, "csv_safe: must be ")


@pytest.mark.parametrize(
    ("began", "given"),
    [("csv", "jsonl"), ("jsonl", "csv"), ("jsonl", "jsonl.gz"), ("csv.gz", "csv")],
)
def test_a_file_keeps_its_format_under_another_name(tmp_path: Path, began: str, given: str) -> None:
    sandbox, out = small(rows=1000), tmp_path / f"rows.{given}"
    night(sandbox, tmp_path / f"rows.{began}", EARLIER)
    for suffix in ("", ".checkpoint"):
        (tmp_path / f"rows.{began}{suffix}").rename(tmp_path / f"rows.{given}{suffix}")
    message = f"out: must end in .{began}, as it was begun; given: .{given}"
    refused(sandbox, out, tmp_path, message)


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A version of this package that knew fewer columns, until it is undone."""
    unknown = ("messageStatus", "channel.channelId")
    monkeypatch.setattr(
        files, "flat_columns", lambda s: [each for each in flat_columns(s) if each not in unknown]
    )
    for module in (parquet, sqlite):
        monkeypatch.setattr(
            module, "columns_of", lambda s: [c for c in columns_of(s) if c.dotted not in unknown]
        )
    return monkeypatch


def test_a_csv_file_keeps_its_columns(tmp_path: Path, older: pytest.MonkeyPatch) -> None:
    """What they lack goes where all goes that has no column."""
    sandbox, out = small(rows=1000), tmp_path / "rows.csv"
    night(sandbox, out, EARLIER)
    before = read_csv(out)
    older.undo()
    night(sandbox, out)
    rows = read_csv(out)
    assert rows[0].keys() == rows[-1].keys() == before[0].keys()
    assert "messageStatus" in rows[0]["extra"]
    assert "messageStatus" in rows[-1]["extra"]
    assert not [row for row in rows if None in row]
    assert len(rows) == len(truth(sandbox, "messages"))


def test_all_parts_have_the_same_columns(tmp_path: Path, older: pytest.MonkeyPatch) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    sandbox, out = small(rows=1000), tmp_path / "rows.parquet"
    night(sandbox, out, EARLIER)
    older.undo()
    night(sandbox, out)
    schemas = [pq.read_schema(part) for part in sorted(out.iterdir())]
    assert len(schemas) > 1
    assert all(schema == schemas[0] for schema in schemas)
    assert "messageStatus" not in schemas[0].names
    assert same(read_rows(out), truth(sandbox, "messages"))


def test_a_table_gets_columns_that_are_new(tmp_path: Path, older: pytest.MonkeyPatch) -> None:
    sandbox, out = small(rows=1000), tmp_path / "rows.sqlite"
    night(sandbox, out, EARLIER)
    older.undo()
    night(sandbox, out)
    assert same(read_rows(out), truth(sandbox, "messages"))
    with contextlib.closing(sqlite3.connect(out)) as database:
        found = database.execute(
            "SELECT max(time) FILTER (WHERE messageStatus IS NULL), max(time) FROM messages"
        ).fetchone()
    assert found[0] < found[1]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "sqlite"])
def test_an_export_of_the_version_before_is_gone_on_with(tmp_path: Path, suffix: str) -> None:
    """Its ledger notes nothing about the file."""
    sandbox, out = small(rows=1000), tmp_path / f"rows.{suffix}"
    night(sandbox, out, EARLIER)
    ledger = out if suffix == "sqlite" else out.with_name(f"{out.name}.checkpoint")
    with contextlib.closing(sqlite3.connect(ledger)) as database:
        database.executescript("DROP TABLE omnichat_file; PRAGMA user_version = 1")
    for before in (BEFORE - DAY_MS, BEFORE):
        report = night(sandbox, out, before)
    assert report.rows == len(truth(sandbox, "messages"))
    found: Any = read_csv(out) if suffix == "csv" else read_rows(out)
    assert len(found) == report.rows


# ---- as it was left ----------------------------------------------------------------------------


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Sandbox, Path]:
    """A finished file of several ranges."""
    monkeypatch.setattr(export_module, "COMMIT_ROWS", 1)
    sandbox, out = small(rows=1500), tmp_path / "rows.jsonl"
    night(sandbox, out, EARLIER)
    return sandbox, out


@pytest.mark.parametrize("place", [0, 0.4, 0.99])
def test_a_file_that_was_edited_anywhere_is_not_gone_on_with(
    long: tuple[Sandbox, Path], place: float
) -> None:
    """Though it is as long as it was."""
    sandbox, out = long
    with out.open("r+b") as file:
        file.seek(int(out.stat().st_size * place))
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(b"X" if byte != b"X" else b"Y")
    size = out.stat().st_size
    message = f"resume: rows.jsonl must hold the {size} bytes that were written to it (force starts"
    refused(sandbox, out, out.parent, message)


def test_the_place_of_an_edit_is_named(long: tuple[Sandbox, Path]) -> None:
    sandbox, out = long
    out.write_bytes(b"#" + out.read_bytes()[1:])
    with contextlib.closing(Ledger(out.with_name("rows.jsonl.checkpoint"))) as ledger:
        first = ledger.done(ledger.jobs()[0])[0].bytes
    with pytest.raises(InvalidRequest, match=f"given: other bytes between 0 and {first}$"):
        night(sandbox, out)


def test_a_file_that_was_only_touched_or_copied_is_gone_on_with(
    long: tuple[Sandbox, Path],
) -> None:
    sandbox, out = long
    copy = out.with_name("copy")
    copy.write_bytes(out.read_bytes())
    copy.replace(out)
    os.utime(out, ns=(1, 1))
    night(sandbox, out)
    assert same(read_rows(out), truth(sandbox, "messages"))


def test_a_file_that_nobody_touched_is_not_read(
    long: tuple[Sandbox, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one that this package wrote in several runs."""
    sandbox, out = long
    read: list[int] = []
    real = FileSink._other_bytes

    def noted(sink: FileSink, done: Any) -> Any:
        read.append(len(done))
        return real(sink, done)

    monkeypatch.setattr(FileSink, "_other_bytes", noted)
    for before in (BEFORE - DAY_MS, BEFORE):
        night(sandbox, out, before)
    night(sandbox, out, resume=True, since_last=False)
    assert read == []
    out.touch()
    night(sandbox, out, resume=True, since_last=False)
    assert len(read) == 1


# ---- how much is done for each range -----------------------------------------------------------


class Counted(list["Done"]):
    """Done ranges, and how many were looked at."""

    looks = 0

    def __iter__(self) -> Iterator[Done]:
        self.looks += len(self)
        return super().__iter__()


def test_a_range_costs_no_look_at_all_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a commit nor the progress that is told."""
    monkeypatch.setattr(export_module, "COMMIT_S", 0.0)
    counted: list[Counted] = []
    real = Store.__init__

    def made(store: Store, *args: Any) -> None:
        real(store, *args)
        store.done = Counted()
        counted.append(store.done)

    monkeypatch.setattr(Store, "__init__", made)
    report = night(small(rows=500), tmp_path / "rows.jsonl", after=START_MS - 400 * DAY_MS)
    (done,) = counted
    assert report.rows > 100
    assert len(done) > 50
    assert done.looks < 10 * len(done)
