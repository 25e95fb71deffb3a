"""The WhatsApp headless API: all sample bodies, the answer, and what is refused locally."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import OmnichatClient
from omnichat_async.errors import BadRequest, InvalidRequest, OutcomeUnknown
from omnichat_async.models import (
    CatalogButton,
    HeadlessMessage,
    HeadlessSent,
    MediaHeader,
    QuickReply,
    WhatsAppTemplate,
    headless,
)
from omnichat_async.models.headless import ListRow, ListSection, ProductSection, ReplyButton
from omnichat_async.sandbox import Sandbox
from omnichat_async.sandbox.data.platforms import PLATFORMS
from tests.support.asking import refusal
from tests.support.builders import load
from tests.support.calls import served
from tests.support.run import run
from tests.support.wire import drop, reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.models.headless import Content

TO = "{{Recipient-Phone-Number}}"
SAMPLES: dict[str, Any] = load("headless.samples")
ANSWER = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "85291234567", "wa_id": "85291234567 "}],
    "messages": [{"id": "wamid.HBgL=="}],
}
TEXT = headless.Text("Hello")
PHONE = PLATFORMS["whatsapp"].channels[0]
PARAM = {"type": "<param type>", "text": "<param value>"}


def template(**parts: Any) -> headless.Template:
    return headless.Template(
        WhatsAppTemplate("template-name", language="language-and-locale-code", **parts)
    )


def rows(section: int) -> list[ListRow]:
    return [
        ListRow(
            f"<LIST_SECTION_{section}_ROW_{row}_ID>",
            f"<SECTION_{section}_ROW_{row}_TITLE>",
            f"<SECTION_{section}_ROW_{row}_DESC>",
        )
        for row in (1, 2)
    ]


def products(section: int) -> ProductSection:
    ids = [
        f"<YOUR_PRODUCT{section}_SKU_IN_CATALOG>",
        f"<YOUR_SECOND_PRODUCT{section}_SKU_IN_CATALOG>",
    ]
    return ProductSection(ids, f"<SECTION{section}_TITLE>")


CONTENTS: dict[str, Content] = {
    "Send Text Message": headless.Text("<TEXT_MSG_CONTENT>"),
    "Send Text Message with Preview URL": headless.Text(
        "Please visit https://youtu.be/hpltvTEiRrY to inspire your day!", preview_url=True
    ),
    "Send Reply to Text Message": headless.Text("<TEXT_MSG_CONTENT>"),
    "Send Reply with Reaction Message": headless.Reaction("<WAM_ID>", "<EMOJI>"),
    "Send Image Message by URL": headless.Image("https://example.com/image.png"),
    "Send Audio Message by URL": headless.Audio("https://example.com/audio.mp4"),
    "Send Video Message by URL": headless.Video(
        "https://example.com/video.mp4", caption="<VIDEO_CAPTION_TEXT>"
    ),
    "Send Document Message by URL": headless.Document(
        "https://example.com/doc.pdf",
        caption="<DOCUMENT_CAPTION_TEXT>",
        filename="<DOCUMENT_FILENAME>",
    ),
    "Send Sticker Message by URL": headless.Sticker("https://example.com/sticker.webp"),
    "Send Location Message": headless.Location(
        "<LOCATION_LATITUDE>", "<LOCATION_LONGITUDE>", "<LOCATION_NAME>", "<LOCATION_ADDRESS>"
    ),
    "Send List Message": headless.List(
        "<BODY_TEXT>",
        button="<BUTTON_TEXT>",
        sections=[ListSection(rows(n), f"<LIST_SECTION_{n}_TITLE>") for n in (1, 2)],
        header="<HEADER_TEXT>",
        footer="<FOOTER_TEXT>",
    ),
    "Send Reply Button": headless.Buttons(
        "<BUTTON_TEXT>",
        [ReplyButton(f"<UNIQUE_BUTTON_ID_{n}>", f"<BUTTON_TITLE_{n}>") for n in (1, 2)],
    ),
    "Send Single Product Message": headless.Product(
        catalog_id="367025965434465",
        product_retailer_id="<ID_TEST_ITEM_1>",
        body="<OPTIONAL_BODY_TEXT>",
        footer="<OPTIONAL_FOOTER_TEXT>",
    ),
    "Send Multi-Product Message": headless.Products(
        catalog_id="146265584024623",
        header="<YOUR_TEXT_HEADER_CONTENT>",
        body="<YOUR_TEXT_BODY_CONTENT>",
        footer="<YOUR_TEXT_FOOTER_CONTENT>",
        sections=[products(1), products(2)],
    ),
    "Send Catalog Message": headless.Catalog(
        "Hello! Thanks for your interest. Ordering is easy. Just visit our catalog and add items "
        "to purchase.",
        footer="Best grocery deals on WhatsApp!",
        thumbnail_product_retailer_id="2lc20305pt",
    ),
    "Send Message Template Text": template(body=[PARAM]),
    "Send Message Template Media": template(
        header=MediaHeader.image("https://example.com/image.png"), body=[PARAM]
    ),
    "Send Message Template Interactive": template(
        body=[PARAM],
        buttons=[QuickReply("aGlzIHRoaXMgaXMgY29v"), QuickReply("9rwnB8RbYmPF5t2Mn09x4h")],
    ),
    "Send Catalog Template Message": template(body=[PARAM], buttons=[CatalogButton("2lc20305pt")]),
}


def test_every_sample_of_the_collection_is_tried() -> None:
    assert len(SAMPLES) == 19
    assert set(CONTENTS) == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_message_goes_over_the_wire_as_its_sample(name: str) -> None:
    reply_to = "<MSGID_OF_PREV_MSG>" if "Reply to Text" in name else None
    message = HeadlessMessage(TO, CONTENTS[name], reply_to)

    async def main() -> None:
        async with served([reply(200, ANSWER)]) as (server, client):
            await client.headless.send("85221234567", message)
            (request,) = server.requests
            assert (request.method, request.target) == (
                "POST",
                "/v1/whatsapp/headless-api/85221234567/messages",
            )
            assert json.loads(request.body) == SAMPLES[name] == message.to_wire()
            assert request.headers["authorization"].startswith("Bearer ")

    run(main())


# ---- what the samples do not show --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Image", "Video", "Document", "Audio", "Sticker"])
def test_a_file_goes_by_its_media_id_too(kind: str) -> None:
    content = getattr(headless, kind)(media_id="1013859600285441")
    name = kind.lower()
    assert content.to_wire() == {"type": name, name: {"id": "1013859600285441"}}


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (
            headless.Location(22.3, -114),
            {"type": "location", "location": {"latitude": 22.3, "longitude": -114}},
        ),
        (
            headless.Reaction("wamid.1", ""),
            {"type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": ""}},
        ),
        (
            headless.Catalog("All"),
            {
                "type": "interactive",
                "interactive": {
                    "type": "catalog_message",
                    "body": {"text": "All"},
                    "action": {"name": "catalog_message"},
                },
            },
        ),
        (
            headless.Product(catalog_id="1", product_retailer_id="2"),
            {
                "type": "interactive",
                "interactive": {
                    "type": "product",
                    "action": {"catalog_id": "1", "product_retailer_id": "2"},
                },
            },
        ),
        (
            headless.Buttons(
                "?", [ReplyButton("1", "A")], header=MediaHeader.document("https://a.b/c", "c.pdf")
            ),
            {
                "type": "interactive",
                "interactive": {
                    "type": "button",
                    "header": {
                        "type": "document",
                        "document": {"link": "https://a.b/c", "filename": "c.pdf"},
                    },
                    "body": {"text": "?"},
                    "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "A"}}]},
                },
            },
        ),
        (
            headless.List("?", button="Open", sections=[ListSection([ListRow("1", "A")])]),
            {
                "type": "interactive",
                "interactive": {
                    "type": "list",
                    "body": {"text": "?"},
                    "action": {
                        "button": "Open",
                        "sections": [{"rows": [{"id": "1", "title": "A"}]}],
                    },
                },
            },
        ),
        (
            headless.Products(
                catalog_id="1", header="H", body="B", sections=[ProductSection(["2"])]
            ),
            {
                "type": "interactive",
                "interactive": {
                    "type": "product_list",
                    "header": {"type": "text", "text": "H"},
                    "body": {"text": "B"},
                    "action": {
                        "catalog_id": "1",
                        "sections": [{"product_items": [{"product_retailer_id": "2"}]}],
                    },
                },
            },
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_given_is_not_sent(content: Content, wire: dict[str, Any]) -> None:
    assert content.to_wire() == wire


def many_rows(count: int, start: int = 0) -> list[ListRow]:
    return [ListRow(str(n), "A") for n in range(start, start + count)]


LIMITS: dict[str, tuple[str, Callable[[], object]]] = {
    "no recipient": ("to", lambda: HeadlessMessage("", TEXT)),
    "no content of ours": ("content", lambda: HeadlessMessage("1", "Hello")),  # type: ignore[arg-type]
    "an empty reply_to": ("reply_to", lambda: HeadlessMessage("1", TEXT, "")),
    "an empty text": ("body", lambda: headless.Text("")),
    "a reaction to nothing": ("message_id", lambda: headless.Reaction("", "x")),
    "a reaction without emoji": ("emoji", lambda: headless.Reaction("wamid.1", None)),  # type: ignore[arg-type]
    "no file": ("link, media_id", headless.Image),
    "two files": ("link, media_id", lambda: headless.Image("https://a.b/c", media_id="1")),
    "no URL": ("link", lambda: headless.Video("/tmp/a.mp4")),
    "an empty media id": ("media_id", lambda: headless.Audio(media_id="")),
    "an empty caption": ("caption", lambda: headless.Image("https://a.b/c", caption="")),
    "an empty file name": ("filename", lambda: headless.Document("https://a.b/c", filename="")),
    "no latitude": ("latitude", lambda: headless.Location("", 1)),
    "an infinite longitude": ("longitude", lambda: headless.Location(1, float("inf"))),
    "an empty address": ("address", lambda: headless.Location(1, 1, address="")),
    "a row without id": ("id", lambda: ListRow("", "A")),
    "a row without title": ("title", lambda: ListRow("1", "")),
    "an empty description": ("description", lambda: ListRow("1", "A", "")),
    "no rows": ("rows", lambda: ListSection([])),
    "11 rows": ("rows", lambda: ListSection(many_rows(11))),
    "rows of another kind": ("rows", lambda: ListSection(["A"])),  # type: ignore[list-item]
    "an empty section title": ("title", lambda: ListSection(many_rows(1), "")),
    "a list without text": ("body", lambda: list_of([ListSection(many_rows(1))], body="")),
    "a list without button": ("button", lambda: list_of([ListSection(many_rows(1))], button="")),
    "an empty header": ("header", lambda: list_of([ListSection(many_rows(1))], header="")),
    "no sections": ("sections", lambda: list_of([])),
    "11 sections": (
        "sections",
        lambda: list_of([ListSection(many_rows(1, n), "A") for n in range(11)]),
    ),
    "sections of another kind": ("sections", lambda: list_of([ProductSection(["1"])])),
    "two sections without title": (
        "title",
        lambda: list_of([ListSection(many_rows(1), "A"), ListSection(many_rows(1, 1))]),
    ),
    "11 rows in two sections": (
        "sections rows",
        lambda: list_of([ListSection(many_rows(6), "A"), ListSection(many_rows(5, 6), "B")]),
    ),
    "a row twice": (
        "sections rows",
        lambda: list_of([ListSection([*many_rows(1), *many_rows(1)])]),
    ),
    "a button without id": ("id", lambda: ReplyButton("", "A")),
    "a button without title": ("title", lambda: ReplyButton("1", "")),
    "buttons without text": ("body", lambda: headless.Buttons("", [ReplyButton("1", "A")])),
    "no buttons": ("buttons", lambda: headless.Buttons("?", [])),
    "4 buttons": ("buttons", lambda: headless.Buttons("?", [ReplyButton(n, n) for n in "1234"])),
    "a button twice": ("buttons", lambda: headless.Buttons("?", [ReplyButton("1", "A")] * 2)),
    "a button of another kind": ("buttons", lambda: headless.Buttons("?", [QuickReply("1")])),  # type: ignore[list-item]
    "an empty button header": (
        "header",
        lambda: headless.Buttons("?", [ReplyButton("1", "A")], header=""),
    ),
    "no catalog": ("catalog_id", lambda: headless.Product(catalog_id="", product_retailer_id="1")),
    "no product": (
        "product_retailer_id",
        lambda: headless.Product(catalog_id="1", product_retailer_id=""),
    ),
    "an empty product text": (
        "body",
        lambda: headless.Product(catalog_id="1", product_retailer_id="1", body=""),
    ),
    "no products": ("product_retailer_ids", lambda: ProductSection([])),
    "31 products": ("product_retailer_ids", lambda: ProductSection(["1"] * 31)),
    "a product without id": ("product_retailer_ids", lambda: ProductSection([""])),
    "an empty product title": ("title", lambda: ProductSection(["1"], "")),
    "products without header": ("header", lambda: products_of([ProductSection(["1"])], header="")),
    "products with an empty footer": (
        "footer",
        lambda: products_of([ProductSection(["1"])], footer=""),
    ),
    "products in rows": ("sections", lambda: products_of([ListSection(many_rows(1))])),
    "31 products in two sections": (
        "sections product_retailer_ids",
        lambda: products_of([ProductSection(["1"] * 16, "A"), ProductSection(["1"] * 15, "B")]),
    ),
    "a catalog without text": ("body", lambda: headless.Catalog("")),
    "an empty catalog footer": ("footer", lambda: headless.Catalog("A", "")),
    "no template": ("template", lambda: headless.Template("A")),  # type: ignore[arg-type]
    "a template without language": (
        "language",
        lambda: headless.Template(WhatsAppTemplate("template-name")),
    ),
}


def list_of(sections: Any, body: str = "?", button: str = "Open", **parts: Any) -> headless.List:
    return headless.List(body, button=button, sections=sections, **parts)


def products_of(sections: Any, header: str = "H", **parts: Any) -> headless.Products:
    return headless.Products(catalog_id="1", header=header, body="B", sections=sections, **parts)


@pytest.mark.parametrize("name", LIMITS)
def test_a_message_that_cannot_be_sent_cannot_be_made(name: str) -> None:
    field, make = LIMITS[name]
    with pytest.raises(InvalidRequest) as caught:
        make()
    assert caught.value.field == field


def test_the_limits_themselves_are_allowed() -> None:
    list_of([ListSection(many_rows(1, n), "A") for n in range(10)])
    headless.Buttons("?", [ReplyButton(n, n) for n in "123"])
    products_of([ProductSection(["1"] * 30)])


# ---- the call ----------------------------------------------------------------------------------


def test_the_answer_is_read_and_the_blank_behind_the_id_is_gone() -> None:
    async def main() -> HeadlessSent:
        async with served([reply(200, ANSWER)]) as (_, client):
            return await client.headless.send("85221234567", HeadlessMessage("85291234567", TEXT))

    sent = run(main())
    assert sent.message_id == sent.messages[0].id == "wamid.HBgL=="
    assert (sent.contacts[0].input, sent.contacts[0].wa_id) == ("85291234567", "85291234567")
    assert sent.messaging_product == "whatsapp"
    assert (sent.extra, sent.contacts[0].extra, sent.messages[0].extra) == ({}, {}, {})


@pytest.mark.parametrize(
    ("answer", "message_id", "wa_id"),
    [
        ({}, None, None),
        ({"messages": None, "contacts": [{}]}, None, None),
        ({"messages": [{"id": "1", "message_status": "accepted"}], "new": 1}, "1", None),
        ({"content": ANSWER}, "wamid.HBgL==", "85291234567"),
    ],
)
def test_an_answer_may_lack_everything(
    answer: Any, message_id: str | None, wa_id: str | None
) -> None:
    async def main() -> HeadlessSent:
        async with served([reply(200, answer)]) as (_, client):
            return await client.headless.send(PHONE, HeadlessMessage("1", TEXT))

    sent = run(main())
    assert sent.message_id == message_id
    assert next((each.wa_id for each in sent.contacts), None) == wa_id


@pytest.mark.parametrize("phone", ["", "..", "../x/y?z#é", "+85291234567", "852 91234567", "1"])
def test_the_business_phone_is_digits_with_a_country_code(phone: str) -> None:
    error = refusal(lambda client: client.headless.send(phone, HeadlessMessage("1", TEXT)))
    assert error.field == "business_phone"


def test_the_scheme_of_the_token_can_be_basic() -> None:
    async def main() -> None:
        async with served([reply(200, ANSWER)], headless_auth="Basic") as (server, client):
            await client.headless.send(PHONE, HeadlessMessage("1", TEXT))
            assert server.requests[0].headers["authorization"].startswith("Basic ")

    run(main())


def test_it_is_sent_once_when_nobody_knows_and_again_after_429() -> None:
    async def main() -> None:
        async with served([drop()]) as (server, client):
            with pytest.raises(OutcomeUnknown):
                await client.headless.send(PHONE, HeadlessMessage("1", TEXT))
            assert len(server.requests) == 1
        script = [reply(429, headers={"retry-after": "0"}), reply(200, ANSWER)]
        async with served(script) as (server, client):
            await client.headless.send(PHONE, HeadlessMessage("1", TEXT))
            assert len(server.requests) == 2

    run(main())


def test_metas_own_error_is_read() -> None:
    error = {
        "error": {"message": "Re-engagement message", "type": "OAuthException", "code": 131047}
    }

    async def main() -> None:
        async with served([reply(400, error)]) as (_, client):
            with pytest.raises(BadRequest) as caught:
                await client.headless.send(PHONE, HeadlessMessage("1", TEXT))
            assert caught.value.code == "131047"

    run(main())


def test_the_sandbox_takes_every_kind_and_refuses_the_unreachable() -> None:
    async def main() -> None:
        async with (
            Sandbox(rows=10, limit=None) as sandbox,
            OmnichatClient(sandbox.token, base_url=sandbox.url) as client,
        ):
            for content in CONTENTS.values():
                sent = await client.headless.send(PHONE, HeadlessMessage("85291234567", content))
                assert sent.message_id
                assert sent.contacts[0].wa_id == "85291234567"
            assert [each.kind for each in sandbox.sent] == ["headless"] * len(CONTENTS)
            with pytest.raises(BadRequest) as caught:
                await client.headless.send(PHONE, HeadlessMessage("852-unreachable", TEXT))
            assert caught.value.code == "131026"

    run(main())
