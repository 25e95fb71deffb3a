"""The leaves of a certified walk as the pages of a listing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from omnichat_async.codec import decode_page
from omnichat_async.windows import Window, split

if TYPE_CHECKING:
    from omnichat_async.calls import Page
    from omnichat_async.paging import Position
    from omnichat_async.walk.leaf import Leaf
    from omnichat_async.walk.walk import CertifiedWalk

__all__ = ["CertifiedPages", "rest_of"]

T = TypeVar("T")


def rest_of(window: Window, after: int) -> Window:
    """The first window that the API accepts of what is left of a range."""
    return next(split(Window(after, window.before)))


class CertifiedPages(Generic[T]):
    """Gives each leaf with rows as a page of `model` objects, with its place; `position` is then
    behind it. Same use as the engine of numbered pages."""

    def __init__(
        self, walk: CertifiedWalk, model: type[Any] | None, whole: Window | None, start: Position
    ) -> None:
        self._walk = walk
        self._leaves = walk.leaves()
        self._model = model
        self._whole = whole
        self.position = start.but(row=0)

    async def next(self) -> tuple[Page[T], Position]:
        """The next leaf with rows. StopAsyncIteration at the end."""
        async for leaf in self._leaves:
            place, self.position = self._at(leaf.window), self._behind(leaf.window)
            if leaf.rows:
                return decoded(leaf, self._model), place
        if self._walk.clamped:
            assert self._walk.horizon is not None
            self.position = self._from(self._walk.horizon)
        else:
            self.position = self.position.but(window=None, done=True)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Cancel what was asked for ahead and wait until it has ended."""
        await self._leaves.aclose()

    def abandon(self) -> None:
        """The same from a finalizer."""
        self._leaves.abandon()

    def _at(self, window: Window | None) -> Position:
        return self.position if window is None else self._from(window.after)

    def _behind(self, window: Window | None) -> Position:
        if window is None or self._whole is None or window.before >= self._whole.before:
            return self.position.but(window=None, done=True)
        return self._from(window.before)

    def _from(self, after: int) -> Position:
        assert self._whole is not None
        return self.position.but(window=rest_of(self._whole, after))


def decoded(leaf: Leaf, model: type[Any] | None) -> Page[Any]:
    """A leaf's rows as objects; rows of reports carry their window, as on a page."""
    page = decode_page(model, leaf.rows)
    for item in page.items:
        if not hasattr(item, "window"):
            break
        item.window = leaf.window
    return attrs.evolve(page, total=len(leaf.rows), window=leaf.window)
