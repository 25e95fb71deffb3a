"""Pages from a server that is a function of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from omnichat_async.calls import Call, Page
    from omnichat_async.paging import Unread

__all__ = ["asked", "unread"]

T = TypeVar("T")


def asked(call: Call[Any]) -> dict[str, int]:
    """The whole numbers that a call asks for, by name."""
    _, query = call.target()
    return {name: int(value) for name, value in parse_qsl(query) if value.isdigit()}


def unread(
    fetch: Callable[[Call[Page[T]]], Awaitable[Page[T]]],
) -> Callable[[Call[Page[T]]], Awaitable[Unread[T]]]:
    """What `fetch` gives, as a source hands it on: to be read later."""

    async def later(call: Call[Page[T]]) -> Unread[T]:
        page = await fetch(call)
        return lambda: page

    return later
