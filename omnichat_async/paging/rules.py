"""When a range ends, how long pages are and how many to ask for at once: rules without I/O."""

from __future__ import annotations

import math
from typing import Any

from omnichat_async.calls import DEPTH, Page

__all__ = [
    "DEFAULT_CONCURRENCY",
    "MAX_CONCURRENCY",
    "MAX_PAGE_SIZE",
    "is_cut_short",
    "is_last",
    "is_past_end",
    "row_count",
    "same_rows",
    "suggested_concurrency",
    "true_size",
]

MAX_PAGE_SIZE = 100
DEFAULT_CONCURRENCY = 4
MAX_CONCURRENCY = 64


def suggested_concurrency(rate: float, latency: float, samples: int, waiting: int = 0) -> int:
    """Pages to have in flight, from the rate in requests/s and the answering time in seconds.

    `waiting` callers stand in the limiter's queue. More than one walk puts there itself belong
    to others: then asking ahead gains nothing and only makes everybody's queue longer.
    """
    if samples == 0:
        most = DEFAULT_CONCURRENCY
    elif math.isinf(rate):
        most = 16
    else:
        most = max(2, min(MAX_CONCURRENCY, math.ceil(rate * latency) + 1))
    return max(1, most - max(0, waiting - most))


def row_count(page: Page[Any]) -> int:
    """Rows the server sent, readable or not."""
    return len(page.items) + len(page.rejected)


def true_size(size: int, number: int, rows: int, before: int) -> int:
    """How many rows a full page of a range holds, after page `number` with `rows` rows.

    Only a second page with rows proves that a short first one was full: a silent cap.
    """
    if rows > size:
        return rows
    return before if number == 2 and rows > 0 and before < size else size


def is_cut_short(seen: int, total: int | None) -> bool:
    """Whether a range that ended after `seen` rows has more by the server's count, which search
    engines stop at DEPTH."""
    return total is not None and (seen < total or seen == total == DEPTH)


def is_last(rows: int, before: int, total: int | None, size: int, longest: int) -> bool:
    """Whether a page with `rows` rows, after `before` others, ends its range.

    `size` is a full page, `longest` the longest page seen so far in the walk.
    """
    if rows == 0:
        return True
    if rows >= size:
        return False
    if total is None or before + rows > total:
        # Without a total (a refuted one is none), a page as long as the longest may be a full
        # one of a capped server.
        return rows < longest
    return before + rows == total


def is_past_end(number: int, size: int, asked: int, total: int | None) -> bool:
    """Whether a server that refuses page `number` and counts `total` rows has no such page.

    `size` is a full page as far as known, `asked` what was asked for.
    """
    before = (number - 1) * size
    if before <= DEPTH < before + size:
        return False  # it may be there and out of reach: an error, and not the end
    return total is None or (number - 1) * max(size, asked) >= total


def same_rows(one: Page[Any], other: Page[Any]) -> bool:
    """Whether two pages hold equal rows, readable or not."""
    return one.items == other.items and (
        [(place, error.raw) for place, error in one.rejected.items()]
        == [(place, error.raw) for place, error in other.rejected.items()]
    )
