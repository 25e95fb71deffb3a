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
    from collections.abc import Awaitable, Callable, Sequence

    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs.fanout.journal import Job, Journal
    from omnichat_async.models.broadcasts import BroadcastJob
    from omnichat_async.models.messages import Message as ChatMessage

    Look: TypeAlias = Callable[[OmnichatClient, Journal, Job], Awaitable[None]]

__all__ = ["Reconciled", "reconcile", "take_baseline"]

CLOCKS_APART_S = 60.0
"""How much the server's clock may differ from ours."""


@attrs.frozen(kw_only=True)
class Reconciled:
    """Recipients that were `found` on the server, so they are sent, and those still `unknown`.
    `looked` is False where the platform has nothing to look in, `complete` where the server did not
    show its list to the end."""

    found: int
    unknown: int
    looked: bool
    complete: bool = True


async def reconcile(client: OmnichatClient, journal: Journal, job: Job) -> Reconciled:
    """Settle what the server shows. Raises what the listings raise."""
    await journal.recover()
    start = time.time()
    before = (await journal.status()).unknown
    look = _way_to_look(job)
    complete = True
    if before or await journal.database.do(_was_resent):
        if look is not None:
            try:
                await look(client.with_options(lane="bulk"), journal, job)
            except Incomplete:
                complete = False
        if complete:
            await journal.looked(start)
    after = (await journal.status()).unknown
    return Reconciled(
        found=max(0, before - after), unknown=after, looked=look is not None, complete=complete
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
    return client.broadcasts.list(
        types=[BroadcastType.OPEN_API],
        platform=job.message.platform,
        channel_id=job.message.channel_id,
    )


# ---- by the mark -------------------------------------------------------------------------------


async def _by_mark(client: OmnichatClient, journal: Journal, job: Job) -> None:
    async for page in _listing(client, job).pages():
        calls = [
            (mark[1], each.id)
            for each in page
            if (mark := read_mark(each.subject)) is not None and mark[0] == job.mark
        ]
        if calls:
            await journal.found(calls)


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
        ids = [(each.id,) for each in page if _same_subject(each, job)]
        await journal.database.do(lambda db, ids=ids: _note(db, ids))  # type: ignore[misc]
    await journal.database.do(_baseline_is_taken)


def _note(db: sqlite3.Connection, ids: Sequence[tuple[str]]) -> None:
    db.executemany("INSERT OR IGNORE INTO baseline VALUES (?)", ids)


def _baseline_is_taken(db: sqlite3.Connection) -> None:
    db.execute("UPDATE job SET baseline_taken = 1")


def _same_subject(broadcast: BroadcastJob, job: Job) -> bool:
    return (broadcast.subject or "").strip() == str(job.message.body["subject"]).strip()


async def _by_recipients(client: OmnichatClient, journal: Journal, job: Job) -> None:
    async for page in _listing(client, job).pages():
        for each in page:
            if not _same_subject(each, job):
                continue
            fresh = await journal.database.do(lambda db, each=each: _is_fresh(db, each.id))  # type: ignore[misc]
            if not fresh:
                continue
            phones = frozenset([row.phone async for row in client.broadcasts.recipients(each.id)])
            call = await journal.database.do(lambda db, phones=phones: _call_to(db, phones))  # type: ignore[misc]
            if call is not None:
                await journal.found([(call, each.id)])


def _is_fresh(db: sqlite3.Connection, broadcast_id: str) -> bool:
    known = db.execute(
        "SELECT 1 FROM baseline WHERE broadcast_id = ? UNION ALL SELECT 1 FROM calls WHERE ref = ?",
        (broadcast_id, broadcast_id),
    ).fetchone()
    return known is None


def _call_to(db: sqlite3.Connection, phones: frozenset[str | None]) -> int | None:
    """The unknown call that went to exactly these."""
    unknown = db.execute("SELECT id, first, last FROM calls WHERE state = 'unknown'").fetchall()
    for number, first, last in unknown:
        rows = db.execute("SELECT address FROM recipients WHERE n BETWEEN ? AND ?", (first, last))
        if {address for (address,) in rows} == phones:
            return int(number)
    return None


# ---- in the chats ------------------------------------------------------------------------------


async def _in_chats(client: OmnichatClient, journal: Journal, job: Job) -> None:
    (since,) = await journal.database.do(
        lambda db: db.execute(
            "SELECT min(intended_at) FROM calls WHERE state = 'unknown'"
        ).fetchone()
    )
    if since is None:
        return
    listing = client.messages.list(
        platform=job.message.platform,
        channel_id=job.message.channel_id,
        after=int((since - CLOCKS_APART_S) * 1000),
        before=int((time.time() + CLOCKS_APART_S) * 1000),
    )
    async for page in listing.pages():
        said = [each for each in page if each.sender_type != SenderType.CUSTOMER and each.message]
        if said:
            calls = await journal.database.do(lambda db, said=said: _calls_that_say(db, job, said))  # type: ignore[misc]
            await journal.found(calls)


def _calls_that_say(
    db: sqlite3.Connection, job: Job, said: Sequence[ChatMessage]
) -> list[tuple[int, str]]:
    calls: list[tuple[int, str]] = []
    for each in said:
        row = db.execute(
            "SELECT calls.id, n, intended_at FROM recipients JOIN calls ON first = n"
            " WHERE address = ? AND state = 'unknown'",
            (each.customer_user_id or "",),
        ).fetchone()
        if row is None or each.time is None:
            continue
        number, n, intended_at = row
        (recipient,) = recipients_of(db, n, n)
        late_enough = each.time.timestamp() >= intended_at - CLOCKS_APART_S
        if late_enough and each.message in job.message.texts(recipient.personal):
            calls.append((number, each.id))
    return calls
