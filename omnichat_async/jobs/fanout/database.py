"""A SQLite file in a thread of its own, so that no commit ever holds up the event loop.

What several tasks ask for at the same moment is committed together: one sync to the disk for all.
"""

from __future__ import annotations

import asyncio
import errno
import os
import queue
import sqlite3
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from omnichat_async.database import open_database, transaction
from omnichat_async.errors import ConfigurationError, InvalidRequest
from omnichat_async.jobs.fanout.schema import FORMAT, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from omnichat_async.database import Header

__all__ = ["Database"]

T = TypeVar("T")
Work = tuple["Callable[[sqlite3.Connection], Any]", "Future[Any]"]

MOST_TOGETHER = 128
"""Pieces of work in one transaction."""

BUSY_S = 60.0
"""How long another process may hold the file."""


class Database:
    """An open journal file. `do` runs a function of the connection inside a transaction."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._create = create
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        """Open the file; if there is none it is made, or FileNotFoundError raised."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._serve, args=(ready,), name="omnichat-journal", daemon=True
        )
        self._thread.start()
        await asyncio.shield(asyncio.wrap_future(ready))

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, once it is safe on the disk.

        A cancelled caller does not undo it: work that was handed over is done. Raises what `work`
        raises, and OSError where the disk or the file is at fault.
        """
        return await asyncio.shield(self.hand_over(work))

    def hand_over(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Have `work` done after all that was handed over before, and go on at once."""
        if self._thread is None:
            raise ConfigurationError("the journal is closed: use it inside 'async with FanOut'")
        done: Future[T] = Future()
        self._queue.put((work, done))
        waiting = asyncio.wrap_future(done)
        waiting.add_done_callback(_look_at)
        return waiting

    async def aclose(self) -> None:
        """Finish what was handed over and close the file."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, thread.join))

    # ---- in the thread -------------------------------------------------------------------------

    def _serve(self, ready: Future[None]) -> None:
        try:
            connection = _connect(self.path, create=self._create)
        except (OSError, InvalidRequest) as error:
            ready.set_exception(error)
            return
        except sqlite3.Error as error:
            ready.set_exception(self._as_os_error(error))
            return
        ready.set_result(None)
        try:
            while (batch := self._batch()) is not None:
                self._commit(connection, batch)
        finally:
            connection.close()

    def _batch(self) -> list[Work] | None:
        """The next pieces of work, waiting for the first; None at the end."""
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < MOST_TOGETHER:
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                break
            if work is None:
                self._queue.put(None)
                break
            batch.append(work)
        return batch

    def _commit(self, connection: sqlite3.Connection, batch: list[Work]) -> None:
        outcomes: list[tuple[Any, BaseException | None]] = []
        try:
            with transaction(connection):
                for work, _ in batch:
                    connection.execute("SAVEPOINT piece")
                    try:
                        outcomes.append((work(connection), None))
                    except sqlite3.Error:
                        raise
                    except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
                        outcomes.append((None, error))
                        connection.execute("ROLLBACK TO piece")
                    connection.execute("RELEASE piece")
        except (sqlite3.Error, MemoryError) as error:
            # Nothing of the batch is on the disk, so nobody may go on as if it were.
            outcomes = [(None, self._as_os_error(error))] * len(batch)
        for (_, done), (result, failure) in zip(batch, outcomes, strict=True):
            if failure is None:
                done.set_result(result)
            else:
                done.set_exception(failure)

    def _as_os_error(self, error: Exception) -> OSError:
        if "not a database" in str(error):
            return OSError(errno.EINVAL, "is no journal of a fan-out", str(self.path))
        return OSError(errno.EIO, f"the journal failed: {error}", str(self.path))


def _connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """The connection to a file that only its owner may read."""
    if not create or path.exists():
        _may_be_opened(path)
    check = partial(_check, empty_may_be=create)
    connection = open_database(
        path, SCHEMA, version=FORMAT, check=check, busy_s=BUSY_S, private=create
    )
    connection.execute("PRAGMA cache_size = -16000")
    return connection


def _may_be_opened(path: Path) -> None:
    """Raise what the system would say to it: SQLite does not tell. Opening it to see would do harm
    (see ``omnichat_async.database``)."""
    path.stat()
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _check(found: Header, *, empty_may_be: bool) -> None:
    if not (found.tables or found.version or empty_may_be):
        raise InvalidRequest("journal", "must be the journal of a job", "an empty file")
    if found.version != FORMAT and (found.version or found.tables):
        raise InvalidRequest(
            "journal",
            f"must be a journal of format {FORMAT}, which this version reads",
            f"a database of format {found.version}",
        )


def _look_at(future: asyncio.Future[Any]) -> None:
    """An error of work whose caller was cancelled is nobody's: the journal shows what is true."""
    if not future.cancelled():
        future.exception()
