"""A table in an SQLite database, whose rows and checkpoint change in one transaction."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from omnichat_async.codec import compact
from omnichat_async.jobs.columns import columns_of, value_at
from omnichat_async.jobs.ledger import database_errors
from omnichat_async.jobs.sinks.base import Receipt, Sink

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from omnichat_async.jobs.columns import Column, Kind
    from omnichat_async.jobs.ledger import Done, Job
    from omnichat_async.jobs.sinks.base import Batch
    from omnichat_async.jobs.streams import Stream

__all__ = ["SqliteSink", "table_name"]

_TYPES: dict[Kind, str] = {
    "text": "TEXT",
    "json": "TEXT",
    "integer": "INTEGER",
    "real": "REAL",
    "boolean": "INTEGER",
    "time": "INTEGER",
    "naive_time": "TEXT",
}
_INT64 = range(-(2**63), 2**63)


def table_name(stream: Stream) -> str:
    """The table of a stream: ``tagging_logs``."""
    return stream.name.replace("-", "_")


class SqliteSink(Sink):
    """A table for each stream: the documented fields as columns, and ``raw``, the row as JSON.

    Rows that are known by a key are upserted, and of two versions the newer one stays. Rows
    without one carry the range they were read in (``_after``, ``_before``, epoch ms) and are
    replaced with it. Exactly once: rows and checkpoint are in one database and one transaction.
    """

    upserts = True
    shared = True
    replaces = True

    def __init__(self, path: Path) -> None:
        self.path = self.checkpoint = path

    def open(
        self, job: Job, stream: Stream, done: Sequence[Done], database: sqlite3.Connection
    ) -> None:
        self._stream, self._job, self._database = stream, job, database
        self._columns = columns_of(stream)
        self._table = table_name(stream)
        self._reached = done[-1].window.before if done else job.window.after
        self._clean = bool(stream.key)
        names = ["_key"] if stream.key else ["_after", "_before"]
        self._insert = self._statement([*names, *(c.name for c in self._columns), "raw"])
        with database_errors(self.path):
            for statement in self._definitions():
                database.execute(statement)
            self._add_columns()

    def write(self, batch: Batch) -> Receipt:
        with database_errors(self.path):
            if not self._clean:  # rows of ranges that do not count, of this range and behind it
                self._database.execute(
                    f"DELETE FROM {self._table} WHERE _after >= ? AND _after < ?",  # noqa: S608
                    (self._reached, self._job.window.before),
                )
                self._clean = True
            if not self._stream.key:  # what was read of this range before
                self._database.execute(
                    f"DELETE FROM {self._table} WHERE _after >= ? AND _after < ?",  # noqa: S608
                    (batch.window.after, batch.window.before),
                )
            self._database.executemany(
                self._insert, (self._cells(row, batch) for row in batch.rows)
            )
        return Receipt()

    def finish(self) -> None:
        """There is nothing to round off."""

    def close(self) -> None:
        """The database is closed with the ledger."""

    def _definitions(self) -> list[str]:
        keyed = bool(self._stream.key)
        first = ["_key TEXT PRIMARY KEY"] if keyed else ["_after INTEGER", "_before INTEGER"]
        columns = [f'"{column.name}" {_TYPES[column.kind]}' for column in self._columns]
        body = ", ".join([*first, *columns, "raw TEXT NOT NULL"])
        made = [f"CREATE TABLE IF NOT EXISTS {self._table} ({body})"]
        if not keyed:
            made.append(f"CREATE INDEX IF NOT EXISTS {self._table}_after ON {self._table} (_after)")
        return made

    def _add_columns(self) -> None:
        """Those that this version knows and the one that made the table did not."""
        found = self._database.execute(f"PRAGMA table_info({self._table})")
        there = {row[1].lower() for row in found}
        for column in self._columns:
            if column.name.lower() not in there:
                self._database.execute(
                    f'ALTER TABLE {self._table} ADD COLUMN "{column.name}" {_TYPES[column.kind]}'
                )

    def _statement(self, names: list[str]) -> str:
        quoted = [f'"{name}"' for name in names]
        marks = ", ".join("?" * len(names))
        text = f"INSERT INTO {self._table} ({', '.join(quoted)}) VALUES ({marks})"  # noqa: S608
        if self._stream.key:
            text += " ON CONFLICT (_key) DO UPDATE SET "
            text += ", ".join(f"{name} = excluded.{name}" for name in quoted[1:])
            if self._stream.version is not None:
                kept = f'"{self._stream.version}"'
                text += f" WHERE {self._table}.{kept} IS NULL OR excluded.{kept} IS NULL"
                text += f" OR excluded.{kept} >= {self._table}.{kept}"
        return text

    def _cells(self, row: Any, batch: Batch) -> list[Any]:
        raw = compact(row)
        if self._stream.key:
            first: list[Any] = [self._key(row, raw)]
        else:
            first = [batch.window.after, batch.window.before]
        return [*first, *(_cell(value_at(row, c.path), c) for c in self._columns), raw]

    def _key(self, row: Any, raw: str) -> str:
        """What a row is known by. One that lacks its id is known by all it holds."""
        *scope, name = (value_at(row, tuple(path.split("."))) for path in self._stream.key)
        if name is None or name == "":
            return "row:" + hashlib.sha256(raw.encode()).hexdigest()
        return compact([*scope, name]) if scope else _utf8(str(name))


def _utf8(text: str) -> str:
    """Half of a surrogate pair, which UTF-8 cannot hold, stays escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _cell(value: Any, column: Column) -> Any:
    if isinstance(value, str):
        return _utf8(value)
    if value is None or type(value) is float or (type(value) is int and value in _INT64):
        return value
    if type(value) is bool and column.kind == "boolean":
        return int(value)
    return compact(value)
