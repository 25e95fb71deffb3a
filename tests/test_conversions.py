"""The Conversion API: its own host, the same token, and the rules of each event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import ConfigurationError, OmnichatClient
from omnichat_async.client import DEFAULT_CONVERSIONS_URL, checked_conversions_url
from omnichat_async.errors import BadRequest, InvalidRequest, OutcomeUnknown
from omnichat_async.models import (
    AddToCart,
    Checkout,
    ConversionProduct,
    MemberMapping,
    PageView,
    Purchase,
    RemoveFromCart,
    TrafficSource,
    ViewProduct,
)
from omnichat_async.sandbox import Sandbox
from tests.support.calls import TOKEN, served
from tests.support.run import run
from tests.support.wire import HostileServer, drop, reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.models import ConversionEvent

URL = "https://shop.example.com/tee"
SEEN = ConversionProduct(id="p-1", name="Tee")
TAKEN = ConversionProduct(id="p-1", name="Tee", quantity=2)
TAKEN_WIRE = {"id": "p-1", "name": "Tee", "quantity": 2}

EVENTS: dict[str, tuple[ConversionEvent, dict[str, Any]]] = {
    "pageview": (
        PageView(url=URL, referrer_url="https://example.com"),
        {"device": "web", "url": URL, "referrerUrl": "https://example.com"},
    ),
    "view_product": (
        ViewProduct(
            device="ios",
            items=[
                ConversionProduct(
                    id="p-1", name="Tee", brand="B", category="C", variant="V", price=1.5
                )
            ],
        ),
        {
            "device": "ios",
            "items": [
                {
                    "id": "p-1",
                    "name": "Tee",
                    "brand": "B",
                    "category": "C",
                    "variant": "V",
                    "price": 1.5,
                }
            ],
        },
    ),
    "add_to_cart": (
        AddToCart(device="android", items=[TAKEN]),
        {"device": "android", "items": [TAKEN_WIRE]},
    ),
    "remove_from_cart": (
        RemoveFromCart(device="web", items=[TAKEN]),
        {"device": "web", "items": [TAKEN_WIRE]},
    ),
    "checkout": (
        Checkout(device="web", items=[TAKEN, TAKEN]),
        {"device": "web", "items": [TAKEN_WIRE, TAKEN_WIRE]},
    ),
    "purchase": (
        Purchase(device="web", transaction_id="T-1", amount=29.9, currency="USD", items=[TAKEN]),
        {
            "device": "web",
            "transactionId": "T-1",
            "amount": 29.9,
            "currency": "USD",
            "items": [TAKEN_WIRE],
        },
    ),
    "traffic_source": (
        TrafficSource(
            device="web",
            member_id="m-1",
            sales_id="s:1",
            utm_source="line",
            utm_medium="chat",
            utm_campaign="sale",
            utm_term="tee",
            utm_content="a",
        ),
        {
            "device": "web",
            "memberId": "m-1",
            "salesId": "s:1",
            "utmSource": "line",
            "utmMedium": "chat",
            "utmCampaign": "sale",
            "utmTerm": "tee",
            "utmContent": "a",
        },
    ),
    "member_mapping": (
        MemberMapping(
            device="web",
            member_id="m-1",
            member_email="ada@example.com",
            member_phone="85291234567",
            member_name="Ada",
            member_profile_pic="https://example.com/ada.png",
        ),
        {
            "device": "web",
            "memberId": "m-1",
            "memberEmail": "ada@example.com",
            "memberPhone": "85291234567",
            "memberName": "Ada",
            "memberProfilePic": "https://example.com/ada.png",
        },
    ),
}


@pytest.mark.parametrize("action", EVENTS)
def test_each_event_goes_over_the_wire_as_documented(action: str) -> None:
    event, wire = EVENTS[action]

    async def main() -> None:
        async with served() as (server, client):
            await client.conversions.track(event)
            (request,) = server.requests
            assert (request.method, request.target) == ("POST", "/restapi/v1/pixel/events")
            assert request.headers["authorization"] == f"Bearer {TOKEN}"
            assert json.loads(request.body) == {"action": action, **wire}

    run(main())


@pytest.mark.parametrize("action", EVENTS)
def test_the_sandbox_takes_each_event(action: str) -> None:
    async def main() -> None:
        async with (
            Sandbox(rows=10, limit=None) as sandbox,
            OmnichatClient(sandbox.token, base_url=sandbox.url) as client,
        ):
            await client.conversions.track(EVENTS[action][0])

    run(main())


@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize("body", [b"", b"OK", b"{}", b'{"content": {"new": 1}}', b"[]"])
def test_any_success_is_one(status: int, body: bytes) -> None:
    async def main() -> None:
        async with served([reply(status, b"" if status == 204 else body)]) as (_, client):
            await client.conversions.track(PageView(url=URL))

    run(main())


def test_it_is_sent_once_when_nobody_knows_and_again_after_429() -> None:
    async def main() -> None:
        for misdeed in (drop(), reply(502)):
            async with served([misdeed]) as (server, client):
                with pytest.raises(OutcomeUnknown):
                    await client.conversions.track(PageView(url=URL))
                assert len(server.requests) == 1
        script = [reply(429, headers={"retry-after": "0"}), reply()]
        async with served(script) as (server, client):
            await client.conversions.track(PageView(url=URL))
            assert len(server.requests) == 2

    run(main())


def test_a_refusal_is_an_error() -> None:
    async def main() -> None:
        async with served([reply(400, b"nope")]) as (_, client):
            with pytest.raises(BadRequest, match="POST /pixel/events: HTTP 400"):
                await client.conversions.track(PageView(url=URL))

    run(main())


# ---- where it goes -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["/restapi/v1", "/restapi/v1/", "/restapi/v1/pixel/events"])
def test_it_goes_to_the_given_host_and_all_else_to_the_other(suffix: str) -> None:
    async def main() -> None:
        async with HostileServer() as other, HostileServer() as server:
            conversions_url = other.url.removesuffix("/v1") + suffix
            async with OmnichatClient(
                TOKEN, base_url=server.url, conversions_url=conversions_url
            ) as client:
                await client.with_options(timeout=5).conversions.track(PageView(url=URL))
                await client.request("GET", "/messages")
            assert [request.target for request in other.requests] == ["/restapi/v1/pixel/events"]
            assert [request.target for request in server.requests] == ["/v1/messages"]

    run(main())


@pytest.mark.parametrize(
    ("base_url", "used"),
    [
        ("https://open-api.omnichat.ai/v1", DEFAULT_CONVERSIONS_URL),
        ("https://gateway.example.com/omnichat/v1", DEFAULT_CONVERSIONS_URL),
        ("http://127.0.0.1:8040/v1", "http://127.0.0.1:8040/restapi/v1"),
        ("https://localhost/v1", "https://localhost/restapi/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/restapi/v1"),
    ],
)
def test_the_url_that_is_used_without_a_given_one(base_url: str, used: str) -> None:
    client = OmnichatClient(TOKEN, base_url=base_url)
    assert client._transport.conversions_url == used
    assert checked_conversions_url(None, base_url) == used


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://api.example.com/restapi/v1",
        "https://u:p@example.com",
        "https://example.com/?a=1",
        "https://exa mple.com",
        "https://[::1",
        "https://exam_ple!.com",
    ],
)
def test_a_url_that_cannot_work_is_refused_by_its_own_name(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^conversions_url "):
        OmnichatClient(TOKEN, conversions_url=url)


# ---- what is refused ---------------------------------------------------------------------------

COUNTED = [AddToCart, RemoveFromCart, Checkout]


def purchase(**fields: Any) -> Purchase:
    values: dict[str, Any] = {"transaction_id": "T-1", "amount": 1, "currency": "TWD"}
    return Purchase(device="web", **values | fields)


LIMITS: dict[str, tuple[str, Callable[[], object]]] = {
    "another device": ("device", lambda: TrafficSource(device="tv")),  # type: ignore[arg-type]
    "a page view in an app": ("device", lambda: PageView(url=URL, device="ios")),
    "an empty member id": ("member_id", lambda: TrafficSource(device="web", member_id="")),
    "an empty sales id": ("sales_id", lambda: TrafficSource(device="web", sales_id="")),
    "an empty utm field": ("utm_term", lambda: TrafficSource(device="web", utm_term="")),
    "no page": ("url", lambda: PageView(url="/tee")),
    "no referrer": ("referrer_url", lambda: PageView(url=URL, referrer_url="")),
    "nothing seen": ("items", lambda: ViewProduct(device="web", items=[])),
    "something else seen": ("items", lambda: ViewProduct(device="web", items=[{"id": "1"}])),  # type: ignore[list-item]
    **{
        f"nothing in {kind.__name__}": ("items", lambda kind=kind: kind(device="web", items=[]))  # type: ignore[misc]
        for kind in COUNTED
    },
    **{
        f"no quantity in {kind.__name__}": (
            "quantity",
            lambda kind=kind: kind(device="web", items=[TAKEN, SEEN]),  # type: ignore[misc]
        )
        for kind in COUNTED
    },
    "no transaction": ("transaction_id", lambda: purchase(transaction_id="")),
    "no amount": ("amount", lambda: purchase(amount="1")),
    "no currency": ("currency", lambda: purchase(currency="")),
    "a symbol": ("currency", lambda: purchase(currency="USD$")),
    "no quantity in a purchase": ("quantity", lambda: purchase(items=[SEEN])),
    "nobody": (
        "member_id, member_email, member_phone",
        lambda: MemberMapping(device="web", member_name="Ada"),
    ),
    "an empty e-mail": (
        "member_email",
        lambda: MemberMapping(device="web", member_id="1", member_email=""),
    ),
    "a phone without country": (
        "member_phone",
        lambda: MemberMapping(device="web", member_phone="0912345678"),
    ),
    "an empty name": (
        "member_name",
        lambda: MemberMapping(device="web", member_id="1", member_name=""),
    ),
    "no picture": (
        "member_profile_pic",
        lambda: MemberMapping(device="web", member_id="1", member_profile_pic="ada.png"),
    ),
    "a product without id": ("id", lambda: ConversionProduct(id="", name="Tee")),
    "a product without name": ("name", lambda: ConversionProduct(id="1", name="")),
    "an empty brand": ("brand", lambda: ConversionProduct(id="1", name="Tee", brand="")),
    "a price in words": ("price", lambda: ConversionProduct(id="1", name="Tee", price="1")),  # type: ignore[arg-type]
    "half a product": ("quantity", lambda: ConversionProduct(id="1", name="Tee", quantity=0.5)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", LIMITS)
def test_an_event_that_cannot_be_sent_cannot_be_made(name: str) -> None:
    field, make = LIMITS[name]
    with pytest.raises(InvalidRequest) as caught:
        make()
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["member_id", "member_email", "member_phone"])
def test_one_id_is_enough_to_map_a_member(field: str) -> None:
    MemberMapping(device="ios", **{field: "85291234567"})


def test_a_purchase_may_name_no_products() -> None:
    assert "items" not in purchase().to_wire()
    assert purchase(items=[]).to_wire()["items"] == []
