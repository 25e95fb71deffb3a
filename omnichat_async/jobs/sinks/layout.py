"""What the rows of a file look like, noted in its checkpoint when it is begun.

A file that is gone on with stays of one kind, whatever is asked for then and whatever columns a
newer version of this package knows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from omnichat_async.errors import InvalidRequest

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from omnichat_async.jobs.ledger import Job

__all__ = ["Layout", "Note", "keep_layout", "keep_modified", "kept_note", "refuse_other_kind"]

Layout: TypeAlias = dict[str, Any]
"""`kind` is the suffix, `columns` are kept; anything else is an option that is on or off."""


@attrs.frozen
class Note:
    """A job's `layout`, and when its file was `modified` by this package, in ns (None: unknown)."""

    layout: Layout
    modified: int | None


def kept_note(database: sqlite3.Connection, job: Job) -> Note | None:
    """What was noted of a job's file; None for one that an older version of this package began."""
    found = database.execute(
        "SELECT layout, modified FROM omnichat_file WHERE job = ?", (job.id,)
    ).fetchone()
    return None if found is None else Note(json.loads(found[0]), found[1])


def keep_layout(database: sqlite3.Connection, job: Job, layout: Layout) -> None:
    """Note the layout of a job that begins."""
    database.execute(
        "INSERT OR REPLACE INTO omnichat_file VALUES (?, ?, NULL)", (job.id, json.dumps(layout))
    )


def keep_modified(database: sqlite3.Connection, job: Job, modified: int) -> None:
    """Note when a job's file was written to last."""
    database.execute("UPDATE omnichat_file SET modified = ? WHERE job = ?", (modified, job.id))


def refuse_other_kind(path: Path, kept: Layout, asked: Layout) -> None:
    """Raise InvalidRequest where rows of one kind would follow rows of another."""
    if kept["kind"] != asked["kind"]:
        raise InvalidRequest("out", f"must end in {kept['kind']}, as it was begun", asked["kind"])
    for name in asked.keys() - {"kind", "columns"}:
        was, given = ("on" if each[name] else "off" for each in (kept, asked))
        if was != given:
            raise InvalidRequest(
                name,
                f"must be {was}, as {path.name} was begun, or its rows would be of two kinds "
                "(force starts over)",
                given,
            )
