"""Growing files that survive a crash: append, sync, then note how far the file is good.

The note (``FILE.checkpoint``) is replaced in one step after the rows it speaks of are on disk.
Whatever a crash leaves behind the noted length is cut off by the next start, so a row is in the
file once, whenever the process died.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from omnichat_async.errors import InvalidRequest
from omnichat_async.windows import Checkpoint, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = [
    "CsvFormat",
    "GrowingFile",
    "JsonlFormat",
    "Note",
    "RowFormat",
    "note_path",
    "read_note",
    "write_note",
]

_FORMAT = 1


class RowFormat(Protocol):
    """How rows become bytes."""

    def header(self) -> bytes:
        """What stands before the first row."""
        ...

    def encode(self, rows: Iterable[Any]) -> bytes:
        """Some rows."""
        ...


class JsonlFormat:
    """One JSON object a line, UTF-8, as the server sent it."""

    def header(self) -> bytes:
        return b""

    def encode(self, rows: Iterable[Any]) -> bytes:
        return _utf8(
            "".join(
                json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows
            )
        )


class CsvFormat:
    """Comma-separated values with a header line, UTF-8, quoted as RFC 4180 says."""

    def __init__(self, columns: list[str], flatten: Callable[[Any, list[str]], list[Any]]) -> None:
        self._columns = columns
        self._flatten = flatten

    def header(self) -> bytes:
        return self._lines([self._columns])

    def encode(self, rows: Iterable[Any]) -> bytes:
        return self._lines(self._flatten(row, self._columns) for row in rows)

    def _lines(self, rows: Iterable[list[Any]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        return _utf8(text.getvalue())


@attrs.frozen(kw_only=True)
class Note:
    """How far a file is good: its first `bytes` hold `rows` rows, and the walk of `stream` over
    `window` goes on at `checkpoint`."""

    stream: str
    window: Window
    bytes: int
    rows: int
    checkpoint: Checkpoint

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(
            {
                "v": _FORMAT,
                "stream": self.stream,
                "after": self.window.after,
                "before": self.window.before,
                "bytes": self.bytes,
                "rows": self.rows,
                "checkpoint": str(self.checkpoint),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Note:
        """Read what ``to_json`` wrote; ValueError for anything else."""
        try:
            data = json.loads(text)
            if data["v"] != _FORMAT:
                raise ValueError(f"format {data['v']!r:.20}")
            window = Window(data["after"], data["before"])
            counts = (window.after, window.before - 1 - window.after, data["bytes"], data["rows"])
            if not all(type(count) is int and count >= 0 for count in counts):
                raise ValueError("impossible numbers")
            return cls(
                stream=data["stream"],
                window=window,
                bytes=data["bytes"],
                rows=data["rows"],
                checkpoint=Checkpoint.parse(data["checkpoint"]),
            )
        except (json.JSONDecodeError, InvalidRequest, KeyError, TypeError, RecursionError):
            raise ValueError("something else") from None


def note_path(path: Path) -> Path:
    """Where the note about `path` is kept."""
    return path.with_name(path.name + ".checkpoint")


def read_note(path: Path) -> Note | None:
    """The note about `path`, or None if there is none."""
    note = note_path(path)
    try:
        return Note.from_json(note.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        given = "no text" if isinstance(error, UnicodeError) else str(error)
        raise InvalidRequest(
            "resume",
            f"{note.name} must be the checkpoint that this version writes of an unfinished export "
            "(force starts over)",
            given,
        ) from None


def write_note(path: Path, note: Note) -> None:
    """Replace the note about `path` in one step."""
    target, fresh = note_path(path), _fresh_note_path(path)
    with _about(path):
        with fresh.open("w", encoding="utf-8") as file:
            file.write(note.to_json())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
        _sync_folder(target.parent)


class GrowingFile:
    """A file that rows are appended to. Not safe for two writers.

    `note` says how far it is good: what is written is in it once all of it is in the file.
    """

    def __init__(self, path: Path, row_format: RowFormat, note: Note) -> None:
        self.path = path
        self.note = note
        self._format = row_format
        self._file: io.FileIO | None = None
        self._in_doubt = False

    def write(self, rows: list[Any], checkpoint: Checkpoint) -> None:
        """Append rows, behind which the walk goes on at `checkpoint`. They count only after the
        next ``commit``."""
        file = self._opened()
        data = self._format.encode(rows)
        self._append(file, data)
        self.note = attrs.evolve(
            self.note,
            bytes=self.note.bytes + len(data),
            rows=self.note.rows + len(rows),
            checkpoint=checkpoint,
        )

    def commit(self) -> None:
        """Make everything written so far durable, and note that it is."""
        if self._file is None or self._in_doubt:
            return
        self._in_doubt = True  # after a failed fsync another one may claim that all is well
        with _about(self.path):
            os.fsync(self._file.fileno())
        self._in_doubt = False
        write_note(self.path, self.note)

    def finish(self) -> None:
        """The file is complete: make it durable and drop the note."""
        file = self._opened()
        with _about(self.path):
            os.fsync(file.fileno())
            note_path(self.path).unlink(missing_ok=True)
            _fresh_note_path(self.path).unlink(missing_ok=True)
            _sync_folder(self.path.parent)

    def close(self) -> None:
        """Close the file; the note stays."""
        if self._file is not None:
            self._file.close()

    def _opened(self) -> io.FileIO:
        """The file, with what is not good cut off. Not before there is something to write: an
        export that fails at once, for a wrong token say, leaves the file it was to replace."""
        if self._file is None:
            # Unbuffered: after a full disk nothing may be left that is written later by surprise.
            with _about(self.path):
                self._file = self.path.open("r+b" if self.note.bytes else "wb", buffering=0)
                self._file.truncate(self.note.bytes)
                self._file.seek(self.note.bytes)
            if not self.note.bytes:
                header = self._format.header()
                self._append(self._file, header)
                self.note = attrs.evolve(self.note, bytes=len(header))
        return self._file

    def _append(self, file: io.FileIO, data: bytes) -> None:
        view = memoryview(data)
        with _about(self.path):
            while view:
                view = view[file.write(view) :]


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """Put the file's name on an error of the disk, which often has none or that of a helper."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _fresh_note_path(path: Path) -> Path:
    return path.with_name(path.name + ".checkpoint.new")


def _utf8(text: str) -> bytes:
    """UTF-8; half of a surrogate pair, which JSON allows and UTF-8 does not, stays escaped."""
    return text.encode("utf-8", "backslashreplace")


def _sync_folder(folder: Path) -> None:
    """Make a rename durable. Windows cannot open a folder, and needs no such thing."""
    if os.name == "nt":  # pragma: no cover
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
