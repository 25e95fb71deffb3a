"""The run: claim calls, send them, commit what came of each."""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import time
from typing import TYPE_CHECKING

import attrs

from omnichat_async.errors import OmnichatError
from omnichat_async.jobs.fanout.answers import accepted
from omnichat_async.jobs.fanout.departure import Departure, HeldBack, Lead
from omnichat_async.jobs.fanout.records import Progress, State
from omnichat_async.jobs.fanout.verdicts import judge, reason_of
from omnichat_async.paging import suggested_concurrency
from omnichat_async.retries import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs.fanout.journal import Job, Journal
    from omnichat_async.jobs.fanout.records import PlannedCall, Status
    from omnichat_async.jobs.fanout.verdicts import Verdict

__all__ = ["Runner", "Settings"]

LEASE_MARGIN_S = 30.0
"""What a lease is longer than a call may last."""

ONE_ATTEMPT = RetryPolicy(max_attempts=1)
"""A call that did not get out goes back to the journal. After a 429 it waits and goes again."""

STUMBLES = 8
"""Times in a row that calls were not processed, for want of a connection or for the rate, or that
nobody knows what became of them."""

DOUBTS = 3
"""Calls in a row whose outcome is unknown, after which that is no accident: a server that is down
would leave nothing but doubts behind. From then on one call at a time is tried."""

LONGEST_WAIT_S, LONGEST_PAUSE_S = 30.0, 300.0
"""What we wait by ourselves, and what we wait if the server asks for it."""

REFUSALS = 100
"""Refusals in a row, none of them an opt-out, after which the job itself is suspected."""

TICK_S = 0.25

log = logging.getLogger("omnichat_async")


@attrs.frozen(kw_only=True)
class Settings:
    """`timeout` is the time of one call in seconds, `concurrency` how many are under way at once
    (None: what the rate and the answering time call for)."""

    timeout: float = 60.0
    concurrency: int | None = None

    @property
    def lease_s(self) -> float:
        """How long a worker may keep a call."""
        return self.timeout + LEASE_MARGIN_S


