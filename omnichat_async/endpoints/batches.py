"""Many items, some a call: chunks are sent side by side, and no outcome is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from omnichat_async.errors import NotSent, PartialFailure, PermissionDenied, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["run_batches"]

T = TypeVar("T")
R = TypeVar("R")


async def run_batches(
    items: Sequence[T],
    size: int,
    send: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
    concurrency: int = 8,
) -> list[R]:
    """The results of `items` in their order, `size` of them a call and `concurrency` calls at once.

    `send` makes one call for a chunk and gives one result for each item of it. No item, no call.
    When one call fails the others are made all the same, except after Unauthorized or
    PermissionDenied: they would be refused too, so the items that are left are NotSent.

    Raises PartialFailure with the outcome of each item; the error itself if there is one chunk.
    """
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    if len(chunks) == 1:
        return list(await send(chunks[0]))
    outcomes: list[Sequence[R] | Exception] = [
        NotSent("an earlier call of the same batch was refused for lack of permission")
        for _ in chunks
    ]
    upcoming = iter(enumerate(chunks))
    allowed = True

    async def work() -> None:
        nonlocal allowed
        while allowed and (job := next(upcoming, None)) is not None:
            number, chunk = job
            try:
                outcomes[number] = await send(chunk)
            except Exception as error:  # noqa: BLE001 - none may cost the other chunks theirs
                outcomes[number] = error
                allowed = allowed and not isinstance(error, Unauthorized | PermissionDenied)

    async with asyncio.TaskGroup() as workers:
        tasks = [workers.create_task(work()) for _ in range(min(concurrency, len(chunks)))]
    if any(task.cancelled() for task in tasks):  # by somebody else: its chunk may have been sent
        raise asyncio.CancelledError
    return _settle(chunks, outcomes)


def _settle(chunks: Sequence[Sequence[T]], outcomes: Sequence[Sequence[R] | Exception]) -> list[R]:
    """One result for each item, or PartialFailure with one outcome for each."""
    results: list[R] = []
    each: list[R | Exception] = []
    for chunk, outcome in zip(chunks, outcomes, strict=True):
        if isinstance(outcome, Exception):
            each.extend(outcome for _ in chunk)
        else:
            results.extend(result for _, result in zip(chunk, outcome, strict=True))
            each.extend(outcome)
    if len(results) < len(each):
        raise PartialFailure(each) from next(one for one in outcomes if isinstance(one, Exception))
    return results
