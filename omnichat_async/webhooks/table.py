"""The table of an inbox: its statements, each in one transaction."""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from omnichat_async.errors import OmnichatError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["InboxFull", "State", "Table"]

State: TypeAlias = Literal["open", "done", "dead"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, lane TEXT NOT NULL, name TEXT NOT NULL,
    headers TEXT NOT NULL, body BLOB NOT NULL, received REAL NOT NULL, state TEXT NOT NULL,
    due REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, token TEXT, error TEXT
);
CREATE INDEX IF NOT EXISTS open_lanes ON events (lane, id) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS open_events ON events (id) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS by_age ON events (received);
"""
_NEXT = """
SELECT id, key, lane, name, headers, body, received, attempts FROM events AS this
WHERE state = 'open' AND due <= ? AND NOT EXISTS (
    SELECT 1 FROM events AS older
    WHERE older.state = 'open' AND older.lane = this.lane AND older.id < this.id
) ORDER BY id LIMIT ?
"""


class InboxFull(OmnichatError):  # noqa: N818 - named as its siblings are
    """There is no room for more events."""


class Table:
    """A database, used in one thread. `clock` gives epoch seconds."""

    def __init__(self, path: str, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.executescript(_SCHEMA)

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def put(self, rows: list[tuple[Any, ...]], state: State, error: str | None, room: int) -> int:
        with self._transaction():
            if room and self._count("open") + len(rows) > room:
                raise InboxFull("the inbox is full: its handlers are slower than its events")
            before = self._db.total_changes
            self._db.executemany(
                "INSERT OR IGNORE INTO events (key, lane, name, headers, body, received, due,"
                " state, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(*row, self._clock(), state, error) for row in rows],
            )
            return self._db.total_changes - before

    def lease(self, limit: int, seconds: float) -> list[tuple[str, tuple[Any, ...]]]:
        now, token = self._clock(), uuid.uuid4().hex
        with self._transaction():
            rows = self._db.execute(_NEXT, (now, limit)).fetchall()
            self._db.executemany(
                "UPDATE events SET due = ?, token = ?, attempts = attempts + 1 WHERE id = ?",
                [(now + seconds, token, row[0]) for row in rows],
            )
        return [(token, row) for row in rows]

    def change(self, jobs: list[tuple[int, str]], setting: str, *values: Any) -> None:
        """Set columns of events whose lease still is the one given."""
        with self._transaction():
            self._db.executemany(
                f"UPDATE events SET {setting} WHERE id = ? AND token = ? AND state = 'open'",  # noqa: S608 - constants of this file
                [(*values, *job) for job in jobs],
            )

    def next_due(self) -> float | None:
        (due,) = self._db.execute("SELECT MIN(due) FROM events WHERE state = 'open'").fetchone()
        return None if due is None else max(0.0, due - self._clock())

    def prune(self, retention: float, keep: int) -> int:
        with self._transaction():
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
        sql = (
            "UPDATE events SET state = 'open', attempts = 0, token = NULL, due = ? WHERE state = ?"
        )
        with self._transaction():
            if keys is None:
                return self._db.execute(sql, (self._clock(), state)).rowcount
            rows = [(self._clock(), state, key) for key in keys]
            return self._db.executemany(f"{sql} AND key = ?", rows).rowcount

    def rows(self, state: State, after: int, limit: int) -> list[tuple[Any, ...]]:
        return self._db.execute(
            "SELECT id, key, lane, name, headers, body, received, attempts, error FROM events"
            " WHERE state = ? AND id > ? ORDER BY id LIMIT ?",
            (state, after, limit),
        ).fetchall()

    def _count(self, state: State) -> int:
        sql = f"SELECT COUNT(*) FROM events WHERE state = '{state}'"  # noqa: S608 - a literal; so the index serves
        (count,) = self._db.execute(sql).fetchone()
        return int(count)

    def counts(self) -> dict[str, int]:
        sql = "SELECT state, COUNT(*) FROM events GROUP BY state"
        return {"open": 0, "done": 0, "dead": 0, **dict(self._db.execute(sql).fetchall())}

    def close(self) -> None:
        self._db.close()
