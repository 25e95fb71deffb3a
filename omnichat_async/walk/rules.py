"""Pure rules of a certified walk: keys, totals, page numbers, and where to cut a range."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from omnichat_async.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from omnichat_async.calls import Page
    from omnichat_async.paging import RowKind

__all__ = [
    "cut_evenly",
    "cut_sample",
    "cut_seen",
    "is_consistent",
    "is_width_refusal",
    "key_of",
    "keys_of",
    "may_be_capped",
    "page_numbers",
    "page_size_for",
    "sorted_rows",
    "time_of",
    "usable_total",
]

MAX_PARTS = 64
SAMPLES_PER_PART = 4
_ROUND = 1_000
_SEEN_FILL = 0.95


# ---- rows --------------------------------------------------------------------------------------


def key_of(row: Any, kind: RowKind) -> Any:
    """What tells a row from all others: its key fields, or else all of it."""
    if isinstance(row, dict) and kind.key:
        parts = tuple([_at(row, path) for path in kind.key])
        if len(parts) == 1 and type(parts[0]) is str and parts[0]:
            return parts  # nearly always
        if any(isinstance(part, str | int) and part != "" for part in parts):
            return tuple(part if isinstance(part, str | int) else None for part in parts)
    return json.dumps(row, sort_keys=True, ensure_ascii=False)


def keys_of(rows: Iterable[Any], kind: RowKind) -> set[Any]:
    """The keys of some rows."""
    return {key_of(row, kind) for row in rows}


def time_of(row: Any, kind: RowKind) -> int | None:
    """The time of a row in epoch ms, or None if it has none that can be read."""
    if kind.time is None or not isinstance(row, dict):
        return None
    value = _at(row, kind.time)
    return value if type(value) is int else None


def sorted_rows(rows: list[Any], kind: RowKind) -> list[Any]:
    """Rows by time and key; those without a time first, and untouched where no row has any."""
    if kind.time is None:
        return rows

    by_time: dict[int, list[Any]] = {}
    for row in rows:
        time = time_of(row, kind)
        by_time.setdefault(-1 if time is None else time, []).append(row)
    ordered: list[Any] = []
    for time in sorted(by_time):
        same = by_time[time]
        # Most times have one row, whose key need not be known.
        ordered += same if len(same) == 1 else sorted(same, key=lambda row: str(key_of(row, kind)))
    return ordered


def _at(row: dict[str, Any], path: str) -> Any:
    if "." not in path:
        return row.get(path)
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


# ---- totals and pages --------------------------------------------------------------------------


def usable_total(page: Page[Any]) -> int | None:
    """The server's count, unless the page itself refutes it."""
    return page.total if page.total is not None and page.total >= len(page.items) else None


def may_be_capped(total: int) -> bool:
    """Whether a count looks like the place where a server stops counting."""
    return total > 0 and total % _ROUND == 0


