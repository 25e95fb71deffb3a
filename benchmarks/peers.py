"""What users would otherwise run, each as its documentation says. Needs `bench-peers`.

    python -m benchmarks.peers CASE URL PAGES

Only case functions import their libraries, so that none pays for another.
"""
# mypy: ignore-errors
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false
# pyright: reportInvalidTypeForm=false, reportGeneralTypeIssues=false

from __future__ import annotations

import hmac
import json
from datetime import datetime
from typing import Any, Literal

from benchmarks.clients import AT_ONCE, by_hand, query
from benchmarks.support.child import answer, importing, keeping, reading, repeating
from benchmarks.support.rows import SECRET, contact, message, signature, webhook_bytes

HEADERS = {"Authorization": "Bearer t"}
Platform = Literal["line", "facebook", "instagram", "wechat", "whatsapp", "webchat"]
Sender = Literal["customer", "agent", "bot", "ai-chat"]
Kind = Literal["text", "photo", "audio", "video", "document", "chatbot"]
Status = Literal["sent", "delivered", "read", "error"]
AttributeType = Literal["text", "number", "date", "datetime", "boolean"]


def pydantic_models(base: Any = None) -> Any:
    """Message, Contact and their page, as pydantic models with the names of the wire."""
    import pydantic

    base = base or pydantic.BaseModel

    class Channel(base):
        platform: Platform | str | None = None
        channelId: str | None = None

    class Message(base):
        id: str
        time: datetime | None = None
        channel: Channel | None = None
        roomId: str | None = None
        customerUserId: str | None = None
        bsuid: str | None = None
        senderType: Sender | str | None = None
        senderName: str | None = None
        senderUserId: str | None = None
        senderPhone: str | None = None
        senderEmail: str | None = None
        messageType: Kind | str | None = None
        messageStatus: Status | str | None = None
        message: str | None = None
        mediaUrl: str | None = None

    class Attribute(base):
        key: str
        value: str | int | float | bool | None = None
        type: AttributeType | str | None = None
        displayName: str | None = None

    class Contact(base):
        id: str
        channel: Channel | None = None
        bsuid: str | None = None
        name: str | None = None
        lastMessageTime: datetime | None = None
        subscribedAt: datetime | None = None
        unsubscribedAt: datetime | None = None
        updatedAt: datetime | None = None
        tags: list[str] = []
        customAttributes: list[Attribute] = []
        extraAttributes: dict[str, Any] | None = None
        status: bool | None = None
        note: str | None = None
        email: str | None = None
        phone: str | None = None
        memberId: str | None = None
        agentName: str | None = None
        agentEmployeeCode: str | None = None
        agentBindTime: datetime | None = None
        agentLocationName: str | None = None
        agentLocationCode: str | None = None

    for each in (Channel, Message, Attribute, Contact):
        each.model_rebuild(_types_namespace={**globals(), **locals()})
    return Message, Contact


def pydantic_pages() -> Any:
    """A page of messages."""
    import pydantic

    return pydantic.create_model(
        "Page", content=(list[pydantic_models()[0]], ...), totalElements=(int, 0)
    )


# ---- typed, by hand ----------------------------------------------------------------------------


async def aiohttp_pydantic(url: str, pages: int) -> int:
    """aiohttp, and pydantic on what json gives."""
    page = pydantic_pages()

    async def parse(response: Any) -> list[Any]:
        return page.model_validate(await response.json()).content

    return await by_hand(url, pages, AT_ONCE, parse)


async def aiohttp_cattrs(url: str, pages: int) -> int:
    """aiohttp, and cattrs as it comes on what json gives."""
    converter, model, _ = cattrs_models()

    async def parse(response: Any) -> list[Any]:
        return converter.structure((await response.json())["content"], list[model])

    return await by_hand(url, pages, AT_ONCE, parse)


async def httpx_pydantic(url: str, pages: int) -> int:
    """httpx and pydantic, page after page."""
    import httpx

    page, rows = pydantic_pages(), 0
    async with httpx.AsyncClient(headers=HEADERS) as client:
        for number in range(1, pages + 1):
            response = await client.get(f"{url}/messages", params=query(number))
            response.raise_for_status()
            for _ in page.model_validate(response.json()).content:
                rows += 1
    return rows


