"""Pieces of work on a journal: functions of the connection, each run inside a transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.fanout.records import Outcome, PlannedCall, Recipient, State, Status
from omnichat_async.models.broadcasts import MOST_RECIPIENTS

if TYPE_CHECKING:
    import sqlite3

__all__ = [
    "A_PAGE",
    "NO_JOB",
    "add_call",
    "claim_call",
    "expire",
    "left_out_after",
    "new_call",
    "next_pending",
    "outcomes_after",
    "recipients_of",
    "shown",
    "status_of",
]

A_PAGE = 1000
"""Rows read at once."""

NO_JOB = "must hold a planned job: plan() one first, or omnichat broadcast send"

NOT_LEFT = frozenset({"pending", "claimed"})
"""States of calls of which nothing has left since they were last pending."""


def expire(db: sqlite3.Connection, now: float) -> None:
    """Calls whose lease is over: unknown if they may have left, otherwise anybody's again."""
    db.execute(
        "UPDATE calls SET state = 'pending' WHERE state = 'claimed' AND lease_until < ?", (now,)
    )
    db.execute(
        "UPDATE calls SET state = 'unknown', reason = 'its lease ran out', settled_at = ?"
        " WHERE state = 'sending' AND lease_until < ?",
        (now, now),
    )


def add_call(db: sqlite3.Connection, first: int, last: int, parent: int | None) -> int:
    """A new call over a run of recipients; its number."""
    made = db.execute(
        "INSERT INTO calls (first, last, state, parent) VALUES (?, ?, 'pending', ?)",
        (first, last, parent),
    )
    return int(made.lastrowid or 0)


