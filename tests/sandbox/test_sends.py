"""What is sent is recorded, seen and kept."""

import pytest

from .asking import NOON, changed_contacts, chat, find, noon, post, tag_log, upsert
from .bodies import (
    BLOCK,
    IMAGE,
    PRODUCT,
    TEMPLATE,
    TEXT,
    agent_message,
    direct,
    event,
    headless,
    notification,
    order,
    roster,
)
from .support import LINE, WHATSAPP, Client, contact, refusal, visit


def test_direct_messages_are_in_the_chat_history() -> None:
    sandbox = noon()
    row = contact(sandbox)
    flex = {"type": "lineFlexMessageTemplates", "lineFlexMessageTemplates": [{"templateId": "b"}]}
    products = {"type": "products", "products": [PRODUCT]}

    async def steps(client: Client) -> None:
        body = direct(to=row["id"], messages=[TEXT, IMAGE, products], tags=["new", "VIP"])
        answer = await client.send("POST", "/direct-messages", body)
        ids = answer.json["content"]["messageId"]
        assert answer.json["content"] == {"trackId": "t-1", "messageId": ids}
        listed = await chat(client)
        assert [message["id"] for message in listed] == ids
        assert [message["messageType"] for message in listed] == ["text", "photo", "chatbot"]
        assert listed[0]["message"] == "hello"
        assert listed[1]["mediaUrl"] == IMAGE["image"]
        assert {message["senderType"] for message in listed} == {"bot"}
        assert {message["customerUserId"] for message in listed} == {row["id"]}
        assert {message["roomId"] for message in listed} == {sandbox.room("line", row["id"]).id}
        for message in listed:
            found = await client.get(f"/messages/{message['id']}")
            assert found.json == {"content": message}
        for more in ([BLOCK], [flex]):
            assert await post(client, "/direct-messages", direct(messages=more)) == 200
        template = direct(platform="whatsapp", channelId=WHATSAPP, to="852", messages=[TEMPLATE])
        assert await post(client, "/direct-messages", template) == 200
        shown = [message["message"] for message in await chat(client)]
        assert shown[3:] == ["block", "lineFlexMessageTemplates"]
        assert [message["message"] for message in await chat(client, "whatsapp")] == ["order"]
        log = await tag_log(client)
        assert [(one["tag"], one["messageId"]) for one in log] == [("new", ids[0]), ("VIP", ids[0])]
        assert {one["source"] for one in log} == {"open_api"}
        assert {"new", "VIP"} <= set((await find(client, row["id"]))["tags"])
        assert await changed_contacts(client) == []  # being tagged is no update

    visit(sandbox, steps)
    assert [sent.kind for sent in sandbox.sent] == ["direct_message"] * 4
    assert sandbox.sent[0].recipients == (row["id"],)
    assert sandbox.sent[0].body["trackId"] == "t-1"
    assert sandbox.sent[0].at_ms == NOON
    truth = [row["id"] for row in sandbox.rows("messages", NOON, NOON + 1, "line")]
    assert list(sandbox.message_ids("line", NOON, NOON + 1)) == truth


def test_tags_of_sends_stay_on_changed_and_on_made_contacts() -> None:
    sandbox = noon()
    computed = contact(sandbox)["id"]

    async def steps(client: Client) -> None:
        await upsert(client, "Unew")
        for user_id in (computed, "Unew"):
            for tag in ("t1", "t2"):
                assert await post(client, "/direct-messages", direct(to=user_id, tags=[tag])) == 200
            await upsert(client, user_id, note="n")
            assert {"t1", "t2"} <= set((await find(client, user_id))["tags"])

    visit(sandbox, steps)


def test_direct_messages_set_attributes_of_contacts_that_exist() -> None:
    sandbox = noon()
    user_id = contact(sandbox)["id"]
    attributes = [{"key": "OPEN_API_ATTR_NAME", "value": "Peter"}]

    async def steps(client: Client) -> None:
        for to in (user_id, "Ustranger"):
            body = direct(to=to, customAttributes=attributes)
            assert await post(client, "/direct-messages", body) == 200
        shown = (await find(client, user_id))["customAttributes"]
        assert {a["key"]: a["value"] for a in shown}["OPEN_API_ATTR_NAME"] == "Peter"
        assert [row["id"] for row in await changed_contacts(client)] == [user_id]

    visit(sandbox, steps)


