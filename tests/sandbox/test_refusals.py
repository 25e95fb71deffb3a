"""What the sandbox refuses: each with the error body of its endpoint."""

from collections.abc import Callable
from typing import Any

import aiohttp
import attrs
import pytest

from omnichat_async.sandbox import Sandbox
from omnichat_async.sandbox.endpoints import ENDPOINTS

from .asking import noon, post
from .bodies import (
    BLOCK,
    IMAGE,
    PRODUCT,
    TEMPLATE,
    TEXT,
    agent_message,
    broadcast,
    direct,
    event,
    headless,
    notification,
    order,
    room,
    roster,
)
from .support import LINE, WHATSAPP, Answer, Client, refusal, visit

BODY = (400, "INVALID_REQUEST_BODY")
PARAMETERS = (400, "INVALID_REQUEST_PARAMETERS")
MISSING = (400, "MISSING_URL_PARAMETER")
ATTRIBUTE = (400, "INVALID_CUSTOM_ATTRIBUTE")
OCE = "OCE::BAD_REQUEST::"

Make = Callable[[Sandbox], dict[str, Any]]


@attrs.frozen
class Request:
    """A request the sandbox accepts."""

    method: str
    path: str
    make: Make
    query: dict[str, str] = attrs.field(factory=dict)

    async def send(
        self, client: Client, /, query: dict[str, str] | None = None, **changes: Any
    ) -> Answer:
        body = {**self.make(client.sandbox), **changes}
        body = {name: value for name, value in body.items() if value is not _GONE}
        url = client.sandbox.url + self.path
        if self.path.startswith("/pixel"):
            url = client.sandbox.conversions_url + self.path
        more = self.query if query is None else query
        return await client.request(self.method, url, json_body=body, **more)


_GONE = object()
_CONTACT = {"channelId": LINE, "userId": "U1"}


def _ai_room(sandbox: Sandbox) -> dict[str, Any]:
    return {"roomId": next(sandbox.ai_rooms()), "team": sandbox.config.team_id}


def _same(body: dict[str, Any]) -> Make:
    return lambda _: body


REQUESTS = {
    "direct": Request("POST", "/direct-messages", lambda _: direct()),
    "template": Request(
        "POST",
        "/direct-messages",
        lambda _: direct(
            platform="whatsapp", channelId=WHATSAPP, to="85260000001", messages=[TEMPLATE]
        ),
    ),
    "identities": Request(
        "POST",
        "/identities/member-data",
        _same({"platform": "line", "channelId": LINE, "ids": ["U1"]}),
    ),
    "contact": Request("PUT", "/contacts/line", _same({"name": "Neu"}), _CONTACT),
    "contact of telegram": Request("PUT", "/contacts/telegram", _same({}), _CONTACT),
    "contact of webchat": Request(
        "PUT", "/contacts/webchat", _same({}), {"channelId": "webchat", "userId": "nobody"}
    ),
    "customer": Request("PUT", "/customers", _same({"name": "Neu"}), {"memberId": "X1"}),
    "loyalty": Request(
        "PUT", "/loyalty-points/action/adjust", _same({"points": 1, "memberId": "X1"})
    ),
    "roster": Request("PUT", "/rosters", lambda _: roster()),
    "assign": Request("POST", "/rooms/assign-agent", room),
    "unassign": Request("POST", "/rooms/unassign-agent", room),
    "collaborator": Request("POST", "/rooms/assign-collaborator", room),
    "no collaborator": Request("POST", "/rooms/unassign-collaborator", room),
    "broadcast": Request("POST", "/broadcast", lambda _: broadcast()),
    "headless": Request(
        "POST", f"/whatsapp/headless-api/{WHATSAPP}/messages", lambda _: headless()
    ),
    "stranger's headless": Request(
        "POST", "/whatsapp/headless-api/852/messages", lambda _: headless()
    ),
    "key": Request(
        "POST",
        "/whatsapp-business/public-key",
        _same({"phone": WHATSAPP, "businessPublicKey": "-----BEGIN PUBLIC KEY-----\nx"}),
    ),
    "agent message": Request("POST", "/agent-messages", agent_message),
    "to human": Request("POST", "/rooms/to-human-agent", _ai_room),
    "close": Request("POST", "/rooms/close", _ai_room),
    "trigger": Request(
        "POST", "/rooms/trigger-auto-assign", lambda sandbox: _ai_room(sandbox) | {"ruleId": "r"}
    ),
    "notifications": Request(
        "POST", "/notification-messages", lambda _: {"notifications": [notification()]}
    ),
    "orders": Request("PUT", "/third-party-orders", lambda _: {"orders": [order()]}),
    "event": Request("POST", "/pixel/events", lambda _: event()),
}
WHOLE = [
    name
    for name in REQUESTS
    if name not in {"contact of telegram", "contact of webchat"} and not name.startswith("stranger")
]


