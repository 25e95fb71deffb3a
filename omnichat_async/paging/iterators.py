"""What users iterate over: the pages of a listing, and its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

import attrs

from omnichat_async.errors import DecodeError, OmnichatError
from omnichat_async.paging.engine import Closed, Engine, Plan, Position
from omnichat_async.paging.rules import row_count

if TYPE_CHECKING:
    from omnichat_async.calls import Page
    from omnichat_async.walk.pages import CertifiedPages

__all__ = ["Pages", "Rows", "without_first"]

T = TypeVar("T")


class Pages(Generic[T]):
    """An async iterator over the pages of a listing. ``aclose()`` ends it early."""

    def __init__(self, plan: Plan[T]) -> None:
        self._plan = plan
        self._engine: Engine[T] | CertifiedPages[T] | None = None
        self._waiting = False
        self._closed = False
        self.move(plan.start.but())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[T]:
        page, behind = await self.next()
        rest = without_first(page, self.row)
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
        except Closed:
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
        left = self._left
        if not left:
            page, self._behind = await self._pages.next()
            self._here = self._pages.here
            left = self._left = in_order(page)[self._here.row :]
            left.reverse()
        entry = left.pop()
        if left:
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


def without_first(page: Page[T], rows: int) -> Page[T]:
    """`page` without the rows that an earlier walk handed out."""
    if not rows:
        return page
    gone = sum(1 for index in page.rejected if index < rows)
    rejected = {index: error for index, error in page.rejected.items() if index >= rows}
    return attrs.evolve(page, items=page.items[rows - gone :], rejected=rejected)
