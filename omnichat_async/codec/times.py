"""Epoch milliseconds to datetimes, for less than ``EPOCH + value * MILLISECOND``.

Adding two of Python's times is cheap, and making a timedelta is not. So those that are needed
are made once: the start of an hour, and its seconds and milliseconds. Nor is it cheap to divide
a number of more than 30 bits, which is done twice: what is left of an hour has fewer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import accumulate, repeat

from omnichat_async.windows import EPOCH

__all__ = ["AS_EXPRESSION", "FIRST_MS", "LAST_MS", "from_ms"]

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The epoch milliseconds that a datetime can hold."""

_HOUR_MS = 3_600_000
_MOST_HOURS = 10_000  # more than a year


def _multiples(step: timedelta, count: int) -> list[timedelta]:
    """The first multiples of `step`, from none on; adding is cheaper than making here too."""
    return list(accumulate(repeat(step, count - 1), initial=timedelta(0)))


class _Hours(dict[int, datetime]):
    def __missing__(self, hour: int) -> datetime:
        if len(self) >= _MOST_HOURS:
            self.clear()
        self[hour] = start = EPOCH + timedelta(hours=hour)
        return start


_hours = _Hours()
_seconds = _multiples(timedelta(seconds=1), 3600)
_milliseconds = _multiples(timedelta(milliseconds=1), 1000)


_SUM = (
    f"{{hours}}[{{x}} // {_HOUR_MS}] + {{seconds}}[(rest := {{x}} % {_HOUR_MS}) // 1000]"
    " + {ms}[rest % 1000]"
)
AS_EXPRESSION = (_SUM, {"hours": _hours, "seconds": _seconds, "ms": _milliseconds})
"""What `from_ms` does, for generated code that must not call anything; and what it needs."""


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime, exactly; `ms` from FIRST_MS to LAST_MS."""
    rest = ms % _HOUR_MS
    return _hours[ms // _HOUR_MS] + _seconds[rest // 1000] + _milliseconds[rest % 1000]
