"""When row i happened: a pure integer function that never decreases.

So "how many rows in [a, b)" is two binary searches, and page k is found without the pages before.
On an even spread with jitter lie two traps for clients that cut time into windows: runs of 2 to 7
rows in one millisecond, and rows exactly on a border (UTC midnight, each 7 days from the start) or
1 ms beside it.
"""

from bisect import bisect_left
from functools import cached_property, lru_cache

import attrs

from omnichat_async.sandbox.data.mixing import mix

_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS
_BLOCK = 64  # one run of equal times per so many rows
_WEYL = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: its multiples spread evenly
_WIDEST_SNAP_MS = _DAY_MS // 12  # with few rows: at most every sixth row sits on a border


@attrs.frozen
class Timeline:
    """The times of `rows` rows in [start_ms, end_ms)."""

    key: int
    rows: int
    start_ms: int
    end_ms: int

    # Worked out once, for `time` runs a hundred times a page.
    @cached_property
    def _span(self) -> int:
        return self.end_ms - self.start_ms

    @cached_property
    def _gap(self) -> int:
        """The even distance of two rows."""
        return self._span // self.rows

    @cached_property
    def _reach(self) -> int:
        """How near to a border a row must be to be pulled to it."""
        return max(3, min(3 * self._gap, _WIDEST_SNAP_MS))

    def time(self, i: int) -> int:
        """Epoch ms of row i, 0 <= i < rows."""
        head = self.leader(i)
        t = self.start_ms + head * self._span // self.rows
        if self._gap > 1:
            # Jitter below the gap, so never past the next row. One multiplication is mixed enough.
            t += ((self.key + head) * _WEYL >> 20 & 0xFFFFFFFFFFF) % self._gap
        t = _snap(t, 0, _DAY_MS, self._reach)
        if self.start_ms % _DAY_MS:  # else every week border is a midnight
            t = _snap(t, self.start_ms, _WEEK_MS, self._reach)
        return min(max(t, self.start_ms), self.end_ms - 1)

    def leader(self, i: int) -> int:
        """The first row of the run that shares row i's millisecond; i itself outside of runs."""
        first, last = _run_in(self.key, i // _BLOCK)
        return first if first < i <= last else i

    def exists(self, i: int, now_ms: int) -> bool:
        """Whether row i is one of the rows and has happened by `now_ms`."""
        return 0 <= i < self.rows and self.time(i) <= now_ms

    def first_at(self, t_ms: int) -> int:
        """The first row at or after `t_ms`; `rows` if there is none."""
        return _first_at(self, t_ms)

    def between(self, after_ms: int, before_ms: int) -> range:
        """The rows in [after_ms, before_ms)."""
        first = self.first_at(after_ms)
        return range(first, max(first, self.first_at(before_ms)))


@lru_cache(maxsize=4096)  # neighbours ask for the same block
def _run_in(key: int, block: int) -> tuple[int, int]:
    """First and last row of the run of 2 to 7 rows within this block of rows."""
    bits = mix(key ^ ~block)
    first = block * _BLOCK + bits % (_BLOCK - 7)
    return first, first + 1 + (bits >> 32) % 6


@lru_cache(maxsize=4096)  # the pages of one window ask for the same two borders
def _first_at(timeline: Timeline, t_ms: int) -> int:
    return bisect_left(range(timeline.rows), t_ms, key=timeline.time)


def _snap(t: int, origin: int, period: int, reach: int) -> int:
    """Pull a time within `reach` of a border onto the border or 1 ms beside it; monotone in t."""
    off = (t - origin + period // 2) % period - period // 2
    if not -reach <= off < reach:
        return t
    third = reach // 3
    return t - off + (off >= third) - (off < -third)
