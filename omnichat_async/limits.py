"""Who may send when: one token bucket for everything that shares a team account.

The API allows `limit` requests in any second. A bucket that holds `capacity` tokens and fills
at `rate` tokens a second lets at most ``rate * window + capacity`` requests leave in a window,
and requests that leave over ``1 + jitter`` seconds may arrive within one. So nothing is ever
refused while

    rate * (1 + jitter) + capacity <= limit + 1

and the rate here is the largest that keeps this law. (A bucket that holds a whole second's
budget, ``capacity = limit``, lets twice the limit through in its first second.)

aiolimiter counts the tokens. Callers wait in two lanes of our own, first come, first served,
and one dispatcher is the only waiter that aiolimiter ever sees: it pays for a token first and
then hands it to whoever is first in line at that moment. That keeps the order exact, costs no
timer per caller, and lets a pause take effect for everyone at once.

It counts from the first token on that is asked for while the bucket is not full, and is imported
then: a full one has the token whatever the count, and many programs never ask for more than that.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

from omnichat_async.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiolimiter import AsyncLimiter

    from omnichat_async.limiter_stats import LimiterStats

__all__ = ["InFlight", "Lane", "LimiterStats", "Permit", "QueueTooLong", "RateLimiter"]

Lane = Literal["interactive", "bulk"]
BULK_SHARE = 4
"""While both lanes wait, every fourth token goes to bulk, so that it never starves."""

_CUT, _HARD_CUT = 0.9, 0.7
_REPEAT_S = 2.0  # two refusals within this time mean that the rate is wrong, not unlucky
_ORDER_S = 2.0  # a longer Retry-After is an order to stop, not a window rounded up to seconds
_LONGEST_PAUSE_S = 300.0
_SETTLE_S = 0.4  # after a cut, the server's window still holds what was sent at the old rate
_KNEE = 0.95  # of the rate that was refused
_FAST_GROWTH, _SLOW_GROWTH = 0.05, 0.00125  # per second, of the full rate: below the knee, beyond
_DOUBLING_S = 10.0
_SLOWEST = 0.1  # of the full rate
_ROUNDING = 1e-12


class QueueTooLong(Exception):  # noqa: N818 - becomes a NotSent with the call's name on it
    """The queue cannot be served before the caller's deadline, so it is not joined."""


class Permit:
    """Leave to send one request, granted at loop time `granted_at` (seconds)."""

    __slots__ = ("granted_at",)

    def __init__(self, granted_at: float) -> None:
        self.granted_at = granted_at


class AdaptiveRate:
    """The rate after refusals, and the pause they ask for: a pure rule over given times.

    The first refusal of an event slows the pace a little and stops nobody else, because
    ``Retry-After`` is whole seconds while the window has room again within milliseconds. A
    second event soon after, or a long ``Retry-After``, stops everybody and slows down more.
    Then the rate grows back: fast to just below where it was refused, slowly beyond.
    """

    def __init__(self, full: float) -> None:
        self.full = full
        self.paused_until = -math.inf
        self._event_at = -math.inf
        self._cut_to = self._knee = full
        self._grows_from = -math.inf

    def refused(self, now: float, granted_at: float, retry_after: float) -> bool:
        """Take note of a 429 for a request granted at `granted_at`; True if it starts an event."""
        if granted_at < self._event_at + _SETTLE_S:
            return False  # it met a window filled before we slowed down
        rate = self.at(now)
        hard = now - self._event_at < _REPEAT_S or retry_after > _ORDER_S
        if hard:
            pause = min(retry_after, _LONGEST_PAUSE_S)
            self.paused_until = max(self.paused_until, now + pause)
        self._knee = rate * _KNEE
        self._cut_to = max(self.full * _SLOWEST, rate * (_HARD_CUT if hard else _CUT))
        self._event_at = now
        self._grows_from = max(now, self.paused_until)
        return True

    def at(self, now: float) -> float:
        """The rate at `now`, in requests/s; `now` may lie ahead."""
        if self._cut_to >= self.full:
            return self._cut_to
        grown_for = now - self._grows_from
        if grown_for <= 0:
            return self._cut_to
        fast = self.full * _FAST_GROWTH
        to_knee = max(0.0, (self._knee - self._cut_to) / fast)
        if grown_for < to_knee:
            return self._cut_to + grown_for * fast
        # The growth doubles with every 10 s without a refusal, so a freed budget is found.
        doublings = min((grown_for - to_knee) / _DOUBLING_S, 20.0)
        gain = self.full * _SLOW_GROWTH * _DOUBLING_S / math.log(2) * (math.exp2(doublings) - 1)
        return min(max(self._knee, self._cut_to) + gain, self.full)


