"""The limiter's rules one by one: its law, order, lanes, pauses, deadlines, and how it ends."""

from __future__ import annotations

import asyncio
import math
import random
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from aiolimiter import AsyncLimiter
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async.errors import ConfigurationError, InvalidRequest
from omnichat_async.limits import (
    BULK_SHARE,
    AdaptiveRate,
    InFlight,
    Permit,
    QueueTooLong,
    RateLimiter,
    _Lanes,
    pieces,
)
from tests.support.clock import VirtualLoop, run_virtual
from tests.support.strict_server import StrictLimit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from omnichat_async.limits import Lane

LATE = (1, 0.005)
TOKEN_S = 1 / RateLimiter().rate


def now() -> float:
    return asyncio.get_running_loop().time()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def start(coro: Coroutine[Any, Any, Permit]) -> asyncio.Task[Permit]:
    return asyncio.get_running_loop().create_task(coro)


async def cancel(*tasks: asyncio.Task[Permit]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def told_to_stop(limiter: RateLimiter, seconds: float) -> None:
    """What a 429 with a long Retry-After does."""
    limiter.throttled(Permit(now()), seconds)


# ---- the law ---------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0.5, 1, 2, 13, 40, 1000])
@pytest.mark.parametrize("jitter", [0, 0.025, 1])
def test_the_rate_is_the_fastest_that_keeps_the_law(limit: float, jitter: float) -> None:
    limiter = RateLimiter(limit, jitter=jitter)
    assert limiter.rate * (1 + jitter) + limiter.capacity == pytest.approx(limit + 1)
    assert 1 < limiter.capacity <= 1 + limit / 2
    assert limiter.current_rate() == limiter.rate


@given(st.floats(1e-3, 1e6), st.floats(0, 1), st.floats(0, 0.999))
def test_no_rounding_makes_it_refuse_its_own_rate(limit: float, jitter: float, part: float) -> None:
    RateLimiter(limit, jitter=jitter)
    capacity = 1 + part * limit
    RateLimiter(limit, jitter=jitter, capacity=capacity)
    RateLimiter(limit, capacity=capacity, rate=limit + 1 - capacity)


def test_the_default_is_within_two_percent_of_what_a_perfect_network_allows() -> None:
    assert RateLimiter().rate == pytest.approx(38.54, abs=0.01)
    assert RateLimiter().capacity == 1.5
    assert repr(RateLimiter()) == "RateLimiter(limit=40, rate=38.5366, capacity=1.5)"


@pytest.mark.parametrize(
    ("limit", "rate", "capacity", "most"),
    [(40, 40, 40, "1"), (40, 39.6, 1.5, "39.5"), (1, 2, 1, "1")],
)
def test_more_than_the_law_allows_is_refused_with_what_to_do(
    limit: float, rate: float, capacity: float, most: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RateLimiter(limit, rate=rate, capacity=capacity)
    assert caught.value.field == "rate"
    assert f"must be at most {most} with this capacity" in str(caught.value)
    assert f"limit + 1 = {limit + 1}" in str(caught.value)
    assert f"given: {rate:g} + {capacity:g} = {rate + capacity:g}" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("limit", {"limit": 0}),
        ("limit", {"limit": -1}),
        ("limit", {"limit": math.inf}),
        ("limit", {"limit": math.nan}),
        ("jitter", {"jitter": -0.001}),
        ("jitter", {"jitter": 1.001}),
        ("jitter", {"jitter": math.nan}),
        ("capacity", {"capacity": 0.99}),
        ("capacity", {"capacity": 41}),
        ("capacity", {"capacity": math.nan}),
        ("capacity", {"limit": None, "capacity": math.inf}),
        ("rate", {"rate": 0}),
        ("rate", {"rate": -1}),
        ("rate", {"rate": math.nan}),
        ("rate", {"limit": None, "rate": math.nan}),
    ],
)
def test_what_makes_no_sense_is_refused(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RateLimiter(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("limit", "window", "calls"),
    # At half a request per second, one in any two seconds.
    [
        (0.5, StrictLimit(1, 2.0), 30),
        (1, StrictLimit(1), 60),
        (2, StrictLimit(2), 60),
        (40, StrictLimit(40), 800),
        (1000, StrictLimit(1000), 4000),
    ],
)
def test_any_limit_is_kept_from_the_first_call_on(
    limit: float, window: StrictLimit, calls: int
) -> None:
    async def main() -> None:
        limiter = RateLimiter(limit)
        start_at = now()

        async def call() -> None:
            await limiter.acquire()
            assert window.arrive(now()) is None

        await asyncio.gather(*(call() for _ in range(calls)))
        assert calls / (now() - start_at) > 0.97 * limiter.rate

    run_virtual(main(), lateness=LATE)
    assert window.refused == 0


def test_calls_in_bursts_after_idle_times_keep_the_law() -> None:
    window = StrictLimit(40)

    async def main() -> None:
        limiter = RateLimiter(jitter=0)
        draw = random.Random(1)

        async def call() -> None:
            await limiter.acquire()
            assert window.arrive(now()) is None

        for _ in range(200):
            await asyncio.gather(*(call() for _ in range(draw.randint(1, 60))))
            await asyncio.sleep(draw.choice([0, 0.001, 0.05, 1.0]))

    run_virtual(main(), lateness=LATE)
    assert window.worst_window() == 40


def test_what_waits_for_nothing_makes_no_task() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        before = now()
        permit = await limiter.acquire()
        assert permit.granted_at == before
        assert len(asyncio.all_tasks()) == 1
        assert limiter.stats().waiting == 0

    run_virtual(main())


# ---- order -----------------------------------------------------------------------------------


def scheduled() -> int:
    """Timers in the loop's heap, cancelled ones too."""
    return len(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]


def test_ten_thousand_at_once_are_served_in_order_without_a_timer_each() -> None:
    served: list[int] = []
    most_timers = 0

    async def main() -> None:
        limiter = RateLimiter()
        server = StrictLimit(40)
        start_at = now()

        async def call(number: int) -> None:
            nonlocal most_timers
            await limiter.acquire(lane="bulk")
            served.append(number)
            assert server.arrive(now()) is None
            most_timers = max(most_timers, scheduled())

        calls = [asyncio.ensure_future(call(number)) for number in range(10_000)]
        await turns(3)
        assert limiter.stats().waiting == 9_999
        assert scheduled() <= 2
        await asyncio.gather(*calls)
        assert 10_000 / (now() - start_at) >= 38

    run_virtual(main(), lateness=LATE)
    assert served == list(range(10_000))
    assert most_timers <= 4


def test_a_newcomer_never_overtakes_the_queue() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        draw = random.Random(2)
        served: list[int] = []

        async def call(number: int) -> None:
            await limiter.acquire()
            served.append(number)

        calls: list[asyncio.Task[None]] = []
        for number in range(2000):  # at 95 % of the rate: the queue often ends just now
            calls.append(asyncio.get_running_loop().create_task(call(number)))
            await asyncio.sleep(draw.expovariate(0.95 / TOKEN_S))
        await asyncio.gather(*calls)
        assert served == list(range(2000))

    run_virtual(main(), lateness=LATE)


class Cancelling(RateLimiter):
    """Cancels, now and then, the caller that was granted a permit and does not know it yet."""

    def __init__(self, seed: int, callers: dict[asyncio.Task[None], int]) -> None:
        super().__init__()
        self.draw = random.Random(seed)
        self.callers = callers
        self.hit = 0

    def _grant(self) -> bool:
        granted = super()._grant()
        if granted and self.draw.random() < 0.05:
            for task in self.callers:
                waits_for = task._fut_waiter  # type: ignore[attr-defined]
                if waits_for is not None and waits_for.done() and not waits_for.cancelled():
                    self.hit += task.cancel()
        return granted


@pytest.mark.parametrize("seed", range(3))
def test_who_is_cancelled_at_any_moment_costs_nobody_a_place(  # noqa: C901
    seed: int,
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        draw = random.Random(seed)
        callers: dict[asyncio.Task[None], int] = {}
        limiter = Cancelling(seed, callers)
        server = StrictLimit(40)
        served: dict[Lane, list[int]] = {"interactive": [], "bulk": []}
        pauses: list[tuple[float, float]] = []

        async def call(number: int, lane: Lane) -> None:
            permit = await limiter.acquire(lane=lane)
            assert server.arrive(now()) is None
            assert not any(begun < permit.granted_at < ended for begun, ended in pauses)
            served[lane].append(number)

        def pause() -> None:
            told_to_stop(limiter, 4.0)
            pauses.append((now(), now() + 4.0))

        def check() -> None:
            for line in (limiter._lanes.interactive, limiter._lanes.bulk):
                dead = sum(caller.done() for caller in line._callers)
                assert dead <= line.live + 65

        for number in range(4000):
            lane: Lane = draw.choice(["interactive", "bulk"])
            callers[loop.create_task(call(number, lane))] = number
        await turns(2)
        tasks = list(callers)
        victims = [tasks[0], tasks[1], tasks[-1], *draw.sample(tasks[2:-1], 900)]
        for task in victims[:300]:
            task.cancel()
        for task in victims[300:]:
            loop.call_later(draw.uniform(0, 90), task.cancel)
        for at in (0.5, 20.0, 40.0):
            loop.call_later(at, pause)
            loop.call_later(at + 2, check)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)

        lost = sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert set(map(type, outcomes)) == {type(None), asyncio.CancelledError}
        assert len(served["interactive"]) + len(served["bulk"]) + lost == 4000
        assert 700 < lost < 1200
        assert limiter.hit > 80
        for numbers in served.values():
            assert numbers == sorted(numbers)
        assert server.worst_window() <= 40
        stats = limiter.stats()
        assert stats.waiting == 0
        assert stats.granted == 4000 - lost
        assert not limiter._dispatching()

    run_virtual(main(), lateness=(seed, 0.005))


def test_the_dead_do_not_pile_up() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        await limiter.acquire()
        told_to_stop(limiter, 300)
        tasks = [start(limiter.acquire()) for _ in range(10_000)]
        stale = [start(limiter.acquire(instead_of=Permit(now()))) for _ in range(200)]
        await turns()
        await cancel(*tasks[1:], *stale)
        line = limiter._lanes.interactive
        assert line.live == 1
        assert len(line._callers) + len(line._again) <= 66
        await cancel(tasks[0])
        assert len(limiter._lanes) == 0

    run_virtual(main())


@pytest.mark.parametrize("others", [0, 1])
def test_cancelled_in_the_very_turn_of_the_grant(others: int) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        limiter = RateLimiter()
        await limiter.acquire()
        first = start(limiter.acquire())
        rest = [start(limiter.acquire(lane="bulk")) for _ in range(others)]
        await turns()
        assert limiter._bucket is not None
        waker = limiter._bucket._waker_handle
        assert waker is not None
        # The dispatcher is woken by the waker and meets a caller that is dead but not yet gone.
        loop.call_at(waker.when() + 1e-9, first.cancel)
        await asyncio.gather(first, *rest, return_exceptions=True)
        assert first.cancelled()
        assert now() == pytest.approx(1000 + TOKEN_S / 2, abs=0.02)
        assert limiter.stats().granted == 1 + others
        assert limiter.stats().voided == 1 - others

    run_virtual(main())


class Watched(RateLimiter):
    """Calls `after_grant` once, when a caller has been granted a permit and has not run since."""

    after_grant: Callable[[], object] | None = None

    def _grant(self) -> bool:
        granted = super()._grant()
        hook, self.after_grant = self.after_grant, None
        if hook is not None:
            hook()
        return granted


def test_a_permit_nobody_took_goes_to_the_next_in_line() -> None:
    async def main() -> None:
        limiter = Watched()
        await limiter.acquire()
        first, second, third = (start(limiter.acquire()) for _ in range(3))
        limiter.after_grant = first.cancel
        permit = await second
        assert first.cancelled()
        assert permit.granted_at == pytest.approx(1000 + TOKEN_S / 2, abs=1e-5)  # not a token later
        assert (await third).granted_at == pytest.approx(permit.granted_at + TOKEN_S, abs=1e-4)
        assert limiter.stats().granted == 3
        assert limiter.stats().voided == 0

    run_virtual(main())


def test_with_nobody_next_in_line_it_is_thrown_away() -> None:
    async def main() -> None:
        limiter = Watched()
        await limiter.acquire()
        only = start(limiter.acquire())
        limiter.after_grant = only.cancel
        await asyncio.gather(only, return_exceptions=True)
        assert only.cancelled()
        assert limiter.stats().granted == 1
        assert limiter.stats().voided == 1

    run_virtual(main())


# ---- lanes -----------------------------------------------------------------------------------


def fill(lanes: _Lanes, interactive: int, bulk: int, since_bulk: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(interactive):
        lanes.interactive.join(loop.create_future(), again=False)
    for _ in range(bulk):
        lanes.bulk.join(loop.create_future(), again=False)
    lanes._since_bulk = since_bulk


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
@pytest.mark.parametrize("since_bulk", range(BULK_SHARE))
def test_those_ahead_are_counted_exactly(lane: Lane, since_bulk: int) -> None:
    async def main() -> None:
        for interactive in range(12):
            for bulk in range(8):
                lanes = _Lanes()
                fill(lanes, interactive, bulk, since_bulk)
                ahead = lanes.ahead_of(lane)
                newcomer: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
                lanes.line(lane).join(newcomer, again=False)
                served = 0
                while (caller := lanes.next()) is not newcomer:
                    assert caller is not None
                    served += 1
                assert served == ahead, (interactive, bulk)

    run_virtual(main())


async def saturate(limiter: RateLimiter, lane: Lane, count: int, served: list[str]) -> None:
    async def work() -> None:
        while True:
            await limiter.acquire(lane=lane)
            served.append(lane)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(work())


async def meanwhile(busy: Awaitable[None], foreground: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.ensure_future(busy)
    await asyncio.sleep(1)
    await foreground()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_an_interactive_call_waits_for_two_tokens_at_most() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        draw = random.Random(3)

        async def foreground() -> None:
            for _ in range(300):
                await asyncio.sleep(draw.choice([0.0, draw.uniform(0, 0.3)]))
                before, at = limiter.stats().granted, now()
                await limiter.acquire()
                assert limiter.stats().granted - before <= 2  # its own among them
                assert now() - at <= 2 * TOKEN_S + 0.011  # and two late timers

        await meanwhile(saturate(limiter, "bulk", 200, []), foreground)

    run_virtual(main(), lateness=LATE)


def test_bulk_keeps_its_share_under_an_interactive_flood() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        served: list[str] = []

        async def foreground() -> None:
            await asyncio.sleep(1)
            served.clear()
            await saturate_for(limiter, served, 60)

        async def saturate_for(limiter: RateLimiter, served: list[str], seconds: float) -> None:
            task = asyncio.ensure_future(saturate(limiter, "bulk", 5, served))
            await asyncio.sleep(seconds)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        await meanwhile(saturate(limiter, "interactive", 300, served), foreground)
        share = served.count("bulk") / len(served)
        assert len(served) > 60 * 38
        assert share >= 1 / BULK_SHARE - 1 / len(served)
        assert share < 0.26

    run_virtual(main(), lateness=LATE)


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
def test_stale_permits_go_first_and_in_order(lane: Lane) -> None:
    async def main() -> None:
        limiter = RateLimiter()
        served: list[str] = []

        async def call(name: str, instead_of: Permit | None = None) -> None:
            await limiter.acquire(lane=lane, instead_of=instead_of)
            served.append(name)

        old = [await limiter.acquire(lane=lane) for _ in range(3)]
        assert not limiter.stale(old[-1])
        await asyncio.sleep(0.026)
        assert limiter.stale(old[-1])
        await limiter.acquire()  # so that nobody finds a token ready
        before, start_at = limiter.stats(), now()
        names = ["a", "b", "again 0", "c", "again 1", "again 2"]
        calls = [
            asyncio.ensure_future(call(name, old[int(name[-1])] if "again" in name else None))
            for name in names
        ]
        await asyncio.gather(*calls)
        assert served == ["again 0", "again 1", "again 2", "a", "b", "c"]
        # Six tokens were paid, though only three callers are new.
        assert now() - start_at > 5 * TOKEN_S
        after = limiter.stats()
        assert after.granted - before.granted == 3
        assert after.voided - before.voided == 3

    run_virtual(main())


def test_a_stale_permit_alone_gets_a_token_that_is_ready() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        permit = await limiter.acquire()
        await asyncio.sleep(1)
        renewed = await limiter.acquire(instead_of=permit)
        assert renewed.granted_at == now()
        assert limiter.stats().granted == 1
        assert limiter.stats().voided == 1

    run_virtual(main())


# ---- pauses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("when_s", [3.0, 3.013, 3.02])
@pytest.mark.parametrize("late", [None, LATE])
def test_a_hard_refusal_stops_everybody_and_nobody_storms_off_after_it(
    when_s: float, late: tuple[int, float] | None
) -> None:
    async def main() -> None:
        limiter = RateLimiter()
        server = StrictLimit(40)
        granted: list[float] = []

        async def work() -> None:
            while True:
                permit = await limiter.acquire()
                granted.append(permit.granted_at)
                assert server.arrive(now()) is None

        tasks = [asyncio.ensure_future(work()) for _ in range(200)]
        await asyncio.sleep(when_s)
        begun = now()
        told_to_stop(limiter, 5.0)
        assert limiter.stats().paused_s == 5.0
        assert limiter.current_rate() == pytest.approx(0.7 * limiter.rate)
        await asyncio.sleep(2.5)
        assert limiter.stats().paused_s == pytest.approx(2.5, abs=0.01)
        await asyncio.sleep(4.5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        after = [at for at in granted if at > begun]
        resumed = begun + 5.0
        assert after[0] >= resumed
        assert sum(at < resumed + 0.025 for at in after) <= 2
        # At pace: what the rate gives, growing by 5 % of the full one a second, and no more.
        assert sum(at < resumed + 1 for at in after) <= 0.75 * limiter.rate + 2
        assert limiter.stats().slowdowns == 1

    run_virtual(main(), lateness=late)


def test_nothing_is_ready_in_a_pause_even_for_a_first_caller() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        permit = await limiter.acquire()
        limiter.throttled(permit, 7.0)
        ends = now() + 7.0
        assert (await limiter.acquire()).granted_at >= ends

    run_virtual(main())


def test_a_token_paid_when_the_pause_began_is_thrown_away() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        await limiter.acquire()
        caller = start(limiter.acquire())
        await asyncio.sleep(0.005)  # the dispatcher pays now
        told_to_stop(limiter, 3.0)
        ends = now() + 3.0
        assert (await caller).granted_at >= ends
        assert limiter.stats().voided == 1

    run_virtual(main())


def test_a_permit_not_taken_is_not_passed_on_in_a_pause() -> None:
    async def main() -> None:
        limiter = Watched()
        await limiter.acquire()
        first, second = start(limiter.acquire()), start(limiter.acquire())

        def stop_and_cancel() -> None:
            told_to_stop(limiter, 3.0)
            first.cancel()

        limiter.after_grant = stop_and_cancel
        assert (await second).granted_at >= 1003
        assert first.cancelled()
        assert limiter.stats().voided == 1
        assert limiter.stats().granted == 2

    run_virtual(main())


def test_a_pause_is_only_ever_made_longer() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        await limiter.acquire()
        start_at = now()
        caller = start(limiter.acquire())
        await asyncio.sleep(1)
        told_to_stop(limiter, 10)
        await asyncio.sleep(1)
        told_to_stop(limiter, 3)
        assert limiter.stats().paused_s == pytest.approx(9, abs=0.01)
        await asyncio.sleep(1)
        told_to_stop(limiter, 20)
        late = start(limiter.acquire())
        await caller
        await late
        assert now() >= start_at + 23

    run_virtual(main())


def test_stragglers_of_an_event_change_nothing() -> None:
    rate = AdaptiveRate(40)
    assert rate.refused(100.0, 99.8, 1)
    assert rate.at(100.0) == 36
    for granted_at in (99.9, 100.0, 100.2, 100.39):
        assert not rate.refused(100.5, granted_at, 60)
    assert rate.at(100.0) == 36
    assert rate.paused_until == -math.inf
    assert rate.refused(101.0, 100.5, 1)  # this one was sent at the new rate
    assert rate.paused_until == 102.0
    assert rate.at(102.0) == pytest.approx(0.7 * (36 + 2))


def test_two_refusals_far_apart_stop_nobody() -> None:
    rate = AdaptiveRate(40)
    assert rate.refused(100.0, 99.9, 1)
    assert rate.refused(102.1, 102.0, 1)
    assert rate.paused_until == -math.inf


@pytest.mark.parametrize(
    ("told", "pause"),
    [(math.inf, 300), (301, 300), (300, 300), (2.5, 2.5), (2, 0), (-5, 0), (math.nan, 0)],
)
def test_an_absurd_retry_after_is_bounded(told: float, pause: float) -> None:
    async def main() -> None:
        limiter = RateLimiter()
        permit = await limiter.acquire()
        limiter.throttled(permit, told)
        assert limiter.stats().paused_s == pytest.approx(pause)
        await limiter.acquire()
        assert now() == pytest.approx(1000 + pause, abs=0.05)

    run_virtual(main())


@pytest.mark.parametrize("told", [0, -5, math.nan])
def test_an_absurd_retry_after_of_a_repeated_refusal(told: float) -> None:
    rate = AdaptiveRate(40)
    rate.refused(100.0, 100.0, 1)
    rate.refused(101.0, 101.0, told)
    assert rate.paused_until <= 101.0 or math.isnan(told)
    assert 0 < rate.at(102.0) < 40


# ---- the rate after refusals -----------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 400)), max_size=8), st.floats(0.1, 1e4))
def test_the_rate_stays_in_bounds_and_grows_back(
    refusals: list[tuple[float, float]], full: float
) -> None:
    rate, at = AdaptiveRate(full), 1000.0
    for gap, told in refusals:
        at += gap
        rate.refused(at, at, told)
        times = [at + step * 0.37 for step in range(400)] + [at + 1e4, at + 1e9, math.inf]
        rates = [rate.at(time) for time in times]
        assert all(before <= after for before, after in pairwise(rates))
        assert full * 0.0999 <= rates[0]
        assert all(after - before < full * 0.2 for before, after in pairwise(rates[:100]))
    assert rate.at(at + 1000) == full == rate.at(math.inf)


def test_asking_for_the_rate_does_not_change_it() -> None:
    asked, quiet = AdaptiveRate(40), AdaptiveRate(40)
    for rate in (asked, quiet):
        rate.refused(100.0, 99.0, 60)
    for tenth in range(1600, 5000):
        asked.at(tenth / 10)
    assert asked.at(180.0) == quiet.at(180.0)


@pytest.mark.parametrize("pause", [3.0, 60.0, 299.0])
def test_growth_begins_after_the_pause_however_long(pause: float) -> None:
    rate = AdaptiveRate(40)
    rate.refused(100.0, 99.0, pause)
    ends = 100 + pause
    assert rate.at(100) == rate.at(ends) == pytest.approx(28)
    assert rate.at(ends + 1) == pytest.approx(30)  # +2 a second
    assert rate.at(ends + 5) == pytest.approx(38)  # the knee, 95 % of what was refused
    assert rate.at(ends + 6) == pytest.approx(38.05, abs=0.01)  # and gently on
    assert rate.at(ends + 60) == 40


@pytest.mark.parametrize("limit", [1, 2, 40, 1000])
def test_growth_is_in_proportion_to_the_limit(limit: float) -> None:
    small, usual = AdaptiveRate(limit), AdaptiveRate(40)
    for rate in (small, usual):
        rate.refused(100.0, 99.0, 5)
    for at in (105, 107, 110, 115, 130):
        assert small.at(at) / limit == pytest.approx(usual.at(at) / 40)


def test_the_slowest_is_a_tenth() -> None:
    rate = AdaptiveRate(40)
    for second in range(50):
        rate.refused(100.0 + second, 100.0 + second, 1)
    assert rate.at(149.0) == 4
    # Below the floor there is no knee to grow to: it goes on slowly, then fast.
    assert 4 < rate.at(160.0) < 40


@pytest.mark.parametrize("cost", [0.0, 1e-9, 0.5, 1.0, 1.43, 2.0, 7.7, 10.0])
def test_a_cost_is_cut_into_what_a_bucket_holds(cost: float) -> None:
    parts = list(pieces(cost))
    assert sum(parts) == pytest.approx(cost)
    assert all(0 <= part <= 1 for part in parts)
    assert len(parts) == max(1, math.ceil(cost))


def test_slowed_down_it_keeps_the_slower_pace() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        await limiter.acquire()
        for _ in range(20):
            told_to_stop(limiter, 1)
            await asyncio.sleep(1.0)
        begun = limiter.current_rate()
        assert begun < 6
        start_at, granted = now(), limiter.stats().granted
        await asyncio.gather(*(limiter.acquire() for _ in range(20)))
        seconds = now() - start_at
        rate = (limiter.stats().granted - granted) / seconds
        assert begun * 0.95 <= rate <= limiter.current_rate() * 1.05 + 1

    run_virtual(main(), lateness=LATE)


# ---- deadlines -------------------------------------------------------------------------------


def test_who_cannot_be_served_in_time_is_told_at_once() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        tasks = [start(limiter.acquire()) for _ in range(400)]
        await turns()
        before = now()
        with pytest.raises(QueueTooLong) as caught:
            await limiter.acquire(deadline=before + 10)
        assert now() == before
        assert str(caught.value) == (
            "399 callers wait for the rate limit; at 38.5 requests/s that is about 10.4 s, but "
            "the call has 10.0 s left: raise timeout= or send fewer at once"
        )
        assert limiter.stats().waiting == 399
        permit = await limiter.acquire(deadline=before + 10.5)
        assert permit.granted_at <= before + 10.5
        await asyncio.gather(*tasks)

    run_virtual(main())


def test_the_pause_counts_towards_the_wait() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        await limiter.acquire()
        told_to_stop(limiter, 30)
        with pytest.raises(
            QueueTooLong, match=r"^0 callers .* paused for 30\.0 s more; at .* 30\.0"
        ):
            await limiter.acquire(deadline=now() + 29)
        permit = await limiter.acquire(deadline=now() + 31)
        with pytest.raises(QueueTooLong, match=r"the call has 0\.0 s left"):
            await limiter.acquire(deadline=now() - 1)
        assert limiter.stale(permit) is False

    run_virtual(main())


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
@pytest.mark.parametrize("slowed", [False, True])
def test_who_is_served_in_time_was_not_refused(lane: Lane, slowed: bool) -> None:
    """Whoever asks is let in if, in a world that differs in nothing else, it would be served."""

    async def served_after(deadline: float | None) -> float:
        limiter = RateLimiter()
        await limiter.acquire()
        if slowed:
            told_to_stop(limiter, 5)
        tasks = [start(limiter.acquire()) for _ in range(300)]
        tasks += [start(limiter.acquire(lane="bulk")) for _ in range(50)]
        await asyncio.sleep(0.01)
        start_at = now()
        absolute = None if deadline is None else start_at + deadline
        try:
            return (await limiter.acquire(lane=lane, deadline=absolute)).granted_at - start_at
        finally:
            await cancel(*tasks)

    needed = run_virtual(served_after(None))
    assert run_virtual(served_after(needed)) == needed
    assert run_virtual(served_after(math.inf)) == needed
    with pytest.raises(QueueTooLong):
        run_virtual(served_after(needed * 0.7))


# ---- the dispatcher's life -------------------------------------------------------------------


def tasks_of_the_limiter() -> int:
    return sum(task.get_name() == "omnichat-limiter" for task in asyncio.all_tasks())


@pytest.mark.parametrize("paused", [False, True])
def test_the_dispatcher_ends_with_its_last_caller(paused: bool) -> None:
    async def main() -> None:
        limiter = RateLimiter()
        await limiter.acquire()
        if paused:
            told_to_stop(limiter, 300)
        callers = [start(limiter.acquire()), start(limiter.acquire(lane="bulk"))]
        await turns()
        assert tasks_of_the_limiter() == 1
        await cancel(callers[0])
        await turns(1)
        assert tasks_of_the_limiter() == 1
        await cancel(callers[1])
        await turns(1)
        assert tasks_of_the_limiter() == 0
        assert scheduled() <= 1

    run_virtual(main())


def test_cancelled_before_the_dispatcher_ran_at_all() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        await limiter.acquire()
        caller = start(limiter.acquire())
        await asyncio.sleep(0)
        await cancel(caller)
        await turns(1)
        assert tasks_of_the_limiter() == 0

    run_virtual(main())


def test_a_newcomer_in_the_turn_in_which_the_dispatcher_was_stopped_is_served() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        await limiter.acquire()
        leaving = start(limiter.acquire())
        await turns()
        leaving.cancel()
        newcomer = start(limiter.acquire())  # runs right after `leaving` has stopped it
        await asyncio.wait_for(newcomer, 1)
        assert leaving.cancelled()
        # And it did not get the token that was half paid before its time.
        assert newcomer.result().granted_at >= 1000 + TOKEN_S / 2

    run_virtual(main())


def test_it_ends_when_the_last_permit_is_granted() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        await limiter.acquire()
        for _ in range(50):
            await limiter.acquire()
            assert tasks_of_the_limiter() == 0

    run_virtual(main(), lateness=LATE)


def test_if_somebody_kills_the_dispatcher_the_next_caller_revives_it() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        await limiter.acquire()
        first = start(limiter.acquire())
        await turns()
        assert limiter._dispatcher is not None
        limiter._dispatcher.cancel()
        await turns()
        second = start(limiter.acquire())
        assert (await first).granted_at < (await second).granted_at

    run_virtual(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_with_eager_tasks_nobody_is_forgotten() -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        limiter = RateLimiter()
        permit = await limiter.acquire()
        limiter.throttled(permit, 1)
        for _ in range(5):
            # Slowed down, a token costs more than one; it is paid without a wait after idling.
            await asyncio.sleep(1)
            await asyncio.wait_for(limiter.acquire(), 1)
            await asyncio.wait_for(limiter.acquire(), 1)

    run_virtual(main())


# ---- event loops -----------------------------------------------------------------------------


def in_a_loop(main: Coroutine[Any, Any, Any], begins_at: float = 1000.0) -> VirtualLoop:
    """Run in a loop of its own and close it. The time goes on where the last loop left it."""
    loop = VirtualLoop()
    loop._now = begins_at
    loop.run_until_complete(main)
    loop.close()
    return loop


def test_when_its_loop_is_closed_it_serves_the_next_at_the_full_rate() -> None:
    limiter = RateLimiter()

    async def slowed() -> None:
        permit = await limiter.acquire()
        limiter.throttled(permit, 60)
        caller = start(limiter.acquire())
        await turns()
        await cancel(caller)

    async def fresh() -> None:
        start_at = now()
        await asyncio.gather(*(limiter.acquire() for _ in range(400)))
        assert 400 / (now() - start_at) >= 38

    in_a_loop(slowed())
    assert limiter.stats().granted == 1
    assert limiter.stats().waiting == 0
    in_a_loop(fresh())
    stats = limiter.stats()
    assert (stats.granted, stats.slowdowns, stats.refused) == (401, 1, 1)
    assert stats.rate == limiter.rate


def test_a_loop_for_every_call_is_no_way_around_the_limit() -> None:
    limiter = RateLimiter()
    server = StrictLimit(40)
    at = 1000.0

    async def call() -> None:
        await limiter.acquire()
        assert server.arrive(now()) is None

    for _ in range(200):
        at = in_a_loop(call(), at).time()
    assert server.worst_window() <= 40


def test_two_running_loops_cannot_share_it() -> None:
    limiter = RateLimiter()

    async def elsewhere() -> None:
        with pytest.raises(ConfigurationError, match="one per loop"):
            await limiter.acquire()
        with pytest.raises(ConfigurationError, match="a part of the limit"):
            limiter.throttled(Permit(now()), 1)

    async def here() -> None:
        await limiter.acquire()

    first = VirtualLoop()
    first.run_until_complete(here())
    in_a_loop(elsewhere())
    first.run_until_complete(here())
    first.close()


# ---- figures ---------------------------------------------------------------------------------


def test_the_figures_before_anything_happened() -> None:
    stats = RateLimiter().stats()
    assert (stats.granted, stats.waiting, stats.refused, stats.voided) == (0, 0, 0, 0)
    assert (stats.slowdowns, stats.paused_s) == (0, 0)
    assert stats.rate == RateLimiter().rate


def test_the_figures_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    paid: list[float] = []

    class Counted(AsyncLimiter):
        async def acquire(self, amount: float = 1) -> None:
            await super().acquire(amount)
            paid.append(amount)

    monkeypatch.setattr("aiolimiter.AsyncLimiter", Counted)

    async def main() -> None:
        draw = random.Random(5)
        limiter = RateLimiter()
        callers = [start(limiter.acquire()) for _ in range(400)]
        for task in draw.sample(callers, 100):
            asyncio.get_running_loop().call_later(draw.uniform(0, 9), task.cancel)
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        permits = [outcome for outcome in outcomes if isinstance(outcome, Permit)]
        for permit in permits[:3]:
            await limiter.acquire(instead_of=permit)
        stats = limiter.stats()
        assert stats.granted == len(permits) < 400
        assert stats.granted + stats.voided == len(paid)
        assert stats.waiting == 0
        limiter.throttled(permits[-1], 9)
        limiter.throttled(permits[-1], 9)
        stats = limiter.stats()
        assert (stats.refused, stats.slowdowns) == (2, 1)

    run_virtual(main(), lateness=LATE)
    assert set(paid) == {1.0}


# ---- no limit --------------------------------------------------------------------------------


def test_without_a_limit_nobody_queues() -> None:
    async def main() -> None:
        limiter = RateLimiter(None)
        assert limiter.rate == math.inf == limiter.current_rate()
        before = now()
        permit = await limiter.acquire()
        for _ in range(10_000):
            await limiter.acquire()
        assert now() == before
        assert not limiter.stale(permit)
        await asyncio.sleep(1)
        assert not limiter.stale(permit)
        assert tasks_of_the_limiter() == 0
        assert limiter.stats().rate == math.inf

    run_virtual(main())


def test_without_a_limit_a_pause_is_honoured() -> None:
    async def main() -> None:
        limiter = RateLimiter(None)
        permit = await limiter.acquire()
        limiter.throttled(permit, 1)  # once is bad luck
        await limiter.acquire()
        assert now() == 1000
        told_to_stop(limiter, 5)
        assert now() == 1000
        await asyncio.sleep(1)
        told_to_stop(limiter, 5)
        with pytest.raises(QueueTooLong, match=r"0 callers .* paused for 5\.0 s"):
            await limiter.acquire(deadline=now() + 1)
        permits = await asyncio.gather(*(limiter.acquire() for _ in range(100)))
        assert all(permit.granted_at >= 1006 for permit in permits)
        assert now() < 1006.01
        assert limiter.current_rate() == math.inf

    run_virtual(main())


def test_a_rate_without_a_limit_is_kept() -> None:
    async def main() -> None:
        limiter = RateLimiter(None, rate=5)
        await asyncio.gather(*(limiter.acquire() for _ in range(51)))
        assert now() - 1000 == pytest.approx(10, abs=0.01)

    run_virtual(main())


# ---- requests under way ----------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 3, 8, 40])
def test_in_flight_is_bounded_and_bulk_to_three_quarters(most: int) -> None:
    async def main() -> None:
        in_flight = InFlight(most)
        held: dict[Lane, int] = {"interactive": 0, "bulk": 0}
        draw = random.Random(most)
        peak = peak_of_bulk = 0

        async def work(lane: Lane) -> None:
            nonlocal peak, peak_of_bulk
            async with in_flight.slot(lane):
                held[lane] += 1
                peak = max(peak, sum(held.values()))
                peak_of_bulk = max(peak_of_bulk, held["bulk"])
                try:
                    await asyncio.sleep(draw.uniform(0.01, 0.1))
                    if draw.random() < 0.1:
                        raise ZeroDivisionError
                finally:
                    held[lane] -= 1

        tasks = []
        for _ in range(600):
            lane: Lane = draw.choice(["interactive", "bulk"])
            tasks.append(asyncio.ensure_future(work(lane)))
        for task in draw.sample(tasks, 200):
            asyncio.get_running_loop().call_later(draw.uniform(0, 2), task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert peak == most
        assert peak_of_bulk == max(1, most * 3 // 4)
        # And nothing was lost on the way: all places can be held again.
        async with asyncio.timeout(1):
            for _ in range(most):
                await in_flight._all.acquire()
            for _ in range(max(1, most * 3 // 4)):
                await in_flight._bulk.acquire()

    run_virtual(main())


# ---- aiolimiter, when it is needed -------------------------------------------------------------


def test_a_full_bucket_needs_no_count() -> None:
    async def main() -> None:
        limiter = RateLimiter()
        for _ in range(5):
            before = now()
            assert (await limiter.acquire()).granted_at == before
            assert limiter._bucket is None
            await asyncio.sleep(TOKEN_S * 1.001)
        assert limiter.stats().granted == 5

    run_virtual(main())


@given(st.floats(0, 0.99), st.floats(0, 1))
def test_the_count_begins_where_the_bucket_stands(part: float, spare: float) -> None:
    async def times(limiter: RateLimiter) -> list[float]:
        first = await limiter.acquire()
        await asyncio.sleep(part * TOKEN_S)
        return [(await limiter.acquire()).granted_at - first.granted_at for _ in range(4)]

    async def main() -> None:
        limiter, counting = RateLimiter(capacity=1 + spare), RateLimiter(capacity=1 + spare)
        counting._bind()
        counting._bucket = await counting._counting()  # as if it had counted from the start
        rates = counting.rate, limiter.rate
        assert rates[0] == rates[1]
        found, expected = await times(limiter), await times(counting)
        assert limiter._bucket is not None
        assert found == pytest.approx(expected, abs=1e-6)

    run_virtual(main())


def test_an_interactive_call_finds_room_beside_a_slow_export() -> None:
    async def main() -> None:
        in_flight = InFlight(8)

        async def export() -> None:
            async with in_flight.slot("bulk"):
                await asyncio.sleep(60)

        exports = [asyncio.ensure_future(export()) for _ in range(50)]
        await turns()
        for _ in range(5):
            async with in_flight.slot("interactive"):
                assert now() == 1000
        for task in exports:
            task.cancel()
        await asyncio.gather(*exports, return_exceptions=True)

    run_virtual(main())