def test_a_contact_that_was_signed_off_is_refused() -> None:
    sandbox = noon()

    async def steps(client: Client) -> None:
        await upsert(client, "Unew", status=False)
        answer = await client.send("POST", "/direct-messages", direct(to="Unew"))
        assert refusal(answer) == (400, "CONTACT_UNSUBSCRIBED")
        await upsert(client, "Unew", status=True)
        assert await post(client, "/direct-messages", direct(to="Unew")) == 200
        await upsert(client, "Unew", status=False)
        await client.send("DELETE", "/contacts/line", channelId=LINE, userId="Unew")
        await upsert(client, "Unew")  # somebody new
        assert await post(client, "/direct-messages", direct(to="Unew")) == 200

    visit(sandbox, steps)
    assert len(sandbox.sent) == 2


def test_headless_messages_are_in_the_chat_history() -> None:
    sandbox = noon()
    image = {"type": "image", "image": {"link": "https://x.example/i.png", "caption": "c"}}

    async def steps(client: Client) -> None:
        ids = []
        for body in (headless(), headless(text=None, **image)):
            answer = await client.send("POST", f"/whatsapp/headless-api/{WHATSAPP}/messages", body)
            assert answer.json["contacts"] == [{"input": "85260000001", "wa_id": "85260000001 "}]
            ids += [message["id"] for message in answer.json["messages"]]
        listed = await chat(client, "whatsapp")
        assert [message["id"] for message in listed] == ids
        shown = [(row["messageType"], row["message"], row["mediaUrl"]) for row in listed]
        assert shown == [("text", "hi", None), ("photo", "c", "https://x.example/i.png")]

    visit(sandbox, steps)
    assert [sent.recipients for sent in sandbox.sent] == [("85260000001",)] * 2


@pytest.mark.parametrize(
    "message",
    [
        {"type": "location", "location": {"latitude": 22.3, "longitude": "114.2"}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": "A"}}]},
        {"type": "interactive", "interactive": {"type": "product", "action": {}}},
        {"type": "sticker", "sticker": {"id": "4711"}},
        {"type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": ""}},
        {"type": None, "recipient_type": None, "text": {"body": "both may be left out"}},
    ],
)
def test_other_headless_messages(message: dict[str, object]) -> None:
    body = headless(text=None) | message
    path = f"/whatsapp/headless-api/{WHATSAPP}/messages"
    assert visit(noon(), lambda client: post(client, path, body)) == 200


@pytest.mark.parametrize("scheme", ["Bearer", "Basic"])
def test_only_headless_takes_basic(scheme: str) -> None:
    sandbox = noon()

    async def steps(client: Client) -> list[int]:
        headers = {"Authorization": f"{scheme} {sandbox.token}"}
        path = f"{sandbox.url}/whatsapp/headless-api/{WHATSAPP}/messages"
        async with client.session.post(path, json=headless(), headers=headers) as sent:
            pass
        async with client.session.get(f"{sandbox.url}/channels", headers=headers) as listed:
            pass
        return [sent.status, listed.status]

    assert visit(sandbox, steps) == [200, 200 if scheme == "Bearer" else 401]


