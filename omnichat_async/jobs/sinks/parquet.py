"""A folder of Parquet parts that reads as one table. Needs the extra ``parquet``."""

from __future__ import annotations

import hashlib
import json
import os
import re
from array import array
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from omnichat_async.codec import compact
from omnichat_async.errors import ConfigurationError, InvalidRequest
from omnichat_async.jobs.columns import Column, columns_of, value_at
from omnichat_async.jobs.ledger import standing
from omnichat_async.jobs.sinks.base import Receipt, Sink, about, beside, sync_folder
from omnichat_async.jobs.sinks.layout import keep_layout, kept_note, refuse_other_kind
from omnichat_async.windows import EPOCH, MILLISECOND

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from omnichat_async.jobs.columns import Kind
    from omnichat_async.jobs.ledger import Done, Job
    from omnichat_async.jobs.sinks.base import Batch
    from omnichat_async.jobs.sinks.layout import Layout
    from omnichat_async.jobs.streams import Stream
    from omnichat_async.windows import Window

__all__ = ["ParquetSink"]

RAW = "raw"
ROW_GROUP = 1_000
"""Rows that are made into columns at once: what bounds the memory it takes."""

_PART = re.compile(r"part-(\d{15}b?|empty)\.parquet")
"""What this package calls a part; b is one that takes the place of another."""

_LEAN = {"compression": "zstd", "use_dictionary": False}
"""Making dictionaries takes 8 MB, and what they save zstd saves anyway."""

_INT64 = range(-(2**63), 2**63)
_YEAR_1_MS, _YEAR_10000_MS = -62_135_596_800_000, 253_402_300_800_000


class ParquetSink(Sink):
    """A folder `path` with a ``part-<start>.parquet`` for each batch.

    A part appears whole or not at all: it is written beside the folder, synced and renamed.
    ``FILE.parquet.manifest.json`` lists the parts that count. The columns are the documented
    fields, whatever a range holds; ``raw`` is the whole row as JSON.
    """

    replaces = True

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra, looked for here and nowhere else
            import pyarrow.parquet as pq  # noqa: PLC0415
        except ImportError:
            raise ConfigurationError(
                "a .parquet file needs the extra: pip install 'omnichat_async[parquet]'"
            ) from None
        self._pa, self._pq = pa, pq
        for each in sorted(path.glob("*.parquet")):
            if not _PART.fullmatch(each.name):
                raise InvalidRequest(
                    "out",
                    f"the folder {path.name} must hold no .parquet files but an export's own, or "
                    "they would be read as one table",
                    each.name,
                )
        self.path = path
        self.checkpoint = beside(path, ".checkpoint")
        self._manifest = beside(path, ".manifest.json")
        self._fresh = beside(path, ".new")
        self._parts: dict[str, dict[str, Any]] = {}
        self._clean = False

    def check_resume(
        self, job: Job, stream: Stream, done: Sequence[Done], database: sqlite3.Connection
    ) -> None:
        """Whether the parts that are done are there in their full length."""
        note = kept_note(database, job)
        if done and note is not None:
            refuse_other_kind(self.path, note.layout, _layout(columns_of(stream)))
        for each in done:
            if each.part is not None:
                self._check(each)

    def open(
        self, job: Job, stream: Stream, done: Sequence[Done], database: sqlite3.Connection
    ) -> None:
        self._stream, self._job, self._database = stream, job, database
        self._columns = columns_of(stream)
        self._clean = False
        self._parts = {
            each.part: _entry(each.window, each.rows, each.bytes, each.sha256)
            for each in done
            if each.part is not None
        }
        note = kept_note(database, job) if self._parts else None
        if note is None:
            keep_layout(database, job, _layout(self._columns))
        else:
            self._columns = _columns_in(note.layout)
        self._schema = self._schema_of(self._columns)

    def _check(self, done: Done) -> None:
        part = self.path / str(done.part)
        length = part.stat().st_size if part.exists() else None
        if length != done.bytes:
            raise InvalidRequest(
                "resume",
                f"{self.path.name}/{part.name} must hold the {done.bytes} bytes that were written "
                "to it (force starts over)",
                "no such file" if length is None else f"{length} bytes",
            )

    def write(self, batch: Batch) -> Receipt:
        with about(self.path):
            self._clear()
            names = [f"part-{batch.window.after:015d}{letter}.parquet" for letter in ("", "b")]
            former = next((name for name in names if name in self._parts), None)
            if former is not None:  # it is there until the new one counts
                del self._parts[former]
                self._clean = False
            if not batch.rows:
                return Receipt()
            name = names[0] if former != names[0] else names[1]
            size, digest = self._write_part(name, batch.rows)
            self._parts[name] = _entry(batch.window, len(batch.rows), size, digest)
            self._write_manifest()
        return Receipt(bytes=size, part=name, sha256=digest)

    def finish(self) -> None:
        with about(self.path):
            self._clear()
            if not self._parts:  # a table without rows is a table too
                self._write_part("part-empty.parquet", [])
            self._write_manifest()

    def close(self) -> None:
        self._fresh.unlink(missing_ok=True)

    def _clear(self) -> None:
        """Before anything is written: the folder, and in it nothing but the parts that count."""
        if self._clean:
            return
        self.path.mkdir(exist_ok=True)
        if any(True for _ in self.path.iterdir()):
            self._write_manifest()  # of parts that stay, so that it never names one that is gone
        for part in self.path.iterdir():
            if _PART.fullmatch(part.name) and part.name not in self._parts:
                part.unlink()
        sync_folder(self.path)
        sync_folder(self.path.parent)
        self._clean = True

    def _write_part(self, name: str, rows: list[Any]) -> tuple[int, str]:
        with self._fresh.open("wb") as file:
            pool = self._pa.system_memory_pool()  # Arrow's own keeps 20 MB more
            with self._pq.ParquetWriter(file, self._schema, memory_pool=pool, **_LEAN) as writer:
                for first in range(0, max(1, len(rows)), ROW_GROUP):
                    writer.write_table(self._table(rows[first : first + ROW_GROUP]))
            file.flush()
            os.fsync(file.fileno())
        size = self._fresh.stat().st_size
        with self._fresh.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._fresh.replace(self.path / name)
        sync_folder(self.path)
        return size, digest

    def _table(self, rows: list[Any]) -> Any:
        arrays = [self._array(column, rows) for column in self._columns]
        arrays.append(self._array_of("text", self._pa.string(), [compact(row) for row in rows]))
        return self._pa.Table.from_arrays(arrays, schema=self._schema)

    def _write_manifest(self) -> None:
        horizon, finished = standing(self._database, self._job)
        with self._fresh.open("w", encoding="utf-8") as file:
            json.dump(
                {
                    "stream": self._stream.name,
                    "after": self._job.window.after,
                    "horizon": horizon,
                    "finished": finished,
                    "rows": sum(part["rows"] for part in self._parts.values()),
                    "parts": [{"file": name, **part} for name, part in self._parts.items()],
                },
                file,
                indent=1,
            )
            file.flush()
            os.fsync(file.fileno())
        self._fresh.replace(self._manifest)

    # ---- columns -------------------------------------------------------------------------------

    def _schema_of(self, columns: list[Column]) -> Any:
        pa = self._pa
        kinds: dict[Kind, Any] = {
            "text": pa.string(),
            "json": pa.string(),
            "integer": pa.int64(),
            "real": pa.float64(),
            "boolean": pa.bool_(),
            "time": pa.timestamp("ms", tz="UTC"),
            "naive_time": pa.timestamp("ms"),
        }
        fields = [pa.field(column.name, kinds[column.kind]) for column in columns]
        return pa.schema([*fields, pa.field(RAW, pa.string())])

    def _array(self, column: Column, rows: list[Any]) -> Any:
        convert = _CONVERTERS[column.kind]
        values = [
            None if (value := value_at(row, column.path)) is None else convert(value)
            for row in rows
        ]
        return self._array_of(column.kind, self._schema.field(column.name).type, values)

    def _array_of(self, kind: Kind, tp: Any, values: list[Any]) -> Any:
        """An Arrow array from its buffers: ``pyarrow.array`` would import pandas where there is
        one, which takes 50 MB."""
        buffers = [_bits(value is not None for value in values), *_BUFFERS[kind](values)]
        wrapped = [self._pa.py_buffer(each) for each in buffers]
        return self._pa.Array.from_buffers(tp, len(values), wrapped)


