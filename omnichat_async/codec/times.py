"""Epoch milliseconds to datetimes, at half the price of ``EPOCH + value * MILLISECOND``.

Adding two of Python's times is cheap, and making a timedelta is not. So those that are needed
are made once: the start of a day, and its minutes, seconds and milliseconds.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from omnichat_async.windows import EPOCH

__all__ = ["FIRST_MS", "LAST_MS", "from_ms"]

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The epoch milliseconds that a datetime can hold."""

_DAY_MS = 86_400_000
_MOST_DAYS = 4000  # more than ten years


class _Days(dict[int, datetime]):
    def __missing__(self, day: int) -> datetime:
        if len(self) >= _MOST_DAYS:
            self.clear()
        self[day] = start = EPOCH + timedelta(days=day)
        return start


_days = _Days()
_minutes = [timedelta(minutes=n) for n in range(24 * 60)]
_seconds = [timedelta(seconds=n) for n in range(60)]
_milliseconds = [timedelta(milliseconds=n) for n in range(1000)]


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime, exactly; `ms` from FIRST_MS to LAST_MS."""
    return (
        _days[ms // _DAY_MS]
        + _minutes[ms // 60_000 % 1440]
        + _seconds[ms // 1000 % 60]
        + _milliseconds[ms % 1000]
    )
