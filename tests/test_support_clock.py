"""The virtual clock tells the time, stops the hopeless, and lets nothing be left behind."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from aiolimiter import AsyncLimiter

from tests.support import clock
from tests.support.clock import (
    START_S,
    TICK_S,
    VirtualDeadlockError,
    VirtualTimeError,
    assert_nothing_left,
    run_virtual,
)
from tests.support.run import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def now() -> float:
    return asyncio.get_running_loop().time()


async def naps(*seconds: float) -> list[float]:
    """How late each of these sleeps woke, in order."""
    late = []
    for nap in seconds:
        before = now()
        await asyncio.sleep(nap)
        late.append(now() - before - nap)
    return late


async def waits_for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def fails() -> NoReturn:
    raise LookupError("nobody looks")


def test_time_starts_at_the_constant_and_stands_still_while_code_runs() -> None:
    async def main() -> list[float]:
        times = [now()]
        time.sleep(0.01)  # noqa: ASYNC251 - real time must not count
        await asyncio.sleep(0)
        return [*times, now()]

    assert run_virtual(main()) == [START_S, START_S]


def test_hours_take_no_time_and_a_timer_is_late_by_a_tick() -> None:
    started = time.monotonic()
    late = run_virtual(naps(3600.0, 30 * 3600.0, 0.25), limit_s=40 * 3600.0)
    assert time.monotonic() - started < 5.0
    assert late == pytest.approx([TICK_S] * 3, abs=1e-9)


def test_a_remainder_too_small_to_change_the_time_is_waited_for_all_the_same() -> None:
    async def main() -> None:
        loop, due = asyncio.get_running_loop(), asyncio.Event()
        for remainder in (0.0, 1e-18, 1e-12, 1e-10):
            armed = now()
            loop.call_at(armed + remainder, due.set)
            await due.wait()
            assert now() >= armed + TICK_S / 2
            due.clear()

    run_virtual(main())


def test_timers_fire_in_order_and_never_before_their_time() -> None:
    async def main() -> list[int]:
        order: list[int] = []

        async def one(number: int, delay: float) -> None:
            due = now() + delay
            await asyncio.sleep(delay)
            assert now() > due
            order.append(number)

        delays = [0.3, 0.1, 0.1 + TICK_S, 0.1 + 1e-10, 0.2]
        await asyncio.gather(*(one(*item) for item in enumerate(delays)))
        return order

    assert run_virtual(main()) == [1, 3, 2, 4, 0]


def test_two_runs_are_the_same() -> None:
    times = (0.1, 0.7, 1e-9, 3.0)
    assert run_virtual(naps(*times)) == run_virtual(naps(*times))


def test_lateness_by_a_function() -> None:
    extra = iter([0.5, 0.0, 0.25])
    late = run_virtual(naps(1.0, 1.0, 1.0), lateness=lambda: next(extra))
    assert late == pytest.approx([0.5 + TICK_S, TICK_S, 0.25 + TICK_S])


def test_lateness_by_a_seed_is_random_bounded_and_repeatable() -> None:
    def late(seed: int) -> list[float]:
        return run_virtual(naps(*[0.1] * 200), lateness=(seed, 0.02))

    assert late(1) == late(1) != late(2)
    assert all(TICK_S / 2 < extra < 0.02 + 2 * TICK_S for extra in late(1))
    assert max(late(1)) > 0.015


def test_aiolimiter_waits_to_the_end_and_keeps_its_rate() -> None:
    async def main() -> float:
        limiter = AsyncLimiter(3, 0.7)
        for _ in range(300):
            await limiter.acquire()
        return now() - START_S

    assert run_virtual(main()) == pytest.approx((300 - 3) * 0.7 / 3, rel=0.01)


def test_timeouts_work() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await waits_for_ever()
        return now() - START_S

    assert run_virtual(main()) == pytest.approx(5.0)


def test_deadlock_is_an_error_that_names_who_waits_and_where() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits_for_ever(), name="the stuck one")

    with pytest.raises(VirtualDeadlockError, match=r"the stuck one at .*in waits_for_ever"):
        run_virtual(main())


def test_deadlock_among_cancelled_timers_is_seen() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(1.0, print).cancel()
        await waits_for_ever()

    with pytest.raises(VirtualDeadlockError, match=r"at 1000\.000000 s"):
        run_virtual(main())


def test_the_time_limit_ends_the_run_and_lets_it_clean_up() -> None:
    cleaned = []

    async def main() -> None:
        try:
            while True:
                await asyncio.sleep(1.0)
        finally:
            await asyncio.sleep(1.0)
            cleaned.append(now())

    with pytest.raises(VirtualTimeError, match=r"more than 10\.0 s of virtual time"):
        run_virtual(main(), limit_s=10.0)
    assert len(cleaned) == 1


def test_a_loop_that_spins_without_time_moving_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "SPIN_LIMIT", 1000)

    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(VirtualTimeError, match="time does not move"):
        run_virtual(main())


def test_threads_are_refused() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="no threads"):
            await asyncio.to_thread(time.sleep, 0)
        with pytest.raises(RuntimeError, match="no threads"):
            await loop.getaddrinfo("localhost", 80)

    run_virtual(main())


def test_a_call_from_another_thread_is_refused() -> None:
    import threading

    caught: list[RuntimeError] = []

    def call(loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(print)
        except RuntimeError as error:
            caught.append(error)

    async def main() -> None:
        thread = threading.Thread(target=call, args=(asyncio.get_running_loop(),))
        thread.start()
        thread.join()

    run_virtual(main())
    assert "other threads" in str(caught[0])


def test_an_abandoned_async_generator_is_closed() -> None:
    closed = []

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    async def main() -> None:
        async for _ in numbers():
            break
        await asyncio.sleep(1.0)

    run_virtual(main())
    assert closed == [True]


@pytest.fixture(params=[run, run_virtual])
def runner(request: pytest.FixtureRequest) -> Any:
    """Both ways to run a test's coroutine."""
    return request.param