def test_agent_messages_are_in_the_chat_history() -> None:
    sandbox = noon()
    quick = {"text": "which?", "replies": [{"text": "a"}]}
    video = {"type": "video", "video": {"url": "https://x.example/v", "thumbnailUrl": "https://t"}}
    messages = [
        TEXT,
        {"type": "image", "url": "https://x.example/i"},
        {"type": "audio", "url": "https://x.example/a-undelivered"},
        video,
        {"type": "quick_reply", "quick_reply": quick},
    ]
    place = {"staticUrl": "https://s", "embeddingUrl": "https://e"}
    for_web = [
        {"type": "google_map", "googleMap": place},
        {"type": "quick_reply", "quickReply": quick},
        {"type": "video", "video": {"url": "https://x.example/v"}},
    ]

    async def steps(client: Client) -> None:
        body = agent_message(sandbox, messages=messages)
        answer = await client.send("POST", "/agent-messages", body)
        ids = answer.json["messageIds"]
        assert set(answer.json) == {"messageIds"}
        assert [one is None for one in ids] == [False, False, True, False, False]
        listed = await chat(client)
        assert [row["id"] for row in listed] == [one for one in ids if one]
        assert [row["messageType"] for row in listed] == ["text", "photo", "video", "text"]
        assert {row["senderType"] for row in listed} == {"ai-chat"}
        body = agent_message(sandbox, roomId=next(sandbox.ai_rooms("webchat")), messages=for_web)
        del body["replyToken"]
        assert await post(client, "/agent-messages", body) == 200
        assert len(await chat(client, "webchat")) == 3

    visit(sandbox, steps)
    assert [sent.kind for sent in sandbox.sent] == ["agent_message"] * 2
    assert sandbox.sent[0].recipients == (sandbox.sent[0].body["roomId"],)


def test_orders_are_upserted() -> None:
    sandbox = noon()
    batches = (
        [order(), order(orderId="O2"), order(orderId="O2")],
        [order(), order(orderId="O2", orderStatus="Completed"), order(orderId="O3")],
    )
    names = ("matchedCount", "modifiedCount", "insertedCount")

    async def steps(client: Client) -> list[list[int]]:
        answers = [
            await client.send("PUT", "/third-party-orders", {"orders": batch}) for batch in batches
        ]
        return [[answer.json["content"][name] for name in names] for answer in answers]

    assert visit(sandbox, steps) == [[1, 0, 2], [2, 1, 1]]
    assert set(sandbox.shop_orders) == {"O1", "O2", "O3"}
    assert sandbox.shop_orders["O2"]["orderStatus"] == "Completed"


def test_notifications_keys_rosters_and_conversions_are_kept() -> None:
    sandbox = noon()
    key = "-----BEGIN PUBLIC KEY-----\nx"

    async def steps(client: Client) -> None:
        body = {"notifications": [notification(), notification(to="886900000002")]}
        answers = [await client.send("POST", "/notification-messages", body) for _ in range(2)]
        assert len({answer.json["content"]["triggerId"] for answer in answers}) == 2
        upload = {"phone": WHATSAPP, "businessPublicKey": key}
        assert await post(client, "/whatsapp-business/public-key", upload) == 200
        users = (await client.get("/system-users")).json["content"]
        (shop,) = next(user["shops"] for user in users if user["email"] == "agent1@example.com")
        record = roster()["records"][0] | {"locationCode": shop["code"]}
        record["time"] = [*record["time"], {"day": 30, "in": "", "out": ""}]  # a day off
        answer = await client.send("PUT", "/rosters", roster(records=[record]))
        assert answer.json == {"content": {"invalidRecords": []}}
        assert sandbox.rosters == {("2023-04", "agent1@example.com", shop["code"]): record}
        url = sandbox.conversions_url + "/pixel/events"
        tracked = await client.request("POST", url, json_body=event())
        assert (tracked.status, tracked.raw) == (200, b"")

    visit(sandbox, steps)
    assert [sent.recipients for sent in sandbox.sent] == [("886987654321", "886900000002")] * 2
    assert sandbox.public_keys == {WHATSAPP: key}
    assert sandbox.conversions == [event()]


def test_a_second_sandbox_knows_nothing_of_the_first() -> None:
    sandbox = noon()

    async def steps(client: Client) -> None:
        await upsert(client, "Unew")
        assert await post(client, "/direct-messages", direct()) == 200

    visit(sandbox, steps)
    assert len(sandbox.sent) == 1
    assert noon().sent == []
    assert noon().count("contacts", NOON, NOON + 1) == 0