class Runner:
    """One run of a job: until nothing is pending, the limit is reached, or something stops it."""

    def __init__(
        self,
        client: OmnichatClient,
        journal: Journal,
        settings: Settings,
        *,
        limit: int | None,
        publish: Callable[[Progress], None],
    ) -> None:
        self._client = client.with_options(timeout=settings.timeout, retry=ONE_ATTEMPT, lane="bulk")
        self._latency = copy.copy(client._transport.latency)  # noqa: SLF001 - it is one of us
        self._claiming = 0.0
        self._lead = Lead()
        self._journal = journal
        self._settings = settings
        self._allowance = limit
        self._publish = publish
        self._flying: dict[asyncio.Task[None], Departure] = {}
        self._wake = asyncio.Event()
        self._stopped = False
        self._paused = False
        self._failure: Exception | None = None
        self._stumbles = self._refusals = self._doubts = 0
        self._not_before = 0.0
        self._rate = 0.0

    # ---- from outside --------------------------------------------------------------------------

    def stop(self) -> None:
        """Begin no call any more."""
        self._stopped = True
        self._call_back()

    def pause(self, paused: bool) -> None:
        """Begin no call for now, or go on."""
        self._paused = paused
        self._call_back()

    async def run(self, job: Job) -> Status:
        """Send. Raises what stopped it: an error of the account, of the message or of the disk."""
        self._job = job
        await self._journal.recover()
        await self._journal.halt(None)
        watch = asyncio.create_task(self._watch(), name="omnichat-fanout-progress")
        try:
            await self._send_all()
        finally:
            watch.cancel()
            for task in self._flying:  # none, unless this was cancelled or failed
                task.cancel()
            await asyncio.gather(watch, *self._flying, return_exceptions=True)
            await self._journal.give_back()
        await self._journal.recover()
        status = await self._journal.status()
        self._publish(progress_of(status, self._rate))
        if self._failure is not None:
            if isinstance(self._failure, OmnichatError):
                await self._journal.halt(reason_of(self._failure))
            raise self._failure
        return status

    # ---- inside --------------------------------------------------------------------------------

    async def _send_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            over = self._stopped or self._failure is not None
            wait = self._not_before - loop.time()
            if self._may_begin() and wait <= 0 and (room := self._room()) > 0:
                if await self._begin(room):
                    continue
                over = True  # unless one of those under way comes back in halves
            if over and not self._flying and not self._wake.is_set():
                return
            await self._wait(wait if wait > 0 and not over else None)

    async def _begin(self, room: int) -> bool:
        """Claim and start up to `room` calls; whether there were any."""
        try:
            calls = await self._claim(room)
            if not calls and await self._journal.recover():  # what somebody left behind
                calls = await self._claim(room)
        except OSError as error:  # those under way shall end and be written down, if they can
            self._fail(error)
            return False
        for call in calls:
            self._start(call)
        return bool(calls)

    async def _claim(self, room: int) -> list[PlannedCall]:
        start = time.monotonic()
        calls = await self._journal.claim(
            room, self._job.message.per_call, self._allowance, self._settings.lease_s
        )
        self._claiming = time.monotonic() - start
        return calls

    def _may_begin(self) -> bool:
        """Whether calls may leave just now."""
        return not (self._stopped or self._paused or self._failure is not None)

    def _call_back(self) -> None:
        """Those that wait for their turn shall not leave any more, if none may. One that has not
        come that far finds out by itself, and has to, to give its call back."""
        self._wake.set()
        if not self._may_begin():
            for task, departure in self._flying.items():
                if departure.begun and not departure.left:
                    task.cancel()

    async def _wait(self, seconds: float | None) -> None:
        """Until a call ends or somebody says something, for `seconds` at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _room(self) -> int:
        most = 1 if self._stumbles else self._settings.concurrency
        if most is None:
            rate = self._client.limiter.current_rate()
            seconds = self._latency.high() + self._claiming  # from one claim to the next
            most = suggested_concurrency(rate, seconds, self._latency.samples)
        return most - len(self._flying)

    def _start(self, call: PlannedCall) -> None:
        if self._allowance is not None:
            self._allowance -= call.size
        departure = Departure(
            call,
            self._client.limiter,
            self._lead,
            self._journal,
            self._settings.lease_s,
            self._may_begin,
        )
        task = asyncio.create_task(self._make(departure), name="omnichat-fanout-call")
        self._flying[task] = departure
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        del self._flying[task]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The journal could not take it: what it cannot hold must not be sent.
            self._fail(error if isinstance(error, Exception) else RuntimeError("a worker died"))

    async def _make(self, departure: Departure) -> None:
        """Send one call and write down what came of it."""
        call, message = departure.call, self._job.message
        mark = self._job.mark if self._job.marked else None
        path, body = message.request(call.recipients, mark, call.id)
        try:
            answer = await departure.through(self._client).request("POST", path, json=body)
            ref = accepted(message.kind, answer)
        except asyncio.CancelledError:
            if departure.left:
                await self._settle(call, State.UNKNOWN, "the run was cancelled")
            else:
                await self._settle(call, State.PENDING, "the run ended before it left")
            raise
        except HeldBack as held:
            if isinstance(held.__cause__, OSError):
                raise held.__cause__ from None
            await self._settle(call, State.PENDING, str(held))
        except Exception as error:  # noqa: BLE001 - each has a meaning for the recipients
            verdict = judge(error)
            if verdict.state is State.UNKNOWN and not departure.left:  # a bug of ours, and no doubt
                verdict = attrs.evolve(verdict, state=State.PENDING, halt=True)
            await self._settle(call, verdict.state, verdict.reason)
            self._take(verdict, error)
        else:
            self._stumbles = self._refusals = self._doubts = 0
            await self._journal.settle(call, State.SENT, ref=ref)
            if departure.left:  # a given session's own middleware can answer unasked
                self._latency.add(asyncio.get_running_loop().time() - departure.permitted_at)

    async def _settle(self, call: PlannedCall, state: State, reason: str) -> None:
        await self._journal.settle(call, state, reason=reason)
        back = state is State.PENDING or (state is State.REFUSED and call.size > 1)
        if back and self._allowance is not None:
            self._allowance += call.size

    def _take(self, verdict: Verdict, error: Exception) -> None:
        """What a failed call means for those that follow."""
        now = asyncio.get_running_loop().time()
        self._doubts = self._doubts + 1 if verdict.state is State.UNKNOWN else 0
        if verdict.stumble or self._doubts >= DOUBTS:
            self._stumbles += now >= self._not_before  # calls that fall together count once
            wait = max(verdict.wait, min(LONGEST_WAIT_S, 0.25 * 2.0**self._stumbles))
            self._not_before = max(self._not_before, now + min(wait, LONGEST_PAUSE_S))
        elif verdict.state is State.REFUSED:
            self._stumbles = 0
            self._refusals += verdict.suspicious
        if verdict.halt or self._stumbles >= STUMBLES or self._refusals >= REFUSALS:
            log.warning("fan-out: stopped by %s, what was not sent is untouched", verdict.reason)
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Begin no more calls, and raise this in the end."""
        self._failure = self._failure or error
        self._call_back()

    async def _watch(self) -> None:
        """Tell how far it is, a few times a second."""
        start, before = time.monotonic(), None
        while True:
            status = await self._journal.status()
            settled = status.sent + status.refused + status.unknown
            before = settled if before is None else before
            seconds = time.monotonic() - start
            self._rate = (settled - before) / seconds if seconds else 0.0
            self._publish(progress_of(status, self._rate))
            await asyncio.sleep(TICK_S)


def progress_of(status: Status, rate: float) -> Progress:
    """The part of a status that changes while a run goes on."""
    left = status.pending + status.sending
    eta = 0.0 if not left else left / rate if rate > 0 and not math.isinf(rate) else None
    return Progress(
        recipients=status.recipients,
        pending=status.pending,
        sending=status.sending,
        sent=status.sent,
        refused=status.refused,
        unknown=status.unknown,
        rate=rate,
        eta=eta,
    )
