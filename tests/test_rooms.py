"""Rooms: exact requests, who is meant by which ids, and what happens to a repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import BadRequest, NotFound, OmnichatClient, PermissionDenied, Unauthorized
from omnichat_async.sandbox import Sandbox
from tests.support.asking import ask, asked, failure, refusal, samples, sent_twice
from tests.support.run import run
from tests.support.wire import drop, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

USER: dict[str, Any] = {
    "platform": "whatsapp",
    "channel_id": "85250000001",
    "user_id": "85215022101325",
}
EMAIL = {"agent_email": "agent001@example.com"}
SALES = {"agent_employee_code": "EM0001", "agent_shop_location_code": "SHOP02"}
ROOM = {"room_id": "li1-u/2", "team": "team-1"}


def call(name: str, **arguments: Any) -> Callable[[OmnichatClient], Awaitable[None]]:
    return lambda client: getattr(client.rooms, name)(**arguments)


def sample(name: str, number: int = 0) -> dict[str, Any]:
    """The documented request without its nulls."""
    request = samples(name)[number]["request"]
    return {key: value for key, value in request.items() if value is not None}


def test_the_documented_requests() -> None:
    phone = {"agent_phone": "+85298765432"}
    assert asked(call("assign_agent", **USER, **phone)) == (
        "POST /rooms/assign-agent",
        sample("assign_agent", 1),
    )
    assert asked(call("assign_agent", **USER, **SALES)) == (
        "POST /rooms/assign-agent",
        sample("assign_agent", 2),
    )
    assert asked(call("unassign_agent", **USER)) == (
        "POST /rooms/unassign-agent",
        sample("unassign_agent"),
    )
    assert asked(call("unassign_collaborator", **USER, **EMAIL)) == (
        "POST /rooms/unassign-collaborator",
        sample("unassign_collaborator"),
    )


def test_an_agent_may_be_named_by_several_ids() -> None:
    for name in ("assign_agent", "assign_collaborator"):
        assert asked(call(name, **USER, **EMAIL, **SALES)) == (
            f"POST /rooms/{name.replace('_', '-')}",
            sample(name),
        )


@pytest.mark.parametrize("name", ["assign_agent", "assign_collaborator", "unassign_collaborator"])
def test_a_shop_may_go_with_any_id(name: str) -> None:
    for who in ("agent_email", "agent_phone"):
        _, body = asked(call(name, **USER, **{who: "x"}, agent_shop_location_code="S"))
        assert body["agentShopLocationCode"] == "S"


def test_a_code_alone_ends_a_collaboration() -> None:
    _, body = asked(call("unassign_collaborator", **USER, agent_employee_code="E1"))
    assert body["agentEmployeeCode"] == "E1"
    assert "agentShopLocationCode" not in body


@pytest.mark.parametrize(
    "name", ["assign_agent", "assign_collaborator", "unassign_agent", "unassign_collaborator"]
)
def test_whatsapp_users_have_another_id(name: str) -> None:
    agent = {} if name == "unassign_agent" else EMAIL
    where = {"platform": "WHATSAPP", "channel_id": "852", "bsuid": "HK.1"}
    _, body = asked(call(name, **where, **agent))
    assert (body["platform"], body["bsuid"], "userId" in body) == ("whatsapp", "HK.1", False)
    assert refusal(call(name, **(where | {"platform": "line"}), **agent)).field == "bsuid"
    assert refusal(call(name, **(where | {"bsuid": None}), **agent)).field == "user_id"


def test_the_moves_out_of_ai_chat() -> None:
    body = {"roomId": "li1-u/2", "team": "team-1"}
    assert asked(call("to_human_agent", **ROOM)) == ("POST /rooms/to-human-agent", body)
    assert asked(call("close", **ROOM)) == ("POST /rooms/close", body)
    assert asked(call("trigger_auto_assign", **ROOM, rule_id="r")) == (
        "POST /rooms/trigger-auto-assign",
        body | {"ruleId": "r"},
    )


AGENTS = "agent_email, agent_phone, agent_employee_code"
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("assign_agent", USER, AGENTS),
    ("assign_agent", USER | EMAIL | {"agent_phone": ""}, "agent_phone"),
    ("assign_agent", USER | EMAIL | {"agent_employee_code": "E1"}, "agent_shop_location_code"),
    ("assign_agent", USER | {"agent_email": ""}, "agent_email"),
    ("assign_agent", USER | {"agent_phone": 85298765432}, "agent_phone"),
    ("assign_agent", USER | {"agent_employee_code": "E1"}, "agent_shop_location_code"),
    ("assign_agent", USER | EMAIL | {"agent_shop_location_code": ""}, "agent_shop_location_code"),
    ("assign_agent", USER | EMAIL | {"platform": ""}, "platform"),
    ("assign_agent", USER | EMAIL | {"channel_id": ""}, "channel_id"),
    ("assign_agent", USER | EMAIL | {"user_id": ""}, "user_id"),
    ("assign_collaborator", USER, AGENTS),
    ("assign_collaborator", USER | {"agent_employee_code": "E1"}, "agent_shop_location_code"),
    ("unassign_agent", USER | {"user_id": None}, "user_id"),
    ("unassign_collaborator", USER, AGENTS),
    ("unassign_collaborator", USER | {"agent_shop_location_code": "SHOP02"}, AGENTS),
    ("to_human_agent", ROOM | {"room_id": ""}, "room_id"),
    ("to_human_agent", ROOM | {"team": None}, "team"),
    ("close", ROOM | {"room_id": None}, "room_id"),
    ("close", ROOM | {"team": ""}, "team"),
    ("trigger_auto_assign", ROOM | {"rule_id": ""}, "rule_id"),
    ("trigger_auto_assign", ROOM | {"room_id": 5, "rule_id": "r"}, "room_id"),
]


@pytest.mark.parametrize(("name", "arguments", "field"), REFUSED)
def test_what_the_api_would_refuse_is_not_sent(
    name: str, arguments: dict[str, Any], field: str
) -> None:
    error = refusal(call(name, **arguments))
    assert error.field == field
    assert "852" not in str(error)
    assert "@" not in str(error)


GOOD: dict[str, dict[str, Any]] = {
    "assign_agent": USER | EMAIL,
    "assign_collaborator": USER | EMAIL,
    "unassign_agent": USER,
    "unassign_collaborator": USER | EMAIL,
    "to_human_agent": ROOM,
    "close": ROOM,
    "trigger_auto_assign": ROOM | {"rule_id": "r"},
}


@pytest.mark.parametrize("name", GOOD)
def test_every_call_may_be_repeated(name: str) -> None:
    sent_twice(call(name, **GOOD[name]), reply(204))


def test_a_server_error_in_the_shape_of_these_calls_is_retried() -> None:
    broken = reply(500, {"message": "OCE::INTERNAL_SERVER_ERROR::"})
    assert len(ask(call("assign_agent", **GOOD["assign_agent"]), broken, reply(204))[1]) == 2


def test_a_refused_repeat_says_that_it_is_one() -> None:
    moved = reply(400, {"errorCode": "NOT_ALLOWED_ASSIGN_TO_HUMAN", "message": ""})
    error, requests = failure(call("to_human_agent", **ROOM), drop(), moved)
    assert isinstance(error, BadRequest)
    assert (error.attempts, requests) == (2, 2)


@pytest.mark.parametrize(
    ("name", "status", "body", "kind"),
    [
        ("assign_agent", 400, {"message": "OCE::BAD_REQUEST::userId is required"}, BadRequest),
        (
            "assign_agent",
            400,
            {"message": "OCE::BAD_REQUEST::Unauthenticated access token"},
            Unauthorized,
        ),
        (
            "unassign_collaborator",
            400,
            {
                "message": "OCE::BAD_REQUEST::team (T) is not supported to use Open API "
                "Customer Service"
            },
            PermissionDenied,
        ),
        ("to_human_agent", 404, {"errorCode": "ROOM_NOT_FOUND", "message": ""}, NotFound),
        ("close", 404, {"errorCode": "NOT_FOUND", "message": ""}, NotFound),
        (
            "close",
            400,
            {"errorCode": "NOT_ALLOWED_TO_CLOSE_ROOM", "message": "current status: 1"},
            BadRequest,
        ),
        (
            "trigger_auto_assign",
            400,
            {"errorCode": "INVALID_REQUEST_BODY", "message": "trigger rule not available"},
            BadRequest,
        ),
    ],
)
def test_the_documented_errors(name: str, status: int, body: Any, kind: type[Exception]) -> None:
    error, requests = failure(call(name, **GOOD[name]), reply(status, body))
    assert (type(error), requests) == (kind, 1)


def test_a_room_of_the_sandbox_gets_an_agent_and_loses_it() -> None:
    async def main() -> None:
        sandbox = Sandbox(rows=500, limit=None)
        async with sandbox, OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            span = (sandbox.config.start_ms, sandbox.config.end_ms)
            row: dict[str, Any] = next(sandbox.rows("contacts", *span))
            where: dict[str, Any] = {
                "platform": row["channel"]["platform"],
                "channel_id": row["channel"]["channelId"],
                "user_id": row["id"],
            }
            users = await client.system_users.list()
            service = next(user for user in users if not user.shops)
            seller = next(user for user in users if user.shops and user.employee_code)
            room = sandbox.room(where["platform"], row["id"])
            sales: dict[str, Any] = {
                "agent_employee_code": seller.employee_code,
                "agent_shop_location_code": seller.shops[0].code,
            }
            await client.rooms.assign_collaborator(**where, **sales)
            assert [mate.email for mate in room.collaborators] == [seller.email]
            await client.rooms.assign_agent(**where, **sales)
            assert room.agent is not None
            assert room.agent.email == seller.email
            await client.rooms.unassign_collaborator(**where, **sales)
            await client.rooms.assign_agent(**where, agent_email=service.email)
            assert (room.agent.email, room.collaborators) == (service.email, [])
            await client.rooms.unassign_agent(**where)
            assert room.agent is None

    run(main())


@pytest.mark.parametrize(("name", "more"), [("to_human_agent", {}), ("close", {})])
def test_a_room_leaves_ai_chat_once(name: str, more: dict[str, Any]) -> None:
    async def main() -> None:
        sandbox = Sandbox(rows=500, limit=None)
        async with sandbox, OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            room_id = next(sandbox.ai_rooms("line"))
            where = {"room_id": room_id, "team": sandbox.config.team_id}
            await call(name, **where, **more)(client)
            with pytest.raises(BadRequest):
                await call(name, **where, **more)(client)
            with pytest.raises(NotFound):
                await call(name, **(where | {"room_id": "none"}), **more)(client)

    run(main())


def test_a_rule_assigns_a_room() -> None:
    async def main() -> None:
        sandbox = Sandbox(rows=500, limit=None)
        async with sandbox, OmnichatClient(sandbox.token, base_url=sandbox.url) as client:
            room_id = next(sandbox.ai_rooms("line"))
            where = {"room_id": room_id, "team": sandbox.config.team_id}
            await client.rooms.trigger_auto_assign(**where, rule_id="rule")
            with pytest.raises(BadRequest):
                await client.rooms.trigger_auto_assign(**where, rule_id="rule")

    run(main())
