"""Leaves of a walk, put together until a commit is worth its while."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.jobs.streams import with_window
from omnichat_async.windows import Window

if TYPE_CHECKING:
    from omnichat_async.jobs.streams import Stream
    from omnichat_async.walk import Leaf

__all__ = ["Group"]

UNSURE = frozenset({"weak", "none"})
"""Certificates that prove less than all: such a leaf is a range of its own in the ledger."""


@attrs.define(kw_only=True)
class Group:
    """Adjacent leaves that are committed together: `rows` of `window`.

    It never reaches over a border of `borders`, so that a later run can begin there. `intent`
    is a range that may have been delivered: it is delivered again as it was.
    """

    stream: Stream
    borders: frozenset[int] = frozenset()
    intent: Window | None = None
    window: Window | None = None
    rows: list[Any] = attrs.field(factory=list)
    requests: int = 0
    certificates: Counter[str] = attrs.field(factory=Counter)

    def takes(self, leaf: Leaf, most_rows: int) -> bool:
        """Whether a leaf may join. The first one always does."""
        if self.window is None or leaf.window is None:
            return True
        adjacent = leaf.window.after == self.window.before
        unsure = UNSURE & {leaf.certificate, *self.certificates}
        if not adjacent or unsure or leaf.window.after in self.borders:
            return False
        return self._is_redelivered() or len(self.rows) + len(leaf.rows) <= most_rows

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
        """Whether to commit now; not inside a range that is to be delivered whole."""
        if self.window is None:
            return False
        if self._is_redelivered():
            assert self.intent is not None
            return self.window.before >= self.intent.before
        return overdue or len(self.rows) >= most_rows

    def _is_redelivered(self) -> bool:
        """Whether this lies in the range that may have been delivered."""
        intent, window = self.intent, self.window
        if intent is None or window is None:
            return False
        return intent.after <= window.after < intent.before

    def emptied(self) -> Group:
        """The next group."""
        return Group(stream=self.stream, borders=self.borders, intent=self.intent)
