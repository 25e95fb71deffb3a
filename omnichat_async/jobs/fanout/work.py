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
    "add_call",
    "expire",
    "intend",
    "new_call",
    "next_pending",
    "outcomes_after",
    "recipients_of",
    "status_of",
]

A_PAGE = 1000
"""Rows read at once."""


def expire(db: sqlite3.Connection, now: float) -> None:
    """Calls whose lease is over become unknown."""
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


def intend(
    db: sqlite3.Connection, number: int, worker: int, now: float, lease_until: float
) -> PlannedCall:
    """Put the intent to make a call into the journal."""
    db.execute(
        "UPDATE calls SET state = 'sending', attempt = attempt + 1, worker = ?, lease_until = ?,"
        " intended_at = ?, settled_at = NULL, looked_at = NULL, reason = NULL WHERE id = ?",
        (worker, lease_until, now, number),
    )
    attempt, first, last = db.execute(
        "SELECT attempt, first, last FROM calls WHERE id = ?", (number,)
    ).fetchone()
    return PlannedCall(
        id=number,
        attempt=attempt,
        first=first,
        last=last,
        lease_until=lease_until,
        recipients=recipients_of(db, first, last),
    )


def recipients_of(db: sqlite3.Connection, first: int, last: int) -> tuple[Recipient, ...]:
    """The recipients of a run of numbers."""
    rows = db.execute(
        "SELECT address, personal FROM recipients WHERE n BETWEEN ? AND ? ORDER BY n", (first, last)
    )
    return tuple(Recipient(to, json.loads(personal) if personal else {}) for to, personal in rows)


def status_of(db: sqlite3.Connection) -> Status:
    """How the job stands."""
    row = db.execute(
        "SELECT recipients, covered, duplicates, excluded, invalid, halted FROM job WHERE planned"
    ).fetchone()
    if row is None:
        raise InvalidRequest("journal", "must hold a planned job: plan one first", "none")
    recipients, covered, duplicates, excluded, invalid, halted = row
    counts = {
        state: (calls, people)
        for state, calls, people in db.execute("SELECT state, calls, recipients FROM counts")
    }

    def people(state: State) -> int:
        return int(counts.get(state.value, (0, 0))[1])

    (late,) = db.execute("SELECT count(*) FROM calls WHERE late = 1").fetchone()
    return Status(
        recipients=recipients,
        pending=recipients - covered + people(State.PENDING),
        sending=people(State.SENDING),
        sent=people(State.SENT),
        refused=people(State.REFUSED),
        unknown=people(State.UNKNOWN),
        dropped=people(State.DROPPED),
        duplicates=duplicates,
        excluded=excluded,
        invalid=invalid,
        calls=sum(calls for state, (calls, _) in counts.items() if state != State.PENDING),
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
            outcome = Outcome(
                address=address, line=line, state=State(state), call=number, ref=ref, reason=reason
            )
        else:
            outcome = Outcome(address=address, line=line, state=State.PENDING)
        found.append(outcome)
    return found
