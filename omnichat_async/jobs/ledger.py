"""The ledger of an export: which ranges of time are done, in SQLite.

What is left is the asked range up to the horizon without the ranges that are done. No page
number is ever kept: pages move, ranges do not.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import sqlite3
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from omnichat_async._version import __version__
from omnichat_async.database import APPLICATION_ID, open_database, transaction
from omnichat_async.errors import InvalidRequest
from omnichat_async.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from omnichat_async.database import Header

__all__ = ["Done", "Job", "Ledger", "database_errors", "query_name", "remaining", "standing"]

FORMAT = 2
BUSY_S = 10.0
"""How long another process may hold the file."""
# The format before this one has a table less.
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS omnichat_job (
    id TEXT PRIMARY KEY, query TEXT NOT NULL, stream TEXT NOT NULL, params TEXT NOT NULL,
    after INTEGER NOT NULL, before INTEGER NOT NULL, horizon INTEGER NOT NULL,
    clamped INTEGER NOT NULL, library TEXT NOT NULL, started TEXT NOT NULL, finished TEXT
);
CREATE TABLE IF NOT EXISTS omnichat_done (
    job TEXT NOT NULL, a INTEGER NOT NULL, b INTEGER NOT NULL, rows INTEGER NOT NULL,
    requests INTEGER NOT NULL, certificates TEXT NOT NULL, bytes INTEGER NOT NULL, part TEXT,
    sha256 TEXT, at TEXT NOT NULL, PRIMARY KEY (job, a)
);
CREATE TABLE IF NOT EXISTS omnichat_intent (
    job TEXT PRIMARY KEY, a INTEGER NOT NULL, b INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS omnichat_file (
    job TEXT PRIMARY KEY, layout TEXT NOT NULL, modified INTEGER
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""


@attrs.frozen(kw_only=True)
class Job:
    """One export: its stream and filters, the range asked for and the horizon it is read up to.

    `id` names all of that but the horizon, `query` only stream and filters. `clamped` says that
    the horizon lies before the end that was asked for.
    """

    stream: str
    params: Mapping[str, str]
    window: Window
    horizon: int
    clamped: bool = False
    finished: bool = False

    @property
    def query(self) -> str:
        """The name of stream and filters."""
        return query_name(self.stream, self.params)

    @property
    def id(self) -> str:
        """The name of stream, filters and range."""
        text = json.dumps([self.query, self.window.after, self.window.before])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@attrs.frozen(kw_only=True)
class Done:
    """A range whose rows are safe. `certificates` counts its leaves by what proves them; `bytes`
    is where a growing file ends behind it, or the size of its `part`; `sha256` is of its bytes."""

    window: Window
    rows: int
    requests: int
    certificates: Mapping[str, int]
    bytes: int = 0
    part: str | None = None
    sha256: str | None = None

    @property
    def proved(self) -> bool:
        """Whether every leaf has a certificate."""
        return "none" not in self.certificates


def query_name(stream: str, params: Mapping[str, str]) -> str:
    """A short name for a stream and its filters."""
    text = json.dumps([stream, sorted(params.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def remaining(window: Window, done: Iterable[Window], cuts: Iterable[int] = ()) -> list[Window]:
    """The parts of `window` that no range of `done` covers, in order, cut at each of `cuts`."""
    left: list[Window] = []
    reached = window.after
    ends = Window(window.before, window.before)
    for each in [*sorted(done), ends]:
        if reached < min(each.after, window.before):
            left.append(Window(reached, min(each.after, window.before)))
        reached = max(reached, each.before)
    for cut in cuts:
        left = [
            piece
            for each in left
            for piece in (
                (Window(each.after, cut), Window(cut, each.before))
                if each.after < cut < each.before
                else (each,)
            )
        ]
    return left


class Ledger:
    """The jobs of one database and their done ranges. For one thread at a time.

    Nothing is created before the first job is kept. Raises InvalidRequest for a file that is no
    ledger of this version, OSError for what the disk says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: sqlite3.Connection | None = None
        if path.exists():
            with database_errors(path):
                self._open = self._connected()

    @property
    def database(self) -> sqlite3.Connection:
        """The connection, made when it is first needed."""
        if self._open is None:
            with database_errors(self.path):
                self._open = self._connected()
        return self._open

    def _connected(self) -> sqlite3.Connection:
        return open_database(
            self.path,
            _SCHEMA.split(";"),
            version=FORMAT,
            check=self._check,
            busy_s=BUSY_S,
            any_thread=True,
        )

    def _check(self, found: Header) -> None:
        if found.is_foreign("omnichat_job"):
            ours = found.owner == APPLICATION_ID  # an inbox
            limit = "be one of an export" if ours else "be one that this package made"
            raise _refused(self.path, limit, "another database")
        if found.version > FORMAT:
            raise _refused(
                self.path,
                f"be of format {FORMAT} (a newer version of this package made it)",
                f"format {found.version}",
            )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of what is done inside, or nothing."""
        database = self.database
        with database_errors(self.path), transaction(database):
            yield database

    def jobs(self) -> list[Job]:
        """All jobs, the latest last."""
        if self._open is None:
            return []
        with database_errors(self.path):
            found = self._open.execute(
                "SELECT stream, params, after, before, horizon, clamped, finished FROM omnichat_job"
                " ORDER BY horizon, started"
            ).fetchall()
        return [
            Job(
                stream=stream,
                params=json.loads(params),
                window=Window(after, before),
                horizon=horizon,
                clamped=bool(clamped),
                finished=finished is not None,
            )
            for stream, params, after, before, horizon, clamped, finished in found
        ]

    def done(self, job: Job) -> list[Done]:
        """The ranges of a job that are done, in order."""
        if self._open is None:
            return []
        with database_errors(self.path):
            found = self._open.execute(
                "SELECT a, b, rows, requests, certificates, bytes, part, sha256 FROM omnichat_done"
                " WHERE job = ? ORDER BY a",
                (job.id,),
            ).fetchall()
        return [
            Done(
                window=Window(a, b),
                rows=rows,
                requests=requests,
                certificates=json.loads(certificates),
                bytes=size,
                part=part,
                sha256=digest,
            )
            for a, b, rows, requests, certificates, size, part, digest in found
        ]

    def start(self, job: Job, instead_of: Iterable[Job] = ()) -> None:
        """Keep a new job, and forget those it replaces."""
        with self.transaction() as database:
            for old in instead_of:
                _forget(database, old)
            database.execute(
                "INSERT INTO omnichat_job VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    *(job.id, job.query, job.stream, json.dumps(dict(job.params))),
                    *(job.window.after, job.window.before, job.horizon, job.clamped),
                    *(__version__, _now()),
                ),
            )

    def extend(self, job: Job, longer: Job, kept: Iterable[Done]) -> None:
        """Have `longer` take the place of `job`, of whose done ranges only `kept` still count."""
        starts = {done.window.after for done in kept}
        with self.transaction() as database:
            if longer.id != job.id:  # an earlier run of just that range, which did not get so far
                _forget(database, longer)
            database.execute(
                "UPDATE omnichat_job SET id = ?, before = ?, horizon = ?, clamped = ?, library = ?,"
                " finished = NULL WHERE id = ?",
                (
                    *(longer.id, longer.window.before, longer.horizon, longer.clamped),
                    *(__version__, job.id),
                ),
            )
            for done in self.done(job):
                if done.window.after not in starts:
                    database.execute(
                        "DELETE FROM omnichat_done WHERE job = ? AND a = ?",
                        (job.id, done.window.after),
                    )
            for table in ("omnichat_done", "omnichat_file"):
                database.execute(
                    f"UPDATE {table} SET job = ? WHERE job = ?",  # noqa: S608
                    (longer.id, job.id),
                )

    def reopen(self, job: Job) -> None:
        """Note that a finished job is gone back to."""
        with self.transaction() as database:
            database.execute("UPDATE omnichat_job SET finished = NULL WHERE id = ?", (job.id,))

    def add(self, job: Job, done: Done) -> None:
        """Note a done range, or note it anew. Only inside a ``transaction``."""
        self.database.execute(
            "INSERT OR REPLACE INTO omnichat_done VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(job.id, done.window.after, done.window.before, done.rows, done.requests),
                *(json.dumps(dict(done.certificates)), done.bytes, done.part, done.sha256, _now()),
            ),
        )
        self.database.execute("DELETE FROM omnichat_intent WHERE job = ?", (job.id,))

    def intend(self, job: Job, window: Window) -> None:
        """Note a range that is about to be delivered, so that a repeat is of the same range."""
        with self.transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO omnichat_intent VALUES (?, ?, ?)",
                (job.id, window.after, window.before),
            )

    def intent(self, job: Job) -> Window | None:
        """The range whose delivery may have begun."""
        if self._open is None:
            return None
        with database_errors(self.path):
            found = self._open.execute(
                "SELECT a, b FROM omnichat_intent WHERE job = ?", (job.id,)
            ).fetchone()
        return None if found is None else Window(*found)

    def finish(self, job: Job) -> None:
        """Note that nothing is left up to the job's horizon. Only inside a ``transaction``."""
        self.database.execute(
            "UPDATE omnichat_job SET horizon = ?, clamped = ?, finished = ? WHERE id = ?",
            (job.horizon, job.clamped, _now(), job.id),
        )

    def close(self) -> None:
        """Close the database; needless calls do nothing."""
        database, self._open = self._open, None
        if database is not None:
            database.close()


