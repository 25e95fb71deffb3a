"""The objects of Omnichat's own topics, and which topic carries which.

Times in them are aware where the API gives a zone. `bsuid` is WhatsApp's business-scoped user
id; where it is set, `user_id` and `phone` may be None. Nothing is checked for its form.
"""

from datetime import datetime
from typing import Any

import attrs

from omnichat_async.models.base import OpenEnum
from omnichat_async.webhooks.payload import Payload

__all__ = [
    "TOPICS",
    "AgentAction",
    "AgentLog",
    "Attribute",
    "BroadcastStatus",
    "ChannelSubscription",
    "Customer",
    "DeliveryStatus",
    "DirectMessageStatus",
    "FlowResponse",
    "OmoBinding",
    "PhoneBinding",
    "SmsFallback",
    "SocialContact",
    "Ticket",
    "TicketDeleted",
    "TicketStatus",
]


class DeliveryStatus(OpenEnum):
    """What became of a message: `failed` comes for WhatsApp only, `unsubscribed` for broadcasts
    only, `read` not for text and images on LINE."""

    DELIVERED = "delivered"
    FAILED = "failed"
    READ = "read"
    CLICKED = "clicked"
    RESPONDED = "responded"
    UNSUBSCRIBED = "unsubscribed"


class TicketStatus(OpenEnum):
    """Where a ticket stands."""

    OPEN = "Open"
    IN_PROGRESS = "InProgress"
    CLOSED = "Closed"


class AgentAction(OpenEnum):
    """What an agent, or the system, did with a ticket."""

    NEW_ROOM = "NEW_ROOM"
    FOLLOW_UP_FROM_OPEN = "FOLLOW_UP_FROM_OPEN"
    FOLLOW_UP_FROM_CHATBOT = "FOLLOW_UP_FROM_CHATBOT"
    TAKE_OVER = "TAKE_OVER"
    PASS = "PASS"  # noqa: S105 - an action of a ticket
    REOPEN = "REOPEN"
    NINEONEAPP_SYNC = "NINEONEAPP_SYNC"
    OMO_OVERWRITE = "OMO_OVERWRITE"
    WHATSAPP_ADD_CONVERSATION = "WHATSAPP_ADD_CONVERSATION"
    OMO_CLOSE_ASSIGN = "OMO_CLOSE_ASSIGN"


@attrs.define(kw_only=True, repr=False)
class Attribute(Payload):
    """A custom attribute of a customer: `value` is any JSON scalar."""

    key: str | None = None
    value: str | int | float | bool | None = None


@attrs.define(kw_only=True, repr=False)
class SocialContact(Payload):
    """A customer's contact on one channel."""

    platform: str | None = None
    channel_id: str | None = None
    user_id: str | None = None
    bsuid: str | None = None


@attrs.define(kw_only=True, repr=False)
class Customer(Payload):
    """``customer/create`` and ``customer/update``. Imports in bulk send none."""

    member_id: str | None = None
    omni_customer_id: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    tags: list[str] = attrs.field(factory=list)
    custom_attributes: list[Attribute] = attrs.field(factory=list)
    social_contacts: list[SocialContact] = attrs.field(factory=list)
    created_at: datetime | None = None
    updated_at: datetime | None = None


@attrs.define(kw_only=True, repr=False)
class ChannelSubscription(Payload):
    """``customer/channel_subscribe`` and ``customer/channel_unsubscribe``: only the event's
    topic tells them apart."""

    member_id: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    platform: str | None = None
    channel_id: str | None = None
    user_id: str | None = None
    bsuid: str | None = None


@attrs.define(kw_only=True, repr=False)
class PhoneBinding(Payload):
    """``customer/channel_phone_binding``, on LINE."""

    platform: str | None = None
    channel_id: str | None = None
    user_id: str | None = None
    phone: str | None = None


