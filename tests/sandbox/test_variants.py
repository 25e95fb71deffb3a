"""Where the two sources differ in form: `variants` chooses one."""

from typing import Any

import pytest

from .asking import NOON, find, noon, post, upsert
from .bodies import BLOCK, IMAGE, TEXT, broadcast, direct, headless, notification, room
from .support import LINE, START_MS, WEEK_MS, WHATSAPP, Client, contact, refusal, visit

OCSAID = "c9ecaebe-7e50-4b9a-ae3c-e233390319dc:LP:639ace6c69c2b348ad6f6806"


@pytest.mark.parametrize("guide", [False, True])
def test_forms_of_answers(guide: bool) -> None:
    sandbox = noon(variants="guide" if guide else "collection")

    async def keys(client: Client, method: str, path: str, body: object, **query: object) -> Any:
        return (await client.send(method, path, body, **query)).json

    async def steps(client: Client) -> None:
        sent = await keys(client, "POST", "/broadcast", broadcast(tags=["t"]))
        assert set(sent) == ({"broadcastId"} if guide else {"content"})
        broadcast_id = sent["broadcastId"] if guide else sent["content"]["broadcastId"]
        detail = await keys(client, "GET", f"/broadcast/{broadcast_id}", None)
        assert ("content" in detail, "subject" in detail) == (not guide, guide)
        rows = await keys(client, "GET", f"/broadcast/{broadcast_id}/recipients", None)
        assert rows["content"][0]["sentAt"][19:] == (".000+08:00" if guide else "")
        message = await keys(client, "POST", "/direct-messages", direct())
        assert set(message["content"]) == {"trackId", "messageIds" if guide else "messageId"}
        path = f"/whatsapp/headless-api/{WHATSAPP}/messages"
        pushed = await keys(client, "POST", path, headless())
        assert pushed["contacts"][0]["wa_id"].endswith(" ") is not guide
        body = {"notifications": [notification()]}
        trigger = await keys(client, "POST", "/notification-messages", body)
        assert set(trigger) == ({"triggerId"} if guide else {"content"})
        info = await keys(client, "GET", "/product-referral-links/info", None, ocsaid=OCSAID)
        assert isinstance(info["content"], list) is guide
        assert info.get("totalElements") == (1 if guide else None)
        await upsert(client, "Unew", memberId="X1")
        person = await keys(client, "GET", "/customers", None, memberId="X1")
        assert ("content" in person, "memberId" in person) == (not guide, guide)
        ids = {"platform": "line", "channelId": LINE, "ids": ["U1"]}
        members = await keys(client, "POST", "/identities/member-data", ids)
        assert members.get("totalElements") == (1 if guide else None)

    visit(sandbox, steps)


@pytest.mark.parametrize("guide", [False, True])
def test_forms_of_what_the_portal_has(guide: bool) -> None:
    sandbox = noon(variants="guide" if guide else "collection")

    async def steps(client: Client) -> None:
        menus = (await client.get("/rich-menus")).json["content"]
        assert {type(menu["id"]) for menu in menus} == {int if guide else str}
        assert {menu["status"] for menu in menus} == {
            *("DRAFT", "SCHEDULED", "PUBLISHED", "HALT", "FINISHED")
        }
        content = (await client.get(f"/rich-menus/{menus[0]['id']}")).json["content"]
        areas = content["areas"] if guide else content
        assert {area["actionType"] for area in areas} == {
            *("message", "postback", "url", "menu_switch", "certified_provider")
        }
        assert None in {area["actionContent"] for area in areas}
        channels = (await client.get("/channels")).json
        assert {row["platform"] for row in channels} == {"line", "web" if guide else "webchat"}
        templates = (await client.get("/whatsapp-message-templates", phone=WHATSAPP)).json
        assert len(templates["content"]) == (10 if guide else 20)
        assert templates["totalElements"] == 25

    visit(sandbox, steps)


@pytest.mark.parametrize("guide", [False, True])
def test_forms_of_contacts(guide: bool) -> None:
    sandbox = noon(variants="guide" if guide else "collection")
    body = room(sandbox)

    async def steps(client: Client) -> None:
        assert await post(client, "/rooms/assign-agent", body) == 204
        bound = (await find(client, body["userId"]))["agentBindTime"]
        assert bound == ("2025-02-17T08:00:00.000+08:00" if guide else NOON)
        window = {"updatedAfter": START_MS, "updatedBefore": START_MS + WEEK_MS}
        answer = await client.get("/contacts", platform="line", pageSize=30, page=2, **window)
        more = {"totalPages", "page", "pageSize"} if guide else set()
        assert set(answer.json) == {"content", "totalElements"} | more
        if guide:
            pages = -(-answer.json["totalElements"] // 30)
            assert [answer.json[name] for name in ("totalPages", "page", "pageSize")] == [
                *(pages, 2, 30)
            ]

    visit(sandbox, steps)


def test_the_guides_vocabulary_of_errors() -> None:
    sandbox = noon(variants="guide")
    team = sandbox.config.team_id
    room_id = next(sandbox.ai_rooms())

    async def steps(client: Client) -> None:
        unknown = await client.send("POST", "/rooms/close", {"roomId": "li-0", "team": team})
        assert refusal(unknown) == (404, "NOT_FOUND")
        assert unknown.json["message"] == f"Can't find the Room=li-0 in team={team}"
        body = {"roomId": room_id, "team": team}
        assert await post(client, "/rooms/to-human-agent", body) == 204
        again = await client.send("POST", "/rooms/close", body)
        assert refusal(again) == (400, "INVALID_REQUEST_BODY")
        assert again.json["message"] == "The room status is not supported, RoomStatus=1"

    visit(sandbox, steps)


@pytest.mark.parametrize(
    ("changes", "refused_by_the_guide"),
    [
        ({"messages": [TEXT, IMAGE]}, True),
        ({"messages": [TEXT, TEXT]}, False),
        ({"messages": [BLOCK]}, False),
        ({"platform": "facebook", "channelId": "202104673972398"}, True),
    ],
)
def test_the_guide_allows_less_in_broadcasts(
    changes: dict[str, Any], refused_by_the_guide: bool
) -> None:
    for variants in ("collection", "guide"):
        sandbox = noon(variants=variants)
        body = broadcast(**changes)
        status = visit(sandbox, lambda client, body=body: post(client, "/broadcast", body))  # type: ignore[misc]
        refused = refused_by_the_guide and variants == "guide"
        assert status == (400 if refused else 200)


def test_the_schema_of_custom_attributes_may_be_given() -> None:
    sandbox = noon(custom_attributes={"Mine": "text"})
    user_id = contact(sandbox)["id"]

    async def steps(client: Client) -> None:
        await upsert(client, user_id, customAttributes=[{"key": "Mine", "value": "x"}])
        attributes = (await find(client, user_id))["customAttributes"]
        assert attributes[-1] == {
            "key": "Mine",
            "value": "x",
            "type": "text",
            "displayName": "Mine",
        }

    visit(sandbox, steps)
