"""The plan: every recipient into the journal, checked and once, before anything is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.fanout.intake import BadRow, address_in, batches, read_row

if TYPE_CHECKING:
    import sqlite3

    from omnichat_async.jobs.fanout.intake import Raw, Source
    from omnichat_async.jobs.fanout.journal import Journal
    from omnichat_async.jobs.fanout.message import Message

__all__ = ["Plan", "make_plan"]


@attrs.frozen(kw_only=True)
class Plan:
    """What a run would do: `calls` for so many `recipients`, in `minutes` at the client's rate.

    Rows of the input that are not among them: `duplicates`, `excluded` by the suppression list,
    `invalid`. `example` is the body of the first call with one recipient (None without any), which
    is somebody's data.
    """

    recipients: int
    calls: int
    minutes: float
    duplicates: int
    excluded: int
    invalid: int
    example: Any = attrs.field(default=None, repr=False)


async def make_plan(
    journal: Journal,
    message: Message,
    recipients: Source,
    *,
    suppress: Source | None,
    column: str,
    marked: bool,
    host: str,
) -> None:
    """Fill the journal. A plan that was interrupted is begun anew."""
    mark = await journal.start_plan(message, marked=marked, host=host)
    suppressing = suppress is not None
    if suppress is not None:
        async for batch in batches("suppress", suppress, column):
            await journal.planning(
                mark,
                lambda db, batch=batch: _suppress(db, batch, column, message),  # type: ignore[misc]
            )
    async for batch in batches("recipients", recipients, column):
        await journal.planning(
            mark,
            lambda db, batch=batch: _add(db, batch, column, message, suppressing),  # type: ignore[misc]
        )
    await journal.finish_plan(mark)


def _suppress(db: sqlite3.Connection, batch: list[Raw], column: str, message: Message) -> None:
    for line, raw in batch:
        try:
            if isinstance(raw, BadRow):
                raise InvalidRequest("row", "must be one that can be read", "another")
            address = message.address(address_in(raw, column))
        except InvalidRequest as error:
            # Somebody on the list would get the message after all.
            raise InvalidRequest("suppress", f"line {line}: {error.limit}", error.given) from None
        db.execute("INSERT OR IGNORE INTO suppressed VALUES (?)", (address,))


def _add(
    db: sqlite3.Connection,
    batch: list[Raw],
    column: str,
    message: Message,
    suppressing: bool,
) -> None:
    added = duplicates = excluded = invalid = 0
    for line, raw in batch:
        row = read_row(line, raw, column, message)
        if isinstance(row, BadRow):
            db.execute("INSERT INTO invalid VALUES (?, ?)", (row.line, row.reason))
            invalid += 1
            continue
        if suppressing and _is_suppressed(db, row.address):
            new = db.execute("INSERT OR IGNORE INTO excluded VALUES (?, ?)", (row.address, line))
            excluded += new.rowcount
        else:
            new = db.execute(
                "INSERT OR IGNORE INTO recipients (address, line, personal) VALUES (?, ?, ?)",
                (row.address, line, row.personal),
            )
            added += new.rowcount
        duplicates += 1 - new.rowcount
    db.execute(
        "UPDATE job SET recipients = recipients + ?, duplicates = duplicates + ?,"
        " excluded = excluded + ?, invalid = invalid + ?",
        (added, duplicates, excluded, invalid),
    )


def _is_suppressed(db: sqlite3.Connection, address: str) -> bool:
    found = db.execute("SELECT 1 FROM suppressed WHERE address = ?", (address,)).fetchone()
    return found is not None
