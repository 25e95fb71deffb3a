"""Messages: who wrote, when, in answer to what, and the content."""

from datetime import datetime

import attrs

from omnichat_async.models.base import wire
from omnichat_async.webhooks.payload import Payload, as_written
from omnichat_async.webhooks.whatsapp.content import (
    Button,
    ContactCard,
    Edit,
    Interactive,
    Location,
    Media,
    MessageContent,
    Order,
    Reaction,
    System,
    Text,
    UnknownContent,
)
from omnichat_async.webhooks.whatsapp.shared import ErrorInfo, WireTime, time_of

__all__ = ["Referral", "ReferredProduct", "ReplyContext", "WhatsAppMessage"]


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
