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

from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.columns import compact, flat_columns, flatten
from omnichat_async.jobs.sinks.base import Receipt, Sink, about, beside, sync_folder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from omnichat_async.jobs.ledger import Done, Job
    from omnichat_async.jobs.sinks.base import Batch
    from omnichat_async.jobs.streams import Stream

__all__ = ["CsvFormat", "FileSink", "JsonlFormat", "RowFormat"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula."""


class RowFormat(Protocol):
    """How rows become bytes."""

    def header(self, stream: Stream) -> bytes:
        """What stands before the first row."""
        ...

    def encode(self, stream: Stream, rows: Iterable[Any]) -> bytes:
        """Some rows."""
        ...


class JsonlFormat:
    """One JSON object a line, UTF-8, as the server sent it."""

    def header(self, stream: Stream) -> bytes:
        del stream
        return b""

    def encode(self, stream: Stream, rows: Iterable[Any]) -> bytes:
        del stream
        return "".join(compact(row) + "\n" for row in rows).encode()


class CsvFormat:
    """Comma-separated values with a header line, UTF-8, quoted as RFC 4180 says.

    `safe` puts an apostrophe before text that a spreadsheet would run as a formula.
    """

    def __init__(self, *, safe: bool = False) -> None:
        self._safe = safe

    def header(self, stream: Stream) -> bytes:
        return self._lines([flat_columns(stream)])

    def encode(self, stream: Stream, rows: Iterable[Any]) -> bytes:
        columns = flat_columns(stream)
        return self._lines(flatten(row, columns) for row in rows)

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
        self._format = row_format
        self._gz = gz
        self._file: io.FileIO | None = None
        self._end = 0

    def open(
        self, job: Job, stream: Stream, done: Sequence[Done], database: sqlite3.Connection
    ) -> None:
        del job, database
        self._stream = stream
        self._end = done[-1].bytes if done else 0
        length = self.path.stat().st_size if self.path.exists() else 0
        if length < self._end or not self._holds(done):
            raise InvalidRequest(
                "resume",
                f"{self.path.name} must hold the {self._end} bytes that were written to it "
                "(force starts over)",
                f"{length} bytes" if length < self._end else "other bytes",
            )

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
            os.fsync(file.fileno())
        self._end += len(data)
        return Receipt(bytes=self._end, sha256=hashlib.sha256(data).hexdigest())

    def finish(self) -> None:
        with about(self.path):
            file = self._opened()
            if not self._end:
                header = self._format.header(self._stream)
                file.write(gzip.compress(header, mtime=0) if self._gz else header)
            os.fsync(file.fileno())

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

    def _holds(self, done: Sequence[Done]) -> bool:
        """Whether the bytes of the last range are still those that were written."""
        if not done or done[-1].sha256 is None:
            return True
        start = done[-2].bytes if len(done) > 1 else 0
        if not self.path.exists():
            return done[-1].bytes == 0
        with self.path.open("rb") as file:
            file.seek(start)
            data = file.read(done[-1].bytes - start)
        return hashlib.sha256(data).hexdigest() == done[-1].sha256
