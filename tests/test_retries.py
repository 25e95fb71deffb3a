"""What is repeated, how often and after how long."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async.calls import Safety
from omnichat_async.classify import Failure, Phase, Reply
from omnichat_async.errors import InvalidRequest
from omnichat_async.retries import LONGEST_WAIT_S, Law, RetryPolicy, may_repeat, persist
from tests.support.builders import make_call, make_failure, make_reply
from tests.support.clock import TICK_S, run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

READ, REPEATABLE, ONCE = Safety.READ, Safety.REPEATABLE, Safety.ONCE


def make_law(
    safety: Safety = READ,
    *,
    attempts: int = 1,
    left: float = math.inf,
    draw: float = 1.0,
    announce: Callable[[Law, Failure], None] = lambda *_: None,
    **policy: Any,
) -> Law:
    law = Law(
        make_call(safety),
        RetryPolicy(**policy),
        left=lambda: left,
        announce=announce,
        draw=lambda: draw,
    )
    law.attempts = attempts
    return law


# ---- the policy --------------------------------------------------------------------------------


def test_the_defaults() -> None:
    assert RetryPolicy() == RetryPolicy(max_attempts=5, base=0.5, cap=8.0, retry_throttled=True)


@pytest.mark.parametrize(
    ("policy", "field", "given"),
    [
        ({"max_attempts": 0}, "max_attempts", "0"),
        ({"max_attempts": -3}, "max_attempts", "-3"),
        ({"base": 0}, "base", "0"),
        ({"base": -1.0}, "base", "-1.0"),
        ({"base": math.inf}, "base", "inf"),
        ({"base": math.nan}, "base", "nan"),
        ({"cap": 0.0}, "cap", "0.0"),
        ({"cap": math.nan}, "cap", "nan"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(
    policy: dict[str, Any], field: str, given: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RetryPolicy(**policy)
    assert (caught.value.field, caught.value.given) == (field, given)


# ---- the law -----------------------------------------------------------------------------------

NOT_SENT, REJECTED, UNKNOWN = Phase.NOT_SENT, Phase.REJECTED, Phase.UNKNOWN

REPEATS: list[tuple[Phase, int | None, tuple[Safety, ...]]] = [
    # phase, status (None: no answer), the calls that are repeated after it
    (NOT_SENT, None, (READ, REPEATABLE, ONCE)),
    (REJECTED, 429, (READ, REPEATABLE, ONCE)),
    (REJECTED, 503, (READ, REPEATABLE)),
    (UNKNOWN, None, (READ, REPEATABLE)),
    (UNKNOWN, 502, (READ, REPEATABLE)),
    (UNKNOWN, 200, (READ, REPEATABLE)),
]


@pytest.mark.parametrize(("phase", "status", "repeated"), REPEATS)
@pytest.mark.parametrize("safety", Safety)
@pytest.mark.parametrize("transient", [True, False])
@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_the_law(
    phase: Phase,
    status: int | None,
    repeated: tuple[Safety, ...],
    safety: Safety,
    transient: bool,
    attempts: int,
) -> None:
    failure = make_failure(phase, status, transient=transient)
    allowed = transient and safety in repeated
    assert may_repeat(make_call(safety), failure) is allowed
    law = make_law(safety, attempts=attempts, max_attempts=3)
    wait = law.decide(failure)
    assert (wait is not None) is (allowed and (attempts < 3 or status == 429))


@pytest.mark.parametrize("safety", Safety)
def test_one_attempt_means_never_again_but_after_429(safety: Safety) -> None:
    for phase, status, _ in REPEATS:
        wait = make_law(safety, max_attempts=1).decide(make_failure(phase, status))
        assert (wait is not None) is (status == 429)


@pytest.mark.parametrize("safety", Safety)
def test_a_policy_may_forbid_to_repeat_after_429(safety: Safety) -> None:
    law = make_law(safety, retry_throttled=False)
    assert law.decide(make_failure(status=429, retry_after="1")) is None
    assert make_law(READ, retry_throttled=False).decide(make_failure(status=503)) is not None


def test_answers_429_do_not_use_up_attempts() -> None:
    law = make_law(attempts=0, max_attempts=2)
    decisions: list[bool] = []
    for status in (429, 429, 503, 429, 503):
        law.attempts += 1
        decisions.append(law.decide(make_failure(status=status)) is not None)
    assert decisions == [True, True, True, True, False]
    assert (law.attempts, law.throttles) == (5, 3)


@pytest.mark.parametrize(
    ("attempts", "longest"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (5000, 8.0)],
)
def test_the_wait_doubles_up_to_the_cap(attempts: int, longest: float) -> None:
    failure = make_failure(status=503)
    for draw in (0.0, 0.5, 1.0):
        law = make_law(attempts=attempts, draw=draw, max_attempts=9999)
        assert law.decide(failure) == longest * draw


def test_base_and_cap_are_the_policys() -> None:
    waits = [
        make_law(attempts=n, base=3.0, cap=10.0).decide(make_failure(NOT_SENT)) for n in (1, 2, 3)
    ]
    assert waits == [3.0, 6.0, 10.0]


def test_a_429_without_a_wait_waits_for_the_window_of_a_second_at_least() -> None:
    for throttles, longest in ((0, 1.5), (1, 2.0), (5, 9.0)):
        for draw, expected in ((0.0, 1.0), (1.0, longest)):
            law = make_law(attempts=throttles + 1, draw=draw)
            law.throttles = throttles
            assert law.decide(make_failure(status=429)) == expected


def test_earlier_429s_do_not_lengthen_other_waits() -> None:
    law = make_law(attempts=4)
    law.throttles = 3
    assert law.decide(make_failure(status=503)) == 0.5


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("told", "seconds"), [("0", 0.0), ("2", 2.0), ("0.5", 0.5), ("200", 200.0)]
)
def test_a_wait_that_was_asked_for_is_kept_and_a_little_more(
    status: int, told: str, seconds: float
) -> None:
    failure = make_failure(status=status, retry_after=told)
    assert make_law(draw=0.0).decide(failure) == seconds
    assert make_law(draw=1.0, attempts=3).decide(failure) == pytest.approx(seconds * 1.1)


@pytest.mark.parametrize(
    ("left", "told", "wait"),
    [
        (10.0, "10", 10.0),
        (9.999, "10", None),
        (0.0, "0", 0.0),
        (-1.0, "0", None),
        (math.inf, "300", LONGEST_WAIT_S),
        (math.inf, "300.001", None),
        (math.inf, "1e308", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_is_never_shortened_to_fit(
    left: float, told: str, wait: float | None, status: int
) -> None:
    law = make_law(draw=0.0, left=left)
    assert law.decide(make_failure(status=status, retry_after=told)) == wait


@given(
    st.sampled_from(REPEATS),
    st.sampled_from(Safety),
    st.integers(1, 100),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 400),
    st.none() | st.floats(0, 1e300),
)
def test_no_decision_breaks_a_bound(
    row: tuple[Phase, int | None, tuple[Safety, ...]],
    safety: Safety,
    attempts: int,
    draw: float,
    left: float,
    told: float | None,
) -> None:
    phase, status, repeated = row
    after = None if told is None or status is None else repr(told)
    law = make_law(safety, attempts=attempts, draw=draw, left=left)
    wait = law.decide(make_failure(phase, status, retry_after=after))
    if wait is not None:
        assert safety in repeated
        assert 0 <= wait <= min(left, LONGEST_WAIT_S)
        assert after is None or wait >= float(after)


def test_waits_are_random_by_default() -> None:
    law = Law(make_call(), RetryPolicy(), left=lambda: math.inf, announce=lambda *_: None)
    law.attempts = 1
    waits = {law.decide(make_failure(NOT_SENT)) for _ in range(20)}
    assert len(waits) > 10


# ---- persisting --------------------------------------------------------------------------------


class Script:
    """Attempts that end as told, and the virtual times at which they were made."""

    def __init__(self, outcomes: Iterable[Reply | BaseException]) -> None:
        self.outcomes = list(outcomes)
        self.times: list[float] = []

    async def __call__(self) -> Reply:
        self.times.append(asyncio.get_running_loop().time())
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def sleeps(self) -> list[float]:
        return [b - a for a, b in zip(self.times, self.times[1:], strict=False)]


def test_it_repeats_until_it_succeeds_and_sleeps_as_decided() -> None:
    good = make_reply(200)
    failures = [
        make_failure(NOT_SENT),
        make_failure(status=503),
        make_failure(status=429, retry_after="7"),
        make_failure(UNKNOWN),
    ]
    script = Script([*failures, good])
    announced: list[tuple[Failure, float | None]] = []
    law = make_law(attempts=0, announce=lambda _, each: announced.append((each, each.wait)))
    assert run_virtual(persist(law, script)) is good
    waits = [0.5, 1.0, 7 * 1.1, 2.0]
    assert script.sleeps() == pytest.approx(waits, abs=2 * TICK_S)
    assert [failure for failure, _ in announced] == failures
    assert [wait for _, wait in announced] == pytest.approx(waits)
    assert (law.attempts, law.throttles) == (5, 1)


def test_a_first_success_announces_nothing() -> None:
    announced: list[Failure] = []
    law = make_law(attempts=0, announce=lambda _, failure: announced.append(failure))
    script = Script([make_reply()])
    run_virtual(persist(law, script))
    assert (law.attempts, announced, script.sleeps()) == (1, [], [])


@pytest.mark.parametrize(
    ("failure", "policy", "attempts"),
    [
        (make_failure(status=503), {"max_attempts": 3}, 3),
        (make_failure(status=503), {"max_attempts": 1}, 1),
        (make_failure(status=400, transient=False), {}, 1),
        (make_failure(status=429), {"retry_throttled": False}, 1),
    ],
)
def test_giving_up_raises_the_last_failure(
    failure: Failure, policy: dict[str, Any], attempts: int
) -> None:
    script = Script([failure] * attempts)
    law = make_law(attempts=0, **policy)
    with pytest.raises(Failure) as caught:
        run_virtual(persist(law, script))
    assert caught.value is failure
    assert caught.value.wait is None
    assert (len(script.times), law.attempts) == (attempts, attempts)


def test_the_deadline_ends_it_without_a_last_short_sleep() -> None:
    async def main() -> tuple[float, Law, Script]:
        loop = asyncio.get_running_loop()
        end = loop.time() + 25.0
        law = make_law(attempts=0)
        law.left = lambda: end - loop.time()
        law.draw = lambda: 0.0
        script = Script(make_failure(status=429, retry_after="10") for _ in range(9))
        with pytest.raises(Failure):
            await persist(law, script)
        return end - loop.time(), law, script

    left, law, script = run_virtual(main())
    assert left == pytest.approx(5.0, abs=0.001)
    assert (law.attempts, law.throttles) == (3, 3)
    assert script.sleeps() == pytest.approx([10.0, 10.0], abs=2 * TICK_S)


def test_a_wait_of_zero_is_no_wait() -> None:
    script = Script([make_failure(status=503, retry_after="0"), make_reply()])
    run_virtual(persist(make_law(attempts=0), script))
    assert script.sleeps() == pytest.approx([0.0], abs=2 * TICK_S)


@pytest.mark.parametrize("error", [ValueError("a bug"), asyncio.CancelledError()])
def test_other_errors_pass_at_once(error: BaseException) -> None:
    script = Script([error])
    with pytest.raises(type(error)) as caught:
        run_virtual(persist(make_law(attempts=0), script))
    assert caught.value is error
    assert len(script.times) == 1


def test_a_sleep_is_cancelled_at_once() -> None:
    async def main() -> int:
        script = Script([make_failure(status=503, retry_after="100")] * 2)
        task = asyncio.create_task(persist(make_law(attempts=0), script))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return len(script.times)

    assert run_virtual(main(), limit_s=50) == 1


def test_two_calls_at_once_keep_their_own_counts() -> None:
    async def main() -> list[int]:
        laws = [make_law(attempts=0, max_attempts=n) for n in (2, 4)]
        scripts = [Script([make_failure(NOT_SENT) for _ in range(9)]) for _ in laws]
        runs = [persist(law, script) for law, script in zip(laws, scripts, strict=True)]
        results = await asyncio.gather(*runs, return_exceptions=True)
        assert all(isinstance(result, Failure) for result in results)
        return [len(script.times) for script in scripts]

    assert run_virtual(main()) == [2, 4]


def test_the_backoff_logger_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="backoff"):
        scripts: list[list[Reply | BaseException]] = [
            [make_failure(NOT_SENT), make_reply()],
            [make_failure(NOT_SENT)],
        ]
        for outcomes in scripts:
            law = make_law(attempts=0, max_attempts=len(outcomes))
            try:
                run_virtual(persist(law, Script(outcomes)))
            except Failure:
                assert len(outcomes) == 1
    assert [record for record in caplog.records if record.name == "backoff"] == []


def test_importing_it_warns_of_nothing() -> None:
    """`backoff` asks asyncio.iscoroutinefunction, which newer Pythons deprecate."""
    code = (
        "import asyncio, inspect, warnings\n"
        "def asked(f):\n"
        "    warnings.warn('deprecated', DeprecationWarning, stacklevel=2)\n"
        "    return inspect.iscoroutinefunction(f)\n"
        "asyncio.iscoroutinefunction = asked\n"
        "import omnichat_async.retries\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
