"""Pure rules of a certified walk: keys, totals, page numbers, and where to cut a range."""

from __future__ import annotations

import itertools
import json
import math
import operator
from bisect import bisect_left, bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

from omnichat_async.codec import lines_of, loads
from omnichat_async.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from omnichat_async.calls import Page
    from omnichat_async.paging import RowKind

__all__ = [
    "Kept",
    "cut_evenly",
    "cut_sample",
    "cut_seen",
    "handed_out",
    "is_consistent",
    "is_whole",
    "is_width_refusal",
    "kept",
    "key_of",
    "keys_of",
    "may_be_capped",
    "page_numbers",
    "page_size_for",
    "same_rows",
    "sorted_rows",
    "time_of",
    "times_of",
    "usable_total",
]

Kept: TypeAlias = tuple[Any, int | None, bytes]
"""A row of which the text is kept: its key, its time, and that."""

MAX_PARTS = 64
SAMPLES_PER_PART = 4
_ROUND = 1_000
_SEEN_FILL = 0.95


# ---- rows --------------------------------------------------------------------------------------


def key_of(row: Any, kind: RowKind) -> Any:
    """What tells a row from all others: its key field, a tuple of several, or else all of it."""
    if isinstance(row, dict) and kind.key:
        parts = [_at(row, path) for path in kind.key]
        if any(isinstance(part, str | int) and part != "" for part in parts):
            known = [part if isinstance(part, str | int) else None for part in parts]
            return known[0] if len(known) == 1 else tuple(known)
    return (json.dumps(row, sort_keys=True, ensure_ascii=False),)


def is_whole(key: Any) -> bool:
    """Whether a key is all of a row, so that several rows may have it."""
    return type(key) is tuple and len(key) == 1


def keys_of(rows: Sequence[Any], kind: RowKind) -> list[Any]:
    """The key of each row."""
    if _are_kept(rows):
        return [key for key, _, _ in rows]
    # Field by field for all rows at once, where all that is found is plain text: nearly always.
    columns = [_column(rows, path) for path in kind.key]
    if columns and all(set(map(type, column)) == {str} and all(column) for column in columns):
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    return [key_of(row, kind) for row in rows]


def time_of(row: Any, kind: RowKind) -> int | None:
    """The time of a row in epoch ms, or None if it has none that can be read."""
    if kind.time is None or not isinstance(row, dict):
        return None
    value = _at(row, kind.time)
    return value if type(value) is int else None


def times_of(rows: Sequence[Any], kind: RowKind) -> list[int | None]:
    """The time of each row, or None."""
    if _are_kept(rows):
        return [time for _, time, _ in rows]
    times = _column(rows, kind.time) if kind.time is not None else []
    return times if set(map(type, times)) == {int} else [time_of(row, kind) for row in rows]


def sorted_rows(rows: list[Any], kind: RowKind) -> list[Any]:
    """Rows by time and key; those without a time first, and untouched where no row has any."""
    if kind.time is None:
        return rows
    times = [-1 if time is None else time for time in times_of(rows, kind)]
    order = sorted(range(len(rows)), key=times.__getitem__)
    ordered = list(map(rows.__getitem__, order))
    times.sort()
    # Most times have one row, whose key need not be known.
    for time in {time for time, after in itertools.pairwise(times) if time == after}:
        same = slice(bisect_left(times, time), bisect_right(times, time))
        texts = map(_text_of, keys_of(ordered[same], kind))
        pairs = sorted(zip(texts, ordered[same], strict=True), key=operator.itemgetter(0))
        ordered[same] = [row for _, row in pairs]
    return ordered


def _text_of(key: Any) -> str:
    """What rows of one time are sorted by."""
    if is_whole(key):
        return str(key[0])
    return str(key if type(key) is tuple else (key,))


def kept(rows: list[Any], kind: RowKind) -> list[Kept]:
    """Rows as their text and all that these rules need to know, which they may be already."""
    if _are_kept(rows):
        return rows
    return list(zip(keys_of(rows, kind), times_of(rows, kind), lines_of(rows), strict=True))


def same_rows(one: list[Any], other: list[Any]) -> bool:
    """Whether these are equal rows, in the same order, however their text is spelled."""
    if not (_are_kept(one) and _are_kept(other)):
        return one == other
    if [known[:2] for known in one] != [known[:2] for known in other]:
        return False
    texts = ((first[2], second[2]) for first, second in zip(one, other, strict=True))
    return all(first == second or loads(first) == loads(second) for first, second in texts)


def handed_out(rows: list[Any]) -> list[Any]:
    """Rows as a leaf has them: their text if that was kept, or they themselves."""
    return [text for _, _, text in rows] if _are_kept(rows) else rows


def _are_kept(rows: Sequence[Any]) -> bool:
    return bool(rows) and type(rows[0]) is tuple  # JSON has none


def _column(rows: Sequence[Any], path: str) -> list[Any]:
    """What each row holds at a path; nothing at all if one of them leads nowhere."""
    values: Iterable[Any] = rows
    for name in path.split("."):
        values = map(operator.itemgetter(name), values)
    try:
        return list(values)
    except (KeyError, TypeError):
        return []


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


def cut_seen(window: Window, rows: Sequence[Any], kind: RowKind, size: int) -> list[Window]:
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
    times = [time for time in times_of(rows, kind) if time is not None]
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


def _times_within(window: Window, rows: Sequence[Any], kind: RowKind) -> list[int]:
    """The sorted times of rows, nothing if they are not those the server filters by."""
    times = times_of(rows, kind)
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
