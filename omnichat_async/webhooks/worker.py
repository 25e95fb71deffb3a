"""Takes events out of an inbox and has them handled: bounded, in order, with retries."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from omnichat_async.webhooks.dispatch import HandlersFailed
from omnichat_async.webhooks.intake import positive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from omnichat_async.webhooks.inbox import Inbox, Job

__all__ = ["NotNow", "Outcome", "WorkPolicy", "Worker"]

_log = logging.getLogger("omnichat_async.webhooks")

_PRUNE_EVERY_S = 3600.0
_WRITE_AGAIN_S = 1.0
_LONGEST_WAIT_S = 12 * 3600.0


def _whole(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value < 1 or value != int(value):
        raise ValueError(f"{field.name} must be 1 or more; given: {value}")


def _positive_if_any(instance: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None:
        positive(instance, field, value)


def _at_most_half_a_day(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    # An inbox takes what waits for a day for the trace of a clock that was wrong.
    if not 0 < value <= _LONGEST_WAIT_S:
        raise ValueError(f"{field.name} must be up to 12 hours; given: {value} s")


@attrs.frozen(kw_only=True)
class WorkPolicy:
    """How events are worked off. Times are in seconds.

    `concurrency` handlers at once; `max_tries` before an event is dead, with waits that triple
    from `first_wait` to `max_wait`, give or take a half; `timeout` is how long the handlers of
    an event may take before they are cancelled and have failed (None: any time); `lease` how long
    after a crash somebody else may take an event; `poll` how often an inbox is looked at that
    other processes fill too; `drain` how long a stop waits for handlers.

    Raises ValueError for what cannot work.
    """

    concurrency: int = attrs.field(default=16, validator=_whole)
    max_tries: int = attrs.field(default=12, validator=_whole)
    first_wait: float = attrs.field(default=1.0, validator=_at_most_half_a_day)
    max_wait: float = attrs.field(default=3600.0, validator=_at_most_half_a_day)
    timeout: float | None = attrs.field(default=600.0, validator=_positive_if_any)
    lease: float = attrs.field(default=60.0, validator=_at_most_half_a_day)
    poll: float = attrs.field(default=5.0, validator=_at_most_half_a_day)
    drain: float = attrs.field(default=10.0, validator=attrs.validators.ge(0))

    def wait_after(self, attempt: int) -> float:
        """The wait after a failed attempt, counted from 1: half to one and a half of its turn."""
        turn = min(self.max_wait, self.first_wait * 3.0 ** min(attempt - 1, 30))
        return float(turn * random.uniform(0.5, 1.5))  # noqa: S311 - not for secrets


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one attempt: `done`, `retry`, `dead` (the last one, as each is under
    ``ack="handled"``), or `later` for one that was not made, because another process has the
    event. `error` is the class of a failure."""

    name: str
    attempt: int
    state: str
    error: str | None = None


class NotNow(Exception):  # noqa: N818 - a signal inside this room
    """The event cannot be handled now; the attempt does not count."""


Work: TypeAlias = "Callable[[Job], Awaitable[None]]"


def _unexpected(error: Exception) -> HandlersFailed:
    return HandlersFailed(type(error).__name__)


