"""Customers: read whole, written exactly, erased once."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import DecodeError, InvalidRequest, NotFound, OmnichatClient
from omnichat_async.models import (
    Customer,
    CustomerAttributeType,
    CustomerUpdate,
    LinkedUser,
    Platform,
)
from omnichat_async.sandbox import Sandbox
from tests.support.asking import ask, asked, failure, refusal, samples, sent_twice
from tests.support.builders import CHANGES
from tests.support.run import run
from tests.support.wire import drop, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SAMPLE = samples("customers")[0]["response"]
PETER = CustomerUpdate(**CHANGES)


def get(body: Any) -> Customer:
    return ask(lambda client: client.customers.get("M1"), reply(200, body))[0]


def upsert(**ids: Any) -> Callable[[OmnichatClient], Awaitable[None]]:
    return lambda client: client.customers.upsert(PETER, **ids)


def erase(client: OmnichatClient) -> Awaitable[None]:
    return client.customers.delete("M 1")


@pytest.mark.parametrize("body", [SAMPLE, SAMPLE["content"], SAMPLE | {"totalElements": 1}])
def test_the_documented_customer_is_read_whole(body: Any) -> None:
    customer = get(body)
    assert customer.extra == {}
    assert (customer.username, customer.member_id) == ("6694e599b4dadc211e33f9da", "OC-TEST-0001")
    assert (customer.name, customer.phone) == ("Peter Chan", "85222222222")
    assert customer.email == "example@omnichat.ai"
    assert customer.profile_picture == "https://example.com/profile.png"
    assert (customer.social_channel_subscribed, customer.reachable) == (True, True)
    assert customer.tags == ["VVIP", "Sporty"]
    assert [(each.key, each.type, each.value) for each in customer.custom_attributes] == [
        ("gender", CustomerAttributeType.TEXT, "male"),
        ("total_spending", CustomerAttributeType.NUMBER, 120321.11),
        ("date_01", CustomerAttributeType.DATE, "2025-11-11"),
        ("date_time_01", CustomerAttributeType.DATETIME, "2024-11-18 05:15:48"),
        ("boolean_field", CustomerAttributeType.BOOLEAN, False),
    ]
    assert {each.status for each in customer.custom_attributes} == {True}
    assert customer.linked_users[0] == LinkedUser(
        platform=Platform.LINE,
        channel_id="1111111111111",
        channel_user_id="U0000000000000000000000",
        channel_username="liu0000000000000000000000",
        channel_name="LINE channel name",
        room_id="li1111111111111-u0000000000000000000000",
        subscribed=True,
    )
    assert customer.linked_users[1].platform is Platform.WHATSAPP
    assert (customer.point_balance, customer.accumulated_points) == ("1", "1")
    assert customer.created_at == datetime(2023, 3, 17, 7, 23, 56, 356_000, UTC)
    assert all([customer.last_message_received_at, customer.last_cs_message_sent_at])
    assert all([customer.last_marketing_message_sent_at, customer.updated_at])


def test_nulls_and_news_are_fine() -> None:
    user = {"platform": "webchat", "channelUserId": None, "roomId": None, "bsuid": "HK.1"}
    attribute = {"key": "k", "type": 6, "value": None}
    row = {"name": None, "linkedUsers": [user], "customAttributes": [attribute], "tags": None}
    customer = get({"content": row | {"tier": "gold"}})
    assert customer.linked_users[0].bsuid == "HK.1"
    assert (customer.custom_attributes[0].type, customer.tags) == (6, [])
    assert type(customer.custom_attributes[0].type) is int
    assert customer.extra == {"tier": "gold"}
    assert get({"content": {"linkedUsers": None, "customAttributes": None}}) == Customer()


@pytest.mark.parametrize("kind", [True, "1", 1.0])
def test_a_type_is_a_whole_number(kind: Any) -> None:
    row = {"content": {"customAttributes": [{"key": "k", "type": kind}]}}
    error, _ = failure(lambda client: client.customers.get("M1"), reply(200, row))
    assert isinstance(error, DecodeError)
    assert (error.path, error.expected) == ("content.customAttributes[0].type", "a whole number")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100", Decimal(100)),
        ("-5", Decimal(-5)),
        ("1,234.5", Decimal("1234.5")),
        ("0", Decimal(0)),
        ("", None),
        ("none", None),
        (None, None),
    ],
)
def test_points_are_text_and_a_number(text: str | None, number: Decimal | None) -> None:
    customer = get({"content": {"pointBalance": text, "accumulatedPoints": text}})
    assert (customer.point_balance, customer.accumulated_points) == (text, text)
    assert (customer.points, customer.points_in_all) == (number, number)


def test_requests_name_the_customer_in_the_query() -> None:
    body = samples("customer_upsert")[0]["request"]
    assert asked(upsert(member_id="OC/1&x=ü")) == (
        "PUT /customers?memberId=OC%2F1%26x%3D%C3%BC",
        body,
    )
    assert asked(upsert(omni_customer_id="66+1")) == ("PUT /customers?omniCustomerId=66%2B1", body)
    assert asked(erase) == ("DELETE /customers?memberId=M%201", None)
    _, (request,) = ask(lambda client: client.customers.get("a:b"), reply(200, SAMPLE))
    assert (request.method, request.target) == ("GET", "/v1/customers?memberId=a%3Ab")


def test_an_update_holds_only_what_is_given() -> None:
    assert CustomerUpdate().to_wire() == {}
    assert CustomerUpdate(tags=[], name="").to_wire() == {"tags": [], "name": ""}


@pytest.mark.parametrize(
    "ids", [{}, {"member_id": "a", "omni_customer_id": "b"}, {"member_id": ""}, {"member_id": 5}]
)
def test_exactly_one_id_is_needed(ids: Any) -> None:
    assert "member_id" in refusal(upsert(**ids)).field


@pytest.mark.parametrize("member_id", ["", None, 5])
def test_an_id_is_text(member_id: Any) -> None:
    assert refusal(lambda client: client.customers.get(member_id)).field == "member_id"
    assert refusal(lambda client: client.customers.delete(member_id)).field == "member_id"


@pytest.mark.parametrize(
    ("update", "field"),
    [
        ({"tags": ["a"], "tags_to_add": ["b"]}, "tags"),
        ({"custom_attributes": {"k" * 101: 1}}, "custom_attributes key"),
        ({"custom_attributes": {"k": "v" * 1001}}, "custom_attributes value"),
        ({"phone": 85298765432}, "phone"),
        ({"email": b"x"}, "email"),
        ({"name": 5}, "name"),
    ],
)
def test_an_update_the_api_would_refuse_cannot_be_made(update: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CustomerUpdate(**update)
    assert caught.value.field == field


def test_all_calls_are_safe_to_repeat() -> None:
    sent_twice(upsert(member_id="M1"), reply(204))
    sent_twice(erase, reply(204))
    sent_twice(lambda client: client.customers.get("M1"), reply(200, SAMPLE))


def test_a_customer_that_an_earlier_attempt_erased_is_no_error() -> None:
    gone = reply(404, {"errorCode": "NOT_FOUND", "message": ""})
    assert ask(erase, drop(), gone)[0] is None
    assert isinstance(failure(erase, gone)[0], NotFound)


@pytest.mark.parametrize("variants", ["collection", "guide"])
def test_a_customer_of_the_sandbox_lives_and_dies(variants: Any) -> None:
    async def main() -> None:
        sandbox = Sandbox(rows=500, limit=None, variants=variants)
        async with sandbox, OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            await client.customers.upsert(PETER, member_id="M00001")
            customer = await client.customers.get("M00001")
            assert (customer.name, customer.points) == ("Peter Chan", Decimal(0))
            attributes = {each.key: each.type for each in customer.custom_attributes}
            assert attributes["LastPurchaseDate"] is CustomerAttributeType.DATE
            update = CustomerUpdate(name="Paul")
            assert customer.username is not None
            await client.customers.upsert(update, omni_customer_id=customer.username)
            assert (await client.customers.get("M00001")).name == "Paul"
            await client.customers.delete("M00001")
            with pytest.raises(NotFound):
                await client.customers.get("M00001")

    run(main())