@attrs.define(kw_only=True, repr=False)
class OmoBinding(Payload):
    """``customer/channel_omo_binding``: sent when a shop's agent is bound, unbound or changed."""

    platform: str | None = None
    channel_id: str | None = None
    user_id: str | None = None
    bsuid: str | None = None
    member_id: str | None = None
    email: str | None = None
    phone: str | None = None
    agent_id: str | None = None
    agent_name: str | None = None
    agent_email: str | None = None
    agent_phone: str | None = None
    agent_employee_code: str | None = None
    agent_location_name: str | None = None
    agent_location_code: str | None = None
    agent_photo_url: str | None = None


@attrs.define(kw_only=True, repr=False)
class DirectMessageStatus(Payload):
    """``direct_msg/status``: what became of a direct message."""

    track_id: str | None = None
    message_ids: list[str] = attrs.field(factory=list)
    platform: str | None = None
    channel_id: str | None = None
    user_id: str | None = None
    bsuid: str | None = None
    member_id: str | None = None
    email: str | None = None
    phone: str | None = None
    status: DeliveryStatus | str | None = None


@attrs.define(kw_only=True, repr=False)
class BroadcastStatus(Payload):
    """``broadcast_msg/status``: what became of a broadcast at one recipient."""

    broadcast_id: str | None = None
    platform: str | None = None
    channel_id: str | None = None
    user_id: str | None = None
    bsuid: str | None = None
    member_id: str | None = None
    email: str | None = None
    phone: str | None = None
    status: DeliveryStatus | str | None = None


@attrs.define(kw_only=True, repr=False)
class FlowResponse(Payload):
    """``whatsapp_flow/flow_create``: a filled-in WhatsApp flow; `flow_response` has any form."""

    name: str | None = None
    phone: str | None = None
    bsuid: str | None = None
    flow_id: str | None = None
    flow_name: str | None = None
    response_time: datetime | None = None
    flow_response: dict[str, Any] | None = None


@attrs.define(kw_only=True, repr=False)
class SmsFallback(Payload):
    """``lon/send_sms``: a LINE notification was not confirmed in time, so an SMS is due."""

    trigger_id: str | None = None
    setting_id: str | None = None
    setting_name: str | None = None
    phone: str | None = None
    text: str | None = None


@attrs.define(kw_only=True, repr=False)
class AgentLog(Payload):
    """One step in the life of a ticket."""

    agent_id: str | None = None
    agent_name: str | None = None
    action_type: AgentAction | str | None = None
    occurred_at: datetime | None = None


@attrs.define(kw_only=True, repr=False)
class Ticket(Payload):
    """``ticket/create`` and ``ticket/update``."""

    ticket_id: int | str | None = None
    subject: str | None = None
    customer_name: str | None = None
    is_group_chat: bool | None = None
    is_collaboration_chat: bool | None = None
    platform: str | None = None
    channel_id: str | None = None
    user_id: str | None = None
    bsuid: str | None = None
    status: TicketStatus | str | None = None
    created_at: datetime | None = None
    closed_at: datetime | None = None
    first_follow_up_at: datetime | None = None
    first_response_at: datetime | None = None
    agent_logs: list[AgentLog] = attrs.field(factory=list)


@attrs.define(kw_only=True, repr=False)
class TicketDeleted(Payload):
    """``ticket/delete``."""

    ticket_id: int | str | None = None


TOPICS: dict[str, type[Payload]] = {
    "customer/create": Customer,
    "customer/update": Customer,
    "customer/channel_subscribe": ChannelSubscription,
    "customer/channel_unsubscribe": ChannelSubscription,
    "customer/channel_phone_binding": PhoneBinding,
    "customer/channel_omo_binding": OmoBinding,
    "direct_msg/status": DirectMessageStatus,
    "broadcast_msg/status": BroadcastStatus,
    "whatsapp_flow/flow_create": FlowResponse,
    "lon/send_sms": SmsFallback,
    "ticket/create": Ticket,
    "ticket/update": Ticket,
    "ticket/delete": TicketDeleted,
}
"""Every documented topic and the class of its object."""
