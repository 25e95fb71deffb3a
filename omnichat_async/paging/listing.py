"""A list endpoint as users see it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from omnichat_async.calls import Page
from omnichat_async.errors import InvalidRequest
from omnichat_async.paging.engine import EXACT, Plan, Position, placed
from omnichat_async.paging.iterators import Pages, Rows, without_first
from omnichat_async.paging.rules import MAX_CONCURRENCY, MAX_PAGE_SIZE
from omnichat_async.windows import Checkpoint, Window, is_sound, split

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from omnichat_async.paging.query import ListQuery, Source
    from omnichat_async.walk import CertifiedWalk

__all__ = ["Listing"]

T = TypeVar("T")


class Listing(Generic[T]):
    """The rows of a list endpoint, however many pages and 7-day windows they fill.

    ``async for row in listing`` gives rows in order, ``listing.pages()`` gives pages, and
    ``await listing`` just the first page. Nothing is sent before that, and each iteration starts
    over. Leaving a loop early cancels what was asked for ahead.

    After a failure the error's ``checkpoint`` (and `checkpoint` here) says how far the rows had
    been handed out; the same listing with ``resume_from=`` goes on there. A row that cannot be
    read raises DecodeError in its turn, and the checkpoint then lies behind it.
    """

    def __init__(
        self,
        query: ListQuery[T],
        source: Source[T],
        *,
        page_size: int = MAX_PAGE_SIZE,
        concurrency: int | None = None,
        resume_from: Checkpoint | str | None = None,
        exact: bool = False,
    ) -> None:
        _check_range("page_size", page_size, MAX_PAGE_SIZE)
        if concurrency is not None:
            _check_range("concurrency", concurrency, MAX_CONCURRENCY)
            source = copy.copy(source)
            source.concurrency = lambda: concurrency
        page_size = int(page_size)  # a member of an enum goes over the wire as its number
        size, start = (
            page_size,
            Position(None if query.window is None else next(split(query.window)), size=page_size),
        )
        if resume_from is not None:
            size, start = _resumed(query, page_size, resume_from, exact=exact)
        self._plan = Plan(query, source, page_size=page_size, size=size, start=start, exact=exact)

    def __repr__(self) -> str:
        window = self.window
        span = "" if window is None else f", {window.start} to {window.end}"
        return f"Listing(GET {self._plan.query.path}{span})"

    @property
    def window(self) -> Window | None:
        """The whole range of time asked for, or None for lists without one."""
        return self._plan.query.window

    @property
    def checkpoint(self) -> Checkpoint:
        """How far the rows have been handed out by the latest iteration."""
        return self._plan.checkpoint(self._plan.position)

    def __await__(self) -> Generator[Any, None, Page[T]]:
        return self._first_page().__await__()

    def __aiter__(self) -> Rows[T]:
        return Rows(self.pages())

    def pages(self) -> Pages[T]:
        """The pages that hold rows, in order."""
        return Pages(self._plan)

    def walk(
        self,
        *,
        ranges: Sequence[Window] | None = None,
        horizon: int | None = None,
        row_budget: int = 20_000,
        lag_s: float = 60.0,
        on_incomplete: Literal["raise", "record"] = "raise",
        as_text: bool = False,
    ) -> CertifiedWalk:
        """A certified walk over the server's own rows, range by range, whatever `exact` says.

        `ranges` are what is left to read (by default all), `horizon` is the one of a walk that is
        gone on with (epoch ms), `row_budget` bounds the rows held behind the range that is next,
        `lag_s` is how many seconds before the server's now a walk ends at the latest. With
        `on_incomplete` "record" a range that cannot be certified becomes a leaf that says so,
        and does not raise Incomplete. With `as_text` leaves have rows as their JSON text, each one
        line of UTF-8 in bytes, which takes half the memory and less CPU. Raises InvalidRequest for
        ranges that do not fit.
        """
        return self._plan.walk(
            ranges=ranges,
            horizon=horizon,
            row_budget=row_budget,
            lag_s=lag_s,
            on_incomplete=on_incomplete,
            as_text=as_text,
        )

    async def _first_page(self) -> Page[T]:
        plan, start = self._plan, self._plan.start
        if start.done:
            return Page([])
        page = await plan.source.fetch_now(plan.call(start.window, start.page))
        return without_first(placed(page, start.window, start.page), start.row)


def _resumed(
    query: ListQuery[T], page_size: int, given: Checkpoint | str, *, exact: bool
) -> tuple[int, Position]:
    """The page size learnt and the position to go on from, if the checkpoint fits the query."""
    checkpoint = Checkpoint.parse(given) if isinstance(given, str) else given
    if not is_sound(checkpoint):
        raise InvalidRequest(
            "resume_from", "must be a checkpoint of this package", "something else"
        )
    if checkpoint.query == query.name + EXACT * (not exact):
        raise InvalidRequest(
            "exact", f"must be {not exact} to go on from this checkpoint", str(exact)
        )
    if checkpoint.query != query.name + EXACT * exact:
        raise InvalidRequest(
            "resume_from",
            "must come from the same query: same filters, same range to the millisecond",
            "a checkpoint of another one",
        )
    if checkpoint.page_size != page_size:
        raise InvalidRequest(
            "page_size", f"must be {checkpoint.page_size}, as when the walk began", str(page_size)
        )
    if checkpoint.done:
        return checkpoint.size, Position(None, done=True, size=checkpoint.size)
    window = None
    if query.window is not None:
        window = _window_at(query.window, checkpoint.window, exact=exact)
    return checkpoint.size, Position(
        window,
        checkpoint.page,
        checkpoint.row,
        rows_before=checkpoint.rows_before,
        size=checkpoint.size,
    )


def _window_at(whole: Window, after: int | None, *, exact: bool) -> Window:
    """The window of a checkpoint. Certified ranges begin anywhere, the others where windows do."""
    if exact and after is not None and whole.after <= after < whole.before:
        return next(split(Window(after, whole.before)))
    window = next((each for each in split(whole) if each.after == after), None)
    if window is None:
        raise InvalidRequest("resume_from", "must name one of the windows", "another time")
    return window


def _check_range(field: str, value: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidRequest(field, f"must be 1 to {most}", repr(value))
