"""A run that ends leaves nothing behind: no task, no unseen error, no open socket."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

__all__ = ["assert_nothing_left", "describe", "leftovers", "run_checked"]

T = TypeVar("T")


def leftovers(loop: asyncio.AbstractEventLoop | None = None) -> set[asyncio.Task[Any]]:
    """Tasks of the loop (default: the running one) that are not done, but for the caller's own."""
    tasks = asyncio.all_tasks(loop)
    if loop is None:
        tasks -= {asyncio.current_task()}
    return tasks


def assert_nothing_left(loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Fail if the loop (default: the running one) still has a task besides the caller's own."""
    tasks = leftovers(loop)
    if tasks:
        raise AssertionError(f"{len(tasks)} task(s) left behind:\n{describe(tasks)}")


def describe(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """One line per task: its name and the innermost line of code at which it waits."""
    return "\n".join(sorted(f"  {task.get_name()} at {_place(task)}" for task in tasks))


def _place(task: asyncio.Task[Any]) -> str:
    # Task.get_stack() knows the outermost frame only; what hangs is at the other end.
    place = "an unknown place"
    awaited: object = task.get_coro()
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        code = frame.f_code
        place = f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}"
        awaited = getattr(awaited, "cr_await", None)
    return place


def run_checked(
    main: Coroutine[Any, Any, T],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Run ``main`` on a fresh loop and fail if a task or an error nobody looked at remains."""
    reports: list[str] = []

    def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # Text only: the context holds the objects whose end the collector is to see.
        reports.append(f"  {context['message']}: {context.get('exception')!r}")
        loop.default_exception_handler(context)

    with asyncio.Runner(debug=False, loop_factory=loop_factory) as runner:
        runner.get_loop().set_exception_handler(report)
        result = runner.run(_alone(main))
    # "Never retrieved" and "unclosed" are said by finalizers: have them run here, in this test.
    gc.collect()
    if reports:
        raise AssertionError("errors nobody looked at:\n" + "\n".join(reports))
    return result


async def _alone(main: Coroutine[Any, Any, T]) -> T:
    result = await main
    assert_nothing_left()
    return result
