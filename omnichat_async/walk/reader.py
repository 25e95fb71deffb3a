"""How one range is read: the choice among a single page, a certificate, and a cut.

The rules here do no I/O and know no clock. They ask for pages and decide by the answers, so the
tests can put any change of the data between any two instants of the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omnichat_async.calls import DEPTH, FAR
from omnichat_async.walk import certificates, rules
from omnichat_async.walk.leaf import Ask, Cut, Found, Reading, Stuck

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from omnichat_async.calls import Page
    from omnichat_async.paging import RowKind
    from omnichat_async.walk.known import Known
    from omnichat_async.windows import Window

__all__ = ["read_range"]

SHORT_TRIES = 3


def read_range(window: Window | None, known: Known, kind: RowKind) -> Reading:
    """Read a range to all its rows, or to the parts that it must be read in."""
    tries = 0
    while True:
        size = known.size
        (page,) = yield [Ask(window, 1, size)]
        assert page is not None  # only pages further on are ever refused
        known.saw(len(page.items))
        if len(page.items) >= known.size:
            return (yield from _read_full(window, page, known, kind))
        checks, was_full = yield from _look_behind(window, page, size, known)
        if not was_full and rules.usable_total(page) in {None, len(page.items)}:
            known.certified(one_page=True)
            return Found(page.items, "atomic", checks)
        tries += 1
        if tries == SHORT_TRIES:
            reason = f"the server counts {page.total} rows and gives {len(page.items)}"
            return Stuck(page.items, reason)


def _look_behind(
    window: Window | None, page: Page[Any], size: int, known: Known
) -> Generator[Sequence[Ask], Sequence[Page[Any] | None], tuple[int, bool]]:
    """Whether a short page was really a full one of a server that silently gives fewer rows than
    it is asked for. Only its own total, or one as long as the longest seen, is a reason to ask."""
    rows, total = len(page.items), rules.usable_total(page)
    suspicious = rows >= known.longest if total is None else total > rows
    if not rows or not suspicious:
        return 0, False
    (second,) = yield [Ask(window, 2, size)]
    if second is None or not second.items:
        return 1, False
    if rules.same_rows(second.items, page.items):  # the last page again, or equal rows
        (far,) = yield [Ask(window, FAR, size)]
        if far is not None and rules.same_rows(far.items, page.items):
            return 2, False
    known.capped_at(rows)
    return 1, True


def _read_full(window: Window | None, page: Page[Any], known: Known, kind: RowKind) -> Reading:
    """Read a range whose first page is full, so that there may be more."""
    size, total = known.size, rules.usable_total(page)
    if window is None:
        return (yield from _read_list(total, size, kind))
    if kind.aggregated:
        return (yield from _read_whole(window, total, size, kind))
    if window.before - window.after == 1:
        return (yield from _read_crowd(window, total, size, kind))
    if total is None or rules.may_be_capped(total) or total > known.worth_counting:
        target = known.block if known.block > size else known.one_page
        if total is None:
            target = known.one_page
        return Cut(rules.cut_sample(window, page.items, kind, total, target))
    result = yield from certificates.read_counted(window, total, size, kind)
    if result.proved:
        known.certified(one_page=False)
        return Found(result.rows, "count", result.checks)
    known.failed()
    parts = rules.cut_seen(window, result.rows, kind, size)
    if not parts:
        parts = rules.cut_evenly(window, 1 + len(result.rows) // known.one_page)
    gone = 0 if result.total is None else max(0, total - result.total)
    return Cut(parts, departures=gone, failed=True)


def _read_list(total: int | None, size: int, kind: RowKind) -> Reading:
    """Read a list without a range of time: rows come and go, and nothing can be cut."""
    found, seen = yield from certificates.double(None, total, size, kind)
    reason = f"{certificates.DOUBLE_PASSES} passes over the list never agreed"
    return found or Stuck(seen, reason)


def _read_whole(window: Window, total: int | None, size: int, kind: RowKind) -> Reading:
    """Read a range that makes sense only as a whole: a report adds up its rows."""
    if total is not None:
        found, _ = yield from certificates.union(window, total, size, kind)
        if found is not None:
            return found
    found, seen = yield from certificates.double(window, total, size, kind)
    return found or Stuck(seen, "the pages of the window never agreed with the server's count")


def _read_crowd(window: Window, total: int | None, size: int, kind: RowKind) -> Reading:
    """Read a single millisecond that fills more than a page."""
    seen: list[Any] = []
    if total is not None and total != DEPTH:
        found, seen = yield from certificates.union(window, total, size, kind)
        if found is not None:
            return found
    found, rows = yield from certificates.double(window, total, size, kind)
    if found is None and kind.key:
        pages = (total or len(rows)) // size + 1
        if pages * size < DEPTH:
            found = yield from certificates.backward(window, pages, size, kind)
    reason = "more rows in one millisecond than a page holds, and they never held still"
    return found or Stuck(rows or seen, reason)