def code_of(answer: Answer) -> tuple[int, str]:
    """Status and code, in whatever shape the endpoint has."""
    body = answer.json
    if "content" in body:
        assert body["content"]["status"] == answer.status
        return answer.status, body["content"]["code"]
    if "error" in body:
        assert set(body["error"]) == {"message", "type", "code", "fbtrace_id"}
        return answer.status, str(body["error"]["code"])
    if set(body) == {"message"}:
        return answer.status, "::".join(body["message"].split("::")[:2])
    return refusal(answer)


def malformed(name: str) -> tuple[int, str]:
    """How this endpoint says that a body is not as it must be."""
    path = REQUESTS[name].path
    if "headless" in path:
        return 400, "100"
    return (400, "OCE::BAD_REQUEST") if "assign-" in path and "auto" not in path else BODY


@pytest.mark.parametrize("name", WHOLE)
def test_the_unspoiled_requests_are_accepted(name: str) -> None:
    answer = visit(noon(), REQUESTS[name].send)
    assert answer.status in {200, 204}


@pytest.mark.parametrize("name", WHOLE)
def test_malformed_bodies(name: str) -> None:
    sandbox = noon()
    request = REQUESTS[name]

    async def steps(client: Client) -> list[Answer]:
        answers = [await request.send(client, nonsense=1)]
        root = sandbox.conversions_url if "pixel" in request.path else sandbox.url
        for data, mime in (
            ("{", "application/json"),
            ("", "application/json"),
            ("[]", "application/json"),
            ('{"a": NaN}', "application/json; charset=utf-8"),
            ('{"a": 1e999}', "application/json"),
            ('{"a": "\\ud800"}', "application/json"),
            ("[" * 100_000, "application/json"),
            (b"\xff\xfe{", "application/json"),
            ("{}", "text/plain"),
        ):
            headers = {"Content-Type": mime}
            async with client.session.request(
                request.method,
                root + request.path,
                data=data,
                headers=headers,
                params=request.query,
            ) as response:
                raw = await response.read()
                answers.append(Answer(response.status, dict(response.headers), raw))
        return answers

    for answer in visit(sandbox, steps):
        assert code_of(answer) == malformed(name)
    assert sandbox.sent == []


def test_a_body_without_a_content_type() -> None:
    async def steps(client: Client) -> Answer:
        url = client.sandbox.url + "/direct-messages"
        async with client.session.post(
            url, data=b"{}", skip_auto_headers=["Content-Type"]
        ) as response:
            return Answer(response.status, {}, await response.read())

    answer = visit(noon(), steps)
    assert refusal(answer) == BODY
    assert answer.json["message"].startswith("Content-Type is missing")


