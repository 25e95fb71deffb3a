"""Loyalty points: added once and never twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import OmnichatClient
from omnichat_async.sandbox import Sandbox
from tests.support.asking import ask, asked, refusal, samples, sent_once
from tests.support.run import run
from tests.support.wire import reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PHONE, EMAIL, MEMBER = (sample["request"] for sample in samples("loyalty")[1:])
IDS: list[tuple[dict[str, Any], Any]] = [
    ({"phone": "852912345678"}, PHONE),
    ({"email": "john.doe@omnichat.ai"}, EMAIL),
    ({"member_id": "123456"}, MEMBER),
]


def adjust(points: Any = 10, **ids: Any) -> Callable[[OmnichatClient], Awaitable[None]]:
    return lambda client: client.loyalty.adjust(points, **ids)


@pytest.mark.parametrize(("ids", "body"), IDS)
def test_the_documented_requests(ids: dict[str, Any], body: Any) -> None:
    assert asked(adjust(**ids)) == ("PUT /loyalty-points/action/adjust", body)


@pytest.mark.parametrize("points", [-10, 0, 1, 10**9])
def test_points_are_added_or_deducted(points: int) -> None:
    assert asked(adjust(points, member_id="1"))[1] == {"points": points, "memberId": "1"}


@pytest.mark.parametrize("answer", [reply(200), reply(204), reply(200, {}), reply(200, b"OK")])
def test_any_good_answer_will_do(answer: Any) -> None:
    assert ask(adjust(member_id="1"), answer)[0] is None


@pytest.mark.parametrize(
    ("points", "ids", "field"),
    [
        (10, {}, "phone, email, member_id"),
        (10, {"phone": "852", "email": "a@b"}, "phone, email, member_id"),
        (10, {"phone": ""}, "phone"),
        (10, {"phone": "+85291234567"}, "phone"),
        (10, {"phone": "8529123456７"}, "phone"),
        (10, {"phone": 85291234567}, "phone"),
        (10, {"email": ""}, "email"),
        (10, {"member_id": 5}, "member_id"),
        (1.5, {"member_id": "1"}, "points"),
        ("10", {"member_id": "1"}, "points"),
        (True, {"member_id": "1"}, "points"),
        (None, {"member_id": "1"}, "points"),
    ],
)
def test_what_the_api_would_refuse_is_not_sent(points: Any, ids: Any, field: str) -> None:
    error = refusal(adjust(points, **ids))
    assert error.field == field
    assert "852" not in str(error)


def test_it_is_a_put_that_is_sent_once() -> None:
    sent_once(adjust(member_id="1"), reply(200))


def test_the_sandbox_counts_each_adjustment_once() -> None:
    async def main() -> None:
        sandbox = Sandbox(rows=10, limit=None)
        async with sandbox, OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            await client.loyalty.adjust(10, member_id="M1")
            await client.loyalty.adjust(-3, member_id="M1")
            assert sandbox.points("M1") == 7

    run(main())