class Worker:
    """Works off a scope of an inbox until it is stopped. `handle` raises for an event that
    failed."""

    def __init__(
        self,
        inbox: Inbox,
        handle: Work,
        policy: WorkPolicy,
        observe: Callable[[Outcome], None],
        *,
        scope: str = "",
    ) -> None:
        self._scope = scope
        self._inbox, self._handle, self._policy, self._observe = inbox, handle, policy, observe
        self._held: dict[int, Job] = {}  # what is being handled, under the lease it has now
        self._handled: set[int] = set()  # of these, what only has to be recorded
        self._running: set[asyncio.Task[None]] = set()
        self._wake, self._quiet = asyncio.Event(), asyncio.Event()
        self._stopping = self._is_sick = False
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

    async def idle(self) -> None:
        """Wait until nothing is being handled here, and nothing is due."""
        self._quiet.clear()
        self._wake.set()
        await self._quiet.wait()

    async def stop(self, *, finish: bool = False) -> None:
        """Take nothing more, wait for the handlers, and give back what they could not finish.
        With `finish`, what is due is handled first, as far as there is time."""
        work, *others = self._tasks
        deadline = asyncio.get_running_loop().time() + self._policy.drain
        try:
            if finish:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(deadline):
                        await self.idle()
            self._stopping = True
            self._wake.set()
            await asyncio.wait({work})  # at most one call of the inbox
            if self._running:
                left = deadline - asyncio.get_running_loop().time()
                await asyncio.wait(set(self._running), timeout=max(0.0, left))
        finally:  # also if whoever stops it has no more patience
            self._stopping = True
            self._quiet.set()
            handled = [self._held[each] for each in self._handled]
            cut_off = [job for job in self._held.values() if job.id not in self._handled]
            tasks = [*self._running, *others, work]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for job in handled:
                await self._note(self._inbox.done(job))
            for job in cut_off:
                await self._note(self._inbox.release(job))
            if cut_off:
                then = "" if finish else ", and will be tried again"  # or they end with the memory
                _log.warning("%d events were cut off%s", len(cut_off), then)

    # ---- taking --------------------------------------------------------------------------------

    async def _work(self) -> None:
        while not self._stopping:
            self._wake.clear()
            free = self._policy.concurrency - len(self._held)
            jobs: list[Job] = []
            wait = self._policy.poll
            try:
                if free:
                    jobs = await self._inbox.lease(free, self._policy.lease, self._scope)
                    if not jobs:
                        due = await self._inbox.next_due(self._scope)
                        wait = wait if due is None else min(wait, due)
                if jobs:
                    self._well()
            except Exception as error:  # noqa: BLE001 - a full disk must not end the work
                self._sick(error)
            else:
                if not (jobs or self._held or self._wake.is_set()):
                    self._quiet.set()
            for job in jobs:
                self._begin(job)
            if not jobs:
                await self._sleep(wait)

    def _begin(self, job: Job) -> None:
        ours = job.id in self._held
        self._held[job.id] = job
        if ours:  # its lease ended while it is handled: the loop was blocked, or the clock set
            return
        task = asyncio.create_task(self._attend(job), name="webhooks: handler")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(seconds, 0.05))

    # ---- handling ------------------------------------------------------------------------------

    async def _attend(self, job: Job) -> None:
        try:
            outcome = await self._try(job)
        finally:
            del self._held[job.id]
            self._handled.discard(job.id)
            self._wake.set()
        self._observe(outcome)

    async def _try(self, job: Job) -> Outcome:
        name, attempt = job.record.name, job.attempt
        try:
            if attempt > self._policy.max_tries:  # each attempt ended with the process
                raise HandlersFailed("OutOfTries", final=True)
            if job.problem is not None:
                raise HandlersFailed(job.problem)
            async with asyncio.timeout(self._policy.timeout):
                await self._handle(job)
        except NotNow:
            pause = self._policy.poll
            await self._write(job.id, lambda held: self._inbox.release(held, pause))
            return Outcome(name=name, attempt=attempt, state="later")
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its own affair
            if isinstance(error, TimeoutError):
                _log.error("the handlers of %s took too long, and were cancelled", name)
            failed = error if isinstance(error, HandlersFailed) else _unexpected(error)
            state = await self._failed(job, failed)
            return Outcome(name=name, attempt=attempt, state=state, error=failed.kind)
        self._handled.add(job.id)
        await self._write(job.id, self._inbox.done)
        return Outcome(name=name, attempt=attempt, state="done")

    async def _failed(self, job: Job, error: HandlersFailed) -> str:
        if error.final or job.attempt >= self._policy.max_tries:
            _log.error("%s is dead after %d tries: %s", job.record.name, job.attempt, error.kind)
            await self._write(job.id, lambda held: self._inbox.fail(held, error.kind, None))
            return "dead"
        wait = self._policy.wait_after(job.attempt)
        await self._write(job.id, lambda held: self._inbox.fail(held, error.kind, wait))
        return "retry"

    async def _write(self, which: int, writing: Callable[[Job], Awaitable[None]]) -> None:
        """Record what became of an event. A full disk must not have it handled again, so this
        goes on until it is recorded, and the event is held all the while."""
        while True:
            held = self._held[which]
            if not await self._note(writing(held)):
                await asyncio.sleep(_WRITE_AGAIN_S)
            elif held is self._held[which]:  # or it was written under a lease that had ended
                self._well()
                return

    async def _note(self, writing: Awaitable[Any]) -> bool:
        try:
            await writing
        except Exception as error:  # noqa: BLE001 - whatever keeps an inbox from writing
            self._sick(error)
            return False
        return True

    def _sick(self, error: Exception) -> None:
        if not self._is_sick:
            _log.error("the inbox fails, and is tried again: %s", type(error).__name__)
        self._is_sick = True

    def _well(self) -> None:
        if self._is_sick:
            _log.warning("the inbox works again")
        self._is_sick = False

    # ---- beside --------------------------------------------------------------------------------

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._policy.lease / 3)
            if self._held:
                await self._note(self._inbox.renew(list(self._held.values()), self._policy.lease))

    async def _prune(self) -> None:
        while True:
            await self._note(self._inbox.prune())
            await asyncio.sleep(_PRUNE_EVERY_S)
