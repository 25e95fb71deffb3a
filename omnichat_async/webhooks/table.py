"""The table of an inbox: its statements, each in one transaction.

Of the open events of a lane only one, the head, has a `due` and can be leased. Whoever ends it
makes the lane's oldest open event the next head, so looking for work costs the same however many
events wait.
"""

from __future__ import annotations

import sqlite3
import uuid
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from omnichat_async.database import APPLICATION_ID, open_database, transaction
from omnichat_async.errors import ConfigurationError, OmnichatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.database import Header

__all__ = ["FORMAT", "InboxFull", "State", "Table"]

State: TypeAlias = Literal["open", "done", "dead"]

FORMAT = 2
_SCHEMA = f"""
CREATE TABLE events (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lane TEXT NOT NULL, name TEXT NOT NULL,
    headers TEXT NOT NULL, body BLOB NOT NULL, received REAL NOT NULL, state TEXT NOT NULL,
    due REAL, attempts INTEGER NOT NULL DEFAULT 0, token TEXT, error TEXT,
    scope TEXT NOT NULL DEFAULT '', replays INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX open_lanes ON events (lane, id) WHERE state = 'open';
CREATE INDEX heads ON events (due) WHERE state = 'open' AND due IS NOT NULL;
CREATE INDEX scope_heads ON events (scope, due) WHERE state = 'open' AND due IS NOT NULL;
CREATE INDEX by_age ON events (received);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""
_FROM_1 = f"""
ALTER TABLE events ADD COLUMN scope TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
CREATE INDEX scope_heads ON events (scope, due) WHERE state = 'open' AND due IS NOT NULL;
PRAGMA user_version = {FORMAT};
"""
_GIVEN = ("key", "lane", "name", "headers", "body", "received", "scope")
_INSERT = """
INSERT OR IGNORE INTO events (key, lane, name, headers, body, received, scope, state, error, due)
VALUES (:key, :lane, :name, :headers, :body, :received, :scope, :state, :error,
    CASE WHEN :state = 'open' AND NOT EXISTS (
        SELECT 1 FROM events WHERE state = 'open' AND lane = :lane
    ) THEN :now END)
