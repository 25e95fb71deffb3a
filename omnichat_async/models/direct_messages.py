"""Messages to one contact."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from omnichat_async import checks
from omnichat_async.models.attributes import (
    AttributeValue,
    check_attributes,
    check_tags,
    wire_attributes,
)
from omnichat_async.models.base import Model
from omnichat_async.models.body import Body
from omnichat_async.models.common import Platform, platform_name
from omnichat_async.models.content import Content, check_contents

__all__ = ["DirectMessage", "DirectMessageSent"]


@attrs.frozen(kw_only=True)
class DirectMessage(Body):
    """Messages to one contact on LINE or WhatsApp.

    `track_id` is a label for reports, not a key: two sends with the same one are two sends. `to`
    is the contact's user id on the channel. `messages` are up to 5 of Text, Image and Products,
    or one of Block, FlexTemplates and WhatsAppTemplate. `tags` and `custom_attributes` are set on
    the contact when it is sent. The last three fields are accepted by the API but only shown in
    one of its samples.
    """

    track_id: str
    platform: Platform | str = attrs.field(converter=platform_name)
    channel_id: str
    to: str
    messages: Sequence[Content]
    tags: Sequence[str] | None = None
    custom_attributes: Mapping[str, AttributeValue] | None = None
    employee_code: str | None = None
    location_code: str | None = None
    track_transaction_link: bool | None = None

    def _check(self) -> None:
        for field in ("track_id", "channel_id", "to"):
            checks.text(field, getattr(self, field))
        check_contents(self.messages)
        check_tags(self.tags, None, None)
        check_attributes(self.custom_attributes)
        checks.given_texts(self, "employee_code", "location_code")
        if self.track_transaction_link is not None:
            checks.flag("track_transaction_link", self.track_transaction_link)

    def to_wire(self) -> dict[str, Any]:
        wire = super().to_wire()
        if self.custom_attributes is not None:
            wire["customAttributes"] = wire_attributes(self.custom_attributes)
        return wire


@attrs.define(kw_only=True)
class DirectMessageSent(Model):
    """What became of a direct message: the platform's ids of the messages."""

    track_id: str | None = None
    message_id: list[str] = attrs.field(factory=list)
    message_ids: list[str] = attrs.field(factory=list)

    @property
    def ids(self) -> list[str]:
        """The ids, under whichever of its two names the API sent them."""
        return self.message_id or self.message_ids
