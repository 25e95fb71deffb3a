"""Look on the server for calls whose outcome is unknown.

The rule: **found means sent; not found means nothing.** No document promises that a broadcast is
listed at once or for ever, so a call that is not found stays unknown, and only a person may decide
to send it again. What makes "found" certain:

- a broadcast with the job's random mark and the call's number in its subject is that very call,
  since a number is used for one call only;
- without the mark, a WhatsApp broadcast of the same subject whose recipients are exactly those of
  the call, which was not there when the job began and is the answer to no other call;
- a direct or headless message: a text in the chat with the recipient that is, to the letter, one
  of those to be sent, and not older than the intent.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from omnichat_async.errors import Incomplete
from omnichat_async.jobs.fanout.message import read_mark
from omnichat_async.jobs.fanout.work import recipients_of
from omnichat_async.models.broadcasts import BroadcastType
from omnichat_async.models.messages import SenderType

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Callable, Sequence

    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs.fanout.journal import Job, Journal
    from omnichat_async.models.messages import Message as ChatMessage

    Found: TypeAlias = Sequence[tuple[int, str | None]]
    Look: TypeAlias = Callable[[OmnichatClient, Journal, Job], AsyncGenerator[Found, None]]

__all__ = ["Reconciled", "reconcile", "take_baseline"]

CLOCKS_APART_S = 60.0
"""How much the server's clock may differ from ours."""


@attrs.frozen(kw_only=True)
class Reconciled:
    """Recipients that were unknown and `found` on the server, so they are sent, and those still
    `unknown`. `looked` is False where the platform has nothing to look in or there was nothing to
    look for, `complete` is False where the server did not show its list to the end, or nothing of
    what it has taken."""

    found: int
    unknown: int
    looked: bool
    complete: bool = True


async def reconcile(client: OmnichatClient, journal: Journal, job: Job) -> Reconciled:
    """Settle what the server shows. Raises what the listings raise."""
    await journal.recover()
    start = time.time()
    look = _way_to_look(job)
    wanted = (await journal.status()).unknown or await journal.database.do(_was_resent)
    found, complete = 0, True
    if wanted and look is not None:
        try:
            async with contextlib.aclosing(
                look(client.with_options(lane="bulk"), journal, job)
            ) as batches:
                async for calls in batches:
                    found += await journal.found(calls)
        except Incomplete:
            complete = False
    if complete:
        await journal.looked(start)
    return Reconciled(
        found=found,
        unknown=(await journal.status()).unknown,
        looked=bool(wanted) and look is not None,
        complete=complete,
    )


def _way_to_look(job: Job) -> Look | None:
    if job.message.kind == "broadcast":
        if job.marked:
            return _by_mark
        return _by_recipients if job.message.to_phones else None
    # What a template or a block looks like in a chat is in no document.
    texts = job.message.texts(dict.fromkeys(job.message.names, ""))
    return _in_chats if texts else None


def _was_resent(db: sqlite3.Connection) -> bool:
    """Whether there are calls that might still show, though they were decided on."""
    found = db.execute("SELECT 1 FROM counts WHERE state = 'resent' AND calls > 0").fetchone()
    return found is not None


def _listing(client: OmnichatClient, job: Job) -> Any:
    """The server's own rows, one page after the other: what is listed anew meanwhile pushes rows
    to pages that are still to come. With pages side by side it could push one past both."""
    return client.broadcasts.list(
        types=[BroadcastType.OPEN_API],
        platform=job.message.platform,
        channel_id=job.message.channel_id,
        concurrency=1,
        raw=True,
    )


async def _pages(client: OmnichatClient, journal: Journal, job: Job) -> AsyncGenerator[Any, None]:
    """The pages of the list. One that shows none of the broadcasts which the server has taken is
    that of another account, or behind: Incomplete is raised in the end."""
    shown = await journal.database.do(_has_sent_none)
    async for page in _listing(client, job).pages():
        yield page
        if not shown:
            ids = [found for row in page if (found := _id_of(row)) is not None]
            shown = await journal.database.do(lambda db, ids=ids: _are_ours(db, ids))  # type: ignore[misc]
    if not shown:
        raise Incomplete("the list shows nothing of what the server has taken")


def _has_sent_none(db: sqlite3.Connection) -> bool:
    return not db.execute("SELECT 1 FROM calls WHERE ref IS NOT NULL").fetchone()


def _are_ours(db: sqlite3.Connection, ids: Sequence[str]) -> bool:
    return any(db.execute("SELECT 1 FROM calls WHERE ref = ?", (each,)).fetchone() for each in ids)


# ---- by the mark -------------------------------------------------------------------------------


async def _by_mark(
    client: OmnichatClient, journal: Journal, job: Job
) -> AsyncGenerator[Found, None]:
    async with contextlib.aclosing(_pages(client, journal, job)) as pages:
        async for page in pages:
            yield [
                (mark[1], _id_of(row))
                for row in page
                if (mark := read_mark(_subject_of(row))) is not None and mark[0] == job.mark
            ]


def _id_of(row: Any) -> str | None:
    found = row.get("id") if isinstance(row, dict) else None
    return str(found) if isinstance(found, str | int) else None


def _subject_of(row: Any) -> str | None:
    found = row.get("subject") if isinstance(row, dict) else None
    return found if isinstance(found, str) else None


