"""Every endpoint takes the sample bodies of the collection and answers in the sample's form."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from omnichat_async.sandbox import Sandbox
from omnichat_async.sandbox.endpoints import ENDPOINTS

from .support import (
    LINE,
    START_MS,
    WEEK_MS,
    WHATSAPP,
    Answer,
    Client,
    contact,
    now_of,
    small,
    visit,
)

_DATA = json.loads((Path(__file__).parent / "data" / "samples.json").read_text(encoding="utf-8"))
REQUESTS: dict[str, list[Any]] = _DATA["requests"]
REPLIES: dict[str, list[Any]] = _DATA["replies"]

# What exists in the samples' team, by what exists in the sandbox's.
SAME = {
    "12345678": LINE,
    "123456789": LINE,
    "1626460947": LINE,
    "85295307057": WHATSAPP,
    "85250000001": WHATSAPP,
    "{{YOUR_WHATSAPP_NUMBER}}": WHATSAPP,
    "{{YOUR_PUBLIC_KEY}}": "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "{{Recipient-Phone-Number}}": "85260000004",
    "85215022101325": "85260000004",
    # One salesperson:
    "agent001@example.com": "agent1@example.com",
    "+85298765432": "+853922220000",  # number 0 is no salesperson
    "EM0001": "S0002",
    "EMP-001": "S0002",
    "lawrance.ho+1@easychat.co": "agent2@example.com",
}
_NO_CONTENT = {
    *("PUT /contacts/{platform}", "PUT /customers", "POST /rooms/assign-agent"),
    *("POST /rooms/assign-collaborator", "POST /rooms/unassign-agent"),
    "POST /rooms/unassign-collaborator",
}
_EMPTY = {"PUT /loyalty-points/action/adjust", "POST /whatsapp-business/public-key"}


def adapt(value: Any, same: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: adapt(inner, same) for key, inner in value.items()}
    if isinstance(value, list):
        return [adapt(inner, same) for inner in value]
    return same.get(value, value) if isinstance(value, str) else value


def shops_of(sandbox: Sandbox, email: str) -> list[str]:
    async def steps(client: Client) -> list[str]:
        users = (await client.get("/system-users")).json["content"]
        return next(
            [shop["code"] for shop in user["shops"]] for user in users if user["email"] == email
        )

    return visit(sandbox, steps)


def same_for(sandbox: Sandbox) -> dict[str, str]:
    """The shops depend on the seed."""
    first = shops_of(sandbox, "agent1@example.com")[0]
    two = shops_of(sandbox, "agent2@example.com")
    return SAME | {
        "SHOP02": first,
        "SHOP-A": first,
        "locationCode4": two[0],
        "locationCode-001": two[1],
    }


def differences(answer: Any, sample: Any, where: str = "") -> Iterator[str]:
    """Where an answer has not the form of a sample: other keys, or other types."""
    if isinstance(sample, dict) and isinstance(answer, dict):
        if set(answer) - {"bsuid"} != set(sample):
            yield f"{where}: {sorted(answer)} are not {sorted(sample)}"
        for key in set(answer) & set(sample):
            yield from differences(answer[key], sample[key], f"{where}.{key}")
    elif isinstance(sample, list) and isinstance(answer, list):
        for item in answer if sample else []:
            found = [list(differences(item, one, f"{where}[]")) for one in sample]
            yield from min(found, key=len)
    elif where.endswith(".value") or answer is None or sample is None:
        return  # a custom attribute may hold any scalar
    elif type(answer) is not type(sample) and not {type(answer), type(sample)} <= {int, float}:
        yield f"{where}: {answer!r} is no {type(sample).__name__}"


def like(answer: Answer, key: str) -> None:
    assert answer.status == 200
    found = [list(differences(answer.json, sample)) for sample in REPLIES[key]]
    assert min(found, key=len) == []


def url_of(key: str) -> tuple[str, str, dict[str, object]]:
    method, path = key.split(" ")
    path = path.replace("{platform}", "line").replace(":business-phone-number", WHATSAPP)
    query: dict[str, object] = {}
    if path.startswith("/contacts/"):
        query = {"channelId": LINE, "userId": "U4711"}
    if path == "/customers":
        query = {"memberId": "OC-TEST-0001"}
    return method, path, query


BODIES = [(key, n) for key, bodies in REQUESTS.items() for n in range(len(bodies))]


@pytest.mark.parametrize(("key", "n"), BODIES, ids=[f"{key}-{n}" for key, n in BODIES])
def test_sample_bodies_are_taken(key: str, n: int) -> None:
    sandbox = small()
    body = adapt(REQUESTS[key][n], same_for(sandbox))
    method, path, query = url_of(key)
    answer = visit(sandbox, lambda client: client.send(method, path, body, **query))
    if key in _NO_CONTENT:
        assert (answer.status, answer.raw) == (204, b"")
    elif key in _EMPTY:
        assert (answer.status, answer.raw) == (200, b"")
    else:
        like(answer, key)


def test_the_invalid_records_of_the_roster_sample() -> None:
    sandbox = small()
    same = same_for(sandbox)
    body = adapt(REQUESTS["PUT /rosters"][2], same)
    answer = visit(sandbox, lambda client: client.send("PUT", "/rosters", body))
    who, (_, where) = "agent2@example.com", shops_of(sandbox, "agent2@example.com")
    assert [record["error"] for record in answer.json["content"]["invalidRecords"]] == [
        "Invalid in/out time format: '28:30'",
        f"Duplicate 'id': '{who}', 'locationCode': '{where}'",
        f"Duplicate 'id': '{who}', 'locationCode': '{where}'",
        "User Not Found 'id' = A002",
    ]
    assert sandbox.rosters == {}


def test_the_sample_of_a_waba_without_mm_lite() -> None:
    body = adapt(REQUESTS["POST /direct-messages"][1], SAME) | {"to": "U1-mmlite"}
    answer = visit(small(), lambda client: client.send("POST", "/direct-messages", body))
    assert answer.status == 500
    assert answer.json["content"]["code"] == "MARKETING_MESSAGES_LITE_NOT_ENABLED"
    assert set(answer.json["content"]) == {"code", "message", "status"}


WINDOW = {"after": START_MS, "before": START_MS + WEEK_MS, "pageSize": 100}
GETS: dict[str, tuple[str, dict[str, object]]] = {
    "GET /chatbots": ("/chatbots", {}),
    "GET /messages": ("/messages", {"platform": "line", **WINDOW}),
    "GET /contacts": (
        "/contacts",
        {"platform": "line", "updatedAfter": START_MS, "updatedBefore": START_MS + WEEK_MS},
    ),
    "GET /reports/messages": ("/reports/messages", dict(WINDOW)),
    "GET /product-referral-links/info": (
        "/product-referral-links/info",
        {"ocsaid": "c9ecaebe-7e50-4b9a-ae3c-e233390319dc:LP:639ace6c69c2b348ad6f6806"},
    ),
    "GET /whatsapp-message-templates": ("/whatsapp-message-templates", {"phone": WHATSAPP}),
    "GET /system-users": ("/system-users", {}),
    "GET /tagging-logs/records": (
        "/tagging-logs/records",
        {"taggedAfter": START_MS, "taggedBefore": START_MS + WEEK_MS},
    ),
    "GET /channels": ("/channels", {}),
}


@pytest.mark.parametrize("key", GETS)
def test_lists_look_like_the_samples(key: str) -> None:
    path, query = GETS[key]
    like(visit(small(), lambda client: client.get(path, **query)), key)


def test_orders_and_details_look_like_the_samples() -> None:
    sandbox = small()

    async def steps(client: Client) -> None:
        orders = await client.get("/reports/product-referral-links/orders", **WINDOW)
        with_parcels = [row for row in orders.json["content"] if "91appOrderId" in row]
        sample = REPLIES["GET /reports/product-referral-links/orders"][0]["content"][0]
        assert list(differences(with_parcels, [sample])) == []
        bot = (await client.get("/chatbots")).json["content"][0]["id"]
        like(
            await client.get(f"/chatbots/{bot}/message-blocks"),
            "GET /chatbots/:chatbotId/message-blocks",
        )
        message = next(sandbox.message_ids("line", START_MS, START_MS + WEEK_MS))
        like(await client.get(f"/messages/{message}"), "GET /messages/:messageId")

    visit(sandbox, steps)


def test_a_broadcast_looks_like_the_samples() -> None:
    body = adapt(REQUESTS["POST /broadcast"][0], SAME) | {"to": [f"U{n}" for n in range(150)]}

    async def steps(client: Client) -> None:
        sent = await client.send("POST", "/broadcast", body)
        path = f"/broadcast/{sent.json['content']['broadcastId']}"
        like(
            await client.get("/broadcast", type="1,3,4", platform="line", channelId=""),
            "GET /broadcast",
        )
        like(await client.get(path), "GET /broadcast/:id")
        like(await client.get(f"{path}/recipients", pageSize=100), "GET /broadcast/:id/recipients")

    visit(small(), steps)


def test_a_customer_looks_like_the_sample() -> None:
    sandbox = small()
    customer = next(
        row
        for row in sandbox.rows("contacts", START_MS, now_of(sandbox), "whatsapp")
        if row["memberId"]
    )
    answer = visit(sandbox, lambda client: client.get("/customers", memberId=customer["memberId"]))
    like(answer, "GET /customers")
    platforms = {user["platform"] for user in answer.json["content"]["linkedUsers"]}
    assert "whatsapp" in platforms


def test_all_pairs_of_the_documents_are_there() -> None:
    pairs = {
        f"{endpoint.method} " + re.sub(r"\{\w+\}", "*", endpoint.path) for endpoint in ENDPOINTS
    }
    collection = {re.sub(r"\{\w+\}|:[\w-]+", "*", key) for key in {*REQUESTS, *REPLIES}}
    collection |= {"DELETE /contacts/*", "DELETE /customers"}
    assert len(collection) == 31
    assert collection < pairs
    assert pairs - collection == {
        *("POST /agent-messages", "POST /rooms/to-human-agent", "POST /rooms/close"),
        *("POST /rooms/trigger-auto-assign", "POST /notification-messages"),
        *("PUT /third-party-orders", "GET /rich-menus", "GET /rich-menus/*"),
        *("GET /broadcast/*/buttons", "POST /pixel/events"),
    }
    assert contact(small())["channel"]["channelId"] == LINE
