"""Leaves of a walk, put together until a commit is worth its while."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.jobs.streams import with_window
from omnichat_async.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omnichat_async.jobs.streams import Stream
    from omnichat_async.walk import Leaf

__all__ = ["Group"]

UNSURE = frozenset({"weak", "none"})
"""Certificates that prove less than all: such a leaf is a range of its own in the ledger."""


@attrs.define(kw_only=True)
class Group:
    """Adjacent leaves that are committed together: `rows` of `window`.

    It never reaches over a border of `borders`, so that a later run can begin there. The ranges of
    `whole`, in order, are committed as they are: one that may have been delivered is delivered
    again as it was, and one that takes the place of another is of the same range.
    """

    stream: Stream
    borders: frozenset[int] = frozenset()
    whole: Sequence[Window] = ()
    window: Window | None = None
    rows: list[Any] = attrs.field(factory=list)
    requests: int = 0
    certificates: Counter[str] = attrs.field(factory=Counter)

    def takes(self, leaf: Leaf, most_rows: int) -> bool:
        """Whether a leaf may join. The first one always does."""
        if self.window is None or leaf.window is None:
            return True
        if leaf.window.after != self.window.before or leaf.window.after in self.borders:
            return False
        if self._whole() is not None:
            return True
        unsure = UNSURE & {leaf.certificate, *self.certificates}
        return not unsure and len(self.rows) + len(leaf.rows) <= most_rows

    def add(self, leaf: Leaf) -> None:
        """Take a leaf in."""
        assert leaf.window is not None
        start = leaf.window.after if self.window is None else self.window.after
        self.window = Window(start, leaf.window.before)
        rows = leaf.rows
        if self.stream.per_window:
            rows = [with_window(row, leaf.window) for row in rows]
        self.rows += rows
        self.requests += leaf.requests
        self.certificates[leaf.certificate] += 1

    def is_full(self, most_rows: int, *, overdue: bool) -> bool:
        """Whether to commit now; not inside a range that is committed whole."""
        if self.window is None or self.is_part():
            return False
        return self._whole() is not None or overdue or len(self.rows) >= most_rows

    def is_part(self) -> bool:
        """Whether the rest of a range that is committed whole is still to come."""
        whole = self._whole()
        return whole is not None and whole != self.window

    def _whole(self) -> Window | None:
        """The range this lies in, if it is one that is committed whole."""
        if self.window is None:
            return None
        place = bisect_right(self.whole, self.window.after, key=lambda each: each.after)
        before = self.whole[place - 1 : place]
        return before[0] if before and self.window.after < before[0].before else None

    def emptied(self) -> Group:
        """The next group."""
        return Group(stream=self.stream, borders=self.borders, whole=self.whole)
