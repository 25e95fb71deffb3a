"""Rooms: who takes care of a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omnichat_async import checks
from omnichat_async.calls import NOTHING, Call, Safety
from omnichat_async.endpoints.base import Area, user_ids
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.common import platform_name

if TYPE_CHECKING:
    from omnichat_async.models.common import Platform

__all__ = ["Rooms"]

_WIRE_NAMES = {
    "agent_email": "agentEmail",
    "agent_phone": "agentPhone",
    "agent_employee_code": "agentEmployeeCode",
    "agent_shop_location_code": "agentShopLocationCode",
}


class Rooms(Area):
    """The conversations with contacts: their agents and collaborators, and AI chats."""

    async def assign_agent(
        self,
        *,
        platform: Platform | str,
        channel_id: str,
        user_id: str | None = None,
        bsuid: str | None = None,
        agent_email: str | None = None,
        agent_phone: str | None = None,
        agent_employee_code: str | None = None,
        agent_shop_location_code: str | None = None,
    ) -> None:
        """Make somebody the agent who follows up a contact (of LINE or WhatsApp).

        `user_id` is needed, but for WhatsApp where `bsuid` may take its place. At least one of
        `agent_email`, `agent_phone` and `agent_employee_code`; a code, and any salesperson, needs
        `agent_shop_location_code` too. In a collaboration room anybody but customer service has
        to be assigned as a collaborator before. Safe to repeat.

        Raises InvalidRequest.

        Wraps ``POST /rooms/assign-agent``. Needs the CRM Open API module.
        """
        room = _room(platform, channel_id, user_id, bsuid)
        agent = _agent(agent_email, agent_phone, agent_employee_code, agent_shop_location_code)
        _shop_for_a_code(agent)
        await self._move("/rooms/assign-agent", room | agent)

    async def assign_collaborator(
        self,
        *,
        platform: Platform | str,
        channel_id: str,
        user_id: str | None = None,
        bsuid: str | None = None,
        agent_email: str | None = None,
        agent_phone: str | None = None,
        agent_employee_code: str | None = None,
        agent_shop_location_code: str | None = None,
    ) -> None:
        """Let somebody take part in the conversation with a contact (of LINE or WhatsApp).

        `user_id` is needed, but for WhatsApp where `bsuid` may take its place. At least one of
        `agent_email`, `agent_phone` and `agent_employee_code`, the last one with
        `agent_shop_location_code`. Safe to repeat.

        Raises InvalidRequest.

        Wraps ``POST /rooms/assign-collaborator``. Needs the CRM Open API module.
        """
        room = _room(platform, channel_id, user_id, bsuid)
        agent = _agent(agent_email, agent_phone, agent_employee_code, agent_shop_location_code)
        _shop_for_a_code(agent)
        await self._move("/rooms/assign-collaborator", room | agent)

    async def unassign_agent(
        self,
        *,
        platform: Platform | str,
        channel_id: str,
        user_id: str | None = None,
        bsuid: str | None = None,
    ) -> None:
        """Take the sales agent off a contact (of LINE or WhatsApp), in teams of the OMO cloud.

        `user_id` is needed, but for WhatsApp where `bsuid` may take its place. Safe to repeat.

        Raises InvalidRequest.

        Wraps ``POST /rooms/unassign-agent``. Needs the OMO Sales Cloud.
        """
        await self._move("/rooms/unassign-agent", _room(platform, channel_id, user_id, bsuid))

    async def unassign_collaborator(
        self,
        *,
        platform: Platform | str,
        channel_id: str,
        user_id: str | None = None,
        bsuid: str | None = None,
        agent_email: str | None = None,
        agent_phone: str | None = None,
        agent_employee_code: str | None = None,
        agent_shop_location_code: str | None = None,
    ) -> None:
        """End somebody's part in the conversation with a contact (of LINE or WhatsApp).

        `user_id` is needed, but for WhatsApp where `bsuid` may take its place. At least one of
        `agent_email`, `agent_phone` and `agent_employee_code`; `agent_shop_location_code` may go
        with it. Safe to repeat.

        Raises InvalidRequest.

        Wraps ``POST /rooms/unassign-collaborator``. Needs the CRM Open API module.
        """
        room = _room(platform, channel_id, user_id, bsuid)
        agent = _agent(agent_email, agent_phone, agent_employee_code, agent_shop_location_code)
        await self._move("/rooms/unassign-collaborator", room | agent)

    async def to_human_agent(self, *, room_id: str, team: str) -> None:
        """Hand a room over from AI chat to the human agents: it is open then.

        `room_id` and `team` (an id, not a name) are those of the AI agent webhook. The room is
        moved once, but the call may be repeated after a lost answer; if the error's `attempts`
        is above 1, BadRequest can mean that an earlier attempt moved it.

        Raises BadRequest if the room is not in AI chat, NotFound if there is none.

        Wraps ``POST /rooms/to-human-agent``. Needs the third-party AI agent module.
        """
        await self._move("/rooms/to-human-agent", _ai_room(room_id, team))

    async def close(self, *, room_id: str, team: str) -> None:
        """Close a room that is in AI chat and has no collaborating human agents.

        `room_id` and `team` (an id, not a name) are those of the AI agent webhook. The call may
        be repeated after a lost answer; if the error's `attempts` is above 1, BadRequest can mean
        that an earlier attempt closed it.

        Raises BadRequest if the room is not like that, NotFound if there is none.

        Wraps ``POST /rooms/close``. Needs the third-party AI agent module.
        """
        await self._move("/rooms/close", _ai_room(room_id, team))

    async def trigger_auto_assign(self, *, room_id: str, team: str, rule_id: str) -> None:
        """Hand a room over from AI chat by a keyword auto-assign rule: it is in progress then.

        `room_id` and `team` (an id, not a name) are those of the AI agent webhook, `rule_id` is
        from the portal. The call may be repeated after a lost answer; if the error's `attempts`
        is above 1, BadRequest can mean that an earlier attempt moved the room.

        Raises BadRequest if the room is not in AI chat or the rule is not available, NotFound if
        there is no such room.

        Wraps ``POST /rooms/trigger-auto-assign``. Needs the third-party AI agent module.
        """
        body = _ai_room(room_id, team) | {"ruleId": checks.text("rule_id", rule_id)}
        await self._move("/rooms/trigger-auto-assign", body)

    async def _move(self, path: str, body: dict[str, Any]) -> None:
        # To assign somebody twice changes nothing. The moves out of AI chat do harm to nobody
        # either when they are repeated: a room that has left AI chat is refused with a 400. That
        # is better than OutcomeUnknown, after which a customer waits in a room nobody looks at.
        await self._execute(
            Call(method="POST", path=path, safety=Safety.REPEATABLE, answer=NOTHING, json=body)
        )


def _room(
    platform: Platform | str, channel_id: str, user_id: str | None, bsuid: str | None
) -> dict[str, str]:
    name = platform_name(platform)
    place = {"platform": name, "channelId": checks.text("channel_id", channel_id)}
    return place | user_ids(name, user_id, bsuid)


def _ai_room(room_id: str, team: str) -> dict[str, str]:
    return {"roomId": checks.text("room_id", room_id), "team": checks.text("team", team)}


def _agent(
    email: str | None, phone: str | None, employee_code: str | None, shop: str | None
) -> dict[str, str]:
    ids = {"agent_email": email, "agent_phone": phone, "agent_employee_code": employee_code}
    given = {name: value for name, value in ids.items() if value is not None}
    if not given:
        raise InvalidRequest(", ".join(ids), "at least one is needed", "none")
    if shop is not None:
        given["agent_shop_location_code"] = shop
    return {_WIRE_NAMES[name]: checks.text(name, value) for name, value in given.items()}


def _shop_for_a_code(agent: dict[str, str]) -> None:
    """An employee code means somebody only together with a shop."""
    if "agentEmployeeCode" in agent and "agentShopLocationCode" not in agent:
        raise InvalidRequest(
            "agent_shop_location_code", "is needed with agent_employee_code", "none"
        )
