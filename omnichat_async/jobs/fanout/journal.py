"""The journal: what was planned, what was intended, what came of it.

The law of the states is here and nowhere else. A worker claims calls, and only the one that has a
claim may note the intent: that is on the disk before a call leaves, the result after it. Only a
definite answer or a person moves a call out of ``unknown``.
"""

from __future__ import annotations

import math
import secrets
import time
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.fanout.database import Database
from omnichat_async.jobs.fanout.liveness import Lifeline, clear_strays, is_alive
from omnichat_async.jobs.fanout.message import Message
from omnichat_async.jobs.fanout.records import Outcome, PlannedCall, Recipient, State, Status
from omnichat_async.jobs.fanout.work import (
    A_PAGE,
    NO_JOB,
    add_call,
    claim_call,
    expire,
    left_out_after,
    new_call,
    next_pending,
    outcomes_after,
    recipients_of,
    shown,
    status_of,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path

__all__ = ["Job", "Journal"]


@attrs.frozen(kw_only=True)
class Job:
    """What is fixed when a job is planned; `mark` stands in subjects if it is `marked`, `host` is
    the one of the API."""

    mark: str
    marked: bool
    host: str
    message: Message
    created_at: float


class Journal:
    """One journal file, and this process as a worker on it."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        # Workers find each other beside the file, by whatever path and from wherever it was opened.
        self.path = path = path.resolve()
        self.database = Database(path, create=create)
        self._lifeline: Lifeline | None = None
        self._worker = 0
        self._unwritten: dict[int, Callable[[sqlite3.Connection], None]] = {}

    async def open(self) -> None:
        """Open the file and say that this worker lives."""
        await self.database.open()

        def register(db: sqlite3.Connection) -> int:
            # Between the file and the row nobody else can look: a file without a row is of one that
            # was killed here.
            clear_strays(self.path, {lock for (lock,) in db.execute("SELECT lock FROM workers")})
            lifeline = self._lifeline = Lifeline(self.path)
            made = db.execute("INSERT INTO workers (lock) VALUES (?)", (lifeline.path.name,))
            return int(made.lastrowid or 0)

        try:
            self._worker = await self.database.do(register)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Give back what was claimed and never left, and close the file."""
        worker = self._worker
        try:
            if worker:  # if this fails, others find us gone
                await self.give_back()
                await self.database.do(
                    lambda db: _nothing(db.execute("DELETE FROM workers WHERE id = ?", (worker,)))
                )
        finally:
            self._worker = 0
            await self.database.aclose()
            lifeline, self._lifeline = self._lifeline, None
            if lifeline is not None:
                lifeline.release()

    # ---- the plan ------------------------------------------------------------------------------

    async def start_plan(self, message: Message, *, marked: bool, host: str) -> str:
        """Begin a plan. One that was interrupted is thrown away; a finished one is refused.
        The mark of the job."""
        mark = secrets.token_hex(4)
        row = (mark, int(marked), host, message.to_json(), time.time())

        def start(db: sqlite3.Connection) -> None:
            found = db.execute("SELECT planned FROM job").fetchone()
            if found is not None and found[0]:
                raise InvalidRequest(
                    "journal",
                    "must be a new file: this one holds a planned job, which run() or omnichat "
                    "broadcast resume goes on with",
                    "an existing job",
                )
            for table in ("job", "recipients", "suppressed", "excluded", "invalid"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from here
            db.execute(
                "INSERT INTO job (one, mark, marked, host, message, created_at)"
                " VALUES (1, ?, ?, ?, ?, ?)",
                row,
            )

        await self.database.do(start)
        return mark

    async def planning(self, mark: str, work: Callable[[sqlite3.Connection], None]) -> None:
        """A piece of the plan of this mark. Raises InvalidRequest if another one has begun."""

        def piece(db: sqlite3.Connection) -> None:
            if db.execute("SELECT 1 FROM job WHERE mark = ?", (mark,)).fetchone() is None:
                raise InvalidRequest("journal", "must be planned by one at a time", "another plan")
            work(db)

        await self.database.do(piece)

    async def finish_plan(self, mark: str) -> None:
        """From here on the job can be run."""
        await self.planning(mark, lambda db: _nothing(db.execute("UPDATE job SET planned = 1")))

    async def job(self) -> Job:
        """The planned job. Raises InvalidRequest if there is none."""

        def read(db: sqlite3.Connection) -> Any:
            return db.execute(
                "SELECT mark, marked, host, message, created_at FROM job WHERE planned"
            ).fetchone()

        row = await self.database.do(read)
        if row is None:
            raise InvalidRequest("journal", NO_JOB, "none")
        return Job(
            mark=row[0],
            marked=bool(row[1]),
            host=row[2],
            message=Message.from_json(row[3]),
            created_at=row[4],
        )

    async def first_recipient(self) -> Recipient | None:
        """An example."""
        rows = await self.database.do(lambda db: recipients_of(db, 1, 1))
        return rows[0] if rows else None

    # ---- claims and results --------------------------------------------------------------------

    async def claim(
        self, most: int, per_call: int, allowance: int | None, lease_s: float
    ) -> list[PlannedCall]:
        """Up to `most` calls to make now, kept from others for `lease_s` seconds.

        Calls that were refused as a whole or never left come first, then new ones are cut from
        the recipients that no call covers yet. `allowance` bounds the recipients in all.
        """
        now, worker = time.time(), self._worker

        def claim(db: sqlite3.Connection) -> list[PlannedCall]:
            expire(db, now)
            left = allowance
            calls: list[PlannedCall] = []
            while len(calls) < most and (left is None or left > 0):
                size = per_call if left is None else min(per_call, left)
                number = next_pending(db, size) or new_call(db, size)
                if number is None:
                    break
                calls.append(claim_call(db, number, worker, now + lease_s))
                if left is not None:
                    left -= calls[-1].size
            return calls

        return await self.database.do(claim)

    async def leave(self, call: PlannedCall, lease_s: float) -> bool:
        """Put the intent to make a call on the disk: it may leave after this, for `lease_s`
        seconds. False if the claim is lost: then it must not."""
        now, worker = time.time(), self._worker

        def leave(db: sqlite3.Connection) -> bool:
            done = db.execute(
                "UPDATE calls SET state = 'sending', intended_at = ?, lease_until = ?"
                " WHERE id = ? AND attempt = ? AND worker = ? AND state = 'claimed'",
                (now, now + lease_s, call.id, call.attempt, worker),
            )
            return done.rowcount == 1

        return await self.database.do(leave)

    def hold(self, call: PlannedCall, lease_s: float) -> None:
        """The server refused this call for its rate: nothing of it counts until it leaves again."""
        until, worker = time.time() + lease_s, self._worker
        self.database.hand_over(
            lambda db: _nothing(
                db.execute(
                    "UPDATE calls SET state = 'claimed', lease_until = ?"
                    " WHERE id = ? AND attempt = ? AND worker = ?"
                    " AND state IN ('sending', 'unknown')",
                    (until, call.id, call.attempt, worker),
                )
            )
        )

    async def give_back(self) -> None:
        """With nothing under way: what this worker claimed is pending again, what left and has no
        result is unknown. Results that could not be written down before are written now."""
        now, worker, unwritten = time.time(), self._worker, dict(self._unwritten)

        def give_back(db: sqlite3.Connection) -> None:
            for write in unwritten.values():
                write(db)
            db.execute(
                "UPDATE calls SET state = 'pending' WHERE state = 'claimed' AND worker = ?",
                (worker,),
            )
            db.execute(
                "UPDATE calls SET state = 'unknown', reason = 'its result was not written down',"
                " settled_at = ? WHERE state = 'sending' AND worker = ?",
                (now, worker),
            )

        await self.database.do(give_back)
        self._unwritten.clear()

    async def settle(
        self, call: PlannedCall, state: State, *, ref: str | None = None, reason: str | None = None
    ) -> None:
        """Write down what came of a call.

        ``REFUSED`` for several recipients cuts the call in two halves that are pending, since the
        server refused the whole. ``PENDING`` means that it was not processed, for certain.
        """
        now = time.time()

        def settle(db: sqlite3.Connection) -> None:
            (found,) = db.execute("SELECT state FROM calls WHERE id = ?", (call.id,)).fetchone()
            new: str = state
            if state is State.REFUSED and call.size > 1:
                new = "split"
            if state is State.UNKNOWN and found != "sending":
                return  # known to be unknown, or decided on
            if found == "dropped" and new in {"pending", "split"}:
                return  # somebody decided that it is not to be sent again
            done = db.execute(
                "UPDATE calls SET state = ?, ref = ?, reason = ?, settled_at = ?,"
                " lease_until = NULL WHERE id = ? AND attempt = ?"
                " AND state IN ('claimed', 'sending', 'unknown', 'dropped')",
                (new, ref, reason, now, call.id, call.attempt),
            )
            if done.rowcount and new == "split":
                middle = (call.first + call.last) // 2
                add_call(db, call.first, middle, call.id)
                add_call(db, middle + 1, call.last, call.id)

        self._unwritten[call.id] = settle  # until it is: a full disk may have room again later
        await self.database.do(settle)
        self._unwritten.pop(call.id, None)

    async def recover(self) -> bool:
        """Calls of workers that are gone, or whose lease is over: those that may have left become
        unknown, the others pending. Whether there are calls to make now."""
        now, worker, folder = time.time(), self._worker, self.path.parent

        def recover(db: sqlite3.Connection) -> bool:
            expire(db, now)
            # The clock was put back: until then again it would all be too fresh to decide on.
            db.execute(
                "UPDATE calls SET settled_at = ? WHERE state = 'unknown' AND settled_at > ?",
                (now, now),
            )
            for other, lock in db.execute("SELECT id, lock FROM workers").fetchall():
                if other == worker or is_alive(str(folder / lock)):
                    continue
                db.execute(
                    "UPDATE calls SET state = 'pending' WHERE state = 'claimed' AND worker = ?",
                    (other,),
                )
                db.execute(
                    "UPDATE calls SET state = 'unknown', reason = 'its process ended',"
                    " settled_at = ? WHERE state = 'sending' AND worker = ?",
                    (now, other),
                )
                # What it may have sent, it had sent by now: only from here on is a look conclusive.
                db.execute(
                    "UPDATE calls SET settled_at = ?, looked_at = NULL, worker = NULL"
                    " WHERE state = 'unknown' AND worker = ?",
                    (now, other),
                )
                db.execute("DELETE FROM workers WHERE id = ?", (other,))
            return bool(db.execute("SELECT 1 FROM calls WHERE state = 'pending'").fetchone())

        return await self.database.do(recover)

    async def halt(self, reason: str | None) -> None:
        """Note why a run stopped, or that a new one begins."""
        await self.database.do(
            lambda db: _nothing(db.execute("UPDATE job SET halted = ?", (reason,)))
        )

    # ---- unknown calls -------------------------------------------------------------------------

    async def found(self, calls: Iterable[tuple[int, str | None]]) -> int:
        """The server shows these calls, by number and broadcast or message id: they were sent. How
        many recipients are no longer unknown."""
        now, rows = time.time(), list(calls)
        return await self.database.do(lambda db: sum(shown(db, *row, now) for row in rows))

    async def looked(self, at: float) -> None:
        """Everything that is still unknown was looked for, beginning at this time."""
        await self.database.do(
            lambda db: _nothing(
                db.execute("UPDATE calls SET looked_at = ? WHERE state = 'unknown'", (at,))
            )
        )

    async def resend_unknown(self, settle_s: float, *, dry_run: bool = False) -> int:
        """Make all unknown calls pending again, since somebody decided so; their recipients.
        With `dry_run` only count them.

        Refused as long as one of them may still be on its way: its worker lives and might be
        stalled, or it was not looked for at least `settle_s` seconds after it can have left.
        """

        def resend(db: sqlite3.Connection) -> int:
            rows = db.execute(
                "SELECT id, first, last, settled_at, looked_at >= settled_at + ?,"
                " worker IS NOT ? AND worker IN (SELECT id FROM workers)"
                " FROM calls WHERE state = 'unknown' ORDER BY first",
                (settle_s, self._worker),
            ).fetchall()
            _refuse_to_resend(rows, settle_s)
            for number, first, last, *_ in [] if dry_run else rows:
                db.execute("UPDATE calls SET state = 'resent' WHERE id = ?", (number,))
                add_call(db, first, last, number)
            return _people(rows)

        await self.recover()
        return await self.database.do(resend)

    async def drop_unknown(self) -> int:
        """Never send the unknown ones again; their number in recipients."""

        def drop(db: sqlite3.Connection) -> int:
            (count,) = db.execute(
                "SELECT coalesce(sum(last - first + 1), 0) FROM calls WHERE state = 'unknown'"
            ).fetchone()
            db.execute("UPDATE calls SET state = 'dropped' WHERE state = 'unknown'")
            return int(count)

        return await self.database.do(drop)

    # ---- reading -------------------------------------------------------------------------------

    async def status(self) -> Status:
        """How the job stands."""
        return await self.database.do(status_of)

    async def outcomes(self, state: State | None = None) -> AsyncIterator[Outcome]:
        """All recipients in the order of the input, or those in one state; then the rows that
        were excluded and that were invalid."""
        after = 0
        while True:
            page = await self.database.do(lambda db, after=after: outcomes_after(db, after))  # type: ignore[misc]
            for each in page:
                if state in {None, each.state}:
                    yield each
            if len(page) < A_PAGE:
                break
            after += len(page)
        for other in (State.EXCLUDED, State.INVALID):
            if state in {None, other}:
                async for each in self._left_out(other):
                    yield each

    async def _left_out(self, state: State) -> AsyncIterator[Outcome]:
        behind: int | None = 0
        while behind is not None:
            page = await self.database.do(
                lambda db, line=behind: left_out_after(db, state, line)  # type: ignore[misc]
            )
            for each in page:
                yield each
            behind = page[-1].line if page else None


def _people(rows: Sequence[tuple[Any, ...]]) -> int:
    return sum(last - first + 1 for _, first, last, *_ in rows)


def _refuse_to_resend(rows: Sequence[tuple[Any, ...]], settle_s: float) -> None:
    """Raise InvalidRequest if one of the unknown calls may still be on its way."""
    early = [row for row in rows if not row[4]]
    if early:
        left = max(row[3] for row in early) + settle_s - time.time()
        raise InvalidRequest(
            "resend_unknown",
            f"needs {settle_s:g} s between the last moment at which a call can have left and a "
            f"look at the server: try again in {max(1, math.ceil(left))} s",
            f"{_people(early)} recipients that are too fresh",
        )
    held = [row for row in rows if row[5]]
    if held:
        raise InvalidRequest(
            "resend_unknown",
            "needs the process that made the call to have ended: stop it first",
            f"{_people(held)} recipients of one that lives",
        )


def _nothing(_: object) -> None:
    """What a statement gives is of no interest."""