async def requests_json(url: str, pages: int) -> int:
    """requests and dicts, page after page."""
    import requests

    rows = 0
    with requests.Session() as session:
        session.headers.update(HEADERS)
        for number in range(1, pages + 1):
            response = session.get(f"{url}/messages", params=query(number))
            response.raise_for_status()
            for _ in response.json()["content"]:
                rows += 1
    return rows


async def dlt_rest(url: str, pages: int) -> int:
    """dlt's RESTClient with its paginator of page numbers, dicts."""
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

    paginator = PageNumberPaginator(
        base_page=1, page_param="page", total_path=None, maximum_page=pages + 1
    )
    client = RESTClient(base_url=url, headers=HEADERS, paginator=paginator)
    params = {name: value for name, value in query(1).items() if name != "page"}
    rows = 0
    for page in client.paginate("/messages", params=params, data_selector="content"):
        for _ in page:
            rows += 1
    return rows


# ---- openai's paginator ------------------------------------------------------------------------


async def openai_rows(url: str, strict: bool) -> int:
    """openai-python's base client, its paginator and its models, for this API."""
    from typing import Generic, TypeVar

    from openai import AsyncOpenAI, BaseModel
    from openai._base_client import BaseAsyncPage, BasePage, PageInfo, make_request_options

    model, _ = pydantic_models(BaseModel)
    item = TypeVar("item")

    class NumberedPage(BaseAsyncPage[item], BasePage[item], Generic[item]):
        content: list[item]
        totalElements: int = 0

        def _get_page_items(self) -> list[item]:
            return self.content

        def next_page_info(self) -> PageInfo | None:
            now = int(self._options.params.get("page", 1))
            return PageInfo(params={"page": now + 1}) if now * 100 < self.totalElements else None

    NumberedPage.model_rebuild(_types_namespace={"item": item})
    rows = 0
    async with AsyncOpenAI(api_key="t", base_url=url, _strict_response_validation=strict) as client:
        options = make_request_options(query=query(1))
        async for _ in client.get_api_list(
            "/messages", page=NumberedPage[model], model=model, options=options
        ):
            rows += 1
    return rows


async def openai_default(url: str, pages: int) -> int:
    """As it comes: typed, unchecked."""
    return await openai_rows(url, strict=False)


async def openai_validating(url: str, pages: int) -> int:
    """With its strict option: typed and checked."""
    return await openai_rows(url, strict=True)


# ---- the model layer alone ---------------------------------------------------------------------


def cattrs_models() -> Any:
    """A stock cattrs converter, and the models with the names of the wire."""
    import enum
    from datetime import UTC

    import attrs
    import cattrs

    def open_enum(name: str, *values: str) -> Any:
        return enum.Enum(name, {value: value for value in values})

    platform = open_enum("Platform", "line", "facebook", "instagram", "whatsapp", "webchat")
    sender = open_enum("Sender", "customer", "agent", "bot", "ai-chat")
    kind = open_enum("Kind", "text", "photo", "audio", "video", "document", "chatbot")
    status = open_enum("Status", "sent", "delivered", "read", "error")
    attribute = open_enum("AttributeType", "text", "number", "date", "datetime", "boolean")
    text, when = str | None, datetime | None

    def model(title: str, required: str | None, fields: dict[str, Any]) -> Any:
        made = {required: attrs.field(type=str)} if required else {}
        made |= {key: attrs.field(type=tp, default=None) for key, tp in fields.items()}
        return attrs.make_class(title, made, slots=True)

    channel = model("Channel", None, {"platform": platform | None, "channelId": text})
    plain = dict.fromkeys(("roomId", "customerUserId", "bsuid", "senderName"), text)
    plain |= dict.fromkeys(("senderUserId", "senderPhone", "senderEmail"), text)
    plain |= {"message": text, "mediaUrl": text, "time": when, "channel": channel | None}
    plain |= {"senderType": sender | None, "messageType": kind | None}
    msg = model("Message", "id", {**plain, "messageStatus": status | None})
    value = str | int | float | bool | None
    fields = {"value": value, "type": attribute | None, "displayName": text}
    attr = model("Attribute", "key", fields)
    times = ("lastMessageTime", "subscribedAt", "unsubscribedAt", "updatedAt", "agentBindTime")
    texts = ("bsuid", "name", "note", "email", "phone", "memberId", "agentName")
    texts += ("agentEmployeeCode", "agentLocationName", "agentLocationCode")
    fields = {**dict.fromkeys(times, when), **dict.fromkeys(texts, text)}
    fields |= {"channel": channel | None, "tags": list[str], "customAttributes": list[attr]}
    fields |= {"extraAttributes": dict[str, Any] | None, "status": bool | None}
    person = model("Contact", "id", fields)
    converter = cattrs.Converter()
    converter.register_structure_hook(
        datetime, lambda ms, _: datetime.fromtimestamp(ms / 1000, UTC)
    )
    converter.register_structure_hook(str | int | float | bool | None, lambda v, _: v)
    return converter, msg, person


