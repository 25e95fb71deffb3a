"""What became of messages that were sent."""

from datetime import datetime

import attrs

from omnichat_async.models.base import OpenEnum
from omnichat_async.webhooks.payload import Payload, as_written
from omnichat_async.webhooks.whatsapp.shared import ErrorInfo, WireTime, time_of

__all__ = ["Conversation", "Origin", "Pricing", "Status", "StatusName"]


class StatusName(OpenEnum):
    """How far a message or a call has got."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"
    DELETED = "deleted"


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Origin(Payload):
    """Why a conversation was opened."""

    type: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Conversation(Payload):
    """The conversation a message belongs to, for billing."""

    id: str | None = None
    expiration_timestamp: WireTime = None
    origin: Origin | None = None

    @property
    def expires_at(self) -> datetime | None:
        """The `expiration_timestamp` as an aware UTC datetime, or None if it is no time."""
        return time_of(self.expiration_timestamp)


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Pricing(Payload):
    """What a message is charged as."""

    pricing_model: str | None = None
    category: str | None = None
    billable: bool | None = None
    type: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Status(Payload):
    """What became of a message that was sent. One message has several, in any order."""

    id: str | None = None
    status: StatusName | str | None = None
    timestamp: WireTime = None
    type: str | None = None
    recipient_id: str | None = None
    recipient_type: str | None = None
    recipient_user_id: str | None = None
    parent_recipient_user_id: str | None = None
    recipient_participant_id: str | None = None
    biz_opaque_callback_data: str | None = None
    conversation: Conversation | None = None
    pricing: Pricing | None = None
    errors: list[ErrorInfo] = attrs.field(factory=list)

    @property
    def recipient(self) -> str | None:
        """The best id of who it was sent to."""
        return self.recipient_id or self.recipient_user_id

    @property
    def sent_at(self) -> datetime | None:
        """The `timestamp` as an aware UTC datetime, or None if it is no time."""
        return time_of(self.timestamp)

    @property
    def rank(self) -> int:
        """How far along it is: a `delivered` that comes after `read` ranks lower. 0 if unknown."""
        return {"sent": 1, "delivered": 2, "read": 3, "played": 4, "failed": 5}.get(
            str(self.status), 0
        )
