"""Takes events out of an inbox and has them handled: bounded, in order, with retries."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from omnichat_async.webhooks.inbox import Inbox, Job

__all__ = ["Outcome", "WorkPolicy", "Worker"]

_log = logging.getLogger("omnichat_async.webhooks")

_PRUNE_EVERY_S = 3600.0


@attrs.frozen(kw_only=True)
class WorkPolicy:
    """How events are worked off. Times are in seconds.

    `concurrency` handlers at once; `max_tries` before an event is dead, with waits that double
    from `first_wait` to `max_wait`; `lease` is how long after a crash somebody else may take an
    event; `poll` how often an inbox is looked at that other processes fill too; `drain` how long
    a stop waits for handlers.
    """

    concurrency: int = 16
    max_tries: int = 12
    first_wait: float = 1.0
    max_wait: float = 3600.0
    lease: float = 60.0
    poll: float = 5.0
    drain: float = 10.0

    def wait_after(self, attempt: int) -> float:
        """The wait after a failed attempt, counted from 1: half to one and a half of its turn."""
        turn = min(self.max_wait, self.first_wait * 2.0 ** min(attempt - 1, 30))
        return float(turn * random.uniform(0.5, 1.5))  # noqa: S311 - not for secrets


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one attempt: `done`, `retry` or `dead`. `error` is the class of a failure."""

    name: str
    attempt: int
    state: str
    error: str | None = None


Work: TypeAlias = "Callable[[Job], Awaitable[None]]"


class Worker:
    """Works off an inbox until it is stopped. `handle` raises for an event that failed."""

    def __init__(
        self,
        inbox: Inbox,
        handle: Work,
        policy: WorkPolicy,
        observe: Callable[[Outcome], None],
    ) -> None:
        self._inbox, self._handle, self._policy, self._observe = inbox, handle, policy, observe
        self._jobs: dict[asyncio.Task[None], Job] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [
            asyncio.create_task(each(), name=f"webhooks: {name}")
            for name, each in (("work", self._work), ("renew", self._renew), ("prune", self._prune))
        ]

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    async def stop(self) -> None:
        """Take nothing more, wait for the handlers, and give back what they could not finish."""
        self._stopping = True
        self._wake.set()
        if not self._tasks:
            return
        work, *others = self._tasks
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work})  # at most one call of the inbox
        if self._jobs:
            await asyncio.wait(set(self._jobs), timeout=self._policy.drain)
        left = dict(self._jobs)
        for task in [*left, *others]:
            task.cancel()
        await asyncio.gather(*left, *others, return_exceptions=True)
        for job in left.values():
            with contextlib.suppress(Exception):
                await self._inbox.release(job)
        if left:
            _log.warning("%d handlers were cut off; their events will be tried again", len(left))

    async def _work(self) -> None:
        while not self._stopping:
            self._wake.clear()
            free = self._policy.concurrency - len(self._jobs)
            jobs: list[Job] = []
            wait = self._policy.poll
            try:
                if free:
                    jobs = await self._inbox.lease(free, self._policy.lease)
                    if not jobs and (due := await self._inbox.next_due()) is not None:
                        wait = min(wait, due)
            except Exception as error:  # noqa: BLE001 - a full disk must not end the work
                _log.error("the inbox cannot be read: %s", type(error).__name__)
            for job in jobs:
                task = asyncio.create_task(self._attend(job), name="webhooks: handler")
                self._jobs[task] = job
                task.add_done_callback(self._finished)
            if not jobs:
                await self._sleep(wait)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            # An event that is due but held back by its lane comes when the lane's first is done.
            await asyncio.wait_for(self._wake.wait(), max(seconds, 0.05))

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._jobs[task]
        self._wake.set()

    async def _attend(self, job: Job) -> None:
        name, attempt = job.record.name, job.attempt
        failure: str | None = None
        try:
            if attempt > self._policy.max_tries:  # each attempt ended with the process
                raise RuntimeError("out of tries")
            await self._handle(job)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its own affair
            failure = type(error).__name__
            state = await self._failed(job, failure)
        else:
            state = "done"
            await self._note(self._inbox.done(job))
        self._observe(Outcome(name=name, attempt=attempt, state=state, error=failure))

    async def _failed(self, job: Job, error: str) -> str:
        if job.attempt >= self._policy.max_tries:
            _log.error("%s is dead after %d tries: %s", job.record.name, job.attempt, error)
            await self._note(self._inbox.fail(job, error, None))
            return "dead"
        await self._note(self._inbox.fail(job, error, self._policy.wait_after(job.attempt)))
        return "retry"

    async def _note(self, writing: Awaitable[None]) -> None:
        try:
            await writing
        except Exception as error:  # noqa: BLE001 - the lease ends, and the event comes again
            _log.error("the inbox cannot be written: %s", type(error).__name__)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._policy.lease / 3)
            if self._jobs:
                await self._note(self._inbox.renew(list(self._jobs.values()), self._policy.lease))

    async def _prune(self) -> None:
        while True:
            await self._note(self._pruned())
            await asyncio.sleep(_PRUNE_EVERY_S)

    async def _pruned(self) -> None:
        await self._inbox.prune()
