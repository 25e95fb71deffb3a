"""Rows that came after the start, and rows that went: edits over a computed timeline.

The computed rows are numbered 0 to rows - 1; added rows follow, in the order of their times. A list
is then some runs of row numbers, so paging stays quick however many rows there are.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from typing import overload

import attrs

from omnichat_async.sandbox.data.timeline import Timeline


@attrs.frozen
class Pieces(Sequence[int]):
    """Row numbers in runs, as one sequence."""

    runs: tuple[range, ...]
    _ends: tuple[int, ...] = attrs.field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Sum the lengths up once."""
        object.__setattr__(self, "_ends", tuple(accumulate(map(len, self.runs))))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self.runs)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> list[int]: ...
    def __getitem__(self, index: int | slice) -> int | list[int]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        run = bisect_right(self._ends, index)
        return self.runs[run][index - self._ends[run]]  # counted from the end of the run

    def backwards(self) -> "Pieces":
        """The same numbers, last first."""
        return Pieces(tuple(run[::-1] for run in reversed(self.runs)))


class Ledger:
    """The edits of one stream. `add` comes in the order of time; a clock set back is ignored."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._end = timeline.rows  # the number of the next row
        self._times: list[int] = []  # block k holds the rows from starts[k] to starts[k + 1] - 1
        self._starts: list[int] = []
        self._channels: list[int] = []
        self._hidden: list[int] = []  # sorted
        self._woven: tuple[object, Pieces] = (None, Pieces(()))

    def add(self, now_ms: int, count: int = 1, channel: int = 0) -> int:
        """Add a block of rows of this moment and channel (0 or 1); the number of the first."""
        first = self._end
        self._times.append(max(now_ms, self._times[-1]) if self._times else now_ms)
        self._starts.append(first)
        self._channels.append(channel)
        self._end += count
        return first

    def hide(self, number: int) -> None:
        """Take a row out."""
        insort(self._hidden, number)

    def block(self, number: int) -> tuple[int, int]:
        """The block of an added row, and the row's place in it."""
        k = bisect_right(self._starts, number) - 1
        return k, number - self._starts[k]

    def time(self, number: int) -> int:
        """Epoch ms of a row."""
        if number < self._timeline.rows:
            return self._timeline.time(number)
        return self._times[self.block(number)[0]]

    def channel(self, number: int) -> int:
        """The channel of a row, 0 or 1; computed row i is in channel i % 2."""
        if number < self._timeline.rows:
            return number % 2
        return self._channels[self.block(number)[0]]

    def exists(self, number: int, now_ms: int) -> bool:
        """Whether there is such a row at `now_ms`."""
        if number < self._timeline.rows:
            there = self._timeline.exists(number, now_ms)
        else:
            there = number < self._end
        return there and self._hidden_in(range(number, number + 1)) == 0

    def between(self, after_ms: int, before_ms: int, channel: int | None = None) -> range | Pieces:
        """The rows in [after_ms, before_ms), in the order of time; of one channel or of both."""
        computed = self._timeline.between(after_ms, before_ms)
        first = self._first_at(after_ms)
        added = range(first, max(first, self._first_at(before_ms)))
        if not added and not self._hidden_in(computed):
            return _of_channel(computed, channel)
        key = (computed, added, channel, len(self._hidden))
        if self._woven[0] != key:  # the pages of one window weave it once
            runs = chain.from_iterable(map(self._visible, self._weave(computed, added)))
            pieces = chain.from_iterable(self._in_channel(run, channel) for run in runs)
            self._woven = (key, Pieces(tuple(piece for piece in pieces if piece)))
        return self._woven[1]

    def _first_at(self, t_ms: int) -> int:
        """The first added row at or after this moment."""
        k = bisect_left(self._times, t_ms)
        return self._starts[k] if k < len(self._starts) else self._end

    def _weave(self, computed: range, added: range) -> Iterator[range]:
        """Both in the order of time; at the same moment the computed rows come first."""
        while computed and added:
            cut = min(self._timeline.first_at(self.time(added.start) + 1), computed.stop)
            if computed.start < cut:
                yield range(computed.start, cut)
                computed = range(cut, computed.stop)
            else:
                cut = min(self._first_at(self._timeline.time(computed.start)), added.stop)
                yield range(added.start, cut)
                added = range(cut, added.stop)
        yield computed or added

    def _hidden_in(self, run: range) -> int:
        return bisect_left(self._hidden, run.stop) - bisect_left(self._hidden, run.start)

    def _visible(self, run: range) -> Iterator[range]:
        first = run.start
        k = bisect_left(self._hidden, run.start)
        for number in self._hidden[k : k + self._hidden_in(run)]:
            yield range(first, number)
            first = number + 1
        yield range(first, run.stop)

    def _in_channel(self, run: range, channel: int | None) -> Iterator[range]:
        if channel is None or run.start < self._timeline.rows:
            yield _of_channel(run, channel)
        else:
            yield from (range(n, n + 1) for n in run if self.channel(n) == channel)


def _of_channel(computed: range, channel: int | None) -> range:
    if channel is None:
        return computed
    return range(computed.start + (computed.start + channel) % 2, computed.stop, 2)