def test_the_result_and_the_error_of_main_come_out(runner: Any) -> None:
    assert runner(asyncio.sleep(0, "result")) == "result"
    with pytest.raises(LookupError):
        runner(fails())


def test_a_left_task_fails_the_run(runner: Any) -> None:
    kept = []

    async def main() -> None:
        kept.append(asyncio.create_task(waits_for_ever(), name="the left one"))
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match=r"1 task.*\n.*the left one at .*waits_for_ever"):
        runner(main())
    assert kept[0].cancelled()


def test_a_task_whose_error_nobody_saw_fails_the_run(runner: Any) -> None:
    async def main() -> None:
        cycle: list[object] = [asyncio.create_task(fails())]
        cycle.append(cycle)  # only the garbage collector finds this
        await asyncio.sleep(0.001)

    with pytest.raises(AssertionError, match=r"never retrieved.*nobody looks"):
        runner(main())


def test_assert_nothing_left_leaves_out_the_caller(runner: Any) -> None:
    async def main() -> None:
        assert_nothing_left()
        task = asyncio.create_task(waits_for_ever())
        with pytest.raises(AssertionError, match="1 task"):
            assert_nothing_left()
        task.cancel()
        await asyncio.wait([task])
        assert_nothing_left()

    runner(main())


def test_assert_nothing_left_takes_a_loop_that_does_not_run() -> None:
    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(waits_for_ever())
        with pytest.raises(AssertionError, match="1 task"):
            assert_nothing_left(loop)
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
        assert_nothing_left(loop)
    finally:
        loop.close()


def test_a_left_socket_warns_within_the_run() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await asyncio.open_connection("127.0.0.1", port)

    with pytest.warns(ResourceWarning, match="unclosed"):
        run(main())
