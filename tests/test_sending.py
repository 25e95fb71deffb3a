"""Direct messages, broadcasts and templates: what goes over the wire, what is refused first."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import InvalidRequest, NotFound, OmnichatClient, OutcomeUnknown, RateLimiter
from omnichat_async.codec import structure
from omnichat_async.errors import ContactUnsubscribed, MarketingMessagesLiteNotEnabled
from omnichat_async.models import (
    Block,
    Broadcast,
    BroadcastButton,
    BroadcastJob,
    BroadcastStatus,
    BroadcastType,
    CatalogButton,
    DirectMessage,
    FlexTemplate,
    FlexTemplates,
    Image,
    MediaHeader,
    MessageTemplate,
    Platform,
    Product,
    Products,
    QuickReply,
    RecipientStatus,
    RecipientType,
    Text,
    UrlButton,
    WhatsAppTemplate,
    headless,
)
from omnichat_async.models.numbers import parse_money, parse_percent
from omnichat_async.sandbox import Sandbox
from tests.support.builders import DATA
from tests.support.calls import served
from tests.support.run import run
from tests.support.wire import drop, reply

if TYPE_CHECKING:
    from collections.abc import Callable

TEES = Products(
    [
        Product(
            name=f"{colour} Tee",
            url=f"https://example.com/{slug}.html",
            image=f"https://example.com/{slug}.png",
            price=price,
            button_label="View Product",
        )
        for colour, slug, price in (
            ("Black", "tee", "TWD$100"),
            ("White", "white-tee", "TWD$250"),
        )
    ]
)
CAMPAIGN: dict[str, Any] = {
    "header": MediaHeader.image("https://example.com/red-pocket.png"),
    "body": ["Mr. Chan", "$100 Red pocket"],
    "buttons": [UrlButton("https://example.com/landing.html")],
}
LINE_ONE = {"platform": "line", "channel_id": "12345678", "to": "U1111111111111"}
SALE = [
    Text("Final Sale Message 1"),
    Text("Final Sale Message 2"),
    Image("https://example.com/image.png"),
]
CART = [
    Text("Something left in your shopping cart"),
    Text("Checkout now with discount code OFF10 to get 10% off"),
    TEES,
]
BLOCK = Block("07269d7a-68d6-4f36-9c0b-c837d9b296ef")


def samples(name: str) -> list[dict[str, Any]]:
    """Requests and answers of the published collection."""
    parsed: list[dict[str, Any]] = json.loads((DATA / f"{name}.samples.json").read_text())
    return parsed


def direct(**changes: Any) -> DirectMessage:
    """A direct message, with some fields changed."""
    fields: dict[str, Any] = {"track_id": "remarketing-001", **LINE_ONE, "messages": [Text("x")]}
    return DirectMessage(**(fields | changes))


def broadcast(**changes: Any) -> Broadcast:
    """A broadcast, with some fields changed."""
    fields: dict[str, Any] = {
        "subject": "Final Sales Promo",
        "platform": Platform.LINE,
        "channel_id": "12345678",
        "to": ["U1111111111111", "U2222222222222"],
        "tags": ["sales-2023"],
        "messages": [Text("x")],
    }
    return Broadcast(**(fields | changes))


TAGGED = {"tags": ["remarking-001"]}
DIRECT = [
    direct(**TAGGED, messages=SALE),
    direct(**TAGGED, messages=SALE),
    direct(**TAGGED, channel_id="1626460947", to="U66a669e12ff66601c06e1dc", messages=CART),
    direct(**TAGGED, messages=[BLOCK]),
    direct(
        **TAGGED,
        messages=[BLOCK],
        custom_attributes={"OPEN_API_ATTR_NAME": "Peter Chan", "OPEN_API_ATTR_COUPON": "PROMO10"},
    ),
    direct(
        **TAGGED,
        track_id="cny2023",
        platform="whatsapp",
        channel_id="85290000001",
        to="85260000001",
        messages=[WhatsAppTemplate("cny_campaign_2023", **CAMPAIGN)],
        employee_code="LAW_2a",
        location_code="3001",
        track_transaction_link=True,
    ),
    direct(
        **TAGGED,
        messages=[
            FlexTemplates(
                [
                    FlexTemplate("id1", {"key1": "value1", "key2": "value2"}),
                    FlexTemplate("id2", {"key3": "value3"}),
                ]
            )
        ],
    ),
]
BROADCASTS = [
    broadcast(messages=SALE),
    broadcast(
        subject="Final Sale Promo",
        channel_id="1626460947",
        to=["U66a669e12ff66601c06e1dc", "U66a669e12ff66601c06e1db"],
        messages=CART,
    ),
    broadcast(messages=[BLOCK]),
    broadcast(
        platform="whatsapp",
        channel_id="85290000001",
        to=["85260000001", "85260000002"],
        messages=[
            WhatsAppTemplate("cny_campaign_2023", namespace="1324_3242_3413_123", **CAMPAIGN)
        ],
    ),
]


@pytest.mark.parametrize(
    ("body", "sample"),
    [
        *zip(DIRECT, samples("direct_messages"), strict=True),
        *zip(BROADCASTS, samples("broadcast_send"), strict=True),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_bodies_are_those_of_the_collection(
    body: DirectMessage | Broadcast, sample: dict[str, Any]
) -> None:
    assert body.to_wire() == sample["request"]


def test_a_platform_is_sent_in_lower_case() -> None:
    for make in (direct, broadcast):
        assert make(platform="WHATSAPP").to_wire()["platform"] == "whatsapp"
        assert make(platform="new").to_wire()["platform"] == "new"


COMPONENTS: list[dict[str, Any]] = [
    {"type": "body", "parameters": []},
    {"type": "button", "sub_type": "CATALOG", "index": 0, "parameters": [{"type": "action"}]},
    {"type": "button", "sub_type": "copy_code", "index": "1", "parameters": []},
]


@pytest.mark.parametrize("components", [COMPONENTS, tuple(COMPONENTS), []])
def test_components_go_as_they_are(components: Any) -> None:
    template = WhatsAppTemplate("t", language="en", components=components)
    for wire in (
        template.template_object(),
        direct(messages=[template]).to_wire()["messages"][0]["whatsappTemplate"],
        headless.Template(template).to_wire()["template"],
    ):
        assert wire == {"name": "t", "language": {"code": "en"}, "components": list(components)}


@pytest.mark.parametrize(
    "parts",
    [
        {"components": {"type": "body"}},
        {"components": ["body"]},
        {"components": [{}]},
        {"components": [{"type": 5}]},
        {"components": [{"type": "body", "parameters": [object()]}]},
        {"components": [], "body": ["a"]},
        {"components": [], "header": MediaHeader.image("https://e.com")},
        {"components": [], "header": []},
        {"components": [], "buttons": [None]},
    ],
)
def test_components_that_are_none_or_one_part_too_many(parts: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        WhatsAppTemplate("t", **parts)
    assert caught.value.field.startswith("components")


def test_a_template_with_a_language_goes_out_with_its_policy() -> None:
    template = WhatsAppTemplate(
        "membership",
        language="zh_HK",
        language_policy="deterministic",
        header=["Hello"],
        body={"first_name": "Peter"},
        buttons=[None, QuickReply('{"action":null}'), CatalogButton("2lc20305pt")],
    )
    text = {"type": "text", "text": "Hello"}
    named = {"type": "text", "parameter_name": "first_name", "text": "Peter"}
    action = {"thumbnail_product_retailer_id": "2lc20305pt"}
    assert template.template_object() == {
        "name": "membership",
        "language": {"code": "zh_HK", "policy": "deterministic"},
        "components": [
            {"type": "header", "parameters": [text]},
            {"type": "body", "parameters": [named]},
            {
                "type": "button",
                "sub_type": "quick_reply",
                "parameters": [{"type": "payload", "payload": '{"action":null}'}],
                "index": "1",
            },
            {
                "type": "button",
                "sub_type": "CATALOG",
                "parameters": [{"type": "action", "action": action}],
                "index": "2",
            },
        ],
    }
    money = {"type": "currency", "currency": {"code": "HKD", "amount_1000": 1000}}
    raw = WhatsAppTemplate("t", body=[money], header=MediaHeader.video("https://e.com/v.mp4"))
    assert raw.template_object()["components"][1]["parameters"] == [money]
    document = MediaHeader.document("https://e.com/a.pdf", "a.pdf")
    assert document.to_wire()["document"] == {"link": "https://e.com/a.pdf", "filename": "a.pdf"}


# ---- refused before anything is sent -----------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "field", "says"),
    [
        (lambda: direct(track_id=""), "track_id", "an empty string"),
        (lambda: direct(to=5), "to", "int"),
        (lambda: direct(messages=[]), "messages", "0 items"),
        (lambda: direct(messages=[Text("x")] * 6), "messages", "6 items"),
        (lambda: direct(messages=Text("x")), "messages", "Text"),
        (lambda: direct(messages=["hello"]), "messages", "str"),
        (lambda: direct(messages=[BLOCK, BLOCK]), "messages", "2 messages"),
        (lambda: direct(messages=[Text("x"), BLOCK]), "messages", "goes alone"),
        (lambda: direct(tags=["a", ""]), "tags", "an empty string"),
        (lambda: direct(tags="VIP"), "tags", "str"),
        (lambda: direct(custom_attributes=["k"]), "custom_attributes", "list"),
        (lambda: direct(custom_attributes={"": 1}), "custom_attributes key", "an empty string"),
        (lambda: direct(custom_attributes={"k" * 101: 1}), "custom_attributes key", "101"),
        (lambda: direct(custom_attributes={"k": "v" * 1001}), "custom_attributes value", "1001"),
        (lambda: direct(custom_attributes={"k": None}), "custom_attributes value", "None"),
        (lambda: direct(custom_attributes={"k": [1]}), "custom_attributes value", "list"),
        (lambda: direct(custom_attributes={"k": float("nan")}), "custom_attributes value", "float"),
        (
            lambda: direct(custom_attributes={"k": datetime.now(UTC)}),
            "custom_attributes value",
            "aware",
        ),
        (lambda: broadcast(to=[]), "to", "0 items"),
        (lambda: broadcast(to=[str(n) for n in range(151)]), "to", "151 items"),
        (lambda: broadcast(to=["a", "b", "a"]), "to", "1 of them again"),
        (lambda: broadcast(to=["a", ""]), "to", "an empty string"),
        (lambda: broadcast(to="U1111"), "to", "str"),
        (lambda: broadcast(scheduled_at=datetime.now(UTC)), "scheduled_at", "aware"),
        (lambda: broadcast(messages=[FlexTemplates([FlexTemplate("i")])]), "messages", "direct"),
        (lambda: Text(""), "text", "an empty string"),
        (lambda: Image("ftp://example.com/a.png"), "url", "http"),
        (lambda: Block(""), "block_id", "an empty string"),
        (lambda: Products([]), "products", "0 items"),
        (lambda: Products(["Tee"]), "products", "str"),  # type: ignore[list-item]
        (lambda: Products(list(TEES.products) * 6), "products", "12 items"),
        (lambda: FlexTemplates([]), "templates", "0 items"),
        (lambda: FlexTemplates([FlexTemplate("i")] * 13), "templates", "13 items"),
        (lambda: FlexTemplate("i", {"k": 1}), "parameters value", "int"),  # type: ignore[dict-item]
        (lambda: WhatsAppTemplate(""), "name", "an empty string"),
        (lambda: WhatsAppTemplate("t", language=""), "language", "an empty string"),
        (lambda: WhatsAppTemplate("t", language_policy="x"), "language_policy", "none"),
        (lambda: WhatsAppTemplate("t", body=["a", ""]), "body", "an empty string"),
        (lambda: WhatsAppTemplate("t", body="text"), "body", "str"),
        (lambda: WhatsAppTemplate("t", header=[""]), "header", "an empty string"),
        (lambda: WhatsAppTemplate("t", buttons=["x"]), "buttons", "another"),  # type: ignore[list-item]
        (lambda: MediaHeader("audio", "https://e.com"), "kind", "another"),  # type: ignore[arg-type]
        (lambda: MediaHeader("image", "https://e.com", "a.png"), "filename", "image"),
        (lambda: UrlButton(""), "value", "an empty string"),
        (lambda: QuickReply(""), "payload", "an empty string"),
        (lambda: CatalogButton(""), "thumbnail_product_retailer_id", "an empty string"),
    ],
)
def test_what_the_api_would_refuse_is_refused_here(
    make: Callable[[], object], field: str, says: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make()
    assert caught.value.field == field
    assert says in str(caught.value)


def test_the_limits_themselves_are_allowed() -> None:
    assert len(direct(messages=[Text("x")] * 5).messages) == 5
    assert len(broadcast(to=[str(n) for n in range(150)]).to) == 150
    assert direct(custom_attributes={"k" * 100: "v" * 1000}).to_wire()["customAttributes"]
    values: dict[str, Any] = {
        "text": "",
        "day": date(2022, 11, 1),
        "moment": datetime(2022, 11, 1, 14, 16),  # noqa: DTZ001
        "yes": True,
        "points": 900.0,
    }
    assert direct(custom_attributes=values).to_wire()["customAttributes"] == [
        {"key": "text", "value": ""},
        {"key": "day", "value": "2022-11-01"},
        {"key": "moment", "value": "2022-11-01T14:16:00"},
        {"key": "yes", "value": True},
        {"key": "points", "value": 900.0},
    ]
    later = broadcast(scheduled_at=datetime(2023, 8, 12, 10, 43, 11))  # noqa: DTZ001
    assert later.to_wire()["scheduledAt"] == "2023-08-12T10:43:11"


# ---- over the wire -----------------------------------------------------------------------------


def test_a_send_is_posted_once_and_its_ids_are_read_under_both_names() -> None:
    answers = [
        *samples("direct_messages")[:1],
        {"response": {"content": {"trackId": "t", "messageIds": ["a", None, "b"]}}},
        {"response": {"trackId": "t", "messageIds": ["c"]}},
    ]

    async def main() -> None:
        async with served([reply(200, each["response"]) for each in answers]) as (server, client):
            sent = [await client.direct_messages.send(DIRECT[0]) for _ in answers]
        assert [each.ids for each in sent] == [
            ["wamid.HBgLODUyOTAzNTQ1MzMVAgARGBI3NEM2MUUwQkU4MTAxRkQxN0QA"],
            ["a", "b"],
            ["c"],
        ]
        request = server.requests[0]
        assert (request.method, request.target) == ("POST", "/v1/direct-messages")
        assert json.loads(request.body) == DIRECT[0].to_wire()

    run(main())


@pytest.mark.parametrize("answer", [{"content": {"broadcastId": "b-1"}}, {"broadcastId": "b-1"}])
def test_a_broadcast_gives_its_id_with_and_without_content(answer: dict[str, Any]) -> None:
    async def main() -> None:
        async with served([reply(200, answer)]) as (server, client):
            assert (await client.broadcasts.send(BROADCASTS[0])).broadcast_id == "b-1"
            assert json.loads(server.requests[0].body) == BROADCASTS[0].to_wire()

    run(main())


def test_a_send_whose_answer_is_lost_is_not_repeated() -> None:
    async def main() -> None:
        async with served([drop()]) as (server, client):
            with pytest.raises(OutcomeUnknown):
                await client.direct_messages.send(DIRECT[0])
            with pytest.raises(OutcomeUnknown):
                await client.broadcasts.send(BROADCASTS[0])
            assert len(server.requests) == 2

    run(main())


def test_a_permanent_500_is_raised_as_what_it_is() -> None:
    async def main() -> None:
        refused = samples("direct_messages")[1]["response"]
        async with served([reply(500, refused)]) as (server, client):
            with pytest.raises(MarketingMessagesLiteNotEnabled):
                await client.direct_messages.send(DIRECT[0])
            assert len(server.requests) == 1

    run(main())


def test_what_is_listed_and_read_of_broadcasts() -> None:
    job = samples("broadcast")[0]["response"]
    bare = job["content"]
    buttons = {"content": [{"messageIndex": 0, "buttonIndex": 1, "clickedPercentage": "62.50%"}]}

    async def main() -> None:
        script = [
            reply(200, samples("broadcast_list")[0]["response"]),
            reply(200, {"content": [], "totalElements": 1}),
            reply(200, job),
            reply(200, bare),
            reply(200, samples("broadcast_recipients")[0]["response"]),
            reply(200, buttons),
        ]
        async with served(script) as (server, client):
            first = await client.broadcasts.list(
                types=[BroadcastType.BROADCAST, 3, 4],
                platform=Platform.LINE,
                status=BroadcastStatus.COMPLETED,
            )
            await client.broadcasts.list(types=[1], status="completed")
            detail = await client.broadcasts.get("9748/a=b")
            assert await client.broadcasts.get("x") == detail
            people = await client.broadcasts.recipients("x", status=RecipientStatus.NOT_DELIVERED)
            clicks = await client.broadcasts.buttons("x")
        targets = [request.target for request in server.requests]
        assert targets == [
            "/v1/broadcast?platform=line&type=1%2C3%2C4&status=1&page=1&pageSize=100",
            "/v1/broadcast?type=1&status=completed&page=1&pageSize=100",
            "/v1/broadcast/9748%2Fa%3Db",
            "/v1/broadcast/x",
            "/v1/broadcast/x/recipients?status=notDelivered&page=1&pageSize=100",
            "/v1/broadcast/x/buttons",
        ]
        assert (first.items[0].type, first.items[0].recipient_type, first.total) == (
            BroadcastType.BROADCAST,
            RecipientType.FILTER,
            20,
        )
        assert (detail.rate("read_rate"), detail.money("cost")) == (
            Decimal("57.75"),
            Decimal("34707.40"),
        )
        assert (detail.responded_within12_hour, detail.response_rate_within12_hour) == (
            172,
            "0.35%",
        )
        assert detail.extra == {}
        assert (people.items[0].clicked, people.items[0].clicked_at) == (True, None)
        assert people.items[1].error == "Undeliverable"
        assert (clicks[0].percent, clicks[0].card_index) == (Decimal("62.50"), None)

    run(main())


def test_templates_are_listed_and_filled() -> None:
    answer = samples("templates")[0]["response"]

    async def main() -> list[MessageTemplate]:
        async with served([reply(200, answer), reply(200, {"content": []})]) as (server, client):
            found = [each async for each in client.templates.list(phone="85298765432")]
            assert "phone=85298765432" in server.requests[0].target
            return found

    by_name = {template.name: template for template in run(main())}
    assert all(t.extra == {} and all(c.extra == {} for c in t.components) for t in by_name.values())
    filled = WhatsAppTemplate.of(by_name["pre_order_message"], body=["ORDER0001", "3"])
    assert (filled.language, filled.template_object()["components"]) == (
        "zh_HK",
        [
            {
                "type": "body",
                "parameters": [
                    {"type": "text", "text": "ORDER0001"},
                    {"type": "text", "text": "3"},
                ],
            }
        ],
    )
    cart = by_name["cart_abandonment_reminder_en"]
    image, link = MediaHeader.image("https://e.com/i.png"), UrlButton("https://e.com")
    good = WhatsAppTemplate.of(cart, header=image, body=["a", "b", "c"], buttons=[link])
    assert [each["type"] for each in good.template_object()["components"]] == [
        "header",
        "body",
        "button",
    ]
    replies = by_name["autopush_eu"]
    assert WhatsAppTemplate.of(replies, buttons=[QuickReply("a"), None]).buttons[1] is None
    wrong: list[tuple[MessageTemplate, str, dict[str, Any]]] = [
        (by_name["pre_order_message"], "body", {"body": ["one"]}),
        (by_name["pre_order_message"], "body", {}),
        (by_name["pre_order_message"], "body", {"body": {"name": "x", "other": "y"}}),
        (by_name["pre_order_message"], "header", {"body": ["a", "b"], "header": ["x"]}),
        (by_name["pre_order_message"], "header", {"body": ["a", "b"], "header": image}),
        (by_name["pre_order_message"], "buttons", {"body": ["a", "b"], "buttons": [link]}),
        (cart, "header", {"body": ["a", "b", "c"], "buttons": [link]}),
        (cart, "header", {"body": ["a"] * 3, "header": MediaHeader.video("https://e.com/v")}),
        (cart, "buttons[0]", {"body": ["a"] * 3, "header": image}),
        (cart, "buttons[0]", {"body": ["a"] * 3, "header": image, "buttons": [QuickReply("x")]}),
        (replies, "buttons[0]", {"buttons": [link]}),
        (replies, "buttons[1]", {"buttons": [None, CatalogButton("x")]}),
        (
            by_name["doc_test"],
            "buttons[0]",
            {"header": MediaHeader.document("https://e.com/d"), "buttons": [QuickReply("x")]},
        ),
    ]
    for template, field, values in wrong:
        with pytest.raises(InvalidRequest) as caught:
            WhatsAppTemplate.of(template, **values)
        assert caught.value.field == field, values


def test_a_header_that_takes_no_values_and_a_product_without_a_price() -> None:
    template = structure(
        MessageTemplate,
        {"id": "1", "name": "n", "components": [{"type": "HEADER", "format": "LOCATION"}]},
    )
    empty = {"name": "n", "components": []}
    assert WhatsAppTemplate.of(template).template_object() == empty
    assert WhatsAppTemplate("n", language="en").template_object()["language"] == {"code": "en"}
    product = Product(name="a", image="https://e.com/i", url="https://e.com", button_label="b")
    assert "price" not in product.to_wire()


def test_named_placeholders_need_their_names() -> None:
    template = structure(
        MessageTemplate,
        {
            "id": "1",
            "name": "named",
            "components": [{"type": "body", "text": "Hi {{first_name}}, {{ order }}, {{order}}"}],
        },
    )
    filled = WhatsAppTemplate.of(template, body={"first_name": "Peter", "order": "TX1"})
    assert filled.body == {"first_name": "Peter", "order": "TX1"}
    for body in (["Peter", "TX1"], {"first_name": "Peter"}, ()):
        with pytest.raises(InvalidRequest, match=r"first_name.*by name"):
            WhatsAppTemplate.of(template, body=body)


def test_bad_lists_are_refused_before_anything_is_sent() -> None:
    async def main() -> None:
        async with served([reply(200, {})]) as (server, client):
            for make in (
                lambda: client.broadcasts.list(types=[]),
                lambda: client.broadcasts.list(types=[True]),
                lambda: client.broadcasts.list(types=[1], platform=""),
                lambda: client.broadcasts.recipients(""),
                lambda: client.templates.list(phone="+852 9876"),
            ):
                with pytest.raises(InvalidRequest):
                    make()
            with pytest.raises(InvalidRequest):
                await client.broadcasts.get("")
            assert server.requests == []

    run(main())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("76.78%", "76.78"),
        (" 0.60 % ", "0.60"),
        ("20.00", "20.00"),
        ("", None),
        (None, None),
        ("n/a", None),
        ("NaN%", None),
    ],
)
def test_percent(text: str | None, number: str | None) -> None:
    assert parse_percent(text) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("NT$10,234", "10234"),
        ("HK$ 34,707.40", "34707.40"),
        ("10000.00", "10000.00"),
        ("-$.50", "-0.50"),
        ("USD -1.5", "-1.5"),
        ("free", None),
        ("1 or 2", None),
        ("", None),
        (None, None),
    ],
)
def test_money(text: str | None, number: str | None) -> None:
    assert parse_money(text) == (None if number is None else Decimal(number))


def test_only_rates_and_amounts_are_numbers_in_text() -> None:
    job = BroadcastJob(id="1", revenue=None, recipient_count=3, roas="0.00%")
    assert (job.money("revenue"), job.rate("roas")) == (None, Decimal("0.00"))
    with pytest.raises(TypeError):
        job.rate("recipient_count")
    assert BroadcastButton().percent is None


def test_against_the_sandbox_what_is_sent_is_found_again() -> None:
    async def main() -> None:
        limiter = RateLimiter(limit=None)
        async with (
            Sandbox(rows=500, limit=None) as box,
            OmnichatClient(box.token, base_url=box.url, limiter=limiter) as client,
        ):
            line = {"platform": "line", "channel_id": "1650000000"}
            sent = await client.direct_messages.send(direct(**line))
            message = await client.messages.get(sent.ids[0])
            assert message.message == "x"
            with pytest.raises(ContactUnsubscribed):
                await client.direct_messages.send(direct(**line, to="U1-unsubscribed"))
            made = await client.broadcasts.send(broadcast(**line))
            listed = [
                each.id
                async for each in client.broadcasts.list(
                    types=[BroadcastType.OPEN_API], platform="line"
                )
            ]
            assert made.broadcast_id in listed
            job = await client.broadcasts.get(made.broadcast_id)
            assert (job.subject, job.recipient_count) == ("Final Sales Promo", 2)
            recipients = [r async for r in client.broadcasts.recipients(made.broadcast_id)]
            assert len(recipients) == 2
            await client.broadcasts.buttons(made.broadcast_id)
            with pytest.raises(NotFound):
                await client.broadcasts.get("nothing")
            with pytest.raises(NotFound):
                await client.broadcasts.recipients("nothing")
            phone = "85290000001"
            templates = [t async for t in client.templates.list(phone=phone)]
            assert all(template.id for template in templates)

    run(main())
