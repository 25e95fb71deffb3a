"""Every request example of the collection is made by a public method and equals the example.

Not sent, by design: query names without a value (``channelId=``), ids that are None or ``""``
beside the real one. A window of 14 days is cut to the 7 that the API allows. Where an example
differs otherwise, `READ_AS` says how it is read and why.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import InvalidRequest
from omnichat_async.models import (
    ContactUpdate,
    CustomerUpdate,
    DirectMessage,
    HeadlessMessage,
    MediaHeader,
    QuickReply,
    Roster,
    RosterRecord,
    Shift,
    WhatsAppTemplate,
    headless,
)
from tests.contract.support import (
    BY_NUMBER,
    COLLECTION,
    Sent,
    answered,
    key_of,
    sent_of,
    violations,
)
from tests.support.builders import CHANGES
from tests.support.calls import served
from tests.support.run import run
from tests.test_checks import RSA_SPKI
from tests.test_headless import CONTENTS, PARAM, TO, template
from tests.test_sending import BROADCASTS, DIRECT

if TYPE_CHECKING:
    from collections.abc import Callable

WEEK_MS = 7 * 86_400_000
START_MS = 1_652_371_200_000
SPAN: dict[str, Any] = {"after": START_MS, "before": START_MS + WEEK_MS}
USER: dict[str, Any] = {"channel_id": "1655713616", "user_id": "Ufc16ca0dac59929c665558fd0c040d1c"}
ROOM: dict[str, Any] = {
    "platform": "whatsapp",
    "channel_id": "85250000001",
    "user_id": "85215022101325",
}
EMAIL = "agent001@example.com"
SALES: dict[str, Any] = {"agent_employee_code": "EM0001", "agent_shop_location_code": "SHOP02"}
MEMBERSHIP = DirectMessage(
    track_id="22",
    platform="whatsapp",
    tags=["222"],
    to="886987684162",
    channel_id="85295307057",
    messages=[
        WhatsAppTemplate(
            "membership_cs_kelvin",
            language="zh_HK",
            language_policy="deterministic",
            components=[  # an empty body and an index that is a number
                {"type": "body", "parameters": []},
                {
                    "type": "button",
                    "sub_type": "quick_reply",
                    "index": 0,
                    "parameters": [{"type": "payload", "payload": '{"action":null}'}],
                },
            ],
        )
    ],
)
OCSAID = "c9ecaebe-7e50-4b9a-ae3c-e233390319dc:LP:639ace6c69c2b348ad6f6806"
HO = "lawrance.ho+1@easychat.co"


def roster(*records: tuple[str, str, int]) -> Roster:
    """Records by id, shop and number of days."""
    return Roster(
        "2023-04",
        "email",
        [
            RosterRecord(who, shop, [Shift(day, "09:30", "18:30") for day in range(1, days + 1)])
            for who, shop, days in records
        ],
    )


def contacts(platform: str) -> Any:
    return lambda c: c.contacts.list(
        platform=platform,
        updated_after=START_MS,
        updated_before=START_MS + WEEK_MS,
        page_size=20,
    )


def push(content: headless.Content, reply_to: str | None = None) -> Any:
    return lambda c: c.headless.send("85221234567", HeadlessMessage(TO, content, reply_to))


def broadcasts(*types: int) -> Any:
    return lambda c: c.broadcasts.list(types=types, platform="line", page_size=10)


MAKE: dict[int, dict[str, Any]] = {
    1: {"request": lambda c: c.chatbots.list()},
    2: {"request": lambda c: c.chatbots.message_blocks("x")},
    3: {"request": lambda c: c.messages.list(platform="whatsapp", page_size=20, **SPAN)},
    4: {"request": lambda c: c.messages.get("wamid.x==")},
    5: {
        "request": lambda c: c.direct_messages.send(MEMBERSHIP),
        "Send direct message (text + image message)": lambda c: c.direct_messages.send(DIRECT[0]),
        "Send direct message (products + text message)": lambda c: c.direct_messages.send(
            DIRECT[2]
        ),
        "Send direct message (chatbot message)": lambda c: c.direct_messages.send(DIRECT[3]),
        "Send direct message (chatbot message with custom attributes)": (
            lambda c: c.direct_messages.send(DIRECT[4])
        ),
        "Send direct message (whatsapp template message)": lambda c: c.direct_messages.send(
            DIRECT[5]
        ),
        "Send direct message (LINE template message)": lambda c: c.direct_messages.send(DIRECT[6]),
    },
    6: {
        "request": lambda c: c.identities.member_data(
            platform="line",
            channel_id="123456789",
            ids=["U66a669e12ff66601c06e1dcd06e8f63c", "U1535b48edaae6ea9bf7408e4d08b3d41"],
        )
    },
    7: {
        "request": contacts("line"),
        **{name: contacts(name.lower()) for name in ("Facebook", "Instagram", "WhatsApp")},
        "LINE": contacts("line"),
        "Webchat": contacts("webchat"),
    },
    8: {
        "request": lambda c: c.contacts.upsert(
            platform="line",
            **USER,
            contact=ContactUpdate(
                status=False,
                member_id="M00001",
                agent_employee_code="EMP-001",
                agent_location_code="SHOP-A",
                **CHANGES,
            ),
        )
    },
    9: {"request": lambda c: c.contacts.delete(platform="line", **USER)},
    10: {
        "request": lambda c: c.loyalty.adjust(10, phone="852912345678"),
        "Adjust loyalty points using phone number": lambda c: c.loyalty.adjust(
            10, phone="852912345678"
        ),
        "Adjust loyalty points using email": lambda c: c.loyalty.adjust(
            10, email="john.doe@omnichat.ai"
        ),
        "Adjust loyalty points using member ID": lambda c: c.loyalty.adjust(10, member_id="123456"),
    },
    11: {"request": lambda c: c.reports.messages_sent(page_size=20, **SPAN)},
    12: {"request": lambda c: c.reports.referral_orders(page_size=20, **SPAN)},
    13: {
        "request": lambda c: c.referral_links.info("{{ocsaid}}"),
        "Success": lambda c: c.referral_links.info(OCSAID),
    },
    14: {
        "request": lambda c: c.rosters.upload(
            roster(("A001", "locationCode-001", 3), ("A002", "locationCode-001", 2))
        ),
        "success": lambda c: c.rosters.upload(roster((HO, "locationCode4", 2))),
        "invalid records": lambda c: c.rosters.upload(
            roster(
                (HO, "locationCode4", 2),
                (HO, "locationCode-001", 2),
                (HO, "locationCode-001", 2),
                ("A002", "locationCode-001", 2),
            )
        ),
    },
    15: {"request": lambda c: c.templates.list(phone="85298765432", page_size=20)},
    16: {
        "request": lambda c: c.rooms.assign_agent(**ROOM, **SALES, agent_email=EMAIL),
        "Assign to CS user": lambda c: c.rooms.assign_agent(**ROOM, agent_phone="+85298765432"),
        "Assign to salesperson": lambda c: c.rooms.assign_agent(**ROOM, **SALES),
    },
    17: {"request": lambda c: c.rooms.assign_collaborator(**ROOM, **SALES, agent_email=EMAIL)},
    18: {"request": lambda c: c.rooms.unassign_agent(**ROOM)},
    19: {"request": lambda c: c.rooms.unassign_collaborator(**ROOM, agent_email=EMAIL)},
    20: {
        "request": lambda c: c.broadcasts.send(BROADCASTS[0]),
        "Send broadcast (products + text message)": lambda c: c.broadcasts.send(BROADCASTS[1]),
        "Send broadcast (chatbot message)": lambda c: c.broadcasts.send(BROADCASTS[2]),
        "Send broadcast (whatsapp template message)": lambda c: c.broadcasts.send(BROADCASTS[3]),
    },
    21: {"request": broadcasts(1, 3, 4), "Get broadcast list": broadcasts(1, 3)},
    22: {"request": lambda c: c.broadcasts.get("x")},
    23: {"request": lambda c: c.broadcasts.recipients("x", page_size=10)},
    24: {"request": lambda c: c.customers.get("{{memberId}}")},
    25: {
        "request": lambda c: c.customers.upsert(CustomerUpdate(**CHANGES), member_id="{{memberId}}")
    },
    26: {
        "request": lambda c: c.customers.upsert(
            CustomerUpdate(**CHANGES), omni_customer_id="{{omniCustomerId}}"
        )
    },
    27: {"request": lambda c: c.customers.delete("{{memberID}}")},
    **{
        number: {
            "request": push(
                CONTENTS[BY_NUMBER[number]["name"]],
                "<MSGID_OF_PREV_MSG>" if number == 46 else None,
            )
        }
        for number in range(44, 63)
    },
    63: {"request": lambda c: c.system_users.list()},
    64: {
        "request": lambda c: c.tagging_logs.list(
            tagged_after=1_742_087_630_000, tagged_before=1_742_202_830_000, page_size=20
        ),
        "Success": lambda c: c.tagging_logs.list(
            tagged_after=1_742_087_630_000, tagged_before=1_742_202_830_000
        ),
    },
    65: {"request": lambda c: c.whatsapp_business.upload_public_key("85291234567", RSA_SPKI)},
    66: {"request": lambda c: c.channels.list()},
}
"""The call for each example, by the number of its request and the example's name."""
MAKE[51]["Success"] = push(
    headless.Document("https://example.com/doc.phf", caption="<DOCUMENT_CAPTION_TEXT>")
)
MAKE[61]["Success"] = push(
    template(
        header=MediaHeader.image("https://example.com/image.png"),
        body=[PARAM],
        buttons=[QuickReply("aGlzIHRoaXMgaXMgY29v"), QuickReply("9rwnB8RbYmPF5t2Mn09x4h")],
    )
)


