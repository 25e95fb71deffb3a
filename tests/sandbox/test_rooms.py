"""Rooms: agents, collaborators, and the way out of AI chat."""

from typing import Any

import pytest

from omnichat_async.sandbox import RoomStatus, Sandbox

from .asking import NOON, find, noon, post, upsert
from .bodies import room
from .support import END_MS, START_MS, WHATSAPP, Answer, Client, refusal, visit


@pytest.mark.parametrize("platform", ["line", "whatsapp"])
def test_an_agent_is_assigned_and_unassigned(platform: str) -> None:
    sandbox = noon()
    body = room(sandbox, platform)

    async def steps(client: Client) -> None:
        assert await post(client, "/rooms/assign-agent", body) == 204
        row = await find(client, body["userId"], platform)
        users = (await client.get("/system-users")).json["content"]
        agent = next(user for user in users if user["email"] == body["agentEmail"])
        assert row["agentName"] == agent["name"]
        assert row["agentEmployeeCode"] == agent["employeeCode"]
        assert row["agentBindTime"] == row["updatedAt"] == NOON
        assert sandbox.room(platform, body["userId"]).status is RoomStatus.IN_PROGRESS
        assert await post(client, "/rooms/unassign-agent", body | {"agentEmail": None}) == 204
        row = await find(client, body["userId"], platform)
        assert row["agentName"] is row["agentBindTime"] is row["agentLocationCode"] is None
        assert sandbox.room(platform, body["userId"]).agent is None

    visit(sandbox, steps)


def test_collaborators_and_the_rule_about_salespeople() -> None:
    sandbox = noon()
    service = room(sandbox)

    def sales(user: dict[str, Any]) -> dict[str, Any]:
        shop = user["shops"][0]["code"]
        code = {"agentEmployeeCode": user["employeeCode"], "agentShopLocationCode": shop}
        return service | {"agentEmail": None} | code

    async def steps(client: Client) -> None:
        users = (await client.get("/system-users")).json["content"]
        first, second, *_ = (user for user in users if user["shops"] and user["employeeCode"])
        assert await post(client, "/rooms/assign-agent", sales(first)) == 204
        for body in (sales(second), sales(second), service):
            assert await post(client, "/rooms/assign-collaborator", body) == 204
        helper = next(user for user in users if user["email"] == service["agentEmail"])
        names = [mate.name for mate in sandbox.room("line", service["userId"]).collaborators]
        assert names == [second["name"], helper["name"]]
        answer = await client.send("POST", "/rooms/assign-agent", sales(first))
        assert answer.json["message"].startswith("OCE::BAD_REQUEST::the agent must be assigned")
        assert await post(client, "/rooms/assign-agent", sales(second)) == 204
        assert await post(client, "/rooms/assign-agent", service) == 204
        for body in (sales(second) | {"agentShopLocationCode": None}, service, service):
            assert await post(client, "/rooms/unassign-collaborator", body) == 204
        assert sandbox.room("line", service["userId"]).collaborators == []

    visit(sandbox, steps)


def test_a_room_is_found_by_bsuid() -> None:
    sandbox = noon()
    rows = sandbox.rows("contacts", START_MS, END_MS, "whatsapp", WHATSAPP)
    row = next(row for row in rows if "bsuid" in row)
    body = room(sandbox, "whatsapp", userId=None, bsuid=row["bsuid"])
    assert visit(sandbox, lambda client: post(client, "/rooms/assign-agent", body)) == 204
    assert sandbox.room("whatsapp", str(row["id"])).agent is not None


def _room_of(sandbox: Sandbox, platform: str, room_id: str) -> Any:
    rooms = (
        sandbox.room(platform, str(row["id"]))
        for row in sandbox.rows("contacts", START_MS, END_MS, platform)
    )
    return next(one for one in rooms if one.id == room_id)


@pytest.mark.parametrize(
    ("path", "more", "status"),
    [
        ("/rooms/to-human-agent", {}, RoomStatus.OPEN),
        ("/rooms/close", {}, RoomStatus.CLOSED),
        ("/rooms/trigger-auto-assign", {"ruleId": "r-1"}, RoomStatus.IN_PROGRESS),
    ],
)
@pytest.mark.parametrize("platform", ["line", "webchat"])
def test_rooms_leave_the_ai_once(
    path: str, more: dict[str, str], status: RoomStatus, platform: str
) -> None:
    sandbox = noon()
    rooms = list(sandbox.ai_rooms(platform))
    body = {"roomId": rooms[3], "team": sandbox.config.team_id, **more}

    async def steps(client: Client) -> None:
        answer = await client.send("POST", path, body)
        assert (answer.status, answer.raw) == (204, b"")
        assert await post(client, path, body) == 400

    visit(sandbox, steps)
    assert list(sandbox.ai_rooms(platform)) == rooms[:3] + rooms[4:]
    assert _room_of(sandbox, platform, rooms[3]).status is status


@pytest.mark.parametrize("variants", ["collection", "guide"])
def test_a_room_with_collaborators_is_not_closed(variants: Any) -> None:
    sandbox = noon(variants=variants)
    room_id = next(sandbox.ai_rooms())
    target = _room_of(sandbox, "line", room_id)
    target.collaborators.append(object())
    body = {"roomId": room_id, "team": sandbox.config.team_id}
    answer = visit(sandbox, lambda client: client.send("POST", "/rooms/close", body))
    code = "INVALID_REQUEST_BODY" if variants == "guide" else "NOT_ALLOWED_TO_CLOSE_ROOM"
    assert refusal(answer) == (400, code)
    assert target.status is RoomStatus.AI_CHAT


def test_rooms_of_new_contacts_and_of_whatsapp_are_not_with_the_ai() -> None:
    sandbox = noon()

    async def steps(client: Client) -> list[Answer]:
        await upsert(client, "Unew")
        rooms = [sandbox.room("line", "Unew"), sandbox.room("whatsapp", "85260000000")]
        team = sandbox.config.team_id
        return [
            await client.send("POST", "/rooms/close", {"team": team, "roomId": one.id})
            for one in rooms
        ]

    open_one, unseen = visit(sandbox, steps)
    assert refusal(open_one) == (400, "NOT_ALLOWED_TO_CLOSE_ROOM")
    assert open_one.json["message"].endswith("current status: 1")
    assert refusal(unseen) == (404, "ROOM_NOT_FOUND")
    assert list(sandbox.ai_rooms("whatsapp")) == []
