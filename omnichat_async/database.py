"""How a SQLite file of this package is opened: nothing is changed in somebody else's, what is
committed is safe on the disk, and several processes may share it.

POSIX drops all locks that a process has on a file when it closes any descriptor of it. SQLite knows
and keeps its own open; a file that it may have open must not be opened here in any other way.
Another process could then take it for closed and remove the log that holds the last commits.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["APPLICATION_ID", "Header", "open_database", "transaction"]

APPLICATION_ID = 0x4F6D_6E69
"""What says in a file's header that this package made it."""

_making = threading.Lock()


@attrs.frozen
class Header:
    """What a file says of itself: who made it, the version of its format, and its tables."""

    owner: int
    version: int
    tables: frozenset[str]

    def is_foreign(self, table: str) -> bool:
        """Whether there is something in it and it is no file of ours with this table."""
        if self.owner != APPLICATION_ID:
            return bool(self.tables or self.owner or self.version)
        return bool(self.tables) and table not in self.tables

    def is_behind(self, version: int) -> bool:
        """Whether it has still to become a file of this version."""
        return not self.tables or self.version < version


def open_database(
    path: Path | str,
    schema: Iterable[str],
    *,
    version: int,
    check: Callable[[Header], None],
    busy_s: float,
    upgrade: Iterable[str] | None = None,
    private: bool = False,
    any_thread: bool = False,
) -> sqlite3.Connection:
    """A connection in which every commit is durable. Transactions are begun by whoever uses it.

    `check` raises for a file that is not to be touched. In an empty one the statements of `schema`
    are executed in one transaction, and in one of an older `version` those of `upgrade`, or of
    `schema` again where there are none; they set the header.
    `busy_s` is how long another process may hold the file, in seconds. A `private` file is made so
    that only its owner may read it. `any_thread` is for a connection that one thread after the
    other uses. Raises sqlite3.Error, and OSError where a private file cannot be made.
    """
    with _making:
        if private:
            _make_private(path)
        database = sqlite3.connect(
            path, isolation_level=None, timeout=busy_s, check_same_thread=not any_thread
        )
    try:
        database.execute("BEGIN")  # or another process might change it between the questions
        found = _header(database)
        database.execute("COMMIT")
        check(found)
        _begin_wal(database, busy_s)
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA fullfsync = ON")  # macOS: through the disk's own cache
        if found.is_behind(version):
            with transaction(database):
                found = _header(database)  # another process may have made it meanwhile
                check(found)
                if found.is_behind(version):
                    for statement in upgrade if upgrade and found.tables else schema:
                        database.execute(statement)
    except BaseException:
        database.close()
        raise
    return database


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of what is done inside, or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")  # where a full disk shows
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # some errors have ended it already
            database.execute("ROLLBACK")
        raise


def _make_private(path: Path | str) -> None:
    """Make the file if there is none. SQLite gives the files beside it the same mode.

    One that is there is not opened. A new one cannot be open elsewhere in this process: whoever
    would open it waits for the lock.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _header(database: sqlite3.Connection) -> Header:
    (owner,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return Header(owner, version, frozenset(name for (name,) in tables))


def _begin_wal(database: sqlite3.Connection, busy_s: float) -> None:
    # Of processes that make a file together, SQLite has all but one fail here at once.
    deadline = time.monotonic() + busy_s
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
