"""The objects of the webhook for third-party AI agents."""

from datetime import datetime
from typing import Any

import attrs

from omnichat_async.models.base import OpenEnum
from omnichat_async.webhooks.payload import Payload

__all__ = [
    "AgentChannel",
    "AgentContent",
    "AgentEventData",
    "AgentEventType",
    "AgentMessageIn",
    "AgentPayload",
    "AgentRoom",
    "AgentSender",
    "AgentTeam",
]


class AgentEventType(OpenEnum):
    """What happened in a chat that an AI agent answers."""

    OPEN = "ai-session:open"
    MESSAGE = "message:new"
    CLOSE = "ai-session:close"


@attrs.define(kw_only=True, repr=False)
class AgentTeam(Payload):
    """The team: its `id` is what the calls for rooms and agent messages take as ``team``."""

    id: str | None = None
    locale: str | None = None


@attrs.define(kw_only=True, repr=False)
class AgentChannel(Payload):
    """Where the chat goes on. `current_url` is the page of a webchat."""

    id: str | None = None
    external_id: str | None = None
    current_url: str | None = None
    platform: str | None = None
    metadata: dict[str, Any] | None = None


@attrs.define(kw_only=True, repr=False)
class AgentRoom(Payload):
    """The chat room."""

    id: str | None = None
    type: str | None = None
    metadata: dict[str, Any] | None = None


@attrs.define(kw_only=True, repr=False)
class AgentSender(Payload):
    """Who wrote: `type` is customer, agent or bot."""

    id: str | None = None
    external_id: str | None = None
    type: str | None = None
    sender_name: str | None = None
    metadata: dict[str, Any] | None = None


@attrs.define(kw_only=True, repr=False)
class AgentContent(Payload):
    """What was written: `type` is text or image. The `url` is never fetched by this package."""

    type: str | None = None
    text: str | None = None
    url: str | None = None
    metadata: dict[str, Any] | None = None


@attrs.define(kw_only=True, repr=False)
class AgentMessageIn(Payload):
    """A message in the chat. `reply_token` comes with LINE."""

    id: str | None = None
    reply_token: str | None = None
    created_at: datetime | None = None
    sender: AgentSender | None = None
    content: AgentContent | None = None


@attrs.define(kw_only=True, repr=False)
class AgentPayload(Payload):
    """Channel, room and, for a new message, the message."""

    channel: AgentChannel | None = None
    room: AgentRoom | None = None
    message: AgentMessageIn | None = None


@attrs.define(kw_only=True, repr=False)
class AgentEventData(Payload):
    """One event of the list."""

    id: str | None = None
    created_at: datetime | None = None
    type: AgentEventType | str | None = None
    payload: AgentPayload | None = None
