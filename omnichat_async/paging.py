"""Listings: async iterators over numbered pages and windows of time.

A walk asks for pages ahead, several at once, and hands them out in order. The server's total
says how far ahead there is something to ask for; it never ends a walk. A window ends with the
page that shows it: an empty one, or a short one when everything the server counted was seen.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from itertools import dropwhile
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypedDict, TypeVar

import attrs

from omnichat_async.calls import DEPTH, FAR, Answer, Call, Page, Safety
from omnichat_async.errors import (
    BadRequest,
    DecodeError,
    Incomplete,
    InvalidRequest,
    NotFound,
    NotSent,
    OmnichatError,
)
from omnichat_async.loops import call_from_finalizer
from omnichat_async.windows import Checkpoint, Window, fingerprint, is_sound, split

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence

    from omnichat_async.walk import CertifiedWalk
    from omnichat_async.walk.pages import CertifiedPages

__all__ = ["ListQuery", "Listing", "WalkOptions"]

T = TypeVar("T")

MAX_PAGE_SIZE = 100
DEFAULT_CONCURRENCY = 4
MAX_CONCURRENCY = 64
_EXACT = "-exact"


class WalkOptions(TypedDict, total=False):
    """Options that every listing takes.

    `page_size` is the rows per request, 1 to 100 (100). `concurrency` is how many pages are
    asked for at once, 1 to 64 (by default what the rate limit and the server's answering time
    call for). `resume_from` is a checkpoint, or its text, of an earlier walk over the same query.
    `exact` makes the walk a certified one (False): rows that others move while it reads are
    neither lost nor doubled, or it raises Incomplete. Its pages are ranges that were proved to
    be complete, in order of time.
    """

    page_size: int
    concurrency: int | None
    resume_from: Checkpoint | str | None
    exact: bool


@attrs.frozen(kw_only=True)
class RowKind:
    """What the rows of a list are, which a certified walk must know.

    `key` names the fields that together tell a row from all others (``channel.channelId`` for
    one inside another); without them rows are told apart by all they hold, and equal ones are
    several. `time` names the field with the time that the range filters by, in epoch ms. `moves`
    says that others change that time. `aggregated` rows sum up their range, so that it must not
    be cut. `block` is how many rows to read under one certificate, at first.
    """

    key: tuple[str, ...] = ()
    time: str | None = None
    moves: bool = False
    aggregated: bool = False
    block: int = 5_000


@attrs.frozen(kw_only=True)
class ListQuery(Generic[T]):
    """What a listing asks: path, fixed parameters, a range of time, the model and the kind of its
    rows."""

    path: str
    model: type[Any] | None
    params: Mapping[str, str | int | None] = attrs.field(factory=dict)
    window: Window | None = None
    window_names: tuple[str, str] = ("after", "before")
    path_params: Mapping[str, str] = attrs.field(factory=dict)
    kind: RowKind = RowKind()

    @property
    def name(self) -> str:
        """A short name of the query, for its checkpoints."""
        return fingerprint(self.path, {**self.params, **self.path_params}, self.window)

    def call(self, window: Window | None, page: int, page_size: int) -> Call[Page[T]]:
        """The request for one page."""
        range_params: dict[str, int] = {}
        if window is not None:
            range_params = dict(zip(self.window_names, (window.after, window.before), strict=True))
        return Call(
            method="GET",
            path=self.path,
            safety=Safety.READ,
            answer=Answer("page", self.model),
            path_params=self.path_params,
            params={**self.params, **range_params, "page": page, "pageSize": page_size},
        )


@attrs.frozen(kw_only=True)
class Source(Generic[T]):
    """Where pages come from: `fetch` executes a page's call in the bulk lane, `fetch_now` in the
    interactive one, `concurrency` says how many pages to ask for at once just now, `server_now`
    what the server's clock shows, in epoch ms (None while nobody knows)."""

    fetch: Callable[[Call[Page[T]]], Awaitable[Page[T]]]
    fetch_now: Callable[[Call[Page[T]]], Awaitable[Page[T]]]
    concurrency: Callable[[], int]
    server_now: Callable[[], float | None] = lambda: None


# ---- pure rules --------------------------------------------------------------------------------


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


# ---- the engine: pages of one walk, in order, asked for ahead ----------------------------------


