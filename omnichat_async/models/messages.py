"""Objects of the chat history."""

from datetime import datetime

import attrs

from omnichat_async.models.base import Model, OpenEnum
from omnichat_async.models.common import Channel

__all__ = ["Message", "MessageStatus", "MessageType", "SenderType"]


class SenderType(OpenEnum):
    """Who sent a message."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    AI_CHAT = "ai-chat"


class MessageType(OpenEnum):
    """What a message holds."""

    TEXT = "text"
    PHOTO = "photo"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    CHATBOT = "chatbot"


class MessageStatus(OpenEnum):
    """How far a message has got."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    ERROR = "error"


@attrs.define(kw_only=True)
class Message(Model):
    """One message of the chat history. `time` is an aware UTC datetime.

    `bsuid` is WhatsApp's business-scoped user id; where it is set, `customer_user_id` and
    `sender_phone` may be None.
    """

    id: str
    time: datetime | None = None
    channel: Channel | None = None
    room_id: str | None = None
    customer_user_id: str | None = None
    bsuid: str | None = None
    sender_type: SenderType | str | None = None
    sender_name: str | None = None
    sender_user_id: str | None = None
    sender_phone: str | None = None
    sender_email: str | None = None
    message_type: MessageType | str | None = None
    message_status: MessageStatus | str | None = None
    message: str | None = None
    media_url: str | None = None