# ---- how examples are read ---------------------------------------------------------------------


def _clock(body: Any) -> None:
    """The example shows how 28:30 is refused; the SDK refuses it before (tested below)."""
    body["records"][0]["time"][0]["out"] = "18:30"


def _header_type(body: Any) -> None:
    """A placeholder for what can only be "text" (Meta's product lists have no other header)."""
    assert body["interactive"]["header"].pop("type") == "<HEADER_TYPE>"
    body["interactive"]["header"]["type"] = "text"


def _public_key(body: Any) -> None:
    """Placeholders for a number and a key, which are checked before they are sent."""
    assert body == {"phone": "{{YOUR_WHATSAPP_NUMBER}}", "businessPublicKey": "{{YOUR_PUBLIC_KEY}}"}
    body.update(phone="85291234567", businessPublicKey=RSA_SPKI)


READ_AS: dict[tuple[int, str], Callable[[Any], None]] = {
    (14, "invalid records"): _clock,
    (57, "request"): _header_type,
    (65, "request"): _public_key,
}


def examples() -> list[tuple[int, str]]:
    """All examples: the requests themselves, and what saved examples send otherwise."""
    found = []
    for entry in COLLECTION:
        names = ["request", *(each["of"] for each in entry["bodies"] + entry.get("queries", []))]
        found += [(entry["number"], name) for name in dict.fromkeys(names)]
    return found


