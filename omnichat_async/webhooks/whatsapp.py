"""The objects of the WhatsApp webhooks that Omnichat forwards, as Meta writes them.

Any id may be missing, since users with a username hide their phone number: `sender` and
`recipient` give the best id there is. Media come as ids and addresses; nothing fetches them.
"""

from datetime import datetime, timedelta
from typing import Any, TypeAlias

import attrs

from omnichat_async.models.base import OpenEnum, wire
from omnichat_async.webhooks.payload import Payload, as_written
from omnichat_async.windows import EPOCH

__all__ = [
    "Button",
    "Call",
    "ContactCard",
    "Conversation",
    "Edit",
    "ErrorInfo",
    "GroupUpdateData",
    "Interactive",
    "Location",
    "Media",
    "MessageContent",
    "NestedReply",
    "Order",
    "OrderItem",
    "Origin",
    "Pricing",
    "Profile",
    "Reaction",
    "Referral",
    "ReferredProduct",
    "ReplyContext",
    "Status",
    "StatusName",
    "System",
    "Text",
    "UnknownContent",
    "WhatsAppContact",
    "WhatsAppMessage",
    "WireTime",
    "time_of",
]

WireTime: TypeAlias = str | int | None
"""Epoch seconds as Meta sends them: mostly text, sometimes a number."""

_LAST_SECOND = 253_402_300_800  # the year 10000


def time_of(value: WireTime) -> datetime | None:
    """Epoch seconds as an aware UTC datetime; None for what is no time."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    seconds = int(text)
    return EPOCH + timedelta(seconds=seconds) if seconds < _LAST_SECOND else None


class StatusName(OpenEnum):
    """How far a message or a call has got."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"
    DELETED = "deleted"


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Profile(Payload):
    """What a user calls themselves."""

    name: str | None = None
    username: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class WhatsAppContact(Payload):
    """A user: `wa_id` is the phone number, `user_id` the business-scoped id."""

    profile: Profile | None = None
    wa_id: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class ErrorInfo(Payload):
    """An error that Meta reports; 131047 means that the 24 hours are over."""

    code: int | None = None
    title: str | None = None
    message: str | None = None
    details: str | None = None
    error_data: dict[str, Any] | None = None
    href: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Text(Payload):
    """A text message."""

    body: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Media(Payload):
    """An image, audio, video, document or sticker; `voice` marks a voice message."""

    id: str | None = None
    mime_type: str | None = None
    sha256: str | None = None
    caption: str | None = None
    filename: str | None = None
    url: str | None = None
    animated: bool | None = None
    voice: bool | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Reaction(Payload):
    """An emoji on an earlier message; without an `emoji` the reaction was taken back."""

    message_id: str | None = None
    emoji: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Location(Payload):
    """A place. The coordinates come as numbers or as text."""

    latitude: float | str | None = None
    longitude: float | str | None = None
    name: str | None = None
    address: str | None = None
    url: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Button(Payload):
    """A quick-reply button of a template was pressed."""

    text: str | None = None
    payload: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class NestedReply(Payload):
    """What was chosen: `id` and `title` of a button or a list row, or for a flow the
    `response_json` in which the answers are."""

    id: str | None = None
    title: str | None = None
    description: str | None = None
    name: str | None = None
    body: str | None = None
    response_json: str | None = None
    response: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Interactive(Payload):
    """An answer to an interactive message, under the name in `type`."""

    type: str | None = None
    button_reply: NestedReply | None = None
    list_reply: NestedReply | None = None
    nfm_reply: NestedReply | None = None
    call_permission_reply: NestedReply | None = None

    @property
    def reply(self) -> NestedReply | None:
        """The one answer there is."""
        replies = (self.button_reply, self.list_reply, self.nfm_reply, self.call_permission_reply)
        return next((each for each in replies if each is not None), None)


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class OrderItem(Payload):
    """One product of an order; quantity and price as the API sent them."""

    product_retailer_id: str | None = None
    quantity: str | int | None = None
    item_price: str | int | float | None = None
    currency: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Order(Payload):
    """A cart that a customer sent."""

    catalog_id: str | None = None
    text: str | None = None
    product_items: list[OrderItem] = attrs.field(factory=list)


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class System(Payload):
    """A change of the user's number or identity; `type` says which."""

    body: str | None = None
    type: str | None = None
    wa_id: str | None = None
    new_wa_id: str | None = None
    user_id: str | None = None
    customer: str | None = None
    identity: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Edit(Payload):
    """A message was edited or taken back. `message` is the new one, as Meta sent it."""

    original_message_id: str | None = None
    message: dict[str, Any] | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class ContactCard(Payload):
    """A contact that was shared."""

    name: dict[str, Any] | None = None
    phones: list[dict[str, Any]] = attrs.field(factory=list)
    emails: list[dict[str, Any]] = attrs.field(factory=list)
    addresses: list[dict[str, Any]] = attrs.field(factory=list)
    urls: list[dict[str, Any]] = attrs.field(factory=list)
    org: dict[str, Any] | None = None
    birthday: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class ReferredProduct(Payload):
    """The product that a message asks about."""

    catalog_id: str | None = None
    product_retailer_id: str | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class ReplyContext(Payload):
    """What a message answers to."""

    id: str | None = None
    from_: str | None = wire("from", default=None)
    forwarded: bool | None = None
    frequently_forwarded: bool | None = None
    referred_product: ReferredProduct | None = None


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Referral(Payload):
    """The advertisement or post that led to a message."""

    source_url: str | None = None
    source_id: str | None = None
    source_type: str | None = None
    headline: str | None = None
    body: str | None = None
    media_type: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    thumbnail_url: str | None = None
    ctwa_clid: str | None = None