"""
_DUE = """
SELECT id, key, lane, name, headers, body, received, scope, attempts, replays FROM events
WHERE state = 'open' AND scope = ? AND due <= ? ORDER BY due, id LIMIT ?
"""
_NEXT_HEAD = """
UPDATE events SET due = ? WHERE due IS NULL
AND id = (SELECT MIN(id) FROM events WHERE state = 'open' AND lane = ?)
"""
_MISSING_HEADS = """
UPDATE events SET due = ? WHERE id IN (
    SELECT MIN(id) FROM events WHERE state = 'open' GROUP BY lane HAVING COUNT(due) = 0
)
"""

_BUSY_S = 10.0
"""How long another process may hold the file: the sender waits for 15 s."""
_DAY_S = 86_400.0
_ROW_BYTES = 1000
"""What a row takes in memory besides its body, with its share of the indexes."""


class InboxFull(OmnichatError):  # noqa: N818 - named as its siblings are
    """There is no room for more events."""


class Table:
    """A database, used in one thread. `clock` gives epoch seconds, `max_bytes` bounds its size.

    Raises ConfigurationError for a file that cannot be an inbox of this version.
    """

    def __init__(self, path: str, clock: Callable[[], float], max_bytes: int = 0) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._latest = 0.0
        self._path = path
        try:
            self._db = open_database(
                path,
                _SCHEMA.split(";"),
                upgrade=_FROM_1.split(";"),
                version=FORMAT,
                check=self._check,
                busy_s=_BUSY_S,
                private=path != ":memory:",
            )
        except OSError as error:
            raise ConfigurationError(
                f"the inbox {path} cannot be opened: {error.strerror}"
            ) from None
        except sqlite3.Error as error:
            raise ConfigurationError(f"the inbox {path} cannot be opened: {error}") from None
        self._db.execute("PRAGMA secure_delete = ON")

    def _check(self, found: Header) -> None:
        if found.is_foreign("events"):
            raise ConfigurationError(f"{self._path} is a database, but no inbox of this package")
        if found.version > FORMAT:
            raise ConfigurationError(
                f"a newer version of this package made the inbox {self._path}: its format is"
                f" {found.version}, and this version reads {FORMAT}"
            )

    # ---- in ------------------------------------------------------------------------------------

    def put(self, rows: list[tuple[Any, ...]], state: State, error: str | None, room: int) -> int:
        """Add those of `rows` whose keys are new; `room` is how many events may be open."""
        with transaction(self._db):
            if room and self._count_open() + len(rows) > room:
                raise InboxFull("the inbox is full: its handlers are slower than its events")
            self._make_room(sum(len(row[4]) + _ROW_BYTES for row in rows))
            before = self._db.total_changes
            same = {"state": state, "error": error, "now": self._clock()}
            given = [dict(zip(_GIVEN, row, strict=True)) | same for row in rows]
            self._db.executemany(_INSERT, given)
            return self._db.total_changes - before

    def _make_room(self, size: int) -> None:
        while self._max_bytes and self._used() + size > self._max_bytes:
            forgotten = self._db.execute(  # the handled ones first, then the dead
                "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE state != 'open'"
                " ORDER BY state DESC, id LIMIT 1000)"
            ).rowcount
            if not forgotten:
                raise InboxFull("the inbox is full: its events take all the memory it may use")

    def _used(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    # ---- out -----------------------------------------------------------------------------------

    def lease(
        self, limit: int, seconds: float, scope: str = ""
    ) -> list[tuple[str, tuple[Any, ...]]]:
        """Take up to `limit` heads of a scope that are due, each with the token of its lease."""
        now, token = self._clock(), uuid.uuid4().hex
        with transaction(self._db):
            self._mind_the_clock(now)
            rows = self._db.execute(_DUE, (scope, now, limit)).fetchall()
            self._db.executemany(
                "UPDATE events SET due = ?, token = ?, attempts = attempts + 1 WHERE id = ?",
                [(now + seconds, token, row[0]) for row in rows],
            )
        return [(token, row) for row in rows]

    def _mind_the_clock(self, now: float) -> None:
        """A clock that is set back must not leave an event waiting for a time long gone."""
        if now < self._latest - 1:
            self._db.execute(
                "UPDATE events SET due = ? WHERE state = 'open' AND due > ? AND token IS NULL",
                (now, now),
            )
        # Set back while no process ran: nothing is ever made to wait for a day.
        self._db.execute(
            "UPDATE events SET due = ? WHERE state = 'open' AND due > ?", (now, now + _DAY_S)
        )
        self._latest = now

    def renew(self, jobs: list[tuple[int, str]], until: float) -> None:
        """Move the end of leases that still are the ones given."""
        with transaction(self._db):
            self._db.executemany(
                "UPDATE events SET due = ? WHERE id = ? AND token = ? AND state = 'open'",
                [(until, *job) for job in jobs],
            )

    def give_back(
        self, job: tuple[int, str], due: float, error: str | None, *, counts: bool
    ) -> None:
        """End a lease: the event is open until it is `due`. `counts` is whether it was tried."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE events SET due = ?, token = NULL, error = COALESCE(?, error),"
                " attempts = attempts - ? WHERE id = ? AND token = ? AND state = 'open'",
                (due, error, not counts, *job),
            )

    def end(self, job: tuple[int, str], state: State, error: str | None) -> None:
        """End an event whose lease still is the one given, and let its lane go on."""
        with transaction(self._db):
            ended = self._db.execute(
                "UPDATE events SET state = ?, due = NULL, token = NULL, error = ?"
                " WHERE id = ? AND token = ? AND state = 'open'",
                (state, error, *job),
            ).rowcount
            if ended:
                sql = "SELECT lane FROM events WHERE id = ?"
                (lane,) = self._db.execute(sql, job[:1]).fetchone()
                self._db.execute(_NEXT_HEAD, (self._clock(), lane))

    def next_due(self, scope: str = "") -> float | None:
        """The seconds until a head of a scope is due, or a lease ends; None if nothing is open."""
        (due,) = self._db.execute(
            "SELECT MIN(due) FROM events WHERE state = 'open' AND due IS NOT NULL AND scope = ?",
            (scope,),
        ).fetchone()
        return None if due is None else max(0.0, due - self._clock())

    # ---- afterwards ----------------------------------------------------------------------------

    def prune(self, retention: float, keep: int) -> int:
        with transaction(self._db):
            gone = self._db.execute(
                "DELETE FROM events WHERE state != 'open' AND received < ?",
                (self._clock() - retention,),
            ).rowcount
            if keep:
                gone += self._db.execute(
                    "DELETE FROM events WHERE state != 'open' AND id <="
                    " (SELECT MAX(id) FROM events) - ?",
                    (keep,),
                ).rowcount
        return gone

    def replay(self, state: State, keys: list[str] | None) -> int:
        """Open events of a state again; each waits until its lane has come to it."""
        sql = (
            "UPDATE events SET state = 'open', attempts = 0, token = NULL, due = NULL,"
            " replays = replays + (state = 'done') WHERE state = ?"
        )
        with transaction(self._db):
            if keys is None:
                count = self._db.execute(sql, (state,)).rowcount
            else:
                rows = [(state, key) for key in keys]
                count = self._db.executemany(f"{sql} AND key = ?", rows).rowcount
            self._db.execute(_MISSING_HEADS, (self._clock(),))
        return count

    def rows(self, state: State, limit: int) -> list[tuple[Any, ...]]:
        return self._db.execute(
            "SELECT id, key, lane, name, headers, body, received, scope, attempts, error"
            " FROM events"
            " WHERE state = ? ORDER BY id LIMIT ?",
            (state, limit),
        ).fetchall()

    def _count_open(self) -> int:
        sql = "SELECT COUNT(*) FROM events WHERE state = 'open'"
        (count,) = self._db.execute(sql).fetchone()
        return int(count)

    def counts(self) -> dict[str, int]:
        sql = "SELECT state, COUNT(*) FROM events GROUP BY state"
        return {"open": 0, "done": 0, "dead": 0, **dict(self._db.execute(sql).fetchall())}

    def close(self) -> None:
        self._db.close()