@attrs.define
class Position:
    """Where a walk stands; see Checkpoint."""

    window: Window | None
    page: int = 1
    row: int = 0
    done: bool = False
    rows_before: int = 0
    size: int = MAX_PAGE_SIZE


@attrs.define(eq=False)
class _Range(Generic[T]):
    """The pages of one window: those asked for and not yet handed out, in order."""

    window: Window | None
    next_number: int
    size: int
    pages: deque[asyncio.Task[Page[T]]] = attrs.field(factory=deque)
    rows: int = 0
    longest: int = 0
    total: int | None = None
    previous: Page[T] | None = None

    def known_pages(self) -> int:
        """How many pages are sure to be needed: up to the short or empty one that ends the range,
        as the server counts. Without its count that is only the first."""
        return 1 if self.total is None else self.total // self.size + 1


@attrs.define
class _Plan(Generic[T]):
    """What a listing and its walks share: the query, and how far the latest walk has got.

    `size` is how many rows full pages hold by what earlier ranges proved, which may be less than
    `page_size`. `proved` says that pages still are as long as when the walk began.
    """

    query: ListQuery[T]
    source: Source[T]
    page_size: int
    size: int
    start: Position
    position: Position
    proved: bool = False
    exact: bool = False

    def engine(self, start: Position) -> _Engine[T] | CertifiedPages[T]:
        """What gives the pages from `start` on."""
        if not self.exact:
            return _Engine(self, start)
        from omnichat_async.walk.pages import CertifiedPages  # noqa: PLC0415 - few need it

        whole = self.query.window
        ranges = None
        if whole is not None and start.window is not None:
            ranges = [Window(start.window.after, whole.before)]
        return CertifiedPages(self.walk(ranges=ranges), self.query.model, whole, start)

    def walk(self, **options: Any) -> CertifiedWalk:
        """A certified walk over the query."""
        from omnichat_async.walk import CertifiedWalk  # noqa: PLC0415 - few need it

        return CertifiedWalk(self.query, self.source, page_size=self.page_size, **options)

    def call(self, window: Window | None, number: int) -> Call[Page[T]]:
        return self.query.call(window, number, self.page_size)

    def checkpoint(self, at: Position) -> Checkpoint:
        return Checkpoint(
            query=self.query.name + _EXACT * self.exact,
            window=None if at.window is None else at.window.after,
            page=at.page,
            row=0 if self.exact else at.row,  # the leaf may be another one next time
            page_size=self.page_size,
            size=at.size,
            rows_before=at.rows_before,
            done=at.done,
        )


class _Closed(Exception):  # noqa: N818 - a signal inside this room, never seen by a caller
    """The walk was closed while somebody waited for its next page."""