@pytest.mark.parametrize("name", WHOLE)
def test_every_field_that_is_not_optional_is_needed(name: str) -> None:
    request = REQUESTS[name]
    optional = {
        *("name", "recipient_type", "replyToken" if name != "agent message" else ""),
        *("agentEmail",) * (name == "unassign"),
        *("type",) * (name == "headless"),
    }

    async def steps(client: Client) -> None:
        for field in request.make(client.sandbox):
            if field not in optional:
                for nothing in (_GONE, None, ""):
                    changes: dict[str, Any] = {field: nothing}
                    answer = await request.send(client, **changes)
                    assert code_of(answer) == malformed(name), field

    visit(noon(), steps)


@pytest.mark.parametrize("name", WHOLE)
def test_wrong_types(name: str) -> None:
    request = REQUESTS[name]

    async def steps(client: Client) -> None:
        for field, value in request.make(client.sandbox).items():
            wrongs: list[object] = [{}, [1], True, 1.5, 7] if value != 1 else [{}, "1", True, 1.5]
            for wrong in wrongs:
                if type(wrong) is not type(value):
                    changes: dict[str, Any] = {field: wrong}
                    answer = await request.send(client, **changes)
                    assert code_of(answer) == malformed(name), (field, wrong)

    visit(noon(), steps)


@pytest.mark.parametrize("name", WHOLE)
def test_unknown_parameters_beside_a_body(name: str) -> None:
    async def steps(client: Client) -> Answer:
        return await REQUESTS[name].send(client, query={**REQUESTS[name].query, "dryRun": "1"})

    status, code = code_of(visit(noon(), steps))
    assert status == 400
    assert code in {malformed(name)[1], "INVALID_REQUEST_PARAMETERS"}


READS = [endpoint for endpoint in ENDPOINTS if endpoint.method in {"GET", "DELETE"}]


@pytest.mark.parametrize("endpoint", READS, ids=[f"{e.method} {e.path}" for e in READS])
def test_reads_take_neither_unknown_parameters_nor_a_body(endpoint: Any) -> None:
    async def steps(client: Client) -> list[Answer]:
        path = endpoint.path.format(
            chatbot_id=1, message_id=1, platform="line", broadcast_id=1, menu_id=1
        )
        return [
            await client.send(endpoint.method, path, nonsense=1),
            await client.send(endpoint.method, path, {"a": 1}),
        ]

    unknown, with_body = visit(noon(), steps)
    assert refusal(unknown) == PARAMETERS
    assert refusal(with_body) == BODY


TOO_LONG = [{"key": "MemberTier", "value": "x" * 1001}]


def attribute(key: str, value: object) -> dict[str, Any]:
    return {"customAttributes": [{"key": key, "value": value}]}


def messages(*some: object) -> dict[str, Any]:
    return {"messages": list(some)}


def products(n: int, **changes: object) -> dict[str, Any]:
    return {"type": "products", "products": [{**PRODUCT, **changes}] * n}


def flex(*ids: str, **more: object) -> dict[str, Any]:
    templates = [{"templateId": one, **more} for one in ids]
    return {"type": "lineFlexMessageTemplates", "lineFlexMessageTemplates": templates}


def whatsapp(**changes: object) -> dict[str, Any]:
    inner = {**TEMPLATE["whatsappTemplate"], **changes}
    return messages({"type": "whatsappTemplate", "whatsappTemplate": inner})


def item(**changes: object) -> dict[str, Any]:
    return {"orders": [order(items=[{**order()["items"][0], **changes}])]}


def day(**changes: object) -> dict[str, Any]:
    entry = {"day": 1, "in": "09:30", "out": "18:30", **changes}
    return {"records": [{**roster()["records"][0], "time": [entry]}]}


def said(**message: object) -> dict[str, Any]:
    return {"messages": [message]}


