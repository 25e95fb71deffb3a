"""Run a coroutine until it ends or somebody stops it."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["run_until_interrupted"]

T = TypeVar("T")


def run_until_interrupted(
    main: Coroutine[Any, Any, T], stop: Callable[[], bool] | None = None
) -> T | None:
    """The result of `main`, or None when SIGINT or SIGTERM cancelled it.

    The first signal calls `stop`, which lets `main` come to an end of its own, or cancels where
    there is none or it says that there is nothing to stop; a second one kills.
    """

    async def supervised() -> T | None:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(main)

        def interrupt(signum: signal.Signals) -> None:
            loop.remove_signal_handler(signum)
            signal.signal(signum, signal.SIG_DFL)
            if stop is None or not stop():
                task.cancel()

        signals = (signal.SIGINT, signal.SIGTERM)
        for signum in signals:
            loop.add_signal_handler(signum, interrupt, signum)
        try:
            await asyncio.wait({task})
        finally:
            for signum in signals:
                loop.remove_signal_handler(signum)
        return None if task.cancelled() else task.result()

    return asyncio.run(supervised())
