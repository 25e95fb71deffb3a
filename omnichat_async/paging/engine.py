"""Pages of one walk, asked for ahead and given out in order.

The server's total says how far ahead there is something to ask for; it never ends a walk. A
window ends with the page that shows it: an empty one, or a short one when everything the server
counted was seen.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from itertools import dropwhile
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from omnichat_async.calls import FAR, Call, Page
from omnichat_async.errors import BadRequest, Incomplete, NotFound, NotSent
from omnichat_async.loops import call_from_finalizer
from omnichat_async.paging.rules import (
    MAX_PAGE_SIZE,
    is_cut_short,
    is_last,
    is_past_end,
    row_count,
    same_rows,
    true_size,
)
from omnichat_async.windows import Checkpoint, Window, split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omnichat_async.paging.query import ListQuery, Source, Unread
    from omnichat_async.walk import CertifiedWalk
    from omnichat_async.walk.pages import CertifiedPages

__all__ = ["EXACT", "Closed", "Engine", "Plan", "Position"]

T = TypeVar("T")
EXACT = "-exact"
"""What the name of a query ends with in the checkpoints of a certified walk."""


class Position:
    """Where a walk stands; see Checkpoint."""

    def __init__(
        self,
        window: Window | None,
        page: int = 1,
        row: int = 0,
        *,
        done: bool = False,
        rows_before: int = 0,
        size: int = MAX_PAGE_SIZE,
    ) -> None:
        self.window = window
        self.page = page
        self.row = row
        self.done = done
        self.rows_before = rows_before
        self.size = size

    def but(self, **changes: Any) -> Position:
        """A copy with some fields changed."""
        return Position(**{**vars(self), **changes})


class _Range(Generic[T]):
    """The pages of one window: those asked for and not yet handed out, in order."""

    def __init__(self, window: Window | None, next_number: int, size: int, rows: int = 0) -> None:
        self.window = window
        self.next_number = next_number
        self.size = size
        self.rows = rows
        self.pages: deque[_Asked[T]] = deque()
        self.longest = 0
        self.total: int | None = None
        self.previous: Page[T] | None = None

    def known_pages(self) -> int:
        """How many pages are sure to be needed: up to the short or empty one that ends the range,
        as the server counts. Without its count that is only the first."""
        return 1 if self.total is None else self.total // self.size + 1


class _Asked(Generic[T]):
    """A page that was asked for, and what came of it. `ahead` says that nobody waited for it."""

    def __init__(self, target: _Range[T], number: int, *, ahead: bool) -> None:
        self.target = target
        self.number = number
        self.ahead = ahead
        self.done = False
        self._read: Unread[T] | None = None
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def came(self, read: Unread[T]) -> None:
        """It is there."""
        self._read = read
        self._settle()

    def failed(self, error: BaseException) -> None:
        """It will not come."""
        self._error = error
        self._settle()

    def _settle(self) -> None:
        self.done = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def settled(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for it; one at a time."""
        self._waiter = loop.create_future()
        await self._waiter

    def page(self) -> Page[T]:
        """Read it, or raise what it failed for."""
        if self._error is not None:
            raise self._error
        assert self._read is not None
        return placed(self._read(), self.target.window, self.number)


class Plan(Generic[T]):
    """What a listing and its walks share: the query, and how far the latest walk has got.

    `size` is how many rows full pages hold by what earlier ranges proved, which may be less than
    `page_size`. `proved` says that pages still are as long as when the walk began.
    """

    def __init__(
        self,
        query: ListQuery[T],
        source: Source[T],
        *,
        page_size: int,
        size: int,
        start: Position,
        exact: bool,
    ) -> None:
        self.query = query
        self.source = source
        self.page_size = page_size
        self.size = size
        self.start = self.position = start
        self.exact = exact
        self.proved = False

    def engine(self, start: Position) -> Engine[T] | CertifiedPages[T]:
        """What gives the pages from `start` on."""
        if not self.exact:
            return Engine(self, start)
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
            query=self.query.name + EXACT * self.exact,
            window=None if at.window is None else at.window.after,
            page=at.page,
            row=0 if self.exact else at.row,  # the leaf may be another one next time
            page_size=self.page_size,
            size=at.size,
            rows_before=at.rows_before,
            done=at.done,
        )