REFUSED: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
    # direct messages
    ("direct", {"platform": "facebook"}, BODY),
    ("direct", {"platform": "webchat"}, BODY),
    ("direct", {"platform": "telegram"}, BODY),
    ("direct", {"channelId": "4711"}, BODY),
    ("direct", {"tags": ["a", ""]}, BODY),
    ("direct", {"tags": "a"}, BODY),
    ("direct", {"trackTransactionLink": "yes"}, BODY),
    ("direct", messages(), BODY),
    ("direct", messages("hello"), BODY),
    ("direct", messages(*[TEXT] * 6), BODY),
    ("direct", messages(BLOCK, BLOCK), BODY),
    ("direct", messages(TEXT, BLOCK), BODY),
    ("direct", messages(flex("a"), TEXT), BODY),
    ("direct", messages({"type": "video"}), BODY),
    ("direct", messages({"type": "text"}), BODY),
    ("direct", messages({"type": "image"}), BODY),
    ("direct", messages({"type": "block"}), BODY),
    ("direct", messages({**TEXT, "nonsense": 1}), BODY),
    ("direct", messages(products(11)), BODY),
    ("direct", messages(products(0)), BODY),
    ("direct", messages(products(1, buttonLabel=None)), BODY),
    ("direct", messages(products(1, price=100)), BODY),
    ("direct", messages(products(1, sku="1")), BODY),
    ("direct", messages(flex(*"abcdefghijklm")), BODY),
    ("direct", messages(flex()), BODY),
    ("direct", messages(flex("carousel-1", "bubble")), BODY),
    ("direct", messages(flex("a", parameters=[{"key": "k"}])), BODY),
    ("direct", messages(TEMPLATE), BODY),
    ("direct", attribute("Points", "3"), BODY),
    ("direct", attribute("Unknown", "3"), BODY),
    ("direct", {"to": "U1-unsubscribed"}, (400, "CONTACT_UNSUBSCRIBED")),
    ("direct", {"to": "U1-unreachable"}, (400, "CONTACT_NOT_REACHABLE")),
    ("direct", {"to": "U1-mmlite"}, (500, "MARKETING_MESSAGES_LITE_NOT_ENABLED")),
    ("template", messages(TEXT), BODY),
    ("template", messages(TEMPLATE, TEMPLATE), BODY),
    ("template", whatsapp(name=""), BODY),
    ("template", whatsapp(language={}), BODY),
    ("template", whatsapp(language={"code": "en", "x": 1}), BODY),
    ("template", whatsapp(components=[{}]), BODY),
    ("template", whatsapp(components=[{"type": "button", "index": 0.5}]), BODY),
    ("template", whatsapp(components=[{"type": "button", "index": True}]), BODY),
    ("template", whatsapp(nonsense=1), BODY),
    # identities
    ("identities", {"ids": [f"U{n}" for n in range(101)]}, BODY),
    ("identities", {"platform": "whatsapp", "channelId": WHATSAPP}, BODY),
    ("identities", {"channelId": WHATSAPP}, BODY),
    # contacts and customers
    ("contact", {"tags": [], "tagsToAdd": ["a"]}, BODY),
    ("contact", {"tags": ["a"], "tagsToRemove": []}, BODY),
    ("contact", {"status": "yes"}, BODY),
    ("contact", {"extraAttributes": {"a": 1}}, BODY),
    ("contact", {"agentLocationCode": "S-001"}, BODY),
    ("contact", {"agentEmployeeCode": "S9999"}, (404, "AGENT_NOT_FOUND")),
    (
        "contact",
        {"agentEmployeeCode": "S0002", "agentLocationCode": "S-999"},
        (404, "AGENT_NOT_FOUND"),
    ),
    ("contact", attribute("x" * 101, "1"), BODY),
    ("contact", attribute("MemberTier", None), BODY),
    ("contact", attribute("MemberTier", ["x"]), BODY),
    ("contact", {"customAttributes": TOO_LONG}, BODY),
    ("contact", attribute("Unknown", "1"), ATTRIBUTE),
    ("contact", attribute("MemberTier", 1), ATTRIBUTE),
    ("contact", attribute("Points", "2031"), ATTRIBUTE),
    ("contact", attribute("Points", True), ATTRIBUTE),
    ("contact", attribute("AcceptedMarketingPromotion", "true"), ATTRIBUTE),
    ("contact", attribute("LastPurchaseDate", "2022-11-31"), ATTRIBUTE),
    ("contact", attribute("LastPurchaseDate", "20221101"), ATTRIBUTE),
    ("contact", attribute("LastPurchaseDate", 5), ATTRIBUTE),
    ("contact", attribute("RegisterDatetime", "2022-11-01"), ATTRIBUTE),
    ("contact", attribute("RegisterDatetime", "2022-11-01T14:16:00Z"), ATTRIBUTE),
    ("contact of telegram", {}, (400, "INVALID_PLATFORM")),
    ("contact of webchat", {}, (404, "WEBCHAT_USER_NOT_FOUND")),
    ("customer", {"tags": [], "tagsToAdd": ["a"]}, BODY),
    ("customer", {"note": "n"}, BODY),
    ("customer", attribute("Points", "2031"), ATTRIBUTE),
    # loyalty
    ("loyalty", {"phone": "852912345678"}, BODY),
    ("loyalty", {"memberId": None, "phone": "+852 9123"}, BODY),
    ("loyalty", {"memberId": None, "phone": "٨٥٢"}, BODY),
    ("loyalty", {"points": 2**31}, BODY),
    # rosters
    ("roster", {"month": "2023-4"}, BODY),
    ("roster", {"month": "2023-13"}, BODY),
    ("roster", {"month": "0000-01"}, BODY),
    ("roster", {"idField": "name"}, BODY),
    ("roster", day(day=31), BODY),
    ("roster", day(day=0), BODY),
    ("roster", day(day="1"), BODY),
    ("roster", day(out=None), BODY),
    # broadcasts
    ("broadcast", {"to": [f"U{n}" for n in range(151)]}, BODY),
    ("broadcast", {"to": []}, BODY),
    ("broadcast", {"to": ["U1", "U2-invalid"]}, BODY),
    ("broadcast", {"platform": "instagram"}, BODY),
    ("broadcast", {"channelId": WHATSAPP}, BODY),
    ("broadcast", {"scheduledAt": "2099-01-01 00:00:00"}, BODY),
    ("broadcast", {"scheduledAt": "2099-01-01T00:00:00Z"}, BODY),
    ("broadcast", messages(TEXT, BLOCK), (400, "INVALID_BROADCAST_MESSAGE")),
    ("broadcast", messages(BLOCK, BLOCK), (400, "INVALID_BROADCAST_MESSAGE")),
    ("broadcast", messages(*[TEXT] * 6), BODY),
    ("broadcast", messages(products(11)), BODY),
    ("broadcast", messages(TEMPLATE), BODY),
    ("broadcast", messages(flex("a")), BODY),
    (
        "broadcast",
        {"platform": "whatsapp", "channelId": WHATSAPP, **messages(TEMPLATE, TEXT)},
        (400, "INVALID_BROADCAST_MESSAGE"),
    ),
    # headless
    ("headless", {"messaging_product": "telegram"}, (400, "100")),
    ("headless", {"recipient_type": "group"}, (400, "100")),
    ("headless", {"type": "fax"}, (400, "100")),
    ("headless", {"type": "image"}, (400, "100")),
    ("headless", {"type": "image", "image": {}}, (400, "100")),
    ("headless", {"type": "image", "image": {"id": "1", "link": "https://x"}}, (400, "100")),
    ("headless", {"type": "location", "location": {"latitude": 1}}, (400, "100")),
    ("headless", {"type": "template", "template": {"name": "t"}}, (400, "100")),
    ("headless", {"type": "interactive", "interactive": {"type": "list"}}, (400, "100")),
    ("headless", {"type": "contacts", "contacts": []}, (400, "100")),
    ("headless", {"context": {}}, (400, "100")),
    ("headless", {"text": {"body": "x", "size": 1}}, (400, "100")),
    ("headless", {"to": "852-unreachable"}, (400, "131026")),
    ("stranger's headless", {}, (400, "100")),
    # public key
    ("key", {"businessPublicKey": "MIIB"}, BODY),
    ("key", {"phone": "852"}, BODY),
    # AI agents
    ("agent message", {"team": "other"}, BODY),
    ("agent message", {"roomId": "li-unknown"}, BODY),
    ("agent message", messages(*[TEXT] * 6), BODY),
    ("agent message", said(type="quick_reply", quick_reply={"replies": [{"text": "a"}]}), BODY),
    ("agent message", said(type="quick_reply", quick_reply={"text": "a", "replies": []}), BODY),
    ("agent message", said(type="google_map", googleMap={"staticUrl": "https://s"}), BODY),
    ("agent message", said(type="video", video={"url": "https://x"}), BODY),
    ("agent message", said(type="sticker"), BODY),
    ("agent message", {"replyToken": "r-dead"}, (424, "LINE_API_EXCEPTION")),
    ("to human", {"roomId": "li-unknown"}, (404, "ROOM_NOT_FOUND")),
    ("to human", {"team": "other"}, (404, "ROOM_NOT_FOUND")),
    ("close", {"roomId": "li-unknown"}, (404, "ROOM_NOT_FOUND")),
    ("trigger", {"roomId": "li-unknown"}, (404, "NOT_FOUND")),
    ("trigger", {"ruleId": "r-disabled"}, BODY),
    # notifications
    ("notifications", {"notifications": []}, BODY),
    ("notifications", {"notifications": [notification()] * 101}, BODY),
    ("notifications", {"notifications": [notification(platform="whatsapp")]}, BODY),
    ("notifications", {"notifications": [notification(channelId=WHATSAPP)]}, BODY),
    ("notifications", {"notifications": [notification(to="+886 987")]}, BODY),
    ("notifications", {"notifications": [notification(valueMap=None)]}, BODY),
    ("notifications", {"notifications": [notification(valueMap={"a": []})]}, BODY),
    ("notifications", {"notifications": [notification(settingId="")]}, BODY),
    # orders and events
    ("orders", {"orders": []}, BODY),
    ("orders", {"orders": [order(orderDate="2025-04-11")]}, BODY),
    ("orders", {"orders": [order(orderCurrency="$")]}, BODY),
    ("orders", {"orders": [order(orderAmount="10")]}, BODY),
    ("orders", {"orders": [order(paymentFee="1")]}, BODY),
    ("orders", {"orders": [order(memberId=None)]}, BODY),
    ("orders", {"orders": [order(nonsense=1)]}, BODY),
    ("orders", item(quantity=1.5), BODY),
    ("orders", item(price=None), BODY),
    ("orders", item(brand=1), BODY),
    ("event", {"action": "sneeze"}, BODY),
    ("event", {"device": "fridge"}, BODY),
    ("event", {"device": "ios"}, BODY),
    ("event", {"items": []}, BODY),
    ("event", {"action": "checkout", "url": _GONE}, BODY),
    ("event", {"action": "checkout", "url": _GONE, "items": [{"id": "1", "name": "n"}]}, BODY),
    ("event", {"action": "member_mapping", "url": _GONE}, BODY),
    ("event", {"action": "purchase", "url": _GONE, "transactionId": "1", "amount": 1}, BODY),
]


