"""Batches: chunks side by side, results in order, and an outcome for each item whatever happens."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING

import pytest

from omnichat_async.endpoints.batches import run_batches
from omnichat_async.errors import (
    BadRequest,
    NotSent,
    OutcomeUnknown,
    PartialFailure,
    PermissionDenied,
    Unauthorized,
)
from tests.support.builders import secret_call
from tests.support.clock import run_virtual as run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omnichat_async.errors import OmnichatError


class Sender:
    """Squares numbers; a chunk that starts with a key of `errors` fails with its value."""

    def __init__(self, errors: dict[int, Exception] | None = None) -> None:
        self.errors = errors or {}
        self.chunks: list[list[int]] = []
        self.at_once = 0
        self.most_at_once = 0

    async def send(self, chunk: Sequence[int]) -> list[int]:
        self.chunks.append(list(chunk))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0.001 * (10 - chunk[0] % 10))  # later chunks overtake
        finally:
            self.at_once -= 1
        if chunk[0] in self.errors:
            raise self.errors[chunk[0]]
        return [item * item for item in chunk]


def refused(status: int, cls: type[BadRequest | Unauthorized | PermissionDenied]) -> OmnichatError:
    return cls(status=status)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 40, 41])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    sender = Sender()
    assert run(run_batches(range(count), 4, sender.send)) == [n * n for n in range(count)]
    assert sum(len(chunk) for chunk in sender.chunks) == count
    assert sender.chunks[:-1] == [list(range(n, n + 4)) for n in range(0, count - 4, 4)]


@pytest.mark.parametrize(("concurrency", "most"), [(1, 1), (3, 3), (8, 8), (50, 20)])
def test_so_many_calls_are_under_way_at_once(concurrency: int, most: int) -> None:
    sender = Sender()
    run(run_batches(range(20), 1, sender.send, concurrency))
    assert sender.most_at_once == most


def test_one_chunk_fails_with_its_own_error() -> None:
    error = refused(400, BadRequest)
    with pytest.raises(BadRequest) as caught:
        run(run_batches([0, 1], 2, Sender({0: error}).send))
    assert caught.value is error


def test_the_other_chunks_are_sent_and_every_item_has_its_outcome() -> None:
    errors: dict[int, Exception] = {
        2: refused(400, BadRequest),
        4: OutcomeUnknown("a lost connection", call=secret_call()),
        8: ValueError("a bug"),
    }
    sender = Sender(errors)
    with pytest.raises(PartialFailure) as caught:
        run(run_batches(range(9), 2, sender.send, concurrency=2))
    failure = caught.value
    assert failure.outcomes == [0, 1, errors[2], errors[2], errors[4], errors[4], 36, 49, errors[8]]
    assert failure.failed == {2: errors[2], 3: errors[2], 4: errors[4], 5: errors[4], 8: errors[8]}
    assert str(failure) == "5 of 9 items failed: 2 BadRequest, 2 OutcomeUnknown, 1 ValueError"
    assert failure.__cause__ is errors[2]
    assert len(sender.chunks) == 5


@pytest.mark.parametrize("cls", [Unauthorized, PermissionDenied])
def test_nothing_more_is_sent_once_it_would_all_be_refused(
    cls: type[Unauthorized | PermissionDenied],
) -> None:
    sender = Sender({1: refused(401, cls)})
    with pytest.raises(PartialFailure) as caught:
        run(run_batches(range(6), 1, sender.send, concurrency=2))
    kinds = [type(each).__name__ for each in caught.value.outcomes]
    # 0 was under way next to 1, and ends well all the same.
    assert kinds == ["int", cls.__name__, *["NotSent"] * 4]
    assert sender.chunks == [[0], [1]]
    assert all(isinstance(caught.value.outcomes[place], NotSent) for place in range(2, 6))


def test_a_refusal_is_not_forgotten_when_a_later_chunk_fails_otherwise() -> None:
    sender = Sender({9: refused(401, Unauthorized), 8: refused(400, BadRequest)})
    with pytest.raises(PartialFailure) as caught:
        run(run_batches([8, 9, 0, 1], 1, sender.send, concurrency=2))
    assert len(sender.chunks) == 2
    assert len(caught.value.failed) == 4


def test_a_cancel_ends_all_calls_at_once() -> None:
    sender = Sender()

    async def main() -> None:
        async with asyncio.timeout(0.0005):
            await run_batches(range(100), 1, sender.send)

    with pytest.raises(TimeoutError):
        run(main())
    assert sender.at_once == 0
    assert len(sender.chunks) <= 8


def test_a_call_cancelled_from_elsewhere_is_not_called_unsent() -> None:
    async def send(chunk: Sequence[int]) -> Sequence[int]:
        if chunk[0] == 1:
            raise asyncio.CancelledError
        return chunk

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await run_batches(range(3), 1, send)

    run(main())


def test_a_partial_failure_travels_and_names_nobody() -> None:
    failure = PartialFailure([{"to": "85291234567"}, NotSent("no connection")])
    again = pickle.loads(pickle.dumps(failure))
    assert str(again) == str(failure) == "1 of 2 items failed: 1 NotSent"
    assert again.outcomes[0] == {"to": "85291234567"}
    assert list(again.failed) == [1]