# ---- by the recipients -------------------------------------------------------------------------


async def take_baseline(client: OmnichatClient, journal: Journal, job: Job) -> None:
    """Note the broadcasts that are there before the first one of a job without a mark."""
    if job.marked or job.message.kind != "broadcast" or not job.message.to_phones:
        return
    taken = await journal.database.do(
        lambda db: db.execute("SELECT 1 FROM job WHERE baseline_taken").fetchone()
    )
    if taken is not None:
        return
    async for page in _listing(client.with_options(lane="bulk"), job).pages():
        ids = [(found,) for row in page if (found := _candidate(row, job)) is not None]
        await journal.database.do(lambda db, ids=ids: _note(db, ids))  # type: ignore[misc]
    await journal.database.do(_baseline_is_taken)


def _note(db: sqlite3.Connection, ids: Sequence[tuple[str]]) -> None:
    """Add to the baseline, unless another worker has taken it meanwhile and begun to send."""
    db.executemany(
        "INSERT OR IGNORE INTO baseline SELECT ? WHERE NOT (SELECT baseline_taken FROM job)", ids
    )


def _baseline_is_taken(db: sqlite3.Connection) -> None:
    db.execute("UPDATE job SET baseline_taken = 1")


def _candidate(row: Any, job: Job) -> str | None:
    """The id of a broadcast that has the subject of the job."""
    same = (_subject_of(row) or "").strip() == str(job.message.body["subject"]).strip()
    return _id_of(row) if same else None


async def _by_recipients(
    client: OmnichatClient, journal: Journal, job: Job
) -> AsyncGenerator[Found, None]:
    async with contextlib.aclosing(_pages(client, journal, job)) as pages:
        async for page in pages:
            for row in page:
                found = _candidate(row, job)
                if found is None or not await journal.database.do(
                    lambda db, found=found: _is_fresh(db, found)  # type: ignore[misc]
                ):
                    continue
                to = frozenset([each.phone async for each in client.broadcasts.recipients(found)])
                call = await journal.database.do(lambda db, to=to: _call_to(db, to))  # type: ignore[misc]
                if call is not None:
                    yield [(call, found)]


def _is_fresh(db: sqlite3.Connection, broadcast_id: str) -> bool:
    known = db.execute(
        "SELECT 1 FROM baseline WHERE broadcast_id = ? UNION ALL SELECT 1 FROM calls WHERE ref = ?",
        (broadcast_id, broadcast_id),
    ).fetchone()
    return known is None


def _call_to(db: sqlite3.Connection, phones: frozenset[str | None]) -> int | None:
    """The call that went to exactly these and was never shown. One that was sent again comes before
    its second, of which the same is true then."""
    lost = db.execute(
        "SELECT id, first, last FROM calls WHERE state = 'unknown'"
        " UNION ALL SELECT id, first, last FROM calls WHERE state = 'resent' AND ref IS NULL"
        " ORDER BY id"
    ).fetchall()
    for number, first, last in lost:
        rows = db.execute("SELECT address FROM recipients WHERE n BETWEEN ? AND ?", (first, last))
        if {address for (address,) in rows} == phones:
            return int(number)
    return None


# ---- in the chats ------------------------------------------------------------------------------

LOST_TO_ONE = """
    SELECT calls.id, calls.first, coalesce(before.intended_at, calls.intended_at) AS intended_at
    FROM calls LEFT JOIN calls AS before ON before.id = calls.parent AND before.state = 'resent'
    WHERE calls.state = 'unknown'
    OR (calls.state IN ('pending', 'claimed') AND before.id IS NOT NULL)
"""
"""Calls to one recipient that may have been made: unknown, or to be made again."""


async def _in_chats(
    client: OmnichatClient, journal: Journal, job: Job
) -> AsyncGenerator[Found, None]:
    (since,) = await journal.database.do(
        lambda db: db.execute(f"SELECT min(intended_at) FROM ({LOST_TO_ONE})").fetchone()  # noqa: S608
    )
    if since is None:
        return
    listing = client.messages.list(
        platform=job.message.platform,
        channel_id=job.message.channel_id,
        after=int((since - CLOCKS_APART_S) * 1000),
        before=int((time.time() + CLOCKS_APART_S) * 1000),
        concurrency=1,  # as above
    )
    async for page in listing.pages():
        said = [each for each in page if each.sender_type != SenderType.CUSTOMER and each.message]
        if said:
            yield await journal.database.do(lambda db, said=said: _calls_that_say(db, job, said))  # type: ignore[misc]


def _calls_that_say(db: sqlite3.Connection, job: Job, said: Sequence[ChatMessage]) -> Found:
    calls: list[tuple[int, str | None]] = []
    for each in said:
        row = db.execute(
            f"SELECT lost.id, n, intended_at FROM recipients JOIN ({LOST_TO_ONE}) AS lost"  # noqa: S608
            " ON first = n WHERE address IN (?, ?)",
            (each.customer_user_id or "", each.bsuid or ""),
        ).fetchone()
        if row is None or each.time is None:
            continue
        number, n, intended_at = row
        (recipient,) = recipients_of(db, n, n)
        late_enough = each.time.timestamp() >= intended_at - CLOCKS_APART_S
        if late_enough and each.message in job.message.texts(recipient.personal):
            calls.append((number, each.id))
    return calls