@attrs.frozen(repr=False)
class UnknownContent:
    """The content of a message of a `type` this version has no class for."""

    type: str | None
    raw: Any

    def __repr__(self) -> str:
        return "UnknownContent()"


MessageContent: TypeAlias = (
    Text
    | Media
    | Reaction
    | Location
    | Button
    | Interactive
    | Order
    | System
    | Edit
    | list[ContactCard]
    | UnknownContent
)


_CONTENT = frozenset(
    {"text", "image", "audio", "video", "document", "sticker", "voice", "reaction", "location"}
    | {"button", "interactive", "order", "system", "edit", "revoke", "contacts"}
)


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class WhatsAppMessage(Payload):
    """A message. `content` is the part that `type` names."""

    id: str | None = None
    from_: str | None = wire("from", default=None)
    from_user_id: str | None = None
    from_parent_user_id: str | None = None
    to: str | None = None
    group_id: str | None = None
    timestamp: WireTime = None
    type: str | None = None
    text: Text | None = None
    image: Media | None = None
    audio: Media | None = None
    video: Media | None = None
    document: Media | None = None
    sticker: Media | None = None
    voice: Media | None = None
    reaction: Reaction | None = None
    location: Location | None = None
    button: Button | None = None
    interactive: Interactive | None = None
    order: Order | None = None
    system: System | None = None
    edit: Edit | None = None
    revoke: Edit | None = None
    contacts: list[ContactCard] = attrs.field(factory=list)
    context: ReplyContext | None = None
    referral: Referral | None = None
    errors: list[ErrorInfo] = attrs.field(factory=list)

    @property
    def sender(self) -> str | None:
        """The best id of who sent it: the phone number, or the business-scoped id."""
        return self.from_ or self.from_user_id

    @property
    def sent_at(self) -> datetime | None:
        """The `timestamp` as an aware UTC datetime, or None if it is no time."""
        return time_of(self.timestamp)

    @property
    def content(self) -> MessageContent:
        """What `type` names, or UnknownContent with what there is under that name."""
        if self.type in _CONTENT and (known := getattr(self, self.type)):
            content: MessageContent = known
            return content
        return UnknownContent(self.type, self.extra.get(self.type or ""))


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


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class Call(Payload):
    """A voice call: `event` is connect or terminate."""

    id: str | None = None
    event: str | None = None
    from_: str | None = wire("from", default=None)
    from_user_id: str | None = None
    to: str | None = None
    timestamp: WireTime = None
    direction: str | None = None
    status: str | None = None
    start_time: WireTime = None
    end_time: WireTime = None
    duration: int | None = None
    session: dict[str, Any] | None = None
    errors: list[ErrorInfo] = attrs.field(factory=list)


@attrs.define(kw_only=True, repr=False, field_transformer=as_written)
class GroupUpdateData(Payload):
    """A group was made, changed or left: `type` says which."""

    group_id: str | None = None
    type: str | None = None
    timestamp: WireTime = None
    request_id: str | None = None
    reason: str | None = None
    errors: list[ErrorInfo] = attrs.field(factory=list)