@pytest.mark.parametrize(
    ("name", "changes", "expected"), REFUSED, ids=[f"{n}-{row[0]}" for n, row in enumerate(REFUSED)]
)
def test_refusals(name: str, changes: dict[str, Any], expected: tuple[int, str]) -> None:
    sandbox = noon()
    answer = visit(sandbox, lambda client: REQUESTS[name].send(client, **changes))
    assert code_of(answer) == expected
    assert not sandbox.sent
    assert not sandbox.conversions
    assert not sandbox.rosters
    assert not sandbox.shop_orders
    assert not sandbox.points("X1")


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "view_product", "items": [{"id": "1", "name": "n", "price": 9.5}]},
        {"action": "add_to_cart", "items": [{"id": "1", "name": "n", "quantity": 2}]},
        {"action": "purchase", "transactionId": "1", "amount": 1, "currency": "TWD"},
        {"action": "traffic_source", "device": "ios", "utmSource": "x"},
        {"action": "member_mapping", "memberPhone": "852900"},
    ],
)
def test_events_that_are_fine(changes: dict[str, Any]) -> None:
    answer = visit(noon(), lambda client: REQUESTS["event"].send(client, url=_GONE, **changes))
    assert answer.status == 200


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("assign", {"userId": ""}, "userId is required"),
        ("assign", {"channelId": None}, "channelId is required"),
        ("assign", {"platform": _GONE}, "platform is required"),
        ("unassign", {"platform": "facebook"}, "platform (facebook) is not supported yet"),
        ("assign", {"platform": "telegram"}, "Platform not found: telegram"),
        ("no collaborator", {"channelId": "4711"}, "Channel not found: 4711"),
        ("assign", {"userId": "U0"}, "LineUserDoc not found: U0"),
        ("assign", {"agentEmail": "x@example.com"}, "No valid agent identifier provided"),
        ("assign", {"agentEmail": None}, "No valid agent identifier provided"),
        ("no collaborator", {"agentEmail": None}, "No valid agent identifier provided"),
        (
            "assign",
            {"agentShopLocationCode": "S-999"},
            "No valid agent identifier provided",
        ),
        (
            "collaborator",
            {"agentEmail": None},
            "At least one of agentEmail, agentPhone, or agentEmployeeCode must be provided",
        ),
        (
            "collaborator",
            {"agentEmployeeCode": "S0002"},
            "agentShopLocationCode is required when agentEmployeeCode is provided",
        ),
        (
            "assign",
            {"agentEmail": "agent1@example.com"},
            "agentShopLocationCode is required to assign a salesperson",
        ),
    ],
)
def test_room_errors_have_their_documented_texts(
    name: str, changes: dict[str, Any], message: str
) -> None:
    answer = visit(noon(), lambda client: REQUESTS[name].send(client, **changes))
    assert answer.status == 400
    assert answer.json == {"message": OCE + message}