class _Engine(Generic[T]):
    """Keeps requests in flight and gives out pages in order.

    At most `concurrency` requests are under way, and as many answers wait at most, so memory
    does not depend on how much there is to read. An opened window goes before a new one, and
    the page that everybody waits for goes before all others. After an error it is of no use.
    """

    def __init__(self, plan: _Plan[T], start: Position) -> None:
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._longest = 0
        self._under_way: set[asyncio.Task[Page[T]]] = set()
        self._ahead: set[asyncio.Task[Page[T]]] = set()
        self._windows = _windows_from(plan.query.window, start)
        first = _Range[T](next(self._windows), start.page, start.size, rows=start.rows_before)
        first.longest = start.size if start.rows_before else 0
        self._ranges: deque[_Range[T]] = deque([first])
        self._closed = False
        self._holding = False
        self._ask(first)

    @property
    def position(self) -> Position:
        """The place of the page that is next."""
        if not self._ranges:
            return Position(None, done=True, size=self._plan.size)
        head = self._ranges[0]
        number = head.next_number - len(head.pages)
        size = head.longest or head.size  # what the pages of this window did hold
        return Position(head.window, number, rows_before=head.rows, size=size)

    async def next(self) -> tuple[Page[T], Position]:
        """The next page with rows and its place; `position` is then behind it.
        StopAsyncIteration at the end."""
        while self._ranges:
            head = self._ranges[0]
            if not head.pages:
                await self._room()
                self._ask(head)
            if head.rows and not self._plan.proved:
                await self._prove(head)
            page = await self._in_turn(head)
            if await self._is_repeat(head, page):
                page = attrs.evolve(page, items=[], rejected={})
            if not row_count(page):
                await self._check_end(head, page)
            place = self.position
            self._ahead.discard(head.pages.popleft())
            self._settle(head, page)
            if row_count(page):
                return page, place
        raise StopAsyncIteration

    def cancel(self) -> None:
        """Ask for nothing more and cancel what is under way."""
        self._closed = True
        for task in self._under_way:
            if not task.cancelling():  # a range that ended early has cancelled some already
                task.cancel()

    async def aclose(self) -> None:
        """Cancel, and wait until every request has ended."""
        self.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    def abandon(self) -> None:
        """Cancel from a finalizer."""
        call_from_finalizer(self._loop, self.cancel)

    def _settle(self, head: _Range[T], page: Page[T]) -> None:
        """Take the head's next page into account."""
        rows = row_count(page)
        if page.total is not None:
            head.total = page.total
        last = is_last(rows, head.rows, head.total, head.size, self._longest)
        head.size = true_size(head.size, page.number, rows, head.rows)
        if rows and page.number <= 2:
            self._plan.size = head.size
        self._plan.proved = True
        self._longest = max(self._longest, rows)
        head.longest = max(head.longest, rows)
        head.rows += rows
        head.previous = page
        if last:
            self._ranges.popleft()
            for task in head.pages:
                self._ahead.discard(task)
                task.cancel()
            if not self._ranges:
                self._open_next()
        self._top_up()

    async def _in_turn(self, head: _Range[T]) -> Page[T]:
        """The head's next page. One asked ahead that found no room in the queue is asked again."""
        task = head.pages[0]
        try:
            return await self._answer(task)
        except NotSent:
            if task not in self._ahead:
                raise
        return await self._look(head, head.next_number - len(head.pages))

    async def _prove(self, head: _Range[T]) -> None:
        """Before a resumed walk goes on: pages must be as long as they were, or their numbers
        mean other rows."""
        first = await self._look(head, 1)
        rows = row_count(first)
        if rows > head.longest or (
            rows < head.longest and (first.total is None or rows < first.total)
        ):
            raise Incomplete(
                f"resume_from: the server's pages hold {rows} rows now and held {head.longest} "
                "before, so rows would be lost or doubled: start over without resume_from"
            )

    async def _check_end(self, head: _Range[T], page: Page[T]) -> None:
        """An empty page ends a range, unless the server counts more rows than it gave."""
        total = head.total if page.total is None else page.total
        if not is_cut_short(head.rows, total):
            return
        first = await self._look(head, 1)  # the count may be old
        if is_cut_short(max(head.rows, row_count(first)), first.total):
            raise Incomplete(
                f"the server counts {first.total} rows and gave {head.rows}, then an empty page: "
                "ask for a shorter range, or resume later"
            )

    async def _is_repeat(self, head: _Range[T], page: Page[T]) -> bool:
        """Whether the server, asked for a page past the end, sent its last page again."""
        if page.number == 1 or not row_count(page):
            return False
        previous = head.previous
        if previous is None:  # a walk that was resumed here
            if page.total is not None and head.rows < page.total:
                return False
            previous = await self._look(head, page.number - 1)
        if not same_rows(page, previous):
            return False
        # Rows without an id may be equal for a whole page; then they are not at every number.
        return same_rows(page, await self._look(head, page.number + FAR))

    # ---- requests ------------------------------------------------------------------------------

    def _ask(self, target: _Range[T]) -> None:
        """Ask for the next page of a range."""
        target.pages.append(self._start(target, target.next_number))
        target.next_number += 1

    async def _look(self, target: _Range[T], number: int) -> Page[T]:
        """A page out of turn."""
        await self._room()
        return await self._answer(self._start(target, number))

    async def _room(self) -> None:
        """Wait until one more request may be under way; meanwhile nothing is asked for ahead."""
        self._holding = True
        while len(self._under_way) >= self._plan.source.concurrency():
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        self._holding = False

    def _start(self, target: _Range[T], number: int) -> asyncio.Task[Page[T]]:
        if self._closed:
            raise _Closed
        task = self._loop.create_task(self._fetch(target, number))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    async def _answer(self, task: asyncio.Task[Page[T]]) -> Page[T]:
        if not task.done():
            await asyncio.wait({task})
        if self._closed:
            raise _Closed
        return task.result()

    async def _fetch(self, target: _Range[T], number: int) -> Page[T]:
        plan, window = self._plan, target.window
        try:
            page = await plan.source.fetch(plan.call(window, number))
        except (BadRequest, NotFound) as error:
            if number == 1 or not error.code:  # without a code nobody of the API said so
                raise
            # Refused for what it asks, or because it lies past the end? The count may be old.
            first = await plan.source.fetch(plan.call(window, 1))
            if not is_past_end(number, target.size, plan.page_size, first.total):
                raise
            page = Page([], first.total)
        if target.total is None:
            target.total = page.total
        return placed(page, window, number)

    def _ended(self, task: asyncio.Task[Page[T]]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: nobody may ever come to fetch this answer
        self._top_up()

    # ---- asking ahead --------------------------------------------------------------------------

    def _top_up(self) -> None:
        """Ask for what is worth having, up to the bounds."""
        if self._closed or self._holding:
            return
        at_once = self._plan.source.concurrency()
        held = sum(len(each.pages) for each in self._ranges)
        room = min(at_once - len(self._under_way), 2 * at_once - held)
        for each in self._ranges:
            while room > 0 and each.next_number <= each.known_pages():
                self._ask(each)
                self._ahead.add(each.pages[-1])
                room -= 1
        while room > 0 and self._open_next():
            self._ask(self._ranges[-1])
            self._ahead.add(self._ranges[-1].pages[-1])
            room -= 1

    def _open_next(self) -> bool:
        for window in self._windows:
            self._ranges.append(_Range(window, 1, self._plan.size))
            return True
        return False


def _windows_from(whole: Window | None, start: Position) -> Iterator[Window | None]:
    if whole is None:
        return iter([None])
    return dropwhile(lambda each: each != start.window, split(whole))


def placed(page: Page[T], window: Window | None, number: int) -> Page[T]:
    """`page` with its place, which report rows carry too, since they make no sense without."""
    if window is not None and page.items and hasattr(page.items[0], "window"):
        for item in page.items:
            item.window = window  # type: ignore[attr-defined]
    return Page(page.items, page.total, number, window, page.rejected)


# ---- what users see ----------------------------------------------------------------------------


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
            source = attrs.evolve(source, concurrency=lambda: concurrency)
        size, start = (
            page_size,
            Position(None if query.window is None else next(split(query.window)), size=page_size),
        )
        if resume_from is not None:
            size, start = _resumed(query, page_size, resume_from, exact=exact)
        self._plan = _Plan(query, source, page_size, size, start, start, exact=exact)

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
    ) -> CertifiedWalk:
        """A certified walk over the server's own rows, range by range, whatever `exact` says.

        `ranges` are what is left to read (by default all), `horizon` is the one of a walk that is
        gone on with (epoch ms), `row_budget` bounds the rows held behind the range that is next,
        `lag_s` is how many seconds before the server's now a walk ends at the latest. With
        `on_incomplete` "record" a range that cannot be certified becomes a leaf that says so,
        and does not raise Incomplete. Raises InvalidRequest for ranges that do not fit.
        """
        return self._plan.walk(
            ranges=ranges,
            horizon=horizon,
            row_budget=row_budget,
            lag_s=lag_s,
            on_incomplete=on_incomplete,
        )

    async def _first_page(self) -> Page[T]:
        plan, start = self._plan, self._plan.start
        if start.done:
            return Page([])
        page = await plan.source.fetch_now(plan.call(start.window, start.page))
        return _without_first(placed(page, start.window, start.page), start.row)