def page_numbers(total: int, size: int) -> list[int]:
    """The pages that hold `total` rows, and one more where the last of them is full: only a page
    that is not full shows that the rows end there."""
    return list(range(1, total // size + 2))


def page_size_for(total: int | None, size: int, attempt: int) -> int:
    """A page size at which the last page is not full, so that no page past the end is needed to
    see it; servers answer those in all manner of ways. Without a total another one each time."""
    if total is None:
        return max(size - attempt, size // 2, 1)
    return next((each for each in range(size, size // 2, -1) if total % each), size)


def is_consistent(pages: Sequence[Page[Any] | None], total: int, size: int) -> bool:
    """Whether the server gave all pages of `total` rows, and counted no more with any of them.

    The page past full ones may be refused.
    """
    needed = pages if total % size else pages[:-1]
    return all(page is not None and (page.total is None or page.total <= total) for page in needed)


def is_width_refusal(code: str) -> bool:
    """Whether an error code is the one for a range that is too long."""
    return code.startswith("INVALID_REQUEST_PARAMETER")


# ---- cuts --------------------------------------------------------------------------------------


def cut_seen(window: Window, rows: Iterable[Any], kind: RowKind, size: int) -> list[Window]:
    """Cut where nearly all rows of a range were seen: parts that fit one page just so."""
    times = _times_within(window, rows, kind)
    if not times:
        return []
    # What was missed while rows moved lies anywhere: a little room, and some for small pages.
    room = max(1, min(math.floor(size * _SEEN_FILL), size - 1))
    return _at_quantiles(window, times, min(MAX_PARTS, max(2, math.ceil(len(times) / room))))


def cut_sample(
    window: Window, rows: list[Any], kind: RowKind, total: int | None, target: int
) -> list[Window]:
    """Cut by what the first page shows into parts of about `target` rows.

    A page in time order is a prefix (or a suffix): it shows where the rows begin and whether a
    single millisecond fills it. Any other page is a sample of the whole.
    """
    times = [time for row in rows if (time := time_of(row, kind)) is not None]
    inside = all(window.after <= time < window.before for time in times)
    if not inside or len(times) < len(rows) / 2 or len(times) < 2:
        return cut_evenly(window, _parts_for(total, target, len(rows)))
    up = all(a <= b for a, b in itertools.pairwise(times))
    down = all(a >= b for a, b in itertools.pairwise(times))
    if up or down:
        return _cut_run(window, times, total, target, up=up)
    parts = min(_parts_for(total, target, len(rows)), max(2, len(times) // SAMPLES_PER_PART))
    return _at_quantiles(window, sorted(times), parts)


def cut_evenly(window: Window, parts: int) -> list[Window]:
    """Parts of equal width, at least two of them."""
    width = window.before - window.after
    parts = min(max(2, parts), width, MAX_PARTS)
    borders = {window.after + width * each // parts for each in range(1, parts)}
    return _between(window, borders)


def _parts_for(total: int | None, target: int, seen: int) -> int:
    return math.ceil((total or 2 * max(target, seen)) / target)


def _cut_run(
    window: Window, times: list[int], total: int | None, target: int, *, up: bool
) -> list[Window]:
    """Cut a range whose first page holds its earliest rows (`up`), or its latest."""
    first, last = min(times), max(times)
    crowd = first if up else last
    if first == last or Counter(times)[crowd] > len(times) / 2:
        return _between(window, {crowd, crowd + 1})
    rest = Window(first, window.before) if up else Window(window.after, last + 1)
    if total is None:
        width = rest.before - rest.after
        total = len(times) * width // (last - first)  # as dense throughout as here
    borders = {rest.after, rest.before}
    if rest.before - rest.after > 1:
        borders |= {part.after for part in cut_evenly(rest, math.ceil(total / target))}
    return _between(window, borders)


def _times_within(window: Window, rows: Iterable[Any], kind: RowKind) -> list[int]:
    """The sorted times of rows, nothing if they are not those the server filters by."""
    times = [time_of(row, kind) for row in rows]
    known = [time for time in times if time is not None]
    if len(known) * 2 < len(times) or any(not window.after <= t < window.before for t in known):
        return []
    return sorted(known)


def _at_quantiles(window: Window, times: list[int], parts: int) -> list[Window]:
    """Cut at the quantiles of sorted times. A millisecond that spans several of them is crowded
    and becomes a part of its own."""
    marks = [times[len(times) * each // parts] for each in range(1, parts)]
    borders = set(marks) | {mark + 1 for mark, count in Counter(marks).items() if count > 1}
    if not borders - {window.after, window.before}:
        # All marks lie on the first millisecond of the range.
        borders = {window.after + 1, (window.after + window.before) // 2}
    return _between(window, borders)


def _between(window: Window, borders: set[int]) -> list[Window]:
    inside = sorted(border for border in borders if window.after < border < window.before)
    edges = [window.after, *inside, window.before]
    return [Window(a, b) for a, b in itertools.pairwise(edges)]
