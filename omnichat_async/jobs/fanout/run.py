"""The run: claim calls, commit the intent, send, commit the result."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.errors import OmnichatError
from omnichat_async.jobs.fanout.message import reference
from omnichat_async.jobs.fanout.records import Progress, State
from omnichat_async.jobs.fanout.verdicts import judge, reason_of
from omnichat_async.paging import suggested_concurrency

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs.fanout.journal import Job, Journal
    from omnichat_async.jobs.fanout.records import PlannedCall, Status
    from omnichat_async.jobs.fanout.verdicts import Verdict

__all__ = ["Runner", "Settings"]

LEASE_MARGIN_S = 30.0
"""What a lease is longer than a call may last."""

STUMBLES = 8
"""Times in a row that calls were not processed, for want of a connection or for the rate."""

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
        job: Job,
        settings: Settings,
        *,
        limit: int | None,
        publish: Callable[[Progress], None],
    ) -> None:
        self._client = client.with_options(timeout=settings.timeout, lane="bulk")
        self._journal = journal
        self._job = job
        self._settings = settings
        self._allowance = limit
        self._publish = publish
        self._flying: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopped = False
        self._paused = False
        self._failure: Exception | None = None
        self._stumbles = self._refusals = 0
        self._not_before = 0.0
        self._rate = 0.0

    # ---- from outside --------------------------------------------------------------------------

    def stop(self) -> None:
        """Begin no call any more."""
        self._stopped = True
        self._wake.set()

    def pause(self, paused: bool) -> None:
        """Begin no call for now, or go on."""
        self._paused = paused
        self._wake.set()

    async def run(self) -> Status:
        """Send. Raises what stopped it: an error of the account, of the message or of the disk."""
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
            if not over and not self._paused and wait <= 0 and (room := self._room()) > 0:
                if await self._begin(room):
                    continue
                over = True  # unless one of those under way comes back in halves
            if over and not self._flying and not self._wake.is_set():
                return
            await self._wait(wait if wait > 0 and not over else None)

    async def _begin(self, room: int) -> bool:
        """Claim and start up to `room` calls; whether there were any."""
        try:
            calls = await self._journal.claim(
                room, self._job.message.per_call, self._allowance, self._settings.lease_s
            )
        except OSError as error:  # those under way shall end and be written down, if they can
            self._failure = self._failure or error
            return False
        for call in calls:
            self._start(call)
        return bool(calls)

    async def _wait(self, seconds: float | None) -> None:
        """Until a call ends or somebody says something, for `seconds` at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _room(self) -> int:
        most = self._settings.concurrency
        if most is None:
            latency = self._client._transport.latency  # noqa: SLF001 - it is one of us
            rate = self._client.limiter.current_rate()
            most = suggested_concurrency(rate, latency.high(), latency.samples)
        return most - len(self._flying)

    def _start(self, call: PlannedCall) -> None:
        if self._allowance is not None:
            self._allowance -= call.size
        task = asyncio.create_task(self._make(call), name="omnichat-fanout-call")
        self._flying.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The journal could not take a result: what it cannot hold must not be sent.
            failure = error if isinstance(error, Exception) else RuntimeError("a worker died")
            self._failure = self._failure or failure

    async def _make(self, call: PlannedCall) -> None:
        """Send one call and write down what came of it."""
        if time.time() > call.lease_until:  # this process slept too long; nothing has left
            await self._settle(call, State.PENDING, "its lease ran out before it left")
            return
        mark = self._job.mark if self._job.marked else None
        path, body = self._job.message.request(call.recipients, mark, call.id)
        self._journal.begin(call)
        try:
            answer = await self._client.request("POST", path, json=body)
        except asyncio.CancelledError:
            await self._settle(call, State.UNKNOWN, "the run was cancelled")
            raise
        except Exception as error:  # noqa: BLE001 - each has a meaning for the recipients
            verdict = judge(error)
            await self._settle(call, verdict.state, verdict.reason)
            self._take(verdict, error)
        else:
            await self._taken(call, answer)

    async def _taken(self, call: PlannedCall, answer: Any) -> None:
        """A good answer. A broadcast without its id is in doubt: its report would be lost."""
        kind = self._job.message.kind
        ref = reference(kind, answer)
        if ref is None and (kind == "broadcast" or answer is None):
            await self._settle(call, State.UNKNOWN, "an answer without an id")
            return
        self._stumbles = self._refusals = 0
        await self._journal.settle(call, State.SENT, ref=ref)

    async def _settle(self, call: PlannedCall, state: State, reason: str) -> None:
        await self._journal.settle(call, state, reason=reason)
        back = state is State.PENDING or (state is State.REFUSED and call.size > 1)
        if back and self._allowance is not None:
            self._allowance += call.size

    def _take(self, verdict: Verdict, error: Exception) -> None:
        """What a failed call means for those that follow."""
        now = asyncio.get_running_loop().time()
        if verdict.stumble:
            self._stumbles += now >= self._not_before  # calls that fall together count once
            wait = max(verdict.wait, min(LONGEST_WAIT_S, 0.25 * 2.0**self._stumbles))
            self._not_before = max(self._not_before, now + min(wait, LONGEST_PAUSE_S))
        elif verdict.state is State.REFUSED:
            self._stumbles = 0
            self._refusals += verdict.suspicious
        if verdict.halt or self._stumbles >= STUMBLES or self._refusals >= REFUSALS:
            log.warning("fan-out: stopped by %s, what was not sent is untouched", verdict.reason)
            self._failure = self._failure or error

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