def next_pending(db: sqlite3.Connection, size: int) -> int | None:
    """A pending call, cut down to `size` recipients if it has more."""
    row = db.execute(
        "SELECT id, first, last FROM calls WHERE state = 'pending' ORDER BY id LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    number, first, last = row
    if last - first + 1 <= size:
        return int(number)
    db.execute("UPDATE calls SET state = 'split' WHERE id = ?", (number,))
    part = add_call(db, first, first + size - 1, number)
    add_call(db, first + size, last, number)
    return part


def new_call(db: sqlite3.Connection, size: int) -> int | None:
    """A call for the next recipients that none covers."""
    covered, recipients = db.execute("SELECT covered, recipients FROM job").fetchone()
    if covered >= recipients:
        return None
    last = min(covered + size, recipients)
    db.execute("UPDATE job SET covered = ?", (last,))
    return add_call(db, covered + 1, last, None)


def claim_call(db: sqlite3.Connection, number: int, worker: int, lease_until: float) -> PlannedCall:
    """Give a pending call to a worker, which has to note its intent before it leaves."""
    db.execute(
        "UPDATE calls SET state = 'claimed', attempt = attempt + 1, worker = ?, lease_until = ?,"
        " intended_at = NULL, settled_at = NULL, looked_at = NULL, reason = NULL WHERE id = ?",
        (worker, lease_until, number),
    )
    attempt, first, last = db.execute(
        "SELECT attempt, first, last FROM calls WHERE id = ?", (number,)
    ).fetchone()
    return PlannedCall(
        id=number,
        attempt=attempt,
        first=first,
        last=last,
        recipients=recipients_of(db, first, last),
    )


def recipients_of(db: sqlite3.Connection, first: int, last: int) -> tuple[Recipient, ...]:
    """The recipients of a run of numbers."""
    rows = db.execute(
        "SELECT address, personal FROM recipients WHERE n BETWEEN ? AND ? ORDER BY n", (first, last)
    )
    return tuple(Recipient(to, json.loads(personal) if personal else {}) for to, personal in rows)


def shown(db: sqlite3.Connection, number: int, ref: str | None, now: float) -> int:
    """The server shows this call: it was sent. How many recipients are no longer unknown.

    If somebody decided meanwhile to send it again, its recipients have got it all the same: what
    has not left is not sent any more, and what has left makes it a late one.
    """
    row = db.execute("SELECT state, last - first + 1 FROM calls WHERE id = ?", (number,)).fetchone()
    state, size = row or (None, 0)
    if state in {"unknown", "pending", "claimed", "dropped"}:
        _is_sent(db, [number], ref, now)
        return int(size) if state == "unknown" else 0
    if state != "resent":
        return 0
    below = db.execute(
        "WITH RECURSIVE below (id) AS (SELECT id FROM calls WHERE parent = ? UNION ALL"
        " SELECT calls.id FROM calls JOIN below ON parent = below.id)"
        " SELECT id, state, last - first + 1, ref FROM calls JOIN below USING (id)",
        (number,),
    ).fetchall()
    late = any(
        state in {"sending", "sent", "unknown"} and other != ref for _, state, _, other in below
    )
    settled = {"split", "resent", "sending", "sent"}
    _is_sent(db, [each for each, state, _, _ in below if state not in settled], ref, now)
    db.execute("UPDATE calls SET ref = ?, late = late OR ? WHERE id = ?", (ref, late, number))
    return sum(size for _, state, size, _ in below if state == "unknown")


def _is_sent(db: sqlite3.Connection, numbers: list[int], ref: str | None, now: float) -> None:
    db.executemany(
        "UPDATE calls SET state = 'sent', ref = ?, reason = NULL, settled_at = ? WHERE id = ?",
        [(ref, now, number) for number in numbers],
    )


def status_of(db: sqlite3.Connection) -> Status:
    """How the job stands."""
    row = db.execute(
        "SELECT recipients, covered, duplicates, excluded, invalid, halted FROM job WHERE planned"
    ).fetchone()
    if row is None:
        raise InvalidRequest("journal", NO_JOB, "none")
    recipients, covered, duplicates, excluded, invalid, halted = row
    counts = {
        state: (calls, people)
        for state, calls, people in db.execute("SELECT state, calls, recipients FROM counts")
    }

    def people(state: str) -> int:
        return int(counts.get(state, (0, 0))[1])

    (late,) = db.execute("SELECT count(*) FROM calls WHERE late = 1").fetchone()
    return Status(
        recipients=recipients,
        pending=recipients - covered + people(State.PENDING) + people("claimed"),
        sending=people(State.SENDING),
        sent=people(State.SENT),
        refused=people(State.REFUSED),
        unknown=people(State.UNKNOWN),
        dropped=people(State.DROPPED),
        duplicates=duplicates,
        excluded=excluded,
        invalid=invalid,
        calls=sum(calls for state, (calls, _) in counts.items() if state not in NOT_LEFT),
        late=late,
        halted=halted,
    )


def outcomes_after(db: sqlite3.Connection, after: int) -> list[Outcome]:
    """What is known of a page of recipients, behind a number."""
    rows = db.execute(
        "SELECT n, address, line FROM recipients WHERE n > ? ORDER BY n LIMIT ?", (after, A_PAGE)
    ).fetchall()
    if not rows:
        return []
    covering = db.execute(
        "SELECT first, last, id, state, ref, reason FROM calls"
        " WHERE state NOT IN ('split', 'resent') AND first BETWEEN ? AND ? ORDER BY first",
        (rows[0][0] - MOST_RECIPIENTS, rows[-1][0]),
    ).fetchall()
    found: list[Outcome] = []
    at = 0
    for n, address, line in rows:
        while at < len(covering) and covering[at][1] < n:
            at += 1
        if at < len(covering) and covering[at][0] <= n:
            _, _, number, state, ref, reason = covering[at]
            known = State.PENDING if state in NOT_LEFT else State(state)
            outcome = Outcome(
                address=address, line=line, state=known, call=number, ref=ref, reason=reason
            )
        else:
            outcome = Outcome(address=address, line=line, state=State.PENDING)
        found.append(outcome)
    return found


def left_out_after(db: sqlite3.Connection, state: State, line: int) -> list[Outcome]:
    """A page of the rows that were excluded or invalid, behind a line; each line has one."""
    column, table = (
        ("address, NULL", "excluded") if state is State.EXCLUDED else ("'', reason", "invalid")
    )
    rows = db.execute(
        f"SELECT line, {column} FROM {table} WHERE line > ? ORDER BY line LIMIT ?",  # noqa: S608
        (line, A_PAGE),
    )
    return [
        Outcome(address=address, line=line, state=state, reason=reason)
        for line, address, reason in rows
    ]
