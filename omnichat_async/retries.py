"""What may be repeated, how often, and how long to wait before it."""

from __future__ import annotations

import math
import random
import warnings
from typing import TYPE_CHECKING, Any

import attrs
import backoff

from omnichat_async.classify import Failure, Phase
from omnichat_async.errors import InvalidRequest
from omnichat_async.values import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from omnichat_async.calls import Call
    from omnichat_async.classify import Reply

__all__ = ["RetryPolicy"]

LONGEST_WAIT_S = 300.0
"""A longer Retry-After is reported to the caller instead of slept through."""


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How persistent a call is, within its timeout.

    `max_attempts` bounds how often a call that failed is sent; 1 means never again. Answers 429
    do not count, since the server did no work: they are repeated until the timeout unless
    `retry_throttled` is False. The n-th repetition waits a random time of up to
    ``min(cap, base * 2 ** (n - 1))`` seconds, or what ``Retry-After`` says and a little more.
    """

    max_attempts: int = 5
    base: float = 0.5
    cap: float = 8.0
    retry_throttled: bool = True

    __repr__ = shown

    def __attrs_post_init__(self) -> None:
        if self.max_attempts < 1:
            raise InvalidRequest("max_attempts", "must be 1 or more", str(self.max_attempts))
        for field in ("base", "cap"):
            value = getattr(self, field)
            if not (math.isfinite(value) and value > 0):
                raise InvalidRequest(field, "must be above 0 seconds", str(value))


def may_repeat(call: Call[Any], failure: Failure) -> bool:
    """Whether sending `call` again cannot do harm and may do good."""
    if not failure.transient:
        return False
    if failure.phase is Phase.NOT_SENT or failure.throttled:
        return True
    return call.repeatable


class Law:
    """The decisions of one call: it counts attempts and keeps to the policy and the deadline.

    `left` gives the seconds until the deadline (infinite without one), `announce` is told of each
    repetition, `draw` gives a random number from 0 to 1. `reply` is the latest attempt's answer.
    """

    def __init__(
        self,
        call: Call[Any],
        policy: RetryPolicy,
        *,
        left: Callable[[], float],
        announce: Callable[[Law, Failure], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.call = call
        self.policy = policy
        self.left = left
        self.announce = announce
        self.draw = draw
        self.attempts = 0
        self.throttles = 0
        self.reply: Reply | None = None
        self._unsettled: Failure | None = None
        self._refused: Failure | None = None

    def note(self, failure: Failure) -> None:
        """Remember what an attempt came to, for the verdict."""
        # Not the failure: its traceback leads back here, and what it holds would wait for the
        # garbage collector.
        noted = Failure(failure.phase, failure.reason, reply=failure.reply)
        if failure.throttled:
            self._refused = noted
        elif failure.phase is not Phase.NOT_SENT:
            self._unsettled = noted

    def verdict(self, last: Failure) -> Failure:
        """What the call came to, whose `last` attempt is only the end of it."""
        if last.phase is not Phase.NOT_SENT:
            return last
        if (earlier := self._unsettled) is not None:  # the last one never left, but this one did
            both = f"{earlier.reason}, then {last.reason}"
            return Failure(Phase.UNKNOWN, both, reply=earlier.reply)
        # Time may have run out in the queue, but a refusal before that is why it failed.
        return self._refused or last

    def decide(self, failure: Failure) -> float | None:
        """Seconds to wait before the next attempt, or None to give up."""
        if failure.throttled:
            self.throttles += 1
            allowed = self.policy.retry_throttled
        else:
            allowed = self.attempts - self.throttles < self.policy.max_attempts
        if not allowed or not may_repeat(self.call, failure):
            return None
        wait = self._wait(failure)
        # Never shortened to fit: the server would only refuse again.
        return None if wait > min(self.left(), LONGEST_WAIT_S) else wait

    def _wait(self, failure: Failure) -> float:
        told = failure.retry_after
        if told is not None:
            return told * (1 + 0.1 * self.draw())
        nth = self.throttles if failure.throttled else self.attempts - self.throttles
        longest = min(self.policy.cap, self.policy.base * 2.0 ** min(nth - 1, 32))
        # The rate's window is a second long: asking sooner than that cannot help.
        return (1.0 if failure.throttled else 0.0) + longest * self.draw()


def _give_up(failure: Exception) -> bool:
    return not isinstance(failure, Failure) or failure.wait is None


def _wait_of(failure: Failure) -> float:
    return failure.wait or 0.0


def _announce(details: Any) -> None:
    law: Law = details["args"][0]
    law.announce(law, details["exception"])


with warnings.catch_warnings():
    # backoff 2.2 calls asyncio.iscoroutinefunction while it decorates, which Python 3.14
    # deprecates. It decorates here, once, and nowhere else.
    warnings.simplefilter("ignore", DeprecationWarning)

    # jitter=None, because the default would shorten Retry-After. Tries and time are the law's:
    # backoff's max_time shortens a wait instead of giving up, and reads the wall clock.
    @backoff.on_exception(
        backoff.runtime,
        Failure,
        value=_wait_of,
        jitter=None,
        giveup=_give_up,
        on_backoff=_announce,
        logger=None,
    )
    async def _go_on(
        law: Law, attempt: Callable[[], Awaitable[Reply]], failed: list[Failure]
    ) -> Reply:
        """Take over after a first attempt: backoff hears how that failed, and then makes more."""
        if failed:
            raise failed.pop()
        return await _once(law, attempt)


async def _once(law: Law, attempt: Callable[[], Awaitable[Reply]]) -> Reply:
    law.attempts += 1
    try:
        return await attempt()
    except Failure as failure:
        law.note(failure)
        failure.wait = law.decide(failure)
        raise


async def persist(law: Law, attempt: Callable[[], Awaitable[Reply]]) -> Reply:
    """Make attempts until one succeeds or `law` gives up, which raises the last Failure."""
    try:
        return await _once(law, attempt)  # nearly always the only one, and without backoff's cost
    except Failure as failure:
        if failure.wait is None:
            raise
        failed = [failure]
    return await _go_on(law, attempt, failed)
