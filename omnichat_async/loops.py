"""What belongs to an event loop, called from outside it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["call_from_finalizer"]


def call_from_finalizer(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    """Call what belongs to `loop` from a finalizer, which may run in any thread and after the loop
    has ended."""
    try:
        here = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    if here is loop:
        action()
    elif not loop.is_closed():
        loop.call_soon_threadsafe(action)
