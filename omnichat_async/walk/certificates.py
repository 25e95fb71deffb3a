"""Certificates: ways to read several pages such that the rows are proved to be all rows.

Each is a generator without I/O. The proofs lean on what holds for a closed range, which ends well
before the server's now: rows may leave it, and none may enter or come back.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.walk import rules
from omnichat_async.walk.leaf import Ask, Found

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from omnichat_async.calls import Page
    from omnichat_async.paging import RowKind
    from omnichat_async.walk.leaf import Certificate
    from omnichat_async.windows import Window

__all__ = ["Tally", "backward", "double", "read_counted", "union"]

PASSES = 40
IDLE_PASSES = 6
RESETS = 3
DOUBLE_PASSES = 6


@attrs.frozen
class Tally:
    """What a reading by count gave: the rows, and whether they are proved to be all. `total` is
    the lowest count on the way, `checks` how many of the requests only proved something."""

    rows: list[Any]
    proved: bool
    total: int | None
    checks: int


def read_counted(
    window: Window | None, total: int, size: int, kind: RowKind
) -> Generator[Sequence[Ask], Sequence[Page[Any] | None], Tally]:
    """Certificate by count: all pages, page 1 again too, after a count of `total`.

    Rows only leave a closed range, so whatever is read after that count was there when it was
    made, and as many distinct rows as it says are all of them, in whatever order they came. (The
    rows that came with the count do not: one of them may have left before it was made.)
    """
    numbers = rules.page_numbers(total, size)
    pages = yield [Ask(window, number, size) for number in numbers]
    return tally(pages, total, size, kind)


def tally(pages: Sequence[Page[Any] | None], total: int, size: int, kind: RowKind) -> Tally:
    """Whether pages asked for after a count of `total` are all its rows."""
    rows_of = [[] if page is None else page.items for page in pages]
    if not total % size and len(pages) > 1 and rules.same_rows(*rows_of[-2:]):
        rows_of.pop()  # past the end the last page came again
    rows = [row for each in rows_of for row in each]
    counts = [page.total for page in pages if page is not None and page.total is not None]
    distinct = len(set(rules.keys_of(rows, kind)))
    return Tally(
        rows=rows,
        proved=rules.is_consistent(pages, total, size) and len(rows) == total == distinct,
        total=min(counts, default=None),
        checks=1 + (not total % size),
    )


def union(
    window: Window, total: int, size: int, kind: RowKind
) -> Generator[Sequence[Ask], Sequence[Page[Any] | None], tuple[Found | None, list[Any]]]:
    """Passes over all pages, until as many distinct rows are seen as the server counted before.

    The same proof as by count, stretched over several passes; when the server counts fewer rows,
    it begins anew. Also gives the rows seen, certified or not.
    """
    seen: dict[Any, Any] = {}
    idle = resets = 0
    previous: Counter[Any] | None = None
    spent = 0
    for passes in range(1, PASSES + 1):
        pages = yield [Ask(window, number, size) for number in rules.page_numbers(total, size)]
        result = tally(pages, total, size, kind)
        checks = spent + result.checks
        spent += len(pages)
        before = len(seen)
        seen |= _by_key(result.rows, kind)
        if rules.is_consistent(pages, total, size) and len(seen) == total:
            name: Certificate = "count" if passes == 1 else "union"
            return Found(list(seen.values()), name, checks), []
        if result.total != total:
            resets += 1
            if resets > RESETS or result.total is None or result.total > total:
                break
            seen, idle, previous, total = {}, 0, None, result.total
            continue
        present = _indistinct(result.rows, kind)
        if len(result.rows) == total and present is not None and present == previous:
            # Two equal rows are two events: only their number tells, and only in a fixed order.
            return Found(result.rows, "weak", checks), []
        previous = present
        idle = idle + 1 if len(seen) == before else 0
        if idle == IDLE_PASSES or len(seen) > total:
            break
    return None, list(seen.values())


def _by_key(rows: list[Any], kind: RowKind) -> dict[Any, Any]:
    return dict(zip(rules.keys_of(rows, kind), rows, strict=True))


def _indistinct(rows: list[Any], kind: RowKind) -> Counter[Any] | None:
    """How often each row is there, if some are there twice and have no key to tell them apart."""
    times = Counter(rules.keys_of(rows, kind))
    twice = [key for key, number in times.items() if number > 1]
    return times if twice and all(map(rules.is_whole, twice)) else None


def double(
    window: Window | None, total: int | None, size: int, kind: RowKind
) -> Generator[Sequence[Ask], Sequence[Page[Any] | None], tuple[Found | None, list[Any]]]:
    """Passes, until one with distinct rows and a short last page is found again in the next.

    At the moment of that short page the list had at most as many rows as the pass had read; and
    each of them was there before and after that moment, hence at it, unless it left and came
    back. So the pass has all rows that the list had then. Also gives the last rows seen.
    """
    found: set[Any] | None = None
    known: list[Any] = []
    weak: Counter[Any] | None = None
    latest = total
    for attempt in range(DOUBLE_PASSES):
        each = rules.page_size_for(latest, size, attempt)
        rows, latest, whole = yield from _whole_pass(window, latest, each, kind)
        by_key = _by_key(rows, kind)
        if found is not None and found <= by_key.keys():
            return Found(list(by_key.values()), "double", len(rows) // each + 1), []
        distinct = whole and len(by_key) == len(rows)
        found = set(by_key) if distinct else found
        present = _indistinct(rows, kind) if whole else None
        if present is not None and present == weak and latest in {None, len(rows)}:
            return Found(rows, "weak", len(rows) // each + 1), []
        known, weak = rows, present
    return None, known


def _whole_pass(
    window: Window | None, total: int | None, size: int, kind: RowKind
) -> Generator[Sequence[Ask], Sequence[Page[Any] | None], tuple[list[Any], int | None, bool]]:
    """Read up to a short page, which is asked for after all others have come: the rows, the
    latest count, and whether the pass holds together."""
    rows: list[Any] = []
    full = 0 if total is None else total // size
    if full:
        pages = yield [Ask(window, number, size) for number in range(1, full + 1)]
        for page in pages:
            if page is not None:
                rows += page.items
        if any(page is None or len(page.items) < size for page in pages):
            counts = [page.total for page in pages if page is not None]
            return rows, counts[-1] if counts else None, False
    seen = set(rules.keys_of(rows, kind))
    for number in count(full + 1):
        (page,) = yield [Ask(window, number, size)]
        if page is None:
            return rows, None, False
        rows += page.items
        total = page.total
        fresh = set(rules.keys_of(page.items, kind)) - seen
        if len(page.items) < size:
            lacking = total is not None and total > len(rows)
            return rows, total, not lacking
        if not fresh:
            return rows, None, False  # the same page for ever
        seen |= fresh
    raise AssertionError("unreachable")  # pragma: no cover


def backward(
    window: Window, pages: int, size: int, kind: RowKind
) -> Generator[Sequence[Ask], Sequence[Page[Any] | None], Found | None]:
    """Pages from the last to the first, strictly one after another, twice.

    Where the order is fixed, a row that stays only moves towards the first page as others leave,
    and so cannot pass a reader that comes from behind. The second time shows that the order held:
    it finds no row that the first one missed, and those both found in the same succession.
    """
    one = yield from _backward_pass(window, pages, size, kind)
    other = yield from _backward_pass(window, pages, size, kind)
    if one is None or other is None or not other.keys() <= one.keys():
        return None
    if [key for key in one if key in other] != list(other):
        return None
    return Found(list(one.values()), "backward", pages)


def _backward_pass(
    window: Window, pages: int, size: int, kind: RowKind
) -> Generator[Sequence[Ask], Sequence[Page[Any] | None], dict[Any, Any] | None]:
    """The rows by key, from the last to the first; None if the server counts more in the end."""
    rows: dict[Any, Any] = {}
    total: int | None = None
    for number in range(pages, 0, -1):
        (page,) = yield [Ask(window, number, size)]
        if page is None and number == 1:
            return None
        total = None if page is None else rules.usable_total(page)
        items = [] if page is None else page.items[::-1]
        for key, row in zip(rules.keys_of(items, kind), items, strict=True):
            rows.setdefault(key, row)
    return rows if total is None or total <= len(rows) else None