def _resumed(
    query: ListQuery[T], page_size: int, given: Checkpoint | str, *, exact: bool
) -> tuple[int, Position]:
    """The page size learnt and the position to go on from, if the checkpoint fits the query."""
    checkpoint = Checkpoint.parse(given) if isinstance(given, str) else given
    if not is_sound(checkpoint):
        raise InvalidRequest(
            "resume_from", "must be a checkpoint of this package", "something else"
        )
    if checkpoint.query == query.name + _EXACT * (not exact):
        raise InvalidRequest(
            "exact", f"must be {not exact} to go on from this checkpoint", str(exact)
        )
    if checkpoint.query != query.name + _EXACT * exact:
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


class Pages(Generic[T]):
    """An async iterator over the pages of a listing. ``aclose()`` ends it early."""

    def __init__(self, plan: _Plan[T]) -> None:
        self._plan = plan
        self._engine: _Engine[T] | CertifiedPages[T] | None = None
        self._waiting = False
        self._closed = False
        self.move(attrs.evolve(plan.start))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[T]:
        page, behind = await self.next()
        rest = _without_first(page, self.row)
        self.move(behind)
        return rest

    @property
    def row(self) -> int:
        """How many rows of the present page are handed out already."""
        return self._here.row

    async def next(self) -> tuple[Page[T], Position]:
        """Go to the next page with rows to hand out; also the position behind it."""
        if self._waiting:
            raise RuntimeError(
                "another task waits for the next row of this iterator: give each its own, "
                "or hand the rows on through a queue"
            )
        self._waiting = True
        try:
            while True:
                page, behind = await self._advance()
                if self.row < row_count(page):
                    return page, behind
                # The page has shrunk since a checkpoint in its middle was written.
                self.move(behind)
        finally:
            self._waiting = False

    async def _advance(self) -> tuple[Page[T], Position]:
        if self._closed or self._here.done:
            await self._stop()
            raise StopAsyncIteration
        if self._engine is None:
            self._engine = self._plan.engine(self._here)
            if self._plan.exact:
                self._here.row = 0  # a range that is read again is handed out again
        engine = self._engine
        try:
            page, place = await engine.next()
        except StopAsyncIteration:
            self.move(engine.position)
            await self.aclose()
            raise
        except _Closed:
            raise StopAsyncIteration from None
        except GeneratorExit:  # a coroutine that is thrown away must not wait
            self._engine = None
            engine.abandon()
            raise
        except BaseException as error:
            # A walk that was cancelled starts again from its position when it is asked to.
            self._pass(engine.position)
            await self._stop()
            if isinstance(error, OmnichatError):
                self.mark(error)
            raise
        self._pass(place)
        return page, engine.position

    def _pass(self, position: Position) -> None:
        """Nothing is left to hand out before `position`, though it may lie behind us in a page."""
        here = self._here
        if (position.window, position.page) != (here.window, here.page):
            self.move(position)

    def mark(self, error: OmnichatError) -> None:
        """Put the present place on an error."""
        error.checkpoint = self._plan.checkpoint(self._here)

    @property
    def here(self) -> Position:
        """The present place. Whoever hands out single rows counts them there."""
        return self._here

    def move(self, position: Position) -> None:
        """All rows before `position` are handed out."""
        self._here = self._plan.position = position

    async def aclose(self) -> None:
        """End the iteration: cancel what was asked for ahead and wait until it has ended."""
        self._closed = True
        await self._stop()

    async def _stop(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.aclose()

    def __del__(self) -> None:
        # A loop left with break drops its iterator: nothing it asked for may stay behind.
        if self._engine is not None:
            self._engine.abandon()


class Rows(Generic[T]):
    """An async iterator over the rows of a listing. ``aclose()`` ends it early."""

    def __init__(self, pages: Pages[T]) -> None:
        self._pages = pages
        self._left: list[T | DecodeError] = []  # of the present page, the next one at the end
        self._here = self._behind = Position(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        # A walk comes here for every row: nothing is called, and nothing waited for, but at the
        # end of a page.
        if not self._left:
            page, self._behind = await self._pages.next()
            self._here = self._pages.here
            self._left = in_order(page)[self._here.row :]
            self._left.reverse()
        entry = self._left.pop()
        if self._left:
            self._here.row += 1
        else:
            self._pages.move(self._behind)
        if isinstance(entry, DecodeError):
            self._pages.mark(entry)
            del self  # whoever keeps the error keeps its frames, and must not keep the walk
            raise entry
        return entry

    async def aclose(self) -> None:
        """End the iteration: cancel what was asked for ahead and wait until it has ended."""
        self._left = []
        await self._pages.aclose()


def in_order(page: Page[T]) -> list[T | DecodeError]:
    """The rows of a page as they stood, each unreadable one as its error."""
    if not page.rejected:
        return list(page.items)
    items = iter(page.items)
    return [
        page.rejected[index] if index in page.rejected else next(items)
        for index in range(row_count(page))
    ]


def _without_first(page: Page[T], rows: int) -> Page[T]:
    """`page` without the rows that an earlier walk handed out."""
    if not rows:
        return page
    gone = sum(1 for index in page.rejected if index < rows)
    rejected = {index: error for index, error in page.rejected.items() if index >= rows}
    return attrs.evolve(page, items=page.items[rows - gone :], rejected=rejected)


def _check_range(field: str, value: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidRequest(field, f"must be 1 to {most}", repr(value))
