"""Growing files: append, sync, and only then note where the file is good up to.

Whatever a crash leaves behind that place is cut off before more is written, so a row is in the
file once, whenever the process died.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import io
import os
from typing import TYPE_CHECKING, Any, Protocol

from omnichat_async.codec import lines_of
from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.columns import flat_columns, flatten
from omnichat_async.jobs.sinks.base import Receipt, Sink, about, beside, sync_folder
from omnichat_async.jobs.sinks.layout import (
    keep_layout,
    keep_modified,
    kept_note,
    refuse_other_kind,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from omnichat_async.jobs.ledger import Done, Job
    from omnichat_async.jobs.sinks.base import Batch
    from omnichat_async.jobs.sinks.layout import Layout
    from omnichat_async.jobs.streams import Stream

__all__ = ["CsvFormat", "FileSink", "JsonlFormat", "RowFormat"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula."""


class RowFormat(Protocol):
    """How rows become bytes."""

    @property
    def as_text(self) -> bool:
        """Whether rows may come as their JSON text, of one line."""
        ...

    def layout(self, stream: Stream) -> Layout:
        """What must stay as it is while rows are added to a file."""
        ...

    def keep(self, layout: Layout) -> None:
        """Go on as a file was begun."""
        ...

    def header(self, stream: Stream) -> bytes:
        """What stands before the first row."""
        ...

    def encode(self, stream: Stream, rows: Sequence[Any]) -> bytes:
        """Some rows."""
        ...


class JsonlFormat:
    """One JSON object a line, UTF-8, as the server sent it."""

    as_text = True

    def layout(self, stream: Stream) -> Layout:
        del stream
        return {"kind": ".jsonl"}

    def keep(self, layout: Layout) -> None:
        """A line is a line."""

    def header(self, stream: Stream) -> bytes:
        del stream
        return b""

    def encode(self, stream: Stream, rows: Sequence[Any]) -> bytes:
        del stream
        lines = rows if rows and type(rows[0]) is bytes else lines_of(rows)
        return b"\n".join([*lines, b""])


class CsvFormat:
    """Comma-separated values with a header line, UTF-8, quoted as RFC 4180 says.

    `safe` puts an apostrophe before text that a spreadsheet would run as a formula.
    """

    as_text = False

    def __init__(self, *, safe: bool = False) -> None:
        self._safe = safe
        self._kept: list[str] = []

    def layout(self, stream: Stream) -> Layout:
        return {"kind": ".csv", "csv_safe": self._safe, "columns": flat_columns(stream)}

    def keep(self, layout: Layout) -> None:
        self._kept = layout["columns"]

    def header(self, stream: Stream) -> bytes:
        return self._lines([self._columns(stream)])

    def encode(self, stream: Stream, rows: Sequence[Any]) -> bytes:
        columns = self._columns(stream)
        return self._lines(flatten(row, columns) for row in rows)

    def _columns(self, stream: Stream) -> list[str]:
        return self._kept or flat_columns(stream)

    def _lines(self, rows: Iterable[list[Any]]) -> bytes:
        text = io.StringIO(newline="")
        if self._safe:
            rows = ([_defused(cell) for cell in row] for row in rows)
        csv.writer(text).writerows(rows)
        return text.getvalue().encode("utf-8", "backslashreplace")


def _defused(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


class FileSink(Sink):
    """One file that rows are appended to; with `gz` one gzip member for each commit, so that
    the file can be cut off behind any of them."""

    def __init__(self, path: Path, row_format: RowFormat, *, gz: bool = False) -> None:
        self.path = path
        self.checkpoint = beside(path, ".checkpoint")
        self.as_text = row_format.as_text
        self._format = row_format
        self._gz = gz
        self._file: io.FileIO | None = None
        self._end = 0

    def check_resume(
        self, job: Job, stream: Stream, done: Sequence[Done], database: sqlite3.Connection
    ) -> None:
        """Whether the rows to come are of the kind that is there, and the file is as it was left.

        A file that nobody has written to since the last commit is taken for what it was. One that
        somebody has, or whose last writer died, is read once and compared range by range.
        """
        if not done:
            return
        note = kept_note(database, job)
        if note is not None:
            refuse_other_kind(self.path, note.layout, self._layout(stream))
        end, there = done[-1].bytes, self.path.stat() if self.path.exists() else None
        length = 0 if there is None else there.st_size
        if length < end:
            raise self._changed(end, f"{length} bytes")
        if there is None or (note is not None and note.modified == there.st_mtime_ns):
            return
        other = self._other_bytes(done)
        if other is not None:
            raise self._changed(end, f"other bytes between {other[0]} and {other[1]}")

    def _layout(self, stream: Stream) -> Layout:
        layout = self._format.layout(stream)
        return {**layout, "kind": layout["kind"] + ".gz"} if self._gz else layout

    def _changed(self, end: int, given: str) -> InvalidRequest:
        return InvalidRequest(
            "resume",
            f"{self.path.name} must hold the {end} bytes that were written to it "
            "(force starts over)",
            given,
        )

    def _other_bytes(self, done: Sequence[Done]) -> tuple[int, int] | None:
        """The first part of the file that is not what was written."""
        start = 0
        with self.path.open("rb") as file:
            for each in done:
                data = file.read(each.bytes - start)
                if each.sha256 not in {None, hashlib.sha256(data).hexdigest()}:
                    return start, each.bytes
                start = each.bytes
        return None

    def open(
        self, job: Job, stream: Stream, done: Sequence[Done], database: sqlite3.Connection
    ) -> None:
        self._job, self._stream, self._database = job, stream, database
        self._end = done[-1].bytes if done else 0
        note = kept_note(database, job) if self._end else None
        layout = self._layout(stream) if note is None else note.layout
        if note is None:
            keep_layout(database, job, layout)
        self._format.keep(layout)

    def write(self, batch: Batch) -> Receipt:
        data = b"" if self._end else self._format.header(batch.stream)
        data += self._format.encode(batch.stream, batch.rows)
        if data and self._gz:
            data = gzip.compress(data, compresslevel=6, mtime=0)
        with about(self.path):
            file = self._opened()
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            self._sync(file)
        self._end += len(data)
        return Receipt(bytes=self._end, sha256=hashlib.sha256(data).hexdigest())

    def finish(self) -> None:
        with about(self.path):
            file = self._opened()
            if not self._end:
                header = self._format.header(self._stream)
                file.write(gzip.compress(header, mtime=0) if self._gz else header)
            self._sync(file)

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _opened(self) -> io.FileIO:
        """The file, with what does not count cut off. Not before there is something to write: an
        export that fails at once, for a wrong token say, leaves the file it was to replace."""
        if self._file is None:
            # Unbuffered: after a full disk nothing may be left that is written later by surprise.
            self._file = self.path.open("r+b" if self._end else "wb", buffering=0)
            self._file.truncate(self._end)
            self._file.seek(self._end)
            sync_folder(self.path.parent)
        return self._file

    def _sync(self, file: io.FileIO) -> None:
        """Make durable what was written, and note the time of it in the same transaction."""
        os.fsync(file.fileno())
        keep_modified(self._database, self._job, os.fstat(file.fileno()).st_mtime_ns)