def structuring(layer: str, make: Any) -> Any:
    """A case of the model layer: parsed dicts in, objects out."""

    def prepare() -> Any:
        rows = [make(n) for n in range(1000)]
        which = 0 if make is message else 1
        if layer == "pydantic":
            import pydantic

            adapter = pydantic.TypeAdapter(list[pydantic_models()[which]])
            return lambda: adapter.validate_python(rows), len(rows)
        converter, *models = cattrs_models()
        return lambda: converter.structure(rows, list[models[which]]), len(rows)

    return lambda: repeating(prepare)


def kept_pydantic(bodies: list[bytes]) -> list[Any]:
    """Messages as pydantic models."""
    page = pydantic_pages()
    return [row for body in bodies for row in page.model_validate_json(body).content]


# ---- webhooks ----------------------------------------------------------------------------------


def pywa_webhook(events: str, split: str = "") -> dict[str, float]:
    """pywa's check of the signature, and its parser, without its dispatch.

    It reads the first message of a request and no other; `split` takes a batch apart by hand, a
    request for each of its messages.
    """

    def prepare() -> Any:
        from pywa import WhatsApp, utils
        from pywa.types import Message, RawUpdate

        client, count = WhatsApp(token="t", phone_id="1089"), int(events)
        body = webhook_bytes(count)
        header = f"sha256={signature(body)}"

        def parse(raw: bytes) -> Any:
            update = RawUpdate(raw, hmac_header=header, update_hash="")
            return Message.from_update(client=client, update=update)

        def work() -> None:
            assert utils.webhook_updates_validator(SECRET, body, header)
            if not split:
                assert parse(body).text
                return
            root = json.loads(body)
            value = root["entry"][0]["changes"][0]["value"]
            people, messages = value["contacts"], value["messages"]
            for person, each in zip(people, messages, strict=True):
                value |= {"contacts": [person], "messages": [each]}
                assert parse(json.dumps(root).encode()).text

        return work, count

    return repeating(prepare)


def pydantic_webhook(events: str) -> dict[str, float]:
    """The fields of a text message as one would write them by hand, with json and pydantic."""

    def prepare() -> Any:
        import pydantic

        class Text(pydantic.BaseModel):
            body: str | None = None

        class Message(pydantic.BaseModel):
            id: str | None = None
            from_user_id: str | None = None
            timestamp: str | None = None
            type: str | None = None
            text: Text | None = None

        Message.model_rebuild(_types_namespace={"Text": Text})
        count = int(events)
        body = webhook_bytes(count)
        signed = signature(body)

        def work() -> None:
            expected = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
            assert hmac.compare_digest(expected, signed)
            value = json.loads(body)["entry"][0]["changes"][0]["value"]
            assert len([Message.model_validate(each) for each in value["messages"]]) == count

        return work, count

    return repeating(prepare)


# ---- imports -----------------------------------------------------------------------------------


def openai_client() -> None:
    """Import openai and make its client."""
    from openai import AsyncOpenAI

    AsyncOpenAI(api_key="t")


READS = (aiohttp_pydantic, aiohttp_cattrs, httpx_pydantic, requests_json, dlt_rest)
CASES = {
    **{each.__name__: reading(each) for each in (*READS, openai_default, openai_validating)},
    **{
        f"{layer}_{make.__name__}": structuring(layer, make)
        for layer in ("pydantic", "cattrs")
        for make in (message, contact)
    },
    "pywa_webhook": pywa_webhook,
    "pydantic_webhook": pydantic_webhook,
    "kept_pydantic": keeping(kept_pydantic),
    "openai_client": importing(openai_client),
}

if __name__ == "__main__":
    answer(CASES)
