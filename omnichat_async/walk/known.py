"""What a walk learns on its way, and goes by in all later ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from omnichat_async.windows import MAX_WINDOW, MILLISECOND

if TYPE_CHECKING:
    from omnichat_async.paging import RowKind

__all__ = ["Known"]

CLEAN_READS = 8
"""So many certificates in a row make blocks grow."""
CLEAN_LEAVES = 64
"""And so many single pages, where blocks had shrunk to one page."""
LARGEST_BLOCK = 5_000
ONE_PAGE = 0.75
"""How full a page is planned where its rows are not known yet."""


@attrs.define
class Known:
    """The knowledge of one walk, shared by all its ranges.

    `size` is how many rows a full page holds, `longest` the longest page seen, `block` how many
    rows are read under one certificate, `width` the widest range the server takes, in ms.
    """

    size: int
    block: int
    longest: int = 0
    width: int = MAX_WINDOW // MILLISECOND
    _narrowed: bool = False
    _clean: int = 0

    @classmethod
    def at_first(cls, kind: RowKind, page_size: int) -> Known:
        """What is known before the first answer."""
        return cls(size=page_size, block=max(kind.block, page_size))

    @property
    def one_page(self) -> int:
        """Rows to plan for a range that is to fit one page."""
        return max(1, int(self.size * ONE_PAGE))

    @property
    def worth_counting(self) -> int:
        """The most rows to read under one certificate: blocks come out uneven."""
        return 2 * self.block if self.block > self.size else self.size

    def saw(self, rows: int) -> None:
        """A page with so many rows. A server that sends more than it is asked for knows no page
        size at all, and has its own."""
        self.longest = max(self.longest, rows)
        self.size = max(self.size, rows)

    def capped_at(self, rows: int) -> None:
        """A page of so many rows was a full one."""
        self.size = min(self.size, rows)

    def certified(self, *, one_page: bool) -> None:
        """A range was certified; after some of them a block may be larger."""
        counting = self.block > self.size
        if one_page and counting:
            return  # it says nothing about larger blocks
        self._clean += 1
        if self._clean >= (CLEAN_READS if counting else CLEAN_LEAVES):
            self._clean = 0
            self.block = min(LARGEST_BLOCK, 2 * max(self.block, self.size))

    def failed(self) -> None:
        """A certificate failed: shorter blocks are read faster and fail less."""
        self._clean = 0
        self.block = max(self.one_page, int(self.block * 0.7))

    def refused_width(self, width: int) -> bool:
        """The server refuses a range so wide (ms); True if narrower ones are worth a try."""
        if not self._narrowed:
            self._narrowed = True
            self.width //= 2
        return width > self.width
