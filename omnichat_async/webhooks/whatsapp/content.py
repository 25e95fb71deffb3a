"""What a message holds, one class for each type of message.

Media come as ids and addresses; nothing fetches them.
"""

from typing import Any, TypeAlias

import attrs

from omnichat_async.webhooks.payload import Payload, as_written

__all__ = [
    "Button",
    "ContactCard",
    "Edit",
    "Interactive",
    "Location",
    "Media",
    "MessageContent",
    "NestedReply",
    "Order",
    "OrderItem",
    "Reaction",
    "System",
    "Text",
    "UnknownContent",
]


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
