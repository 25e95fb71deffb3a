"""A rate limit that forgives nothing, and an API behind it, both in the time of the loop."""

from __future__ import annotations

import asyncio
import math
import random

__all__ = ["SimulatedApi", "StrictLimit"]


class StrictLimit:
    """At most ``limit`` arrivals in every half-open window, wherever the window begins.

    With ``penalise`` a refused arrival uses up room as an accepted one does, so a client that
    keeps knocking stays out.
    """

    def __init__(self, limit: int = 40, window: float = 1.0, penalise: bool = False) -> None:
        self.limit = limit
        self.window = window
        self.arrivals: list[float] = []
        self.accepted: list[float] = []
        self._counted = self.arrivals if penalise else self.accepted

    @property
    def refused(self) -> int:
        """How many arrivals were refused."""
        return len(self.arrivals) - len(self.accepted)

    def arrive(self, now: float) -> float | None:
        """None if accepted, else refused: the seconds until there is room."""
        if self.arrivals and now < self.arrivals[-1]:
            raise ValueError(f"arrival at {now} after one at {self.arrivals[-1]}")
        accepted = self._wait(now) == 0.0
        self.arrivals.append(now)
        if accepted:
            self.accepted.append(now)
            return None
        return self._wait(now)

    def _wait(self, now: float) -> float:
        # Room comes when the arrival that is `limit` back leaves the window.
        if len(self._counted) < self.limit:
            return 0.0
        return max(0.0, self.window - (now - self._counted[-self.limit]))

    def worst_window(self) -> int:
        """The most arrivals, accepted or refused, in any window."""
        return _worst(self.arrivals, self.window)

    def worst_accepted(self) -> int:
        """The most accepted arrivals in any window; never more than the limit."""
        return _worst(self.accepted, self.window)


def _worst(times: list[float], window: float) -> int:
    # A fullest window can be moved to end at one of its arrivals, so only those are looked at.
    worst = start = 0
    for end, now in enumerate(times):
        while now - times[start] >= window:
            start += 1
        worst = max(worst, end - start + 1)
    return worst


class SimulatedApi:
    """The limit at the far end of a line with a round trip and jitter on the way there."""

    def __init__(
        self, limit: StrictLimit, rtt_s: float = 0.05, jitter_s: float = 0.0, seed: int = 0
    ) -> None:
        self.limit = limit
        self._half_s = rtt_s / 2
        self._jitter_s = jitter_s
        self._random = random.Random(seed)

    async def send(self) -> tuple[bool, int | None]:
        """Whether the call was accepted; if not, the whole seconds to wait (a Retry-After)."""
        await asyncio.sleep(self._half_s + self._random.uniform(0.0, self._jitter_s))
        wait = self.limit.arrive(asyncio.get_running_loop().time())
        await asyncio.sleep(self._half_s)
        return wait is None, None if wait is None else math.ceil(wait)