def test_an_unknown_whatsapp_user() -> None:
    async def steps(client: Client) -> Answer:
        body = room(client.sandbox, "whatsapp", userId="852")
        return await client.send("POST", "/rooms/assign-agent", body)

    assert visit(noon(), steps).json == {"message": OCE + "WhatsappAccUserDoc not found: 852"}


def test_a_wrong_token_at_the_room_calls_is_their_400() -> None:
    async def steps(client: Client) -> list[Answer]:
        return [
            await client.send("POST", path, {})
            for path in ("/rooms/assign-agent", "/rooms/unassign-collaborator", "/rooms/close")
        ]

    first, second, other = visit(noon(), steps, token="wrong")
    for answer in (first, second):
        assert answer.status == 400
        assert answer.json == {"message": OCE + "Unauthenticated access token"}
    assert refusal(other) == (401, "UNAUTHORIZED")


def test_a_reply_token_works_once() -> None:
    async def steps(client: Client) -> list[int]:
        body = agent_message(client.sandbox)
        return [await post(client, "/agent-messages", body) for _ in range(2)]

    sandbox = noon()
    assert visit(sandbox, steps) == [200, 424]
    assert len(sandbox.sent) == 1


@pytest.mark.parametrize("kind", ["audio"])
def test_webchat_has_no_audio(kind: str) -> None:
    async def steps(client: Client) -> Answer:
        room_id = next(client.sandbox.ai_rooms("webchat"))
        message = {"type": kind, "url": "https://x"}
        body = agent_message(client.sandbox, roomId=room_id, messages=[message])
        return await client.send("POST", "/agent-messages", body)

    assert refusal(visit(noon(), steps)) == BODY


