"""What a sink is: where the rows of an export go."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from omnichat_async.jobs.ledger import Done, Job
    from omnichat_async.jobs.streams import Stream
    from omnichat_async.windows import Window

__all__ = ["Batch", "Checking", "Receipt", "Sink", "about", "beside", "sync_folder"]


@attrs.frozen(kw_only=True)
class Batch:
    """All rows of one range of one job, ordered by time: the server's own objects, or their
    JSON text where the sink has `as_text`."""

    job: str
    stream: Stream
    window: Window
    rows: list[Any]

    @property
    def key(self) -> str:
        """A name for job and range. A batch that is delivered again has the same."""
        return f"{self.job}-{self.window.after}-{self.window.before}"


@attrs.frozen(kw_only=True)
class Receipt:
    """What a sink wants to find again: where its file ends now, or a part's size and name, and
    the SHA-256 of the batch's bytes."""

    bytes: int = 0
    part: str | None = None
    sha256: str | None = None


class Sink(Protocol):
    """Where the rows of an export go. Inherit from it, or just have all of this.

    All methods are called in one thread that is not the event loop's, so they may block, and
    one at a time. `path` is what people look at; `checkpoint` is the SQLite file that says which
    ranges are done. `upserts` says that a row written again takes the place of its former
    version, `shared` that several streams and ranges may go to the same `path`, and
    `delivers` that a batch cannot be taken back once ``write`` was called. A sink may have
    `replaces` too, which says that a batch takes the place of an earlier one of the same range:
    then ``resume`` goes back to the ranges of a finished export that could not be proved. And it
    may have `as_text`, which says that batches may hold the JSON text of rows, each one line of
    UTF-8 in bytes: they do, then, for streams with a key.
    """

    path: Path
    checkpoint: Path
    upserts: bool = False
    shared: bool = False
    delivers: bool = False

    def open(
        self, job: Job, stream: Stream, done: Sequence[Done], database: sqlite3.Connection
    ) -> None:
        """Get ready to go on behind `done`, the ranges whose rows are safe. Whatever else there
        is of this job, or of a run that it starts over, must go before the first ``write`` returns.
        `database` is the connection to `checkpoint`: what is written to it by ``write`` is in the
        transaction that notes the range."""
        ...

    def write(self, batch: Batch) -> Receipt:
        """Make a batch durable. It counts only when the range is noted after that: after a
        crash in between, ``open`` is called without it."""
        ...

    def finish(self) -> None:
        """Nothing is left to write. What is done through the database is in the transaction that
        notes the end."""
        ...

    def close(self) -> None:
        """Let go of everything, after a success, an error or a cancel."""
        ...


@runtime_checkable
class Checking(Protocol):
    """A sink that can tell whether what is there is what the ledger says."""

    def check_resume(
        self, job: Job, stream: Stream, done: Sequence[Done], database: sqlite3.Connection
    ) -> None:
        """Raise InvalidRequest if `job` cannot be gone on with behind `done`. Called before
        anything is sent, and changes nothing."""
        ...


def beside(path: Path, suffix: str) -> Path:
    """The file of this name and one more suffix."""
    return path.with_name(path.name + suffix)


@contextlib.contextmanager
def about(path: Path) -> Iterator[None]:
    """Put a file's name on an error of the disk, which often has none or another one's."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def sync_folder(folder: Path) -> None:
    """Make a rename durable. Windows cannot open a folder, and needs no such thing."""
    if os.name == "nt":  # pragma: no cover
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