class Closed(Exception):  # noqa: N818 - a signal inside this room, never seen by a caller
    """The walk was closed while somebody waited for its next page."""


class Engine(Generic[T]):
    """Keeps requests in flight and gives out pages in order.

    At most `concurrency` requests are under way, and as many answers wait at most, so memory
    does not depend on how much there is to read. An opened window goes before a new one, and
    the page that everybody waits for goes before all others. `position` is the place of the
    page that is next. After an error it is of no use.
    """

    def __init__(self, plan: Plan[T], start: Position) -> None:
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._longest = 0
        # The page that each is sent for just now; one that has come is on its way out.
        self._workers: dict[asyncio.Task[None], _Asked[T]] = {}
        self._windows = _windows_from(plan.query.window, start)
        first = _Range[T](next(self._windows), start.page, start.size, rows=start.rows_before)
        first.longest = start.size if start.rows_before else 0
        self._ranges: deque[_Range[T]] = deque([first])
        self._closed = False
        self._holding = False
        self.position = self._place()
        self._ask(first)

    def _place(self) -> Position:
        if not self._ranges:
            return Position(None, done=True, size=self._plan.size)
        head = self._ranges[0]
        number = head.next_number - len(head.pages)
        size = head.longest or head.size  # what the pages of this window did hold
        return Position(head.window, number, rows_before=head.rows, size=size)

    async def next(self) -> tuple[Page[T], Position]:
        """The next page with rows and its place; `position` is then behind it. Raises
        StopAsyncIteration at the end."""
        while self._ranges:
            head = self._ranges[0]
            if not head.pages:
                await self._room()
                self._ask(head)
            if head.rows and not self._plan.proved:
                await self._prove(head)
            page = await self._in_turn(head)
            rows = row_count(page)
            if rows and page.number > 1 and await self._is_repeat(head, page):
                page, rows = attrs.evolve(page, items=[], rejected={}), 0
            if not rows:
                await self._check_end(head, page)
            place = self.position
            head.pages.popleft()
            self._settle(head, page, rows)
            if rows:
                return page, place
        raise StopAsyncIteration

    def cancel(self) -> None:
        """Ask for nothing more and cancel what is under way."""
        self._closed = True
        for worker in self._workers:
            if not worker.cancelling():  # a range that ended early has cancelled some already
                worker.cancel()

    async def aclose(self) -> None:
        """Cancel, and wait until every request has ended."""
        self.cancel()
        if self._workers:
            await asyncio.wait(self._workers)

    def abandon(self) -> None:
        """Cancel from a finalizer."""
        call_from_finalizer(self._loop, self.cancel)

    def _settle(self, head: _Range[T], page: Page[T], rows: int) -> None:
        """Take the head's next page, with so many rows, into account."""
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
            for worker, asked in self._workers.items():
                if asked.target is head and not asked.done:
                    worker.cancel()
            if not self._ranges:
                self._open_next()
        self.position = self._place()
        self._top_up()

    async def _in_turn(self, head: _Range[T]) -> Page[T]:
        """The head's next page. One asked ahead that found no room in the queue is asked again."""
        asked = head.pages[0]
        try:
            return await self._answer(asked)
        except NotSent:
            if not asked.ahead:
                raise
        return await self._look(head, asked.number)

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
        self._start(self._following(target, ahead=False))

    def _following(self, target: _Range[T], *, ahead: bool) -> _Asked[T]:
        """The next page of a range, noted as asked for."""
        asked = _Asked(target, target.next_number, ahead=ahead)
        target.pages.append(asked)
        target.next_number += 1
        return asked

    async def _look(self, target: _Range[T], number: int) -> Page[T]:
        """A page out of turn."""
        await self._room()
        asked = _Asked(target, number, ahead=False)
        self._start(asked)
        return await self._answer(asked)

    async def _room(self) -> None:
        """Wait until one more request may be under way; meanwhile nothing is asked for ahead."""
        self._holding = True
        while len(self._workers) >= self._plan.source.concurrency():
            await asyncio.wait(self._workers, return_when=asyncio.FIRST_COMPLETED)
        self._holding = False

    def _start(self, asked: _Asked[T]) -> None:
        if self._closed:
            raise Closed
        worker = self._loop.create_task(self._work(asked))
        self._workers.setdefault(worker, asked)  # an eager one may have got further already
        worker.add_done_callback(self._ended)

    async def _answer(self, asked: _Asked[T]) -> Page[T]:
        if not asked.done:
            await asked.settled(self._loop)
        if self._closed:
            raise Closed
        return asked.page()

    async def _work(self, asked: _Asked[T] | None) -> None:
        """Get a page, and then others as long as any are worth having: a task for each page would
        take as long as all the rest of its way."""
        worker = asyncio.current_task()
        assert worker is not None
        while asked is not None:
            self._workers[worker] = asked
            try:
                asked.came(await self._fetch(asked.target, asked.number))
            except Exception as error:  # noqa: BLE001 - it is raised in its turn
                asked.failed(_from_below(error))
            if worker.cancelling():  # whatever became of that in between
                return
            asked = self._next_ahead(free=1)
            if asked is not None:
                self._top_up()  # there may be more to ask for now, or more may be in flight

    async def _fetch(self, target: _Range[T], number: int) -> Unread[T]:
        plan, window = self._plan, target.window
        try:
            read = await plan.source.fetch(plan.call(window, number))
        except (BadRequest, NotFound) as error:
            if number == 1 or not error.code:  # without a code nobody of the API said so
                raise
            # Refused for what it asks, or because it lies past the end? The count may be old.
            first = (await plan.source.fetch(plan.call(window, 1)))()
            if not is_past_end(number, target.size, plan.page_size, first.total):
                raise
            read = partial(Page, [], first.total)
        if target.total is None:  # how far to ask ahead must be known before this page's turn
            page = read()
            target.total = page.total
            return lambda: page
        return read

    def _ended(self, worker: asyncio.Task[None]) -> None:
        asked = self._workers.pop(worker)
        try:
            worker.result()
        except BaseException as error:
            if asked.done and isinstance(error, Exception):  # none of a page's: the loop tells it
                raise
            asked.failed(_from_below(error))
        self._top_up()

    # ---- asking ahead --------------------------------------------------------------------------

    def _top_up(self) -> None:
        """Ask for what is worth having."""
        while (asked := self._next_ahead()) is not None:
            self._start(asked)

    def _next_ahead(self, free: int = 0) -> _Asked[T] | None:
        """The next page that is worth having, up to the bounds, noted as asked for; `free` workers
        have nothing to do."""
        if self._closed or self._holding:
            return None
        at_once = self._plan.source.concurrency()
        if len(self._workers) - free >= at_once:
            return None
        if sum(len(each.pages) for each in self._ranges) >= 2 * at_once:
            return None
        for each in self._ranges:
            if each.next_number <= each.known_pages():
                return self._following(each, ahead=True)
        return self._following(self._ranges[-1], ahead=True) if self._open_next() else None

    def _open_next(self) -> bool:
        for window in self._windows:
            self._ranges.append(_Range(window, 1, self._plan.size))
            return True
        return False


def _from_below(error: BaseException) -> BaseException:
    """An error without the frame that caught it, which leads back to it."""
    return error.with_traceback(error.__traceback__.tb_next if error.__traceback__ else None)


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
