"""Single events, whatever request they came in.

Each has `raw` (the item as it was sent), `data` (the same, typed), `problems` (what in it did
not fit) and `body` (a request body with this event alone, which parses to it again). A repr
shows none of them.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from omnichat_async.webhooks.payload import Payload

if TYPE_CHECKING:
    from datetime import datetime

    from omnichat_async.webhooks.ai_agent import AgentEventData, AgentTeam
    from omnichat_async.webhooks.whatsapp import (
        Call,
        GroupUpdateData,
        Status,
        WhatsAppContact,
        WhatsAppMessage,
    )

__all__ = [
    "AgentEvent",
    "CallEvent",
    "ChangeEvent",
    "Envelope",
    "GroupEvent",
    "InboundMessage",
    "MessageEcho",
    "MessageStatus",
    "OmnichatEvent",
    "UnknownEvent",
    "WebhookEvent",
    "WhatsAppEvent",
    "digest",
]

D_co = TypeVar("D_co", bound=Payload, covariant=True)

Identity = tuple[Any, ...]


def digest(*parts: Any) -> str:
    """A short name for any JSON values: 64 characters, the same in every process."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@attrs.frozen(kw_only=True, repr=False)
class WebhookEvent:
    """One event of a webhook request."""

    raw: Any
    body: dict[str, Any]
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A short name for logs and figures, which holds nothing personal."""
        return type(self).__name__

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to `body`."""
        return {}

    @property
    def identity(self) -> Identity:
        """What makes two deliveries the same event."""
        return (self.name, self.body)

    @property
    def sequence(self) -> Identity | None:
        """Events with the same value are handled one after another; None for no order."""
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


@attrs.frozen(kw_only=True, repr=False)
class OmnichatEvent(WebhookEvent, Generic[D_co]):
    """An event of one of Omnichat's topics.

    `topic` is "" if the header is missing or malformed, `data` an UnknownData if the topic is
    not known here. `event_id`, `occurred_at` (aware, UTC) and `team` come from headers, which
    the signature does not cover: they prove nothing.
    """

    topic: str
    event_id: str | None
    occurred_at: datetime | None
    team: str | None
    data: D_co

    @property
    def name(self) -> str:
        return self.topic or "unknown topic"

    @property
    def headers(self) -> dict[str, str]:
        found = {"X-Omnichat-Topic": self.topic or None, "X-Omnichat-Event-Id": self.event_id}
        if self.occurred_at is not None:
            milliseconds = round(self.occurred_at.timestamp() * 1000)
            found["X-Omnichat-Timestamp"] = str(milliseconds)
        found["X-Omnichat-Team"] = self.team
        return {name: value for name, value in found.items() if value is not None}

    @property
    def identity(self) -> Identity:
        if self.event_id is not None:
            return ("event", self.event_id)
        return ("event", self.topic, self.body)

    @property
    def sequence(self) -> Identity | None:
        if self.topic.startswith("ticket/"):
            return ("ticket", getattr(self.data, "ticket_id", None))
        for name in ("member_id", "omni_customer_id", "user_id", "bsuid", "phone"):
            value = getattr(self.data, name, None)
            if value:
                return (name, value)
        return None


@attrs.frozen(kw_only=True, repr=False)
class AgentEvent(WebhookEvent):
    """An event for a third-party AI agent. Not the `id` of the team but of the event dedupes."""

    team: AgentTeam
    data: AgentEventData

    @property
    def name(self) -> str:
        return str(self.data.type or "unknown") if self.data.type in _AGENT_TYPES else "unknown"

    @property
    def identity(self) -> Identity:
        return ("agent", self.data.id or self.raw)

    @property
    def sequence(self) -> Identity | None:
        room = self.data.payload.room if self.data.payload else None
        return ("room", room.id) if room and room.id else None


_AGENT_TYPES = frozenset({"ai-session:open", "message:new", "ai-session:close"})


@attrs.frozen(kw_only=True, repr=False)
class Envelope:
    """Where in WhatsApp's envelope an event stood. `contacts` are the ones that belong to it."""

    entry_id: str | None = None
    entry_time: str | int | None = None
    field: str | None = None
    phone_number_id: str | None = None
    display_phone_number: str | None = None
    contacts: tuple[WhatsAppContact, ...] = ()

    def __repr__(self) -> str:
        return "Envelope()"


@attrs.frozen(kw_only=True, repr=False)
class WhatsAppEvent(WebhookEvent):
    """An event of the forwarded WhatsApp envelope; `context` is what stood around it."""

    context: Envelope

    def _identity_of(self, kind: str, item_id: str | None, *more: Any) -> Identity:
        """By the item's id where it has one, or by all there is."""
        scope = self.context.phone_number_id
        return (kind, scope, item_id, *more) if item_id else (kind, scope, self.raw)

    def _with(self, who: str | None) -> Identity | None:
        return ("whatsapp", self.context.phone_number_id, who) if who else None


@attrs.frozen(kw_only=True, repr=False)
class InboundMessage(WhatsAppEvent):
    """A message that a user sent."""

    data: WhatsAppMessage

    @property
    def identity(self) -> Identity:
        return self._identity_of("m", self.data.id)

    @property
    def sequence(self) -> Identity | None:
        return self._with(self.data.sender)


@attrs.frozen(kw_only=True, repr=False)
class MessageEcho(WhatsAppEvent):
    """A message that the business sent from its own phone."""

    data: WhatsAppMessage

    @property
    def identity(self) -> Identity:
        return self._identity_of("e", self.data.id)

    @property
    def sequence(self) -> Identity | None:
        return self._with(self.data.to)


@attrs.frozen(kw_only=True, repr=False)
class MessageStatus(WhatsAppEvent):
    """What became of a message that was sent."""

    data: Status

    @property
    def identity(self) -> Identity:
        who = self.data.recipient_participant_id or self.data.recipient
        return self._identity_of("s", self.data.id, self.data.status, who, self.data.timestamp)

    @property
    def sequence(self) -> Identity | None:
        return self._with(self.data.recipient)


@attrs.frozen(kw_only=True, repr=False)
class CallEvent(WhatsAppEvent):
    """A voice call began or ended."""

    data: Call

    @property
    def identity(self) -> Identity:
        return self._identity_of("c", self.data.id, self.data.event)

    @property
    def sequence(self) -> Identity | None:
        return self._with(self.data.from_ or self.data.from_user_id)


@attrs.frozen(kw_only=True, repr=False)
class GroupEvent(WhatsAppEvent):
    """A WhatsApp group was made, changed or left."""

    data: GroupUpdateData


@attrs.frozen(kw_only=True, repr=False)
class ChangeEvent(WhatsAppEvent):
    """Any other change: `context.field` names it, `raw` is its value."""


@attrs.frozen(kw_only=True, repr=False)
class UnknownEvent(WebhookEvent):
    """Something that could not be read as an event. `problems` says why."""
