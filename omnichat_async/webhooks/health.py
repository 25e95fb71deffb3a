"""How near a subscription is to being switched off.

Omnichat switches one off after more than 20 failed deliveries in a row, or when more than 10 %
of an hour's failed. A delivery fails unless it is answered with exactly 200 within 15 s.
"""

from __future__ import annotations

from collections import deque

import attrs

__all__ = ["ANSWER_WITHIN_S", "Health", "HealthMeter"]

ANSWER_WITHIN_S = 15.0
_HOUR_S, _MINUTE_S = 3600.0, 60.0
_WARN_RUN, _WARN_RATE, _WARN_FROM = 10, 0.05, 20


@attrs.frozen(kw_only=True)
class Health:
    """`answered` deliveries in the last hour, of which `failed` did not get their 200 in time;
    `failures_in_a_row` up to now."""

    answered: int
    failed: int
    failures_in_a_row: int

    @property
    def failure_rate(self) -> float:
        """The share that failed in the last hour, from 0 to 1."""
        return self.failed / self.answered if self.answered else 0.0

    @property
    def in_danger(self) -> bool:
        """Half way to being switched off: 10 in a row, or 5 % of an hour with 20 or more."""
        often = self.answered >= _WARN_FROM and self.failure_rate > _WARN_RATE
        return self.failures_in_a_row >= _WARN_RUN or often


class HealthMeter:
    """Counts by the minute, in bounded memory."""

    def __init__(self) -> None:
        self._minutes: deque[list[float]] = deque()  # each: its start, answered, failed
        self._run = 0

    def count(self, now: float, *, ok: bool) -> None:
        """Add one delivery at a time in seconds that never goes back."""
        if not self._minutes or now - self._minutes[-1][0] >= _MINUTE_S:
            self._minutes.append([now, 0, 0])
        self._minutes[-1][1] += 1
        self._minutes[-1][2] += not ok
        self._run = 0 if ok else self._run + 1
        self._forget(now)

    def read(self, now: float) -> Health:
        """The figures at a time."""
        self._forget(now)
        return Health(
            answered=int(sum(minute[1] for minute in self._minutes)),
            failed=int(sum(minute[2] for minute in self._minutes)),
            failures_in_a_row=self._run,
        )

    def _forget(self, now: float) -> None:
        while self._minutes and now - self._minutes[0][0] > _HOUR_S:
            self._minutes.popleft()