EXAMPLES = examples()


def body_of(number: int, name: str) -> Any:
    """The body of an example without what is left out by design; None if it has none."""
    found = [each["json"] for each in BY_NUMBER[number]["bodies"] if each["of"] == name]
    if not found:
        return None
    body = copy.deepcopy(found[0])
    if adjust := READ_AS.get((number, name)):
        adjust(body)
    return {key: value for key, value in body.items() if value not in (None, "")}


def query_of(number: int, name: str) -> dict[str, str]:
    """The query of an example: what has a value, with the window cut to 7 days."""
    entry = BY_NUMBER[number]
    other = [each["query"] for each in entry.get("queries", []) if each["of"] == name]
    given = (other or [entry["query"]])[0]
    query = {each["name"]: each["value"] for each in given if each["enabled"] and each["value"]}
    for after, before in (("after", "before"), ("updatedAfter", "updatedBefore")):
        if after in query:
            assert int(query[before]) - int(query[after]) == 2 * WEEK_MS
            query[before] = str(int(query[after]) + WEEK_MS)
    if (number, name) == (64, "Success"):  # no page is asked for; the SDK always says which
        query |= {"page": "1", "pageSize": "100"}
    return query


def sent_by(make: Any) -> Sent:
    """The one request that a call makes."""

    async def main() -> Sent:
        async with served(answered) as (server, client):
            await make(client)
            (sent,) = sent_of(server.requests)
            return sent

    return run(main())


def test_every_request_of_the_collection_is_in_the_table() -> None:
    assert len(COLLECTION) == len(BY_NUMBER) == 50
    assert set(MAKE) == set(BY_NUMBER)
    assert {(number, name) for number in MAKE for name in MAKE[number]} == set(EXAMPLES)
    assert set(READ_AS) <= set(EXAMPLES)
    assert sum(len(entry["bodies"]) for entry in COLLECTION) == 50


@pytest.mark.parametrize(("number", "name"), EXAMPLES)
def test_an_example_is_made_by_the_sdk(number: int, name: str) -> None:
    sent = sent_by(MAKE[number][name])
    assert sent.method == BY_NUMBER[number]["method"]
    assert sent.operation == key_of(BY_NUMBER[number])
    assert sent.body == body_of(number, name)
    assert len(dict(sent.query)) == len(sent.query)
    assert dict(sent.query) == query_of(number, name)
    assert violations(sent) == []


def test_paths_hold_what_the_examples_hold() -> None:
    assert sent_by(MAKE[8]["request"]).path == "/contacts/line"
    assert sent_by(MAKE[4]["request"]).path == "/messages/wamid.x%3D%3D"
    assert sent_by(MAKE[44]["request"]).path == "/whatsapp/headless-api/85221234567/messages"


def test_the_clock_time_of_the_invalid_records_is_refused_before_it_is_sent() -> None:
    (wrong,) = [
        shift
        for each in BY_NUMBER[14]["bodies"]
        for record in each["json"]["records"]
        for shift in record["time"]
        if shift["out"] == "28:30"
    ]
    with pytest.raises(InvalidRequest, match="clock_out"):
        Shift(wrong["day"], wrong["in"], wrong["out"])


def test_a_window_of_14_days_goes_out_as_two() -> None:
    async def main() -> list[dict[str, str]]:
        async with served(answered) as (server, client):
            span: dict[str, Any] = {"after": START_MS, "before": START_MS + 2 * WEEK_MS}
            async for _ in client.reports.messages_sent(**span):
                pass
            return [dict(each.query) for each in sent_of(server.requests)]

    windows = {(int(each["after"]), int(each["before"])) for each in run(main())}
    assert windows == {
        (START_MS, START_MS + WEEK_MS),
        (START_MS + WEEK_MS, START_MS + 2 * WEEK_MS),
    }