_TABLES = (
    *(("omnichat_job", "id"), ("omnichat_done", "job")),
    *(("omnichat_intent", "job"), ("omnichat_file", "job")),
)


def _forget(database: sqlite3.Connection, job: Job) -> None:
    for table, name in _TABLES:
        database.execute(f"DELETE FROM {table} WHERE {name} = ?", (job.id,))  # noqa: S608


def standing(database: sqlite3.Connection, job: Job) -> tuple[int, bool]:
    """The horizon of a job as its ledger has it now, and whether it is finished."""
    horizon, finished = database.execute(
        "SELECT horizon, finished FROM omnichat_job WHERE id = ?", (job.id,)
    ).fetchone()
    return horizon, finished is not None


def certificates(done: Iterable[Done]) -> dict[str, int]:
    """How many leaves each kind of certificate proves."""
    found: Counter[str] = Counter()
    for each in done:
        found.update(each.certificates)
    return dict(found)


@contextlib.contextmanager
def database_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into those of the disk, or one sentence about the file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            raise _refused(path, "be one that this package made", "something else") from None
        number, text = _DISK.get(code, (errno.EIO, str(error)))
        raise OSError(number, text, str(path)) from error


_DISK = {
    sqlite3.SQLITE_FULL: (errno.ENOSPC, "No space left on device"),
    sqlite3.SQLITE_IOERR: (errno.EIO, "Input/output error"),
    sqlite3.SQLITE_CANTOPEN: (errno.EACCES, "the database cannot be opened"),
    sqlite3.SQLITE_READONLY: (errno.EROFS, "the database cannot be written"),
    sqlite3.SQLITE_BUSY: (errno.EBUSY, "another program is writing to the database"),
}


def _refused(path: Path, limit: str, given: str) -> InvalidRequest:
    return InvalidRequest("out", f"the database {path.name} must {limit}", given)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
