"""The strict limit counts as a brute-force count does, and the simulated API obeys it."""

from __future__ import annotations

import asyncio
import time
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import START_S, run_virtual
from tests.support.strict_server import SimulatedApi, StrictLimit

# Steps of 1/64 s are exact in binary, so that window edges are met exactly and often.
GAPS = st.lists(st.integers(0, 40).map(lambda n: n / 64), max_size=60)


def brute_worst(times: list[float], window: float) -> int:
    """Count the arrivals in the window that starts at each arrival."""
    return max((sum(t <= other < t + window for other in times) for t in times), default=0)


def brute_refused(times: list[float], limit: StrictLimit, penalise: bool) -> list[bool]:
    """For each arrival, look at all those before it."""
    counted: list[float] = []
    refused = []
    for now in times:
        full = sum(now - t < limit.window for t in counted) >= limit.limit
        refused.append(full)
        if penalise or not full:
            counted.append(now)
    return refused


@given(GAPS, st.integers(1, 6), st.sampled_from([0.5, 1.0]), st.booleans())
def test_it_agrees_with_brute_force(
    gaps: list[float], limit: int, window: float, penalise: bool
) -> None:
    strict = StrictLimit(limit, window, penalise)
    times = list(accumulate(gaps, initial=START_S))
    waits = [strict.arrive(now) for now in times]

    assert [wait is not None for wait in waits] == brute_refused(times, strict, penalise)
    assert strict.arrivals == times
    assert strict.worst_window() == brute_worst(times, window)
    assert strict.worst_accepted() == brute_worst(strict.accepted, window) <= limit
    assert strict.refused == sum(wait is not None for wait in waits)


@given(GAPS, st.integers(1, 6), st.booleans())
def test_who_waits_as_told_gets_in_and_who_comes_sooner_does_not(
    gaps: list[float], limit: int, penalise: bool
) -> None:
    strict = StrictLimit(limit, 1.0, penalise)
    now = START_S
    for gap in gaps:
        now += gap
        wait = strict.arrive(now)
    wait = strict.arrive(now)
    if wait is not None:
        assert 0.0 < wait <= 1.0
        if not penalise:
            assert strict.arrive(now + wait - 1 / 128) is not None
            assert strict.arrive(now + wait) is None
        else:
            assert strict.arrive(now + wait) is None


def test_the_window_is_half_open() -> None:
    strict = StrictLimit(2, 1.0)
    assert [strict.arrive(t) for t in (0.0, 0.5, 0.75, 1.0, 1.25)] == [None, None, 0.25, None, 0.25]
    assert strict.worst_window() == 4
    assert strict.worst_accepted() == 2


def test_a_penalising_limit_keeps_out_who_keeps_knocking() -> None:
    knocks = [n / 4 for n in range(40)]
    harsh, mild = StrictLimit(2, 1.0, penalise=True), StrictLimit(2, 1.0)
    for now in knocks:
        harsh.arrive(now)
        mild.arrive(now)
    assert len(harsh.accepted) == 2
    assert len(mild.accepted) == 20


def test_time_does_not_run_backwards() -> None:
    strict = StrictLimit()
    strict.arrive(2.0)
    with pytest.raises(ValueError, match=r"after one at 2\.0"):
        strict.arrive(1.0)


@pytest.mark.parametrize("penalise", [False, True])
def test_100_000_arrivals_are_quick(penalise: bool) -> None:
    strict = StrictLimit(40, 1.0, penalise)
    started = time.monotonic()
    for number in range(100_000):
        strict.arrive(number / 1024)
    assert strict.worst_window() == 1024
    assert strict.worst_accepted() == 40
    assert time.monotonic() - started < 5.0


def test_the_api_answers_after_a_round_trip_and_counts_the_arrival_half_way() -> None:
    async def main() -> float:
        api = SimulatedApi(StrictLimit(1, 1.5), rtt_s=0.2)
        assert await api.send() == (True, None)
        assert await api.send() == (False, 2)
        assert api.limit.arrivals == pytest.approx([START_S + 0.1, START_S + 0.3], abs=1e-5)
        return asyncio.get_running_loop().time() - START_S

    assert run_virtual(main()) == pytest.approx(0.4, abs=1e-5)


def test_jitter_comes_from_the_seed_and_overtakes() -> None:
    async def arrivals(seed: int) -> list[float]:
        api = SimulatedApi(StrictLimit(), rtt_s=0.05, jitter_s=0.5, seed=seed)
        await asyncio.gather(*(api.send() for _ in range(20)))
        return api.limit.arrivals

    first = run_virtual(arrivals(1))
    assert first == run_virtual(arrivals(1)) != run_virtual(arrivals(2))
    assert min(first) >= START_S + 0.025
    assert 0.3 < max(first) - min(first) < 0.5 + 1e-3