@pytest.mark.parametrize(
    ("wanted", "body", "status"),
    [
        ("phone", {"phone": "85291"}, 200),
        ("phone", {"memberId": "X1"}, 400),
        ("memberId", {"memberId": "X1"}, 200),
        ("email", {"phone": "85291"}, 400),
    ],
)
def test_points_are_kept_by_the_identifier_of_the_team(
    wanted: Any, body: dict[str, Any], status: int
) -> None:
    sandbox = noon(loyalty_identifier=wanted)
    path = "/loyalty-points/action/adjust"
    answer = visit(sandbox, lambda client: client.send("PUT", path, {"points": 1, **body}))
    assert answer.status == status


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/customers", {}, MISSING),
        ("PUT", "/customers", {}, MISSING),
        ("DELETE", "/customers", {}, MISSING),
        ("GET", "/customers", {"memberId": "nobody"}, (404, "CONTACT_NOT_FOUND")),
        ("GET", "/customers", {"omniCustomerId": "x"}, PARAMETERS),
        ("PUT", "/customers", {"memberId": "a", "omniCustomerId": "b"}, PARAMETERS),
        ("PUT", "/contacts/line", {"userId": "U1"}, MISSING),
        ("PUT", "/contacts/line", {"channelId": LINE}, MISSING),
        ("PUT", "/contacts/line", {"channelId": "1", "userId": "U"}, (404, "CHANNEL_ID_NOT_FOUND")),
        ("PUT", "/contacts/line", {"channelId": LINE, "userId": "U", "bsuid": "U.1"}, PARAMETERS),
        ("PUT", "/contacts/website", {"channelId": "website"}, (400, "INVALID_PLATFORM")),
        ("DELETE", "/contacts/line", {"channelId": LINE}, MISSING),
        ("DELETE", "/contacts/LINE", {"channelId": LINE}, (400, "INVALID_PLATFORM")),
        ("GET", "/chatbots/4711/message-blocks", {}, (404, "CHATBOT_NOT_FOUND")),
        ("GET", "/rich-menus/4711", {}, (404, "NOT_FOUND")),
        ("GET", "/product-referral-links/info", {}, MISSING),
        ("GET", "/product-referral-links/info", {"ocsaid": "4711"}, (404, "NOT_FOUND")),
        ("GET", "/whatsapp-message-templates", {}, MISSING),
        ("GET", "/whatsapp-message-templates", {"phone": "852"}, BODY),
        ("GET", "/broadcast", {}, MISSING),
        ("GET", "/broadcast", {"type": "5"}, PARAMETERS),
        ("GET", "/broadcast", {"type": "1,,3"}, PARAMETERS),
        ("GET", "/broadcast", {"type": "3", "platform": "webchat"}, PARAMETERS),
        ("GET", "/broadcast", {"type": "3", "status": "10"}, PARAMETERS),
        ("GET", "/broadcast", {"type": "3", "status": "sent"}, PARAMETERS),
        ("GET", "/broadcast", {"type": "3", "pageSize": "101"}, PARAMETERS),
        ("GET", "/broadcast/4711/recipients", {"status": "sent"}, PARAMETERS),
        ("GET", "/_nothing", {}, (404, "NOT_FOUND")),
        ("PATCH", "/customers", {}, (404, "NOT_FOUND")),
    ],
)
def test_bad_queries(
    method: str, path: str, query: dict[str, str], expected: tuple[int, str]
) -> None:
    body: object = {} if method == "PUT" else None
    answer = visit(noon(), lambda client: client.send(method, path, body, **query))
    assert refusal(answer) == expected


def test_a_client_that_goes_in_the_middle_of_its_body_is_not_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox = noon()

    async def half() -> Any:
        yield b"{"
        raise ConnectionError

    async def steps(client: Client) -> None:
        with pytest.raises(aiohttp.ClientError):
            await client.session.post(sandbox.url + "/direct-messages", data=half())
        assert await post(client, "/direct-messages", direct(messages=[IMAGE])) == 200

    visit(sandbox, steps)
    assert sandbox.stats().requests == 1
    assert not caplog.records
