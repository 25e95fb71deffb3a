"""Ranges of time: reading them, and cutting them into windows the API accepts.

A range is half-open, ``[after, before)``, in whole epoch milliseconds. Adjacent windows share
their border, so a row on it is in exactly one of them.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeGuard

import attrs

from omnichat_async.errors import InvalidRequest
from omnichat_async.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["MAX_WINDOW", "Checkpoint", "Window", "fingerprint", "is_sound", "split", "to_ms"]

MAX_WINDOW = timedelta(days=7)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
# Epoch seconds of 2014 to 2042; as milliseconds, a few days of January 1970.
_LIKE_SECONDS = range(1_400_000_000, 2_300_000_000)
_YEAR_10000 = 253_402_300_800_000
_FORMAT = 2


def to_ms(field: str, value: datetime | int) -> int:
    """Epoch milliseconds of an aware datetime, or of an int that already is one.

    A fraction of a millisecond is rounded up: for an inclusive start and for an exclusive end
    alike that keeps exactly the rows the datetime asked for. An int that is a moment of January
    1970, and epoch seconds of these years, is refused.
    """
    is_number = not isinstance(value, datetime)
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise InvalidRequest(
                field,
                "needs a time zone, because the API counts in UTC and a naive datetime could "
                "mean any zone; use datetime(..., tzinfo=timezone.utc) or .astimezone()",
                "a naive datetime",
            )
        value = -((EPOCH - value) // MILLISECOND)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(
            field, "must be an aware datetime or epoch milliseconds (int)", type(value).__name__
        )
    if value < 0:
        raise InvalidRequest(field, "must not be before 1970 (epoch milliseconds >= 0)", "less")
    if value >= _YEAR_10000:
        raise InvalidRequest(
            field,
            "must be epoch milliseconds before the year 10000: micro- and nanoseconds look like "
            "more, divide them",
            "more",
        )
    if is_number and value in _LIKE_SECONDS:
        meant = EPOCH + timedelta(seconds=value)
        raise InvalidRequest(
            field,
            f"must be epoch milliseconds, and such numbers look like seconds: {value * 1000} is "
            f"{meant:%Y-%m-%d %H:%M:%S} UTC",
            f"{value}, a moment of January 1970",
        )
    return value


@attrs.frozen(order=True)
class Window:
    """A half-open range of time, ``after <= t < before``, in epoch milliseconds."""

    after: int
    before: int

    __repr__ = shown

    @property
    def start(self) -> datetime:
        """`after` as an aware UTC datetime."""
        return EPOCH + timedelta(milliseconds=self.after)

    @property
    def end(self) -> datetime:
        """`before` as an aware UTC datetime."""
        return EPOCH + timedelta(milliseconds=self.before)


def whole_range(
    after: datetime | int, before: datetime | int, names: tuple[str, str] = ("after", "before")
) -> Window:
    """The range a caller asked for, refused if it is empty or turned round."""
    return in_order(Window(to_ms(names[0], after), to_ms(names[1], before)), names)


def in_order(window: Window, names: tuple[str, str] = ("after", "before")) -> Window:
    """`window`, refused if it is empty or turned round."""
    if window.after >= window.before:
        raise InvalidRequest(
            names[0],
            f"must be earlier than {names[1]}",
            f"{window.after - window.before} ms later",
        )
    return window


def split(window: Window, width: timedelta = MAX_WINDOW) -> Iterator[Window]:
    """Cut `window` into adjacent half-open windows of at most `width`, in time order."""
    step = width // MILLISECOND
    for start in range(window.after, window.before, step):
        yield Window(start, min(start + step, window.before))


def fingerprint(path: str, params: Mapping[str, Any], window: Window | None) -> str:
    """A short name for a query, so that a checkpoint is not used for another one."""
    text = json.dumps(
        [path, sorted((k, v) for k, v in params.items() if v is not None), _pair(window)],
        separators=(",", ":"),
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _pair(window: Window | None) -> list[int] | None:
    return None if window is None else [window.after, window.before]


@attrs.frozen(kw_only=True)
class Checkpoint:
    """Where a walk stands: every row before this place has been handed out.

    `query` names the listing, `window` the start of the current window in epoch ms (None for
    lists without a range), `page` the page within it from 1, `row` the rows of that page
    already handed out, `rows_before` the rows of the window on all earlier pages, `page_size`
    what was asked for and `size` how many rows the server's pages really hold there. `done` says
    that nothing is left. ``str()`` gives one line of JSON to keep; ``Checkpoint.parse`` reads it
    back.
    """

    query: str
    window: int | None
    page: int
    row: int
    page_size: int
    size: int
    done: bool = False
    rows_before: int = 0

    __repr__ = shown

    def __str__(self) -> str:
        return json.dumps({"v": _FORMAT, **attrs.asdict(self)}, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read what ``str()`` wrote."""
        try:
            data = json.loads(text)
            version = data.pop("v")
            checkpoint = cls(**data) if version == _FORMAT else None
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            checkpoint, version = None, _FORMAT
        if version != _FORMAT:
            raise InvalidRequest(
                "resume_from", f"must be of format {_FORMAT}", f"format {version!r}"
            )
        if not is_sound(checkpoint):
            raise InvalidRequest(
                "resume_from", "must be a checkpoint of this package", "something else"
            )
        return checkpoint


def is_sound(checkpoint: object) -> TypeGuard[Checkpoint]:
    """Whether this is a checkpoint that a walk may have written: it may come from anywhere."""
    if not isinstance(checkpoint, Checkpoint):
        return False
    window, page, row = checkpoint.window, checkpoint.page, checkpoint.row
    before, sizes = checkpoint.rows_before, (checkpoint.page_size, checkpoint.size)
    numbers = (0 if window is None else window, page, row, before, *sizes)
    return (
        type(checkpoint.query) is str
        and type(checkpoint.done) is bool
        and all(type(number) is int for number in numbers)
        and min(page, *sizes) >= 1
        and row >= 0
        and (before == 0 if page == 1 else before >= page - 1)
    )