class _Line:
    """One lane's callers in order. Cancelled ones cost nothing and are dropped on the way."""

    def __init__(self) -> None:
        self.live = 0
        # Those who had a permit that went stale are served before those who never had one.
        self._again: deque[asyncio.Future[Permit]] = deque()
        self._callers: deque[asyncio.Future[Permit]] = deque()

    def join(self, caller: asyncio.Future[Permit], *, again: bool) -> None:
        self.live += 1
        (self._again if again else self._callers).append(caller)

    def leave(self) -> None:
        """A caller was cancelled. It stays where it is until it is reached or the dead are many."""
        self.live -= 1
        if len(self._again) + len(self._callers) > 2 * self.live + 64:
            self._again = deque(each for each in self._again if not each.done())
            self._callers = deque(each for each in self._callers if not each.done())

    def next(self) -> asyncio.Future[Permit] | None:
        """The first caller still waiting. `live` counts one cancelled just now until it leaves."""
        while queue := self._again or self._callers:
            caller = queue.popleft()
            if not caller.done():
                self.live -= 1
                return caller
        return None


class _Lanes:
    """The two lanes, and whose turn it is."""

    def __init__(self) -> None:
        self.interactive = _Line()
        self.bulk = _Line()
        self._since_bulk = 0

    def __len__(self) -> int:
        return self.interactive.live + self.bulk.live

    def line(self, lane: Lane) -> _Line:
        return self.bulk if lane == "bulk" else self.interactive

    def ahead_of(self, lane: Lane) -> int:
        """How many of those who wait now are served before a newcomer of `lane`."""
        between = BULK_SHARE - 1
        interactive, bulk = self.interactive.live, self.bulk.live
        if lane == "bulk":
            return bulk + min(interactive, between * (bulk + 1) - self._since_bulk)
        return interactive + min(bulk, (interactive + self._since_bulk) // between)

    def next(self) -> asyncio.Future[Permit] | None:
        """The caller whose turn it is, taken out of its lane."""
        bulk_turn = self._since_bulk >= BULK_SHARE - 1
        for line in (self.bulk, self.interactive) if bulk_turn else (self.interactive, self.bulk):
            if (caller := line.next()) is not None:
                of_bulk = line is self.bulk
                self._since_bulk = 0 if of_bulk else min(self._since_bulk + 1, BULK_SHARE - 1)
                return caller
        return None


class RateLimiter:
    """The request budget of one team account, shared by everything that is given this object.

    `limit` is what the account allows, in requests per second (the API's default is 40), or
    None for no limit. `jitter` is the spread of the way to the server that is never punished,
    in seconds. `capacity` is how many tokens the bucket holds: what is above 1 makes up for late
    timers. `rate` in requests/s is the fastest that keeps the law of this module; a given one
    that breaks ``rate + capacity <= limit + 1`` is refused. Clients that share an account in one
    event loop should share one limiter; an account shared by several processes needs a part of
    the limit for each, in whole requests/s.
    """

    def __init__(
        self,
        limit: float | None = 40,
        *,
        jitter: float = 0.025,
        capacity: float | None = None,
        rate: float | None = None,
    ) -> None:
        if limit is not None and not 0 < limit < math.inf:
            raise InvalidRequest("limit", "must be above 0 requests/s, or None", str(limit))
        if not 0 <= jitter <= 1:
            raise InvalidRequest("jitter", "must be 0 to 1 seconds", str(jitter))
        self.limit = limit
        self.jitter = jitter
        bound = math.inf if limit is None else limit + 1
        if capacity is None:
            # 12.5 ms of the budget: what a timer of a busy event loop may come late.
            capacity = 1.0 if limit is None else 1 + min(limit / 80, limit / 2)
        if not 1 <= capacity < bound:
            raise InvalidRequest("capacity", f"must be 1 to below {bound:g}", str(capacity))
        if rate is None:
            rate = (bound - capacity) / (1 + jitter)
        if not rate > 0:
            raise InvalidRequest("rate", "must be above 0 requests/s", str(rate))
        if rate + capacity > bound * (1 + _ROUNDING):
            raise InvalidRequest(
                "rate",
                f"must be at most {bound - capacity:g} with this capacity: rate + capacity may not "
                f"exceed limit + 1 = {bound:g}, or the server refuses requests even on a perfect "
                "network",
                f"{rate:g} + {capacity:g} = {rate + capacity:g}",
            )
        self.capacity = capacity
        self.rate = rate
        # Without a limit nothing is ever charged, but aiolimiter still needs a finite rate.
        self._finite_rate = min(rate, 1e9)
        self._adaptive = AdaptiveRate(rate)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bucket: AsyncLimiter | None = None
        self._granted = self._refused = self._slowdowns = self._voided = 0

    def __repr__(self) -> str:
        return f"RateLimiter(limit={self.limit}, rate={self.rate:g}, capacity={self.capacity:g})"

    async def acquire(
        self,
        *,
        lane: Lane = "interactive",
        deadline: float | None = None,
        instead_of: Permit | None = None,
    ) -> Permit:
        """Wait for leave to send one request.

        `deadline` is a time of the running loop in seconds; QueueTooLong is raised at once if
        those ahead cannot be served by then. `instead_of` gives back a permit that went stale:
        its token is lost, but the caller goes to the front of its lane.
        """
        loop = self._bind()
        if instead_of is not None:
            self._granted -= 1
            self._voided += 1
        if not self._dispatching() and not len(self._lanes):
            now = loop.time()
            cost = self._cost(now)
            if cost <= 1 and now >= self._adaptive.paused_until and await self._took(cost, now):
                self._granted += 1
                return Permit(now)
        if instead_of is None:
            self._refuse_hopeless(lane, deadline)
        if self._bucket is None:  # here, since an error of the dispatcher would reach nobody
            self._bucket = await self._counting()
        return await self._queue(lane, again=instead_of is not None)

    def throttled(self, permit: Permit, retry_after: float) -> None:
        """Report that the request of `permit` was answered 429 with this wait, in seconds."""
        self._bind()
        self._refused += 1
        self._slowdowns += self._adaptive.refused(self._now(), permit.granted_at, retry_after)

    def stale(self, permit: Permit) -> bool:
        """Whether so much time has passed since `permit` that sending now could break the law.

        Opening a connection may take longer than the spread that the rate allows for.
        """
        return self.limit is not None and self._now() - permit.granted_at > max(0.02, self.jitter)

    def current_rate(self) -> float:
        """The rate now, in requests/s; infinite without a limit."""
        return self._adaptive.at(self._now()) if self._loop is not None else self.rate

    @property
    def waiting(self) -> int:
        """How many callers wait for leave now."""
        return len(self._lanes) if self._loop is not None else 0

    def stats(self) -> LimiterStats:
        """A snapshot of what happened so far."""
        from omnichat_async.limiter_stats import LimiterStats  # noqa: PLC0415

        now = self._now() if self._loop is not None else 0.0
        return LimiterStats(
            granted=self._granted,
            waiting=self.waiting,
            rate=self.current_rate(),
            paused_s=max(0.0, self._adaptive.paused_until - now),
            refused=self._refused,
            slowdowns=self._slowdowns,
            voided=self._voided,
        )

    # ---- inside --------------------------------------------------------------------------------

    def _now(self) -> float:
        assert self._loop is not None
        return self._loop.time()

    def _bind(self) -> asyncio.AbstractEventLoop:
        """Belong to the running loop. A loop that is closed has taken its waiters with it."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return loop
        if self._loop is not None and not self._loop.is_closed():
            raise ConfigurationError(
                "this RateLimiter is in use in another running event loop: make one per loop "
                "and give each a part of the limit"
            )
        self._adaptive = AdaptiveRate(self.rate)
        if self._loop is not None:
            # What the last loop spent is not known here: by then it would have its tokens back.
            self._adaptive.paused_until = loop.time() + self.capacity / self.rate
        self._loop = loop
        self._lanes = _Lanes()
        self._dispatcher: asyncio.Task[None] | None = None
        self._bucket = None
        self._uncounted_at = -math.inf
        return loop

    async def _took(self, cost: float, now: float) -> bool:
        """Take this many tokens, up to 1, if they are there `now`."""
        if self._bucket is None:
            if self._missing(now) <= 0:
                self._uncounted_at = now
                return True
            self._bucket = await self._counting()
        if not self._bucket.has_capacity(cost):
            return False
        await self._bucket.acquire(cost)  # which does not wait now
        return True

    def _missing(self, now: float) -> float:
        """How much of the latest uncounted token the bucket still lacks; not above 0 when full."""
        return 1 - (now - self._uncounted_at) * self._finite_rate

    async def _counting(self) -> AsyncLimiter:
        """The bucket as it is now."""
        from aiolimiter import AsyncLimiter  # noqa: PLC0415

        bucket = AsyncLimiter(self.capacity, self.capacity / self._finite_rate)
        if (missing := self._missing(self._now())) > 0:
            await bucket.acquire(missing)
        return bucket

    def _cost(self, now: float) -> float:
        """Tokens for one request: more than one while a refusal has slowed us down."""
        if self.rate == math.inf:
            return 0.0
        return self.rate / self._adaptive.at(now)

    def _refuse_hopeless(self, lane: Lane, deadline: float | None) -> None:
        if deadline is None:
            return
        # What has slowed down grows until then: whoever may still be served is let in.
        now, rate = self._now(), self._adaptive.at(deadline)
        ahead = self._lanes.ahead_of(lane)
        pause = max(0.0, self._adaptive.paused_until - now)
        wait = pause + ahead / rate
        if now + wait > deadline:
            why = f"{ahead} callers wait for the rate limit"
            if pause:
                why += f", which is paused for {pause:.1f} s more"
            raise QueueTooLong(
                f"{why}; at {rate:.1f} requests/s that is about {wait:.1f} s, but the call has "
                f"{max(0.0, deadline - now):.1f} s left: raise timeout= or send fewer at once"
            )

    async def _queue(self, lane: Lane, *, again: bool) -> Permit:
        assert self._loop is not None
        caller: asyncio.Future[Permit] = self._loop.create_future()
        line = self._lanes.line(lane)
        line.join(caller, again=again)
        if not self._dispatching():
            self._dispatcher = self._loop.create_task(self._dispatch(), name="omnichat-limiter")
        try:
            return await caller
        except asyncio.CancelledError:
            if caller.cancelled():
                line.leave()
                self._stop_if_idle()
            else:
                self._pass_on()
            raise

    def _dispatching(self) -> bool:
        return self._dispatcher is not None and not self._dispatcher.done()

    def _stop_if_idle(self) -> None:
        """With nobody left to serve, the dispatcher must not outlive its last caller."""
        if not len(self._lanes) and self._dispatcher is not None:
            self._dispatcher.cancel()
            self._dispatcher = None  # at once: a newcomer may join before the task has ended

    def _pass_on(self) -> None:
        """A caller was cancelled with its permit in hand: the next in line takes the token."""
        self._granted -= 1
        if self._now() < self._adaptive.paused_until or not self._grant():
            self._voided += 1

    def _grant(self) -> bool:
        caller = self._lanes.next()
        if caller is None:
            return False
        self._granted += 1
        caller.set_result(Permit(self._now()))
        return True

    async def _dispatch(self) -> None:
        assert self._bucket is not None
        while len(self._lanes):
            await self._wait_for_pause()
            paused_until = self._adaptive.paused_until
            for piece in pieces(self._cost(self._now())):
                await self._bucket.acquire(piece)
            if self._adaptive.paused_until > paused_until or not self._grant():
                self._voided += 1

    async def _wait_for_pause(self) -> None:
        while (wait := self._adaptive.paused_until - self._now()) > 0:
            await asyncio.sleep(wait)


class InFlight:
    """At most `most` requests under way at once. Bulk may hold three quarters of them, so that
    an interactive call does not wait for a slow export (unless `most` is 1)."""

    def __init__(self, most: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._bulk = asyncio.Semaphore(max(1, most * 3 // 4))

    @contextlib.asynccontextmanager
    async def slot(self, lane: Lane) -> AsyncIterator[None]:
        """Hold one of the places."""
        async with self._bulk if lane == "bulk" else contextlib.nullcontext(), self._all:
            yield


def pieces(cost: float) -> Iterator[float]:
    """Cut a cost in tokens into parts that a bucket of capacity 1 can hold."""
    while cost > 1:
        yield 1.0
        cost -= 1
    yield cost


if not TYPE_CHECKING:  # it would let a type checker believe in any name

    def __getattr__(name: str) -> Any:
        if name == "LimiterStats":
            from omnichat_async.limiter_stats import LimiterStats  # noqa: PLC0415

            return LimiterStats
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
