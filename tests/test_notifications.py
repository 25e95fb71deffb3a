"""LINE official notifications: 100 a call, one answer for each, in order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import OmnichatClient
from omnichat_async.errors import (
    BadRequest,
    InvalidRequest,
    NotSent,
    OutcomeUnknown,
    PartialFailure,
    Unauthorized,
)
from omnichat_async.models import Notification, NotificationSent
from omnichat_async.sandbox import Sandbox
from omnichat_async.sandbox.data.platforms import PLATFORMS
from tests.support.calls import served
from tests.support.run import run
from tests.support.wire import drop, reply

if TYPE_CHECKING:
    from tests.support.wire import Reply, Request

SENT = reply(200, {"triggerId": "65eeb7e89282985332c3a3df"})


def notification(number: int = 0, **fields: Any) -> Notification:
    """A notification, told apart by its phone number."""
    values = {
        "channel_id": PLATFORMS["line"].channels[0],
        "to": str(886_900_000_000 + number),
        "setting_id": "set-1",
        "value_map": {"name": "Ada", "count": 2, "at": "2025-04-11 15:30:00"},
    }
    return Notification(**values | fields)


def by_first_phone(request: Request) -> Reply:
    """An answer that tells which chunk it is for."""
    first = json.loads(request.body)["notifications"][0]
    return reply(200, {"content": {"triggerId": first["to"]}})


def test_a_notification_goes_over_the_wire_as_documented() -> None:
    async def main() -> None:
        async with served([SENT]) as (server, client):
            await client.notifications.send([notification()])
            (request,) = server.requests
            assert (request.method, request.target) == ("POST", "/v1/notification-messages")
            assert json.loads(request.body) == {
                "notifications": [
                    {
                        "platform": "line",
                        "channelId": "1650000000",
                        "to": "886900000000",
                        "settingId": "set-1",
                        "valueMap": {"name": "Ada", "count": 2, "at": "2025-04-11 15:30:00"},
                    }
                ]
            }

    run(main())


@pytest.mark.parametrize(
    ("answer", "trigger_id"),
    [
        ({"triggerId": "65ee"}, "65ee"),
        ({"content": {"triggerId": "65ee"}}, "65ee"),
        ({"content": {"triggerId": None, "new": 1}}, None),
        ({}, None),
    ],
)
def test_both_documented_answers_are_read(answer: Any, trigger_id: str | None) -> None:
    async def main() -> list[NotificationSent]:
        async with served([reply(200, answer)]) as (_, client):
            return await client.notifications.send([notification(), notification(1)])

    assert [sent.trigger_id for sent in run(main())] == [trigger_id] * 2


@pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (100, 1), (101, 2), (1234, 13)])
def test_any_number_goes_100_a_call_and_is_answered_in_order(count: int, calls: int) -> None:
    async def main() -> None:
        async with served(by_first_phone) as (server, client):
            sent = await client.notifications.send([notification(n) for n in range(count)])
            assert len(server.requests) == calls
            firsts = [str(886_900_000_000 + n - n % 100) for n in range(count)]
            assert [each.trigger_id for each in sent] == firsts

    run(main())


def test_none_is_sent_twice_and_each_outcome_is_known() -> None:
    async def main() -> None:
        def act(request: Request) -> Reply:
            first = json.loads(request.body)["notifications"][0]["to"]
            if first.endswith("100"):
                return drop()
            return reply(400, {"errorCode": "INVALID_REQUEST_BODY"}) if "200" in first else SENT

        async with served(act) as (server, client):
            with pytest.raises(PartialFailure) as caught:
                await client.notifications.send([notification(n) for n in range(350)])
            assert len(server.requests) == 4
            outcomes = caught.value.outcomes
            kinds = [type(outcomes[place]) for place in (0, 99, 100, 199, 200, 299, 300, 349)]
            ends = [NotificationSent, OutcomeUnknown, BadRequest, NotificationSent]
            assert kinds == [kind for kind in ends for _ in range(2)]
            assert len(outcomes) == 350

    run(main())


def test_a_wrong_token_stops_it() -> None:
    async def main() -> None:
        async with served([reply(401)]) as (server, client):
            with pytest.raises(PartialFailure) as caught:
                await client.notifications.send([notification(n) for n in range(2000)])
            assert len(server.requests) <= 8
            assert len(caught.value.outcomes) == 2000
            assert isinstance(caught.value.outcomes[0], Unauthorized)
            assert isinstance(caught.value.outcomes[-1], NotSent)

    run(main())


def test_one_call_fails_with_its_own_error_and_is_not_repeated() -> None:
    async def main() -> None:
        for misdeed in (drop(), reply(500)):
            async with served([misdeed]) as (server, client):
                with pytest.raises(OutcomeUnknown):
                    await client.notifications.send([notification()])
                assert len(server.requests) == 1

    run(main())


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("platform", {"platform": ""}),
        ("channel_id", {"channel_id": ""}),
        ("to", {"to": "U1234567890"}),
        ("to", {"to": "+886987654321"}),
        ("to", {"to": "0987654321"}),
        ("setting_id", {"setting_id": ""}),
        ("value_map", {"value_map": None}),
        ("value_map", {"value_map": [("a", "b")]}),
        ("value_map key", {"value_map": {"": "b"}}),
        ("value_map value", {"value_map": {"a": None}}),
        ("value_map value", {"value_map": {"a": ["b"]}}),
        ("value_map value", {"value_map": {"a": float("nan")}}),
    ],
)
def test_a_notification_that_cannot_be_sent_cannot_be_made(
    field: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        notification(**fields)
    assert caught.value.field == field


def test_no_values_a_flag_and_an_empty_text_are_fine() -> None:
    assert notification(value_map={}).to_wire()["valueMap"] == {}
    values = {"a": True, "b": "", "c": 1.5}
    assert notification(value_map=values).to_wire()["valueMap"] == values


@pytest.mark.parametrize("wrong", [{"to": "886900000000"}, "886900000000", None])
def test_nothing_is_sent_when_one_of_many_is_no_notification(wrong: Any) -> None:
    async def main() -> None:
        async with served([SENT]) as (server, client):
            for given in ([*(notification(n) for n in range(150)), wrong], wrong):
                with pytest.raises(InvalidRequest, match="notifications"):
                    await client.notifications.send(given)
            assert server.requests == []

    run(main())


def test_the_sandbox_takes_them() -> None:
    async def main() -> None:
        async with (
            Sandbox(rows=10, limit=None) as sandbox,
            OmnichatClient(sandbox.token, base_url=sandbox.url) as client,
        ):
            sent = await client.notifications.send([notification(n) for n in range(150)])
            assert len({each.trigger_id for each in sent}) == 2
            sizes = [len(each.body["notifications"]) for each in sandbox.sent]
            assert sorted(sizes) == [50, 100]  # the calls go side by side

    run(main())