def _layout(columns: Iterable[Column]) -> Layout:
    return {"kind": ".parquet", "columns": [[*each.path, each.kind] for each in columns]}


def _columns_in(layout: Layout) -> list[Column]:
    return [Column(path=tuple(path), kind=kind) for *path, kind in layout["columns"]]


def _bits(flags: Iterable[bool]) -> bytes:
    """A bitmap, the lowest bit first."""
    digits = "".join("1" if flag else "0" for flag in flags)[::-1]
    return int(digits or "0", 2).to_bytes(len(digits) // 8 + 1, "little")


def _texts(values: list[str | None]) -> tuple[array[int], bytes]:
    """Where each text starts and ends, and all of them."""
    encoded = [b"" if value is None else value.encode() for value in values]
    return array("i", accumulate(map(len, encoded), initial=0)), b"".join(encoded)


def _numbers(code: str) -> Callable[[list[Any]], tuple[array[Any]]]:
    return lambda values: (array(code, (0 if value is None else value for value in values)),)


def _flags(values: list[bool | None]) -> tuple[bytes]:
    return (_bits(map(bool, values)),)


_BUFFERS: dict[Kind, Callable[[list[Any]], tuple[Any, ...]]] = {
    "text": _texts,
    "json": _texts,
    "integer": _numbers("q"),
    "real": _numbers("d"),
    "boolean": _flags,
    "time": _numbers("q"),
    "naive_time": _numbers("q"),
}


def _entry(window: Window, rows: int, size: int, digest: str | None) -> dict[str, Any]:
    """A part in the manifest."""
    span = {"after": window.after, "before": window.before}
    return {**span, "rows": rows, "bytes": size, "sha256": digest}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return compact(value)
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def _integer(value: Any) -> int | None:
    return value if type(value) is int and value in _INT64 else None


def _real(value: Any) -> float | None:
    fits = type(value) is float or (type(value) is int and abs(value) <= 2**53)
    return float(value) if fits else None


def _boolean(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _time(value: Any) -> int | None:
    """Epoch ms, or ISO text with a zone; what a reader could not show as a time stays in `raw`."""
    if isinstance(value, str):
        moment = _parsed(value)
        if moment is None or moment.tzinfo is None:
            return None
        found = _to_ms(moment)  # the zone of an empty time, 0001-01-01, may lead before year 1
        return found if _YEAR_1_MS <= found < _YEAR_10000_MS else None
    return value if type(value) is int and 0 <= value < _YEAR_10000_MS else None


def _naive_time(value: Any) -> int | None:
    """ISO text without a zone; the column has none either."""
    moment = _parsed(value)
    return None if moment is None or moment.tzinfo else _to_ms(moment.replace(tzinfo=UTC))


def _to_ms(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND


def _parsed(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


_CONVERTERS: dict[Kind, Any] = {
    "text": _text,
    "json": _text,
    "integer": _integer,
    "real": _real,
    "boolean": _boolean,
    "time": _time,
    "naive_time": _naive_time,
}
