"""Objects of contacts: the people on a channel."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from omnichat_async import checks
from omnichat_async.models.attributes import (
    AttributeValue,
    check_attributes,
    check_tags,
    wire_attributes,
)
from omnichat_async.models.base import Model, OpenEnum
from omnichat_async.models.body import Body
from omnichat_async.models.common import Channel

__all__ = ["AttributeType", "Contact", "ContactUpdate", "CustomAttribute"]


class AttributeType(OpenEnum):
    """The type of a custom attribute."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"


@attrs.define(kw_only=True)
class CustomAttribute(Model):
    """A custom attribute. `value` is what the API sent: text, a number, true or false.

    A cleared date reads back as 1970-01-01, a cleared number as 0 and a cleared boolean as
    false; the API makes no difference.
    """

    key: str
    value: str | int | float | bool | None = None
    type: AttributeType | str | None = None
    display_name: str | None = None


@attrs.define(kw_only=True)
class Contact(Model):
    """A person on one channel. Times are aware UTC datetimes; `status` is True while subscribed.

    An empty string (`member_id`, `phone`, `note`) is what the API sends for "none".
    """

    id: str
    channel: Channel | None = None
    bsuid: str | None = None
    name: str | None = None
    last_message_time: datetime | None = None
    subscribed_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    updated_at: datetime | None = None
    tags: list[str] = attrs.field(factory=list)
    custom_attributes: list[CustomAttribute] = attrs.field(factory=list)
    extra_attributes: dict[str, Any] | None = None
    status: bool | None = None
    note: str | None = None
    email: str | None = None
    phone: str | None = None
    member_id: str | None = None
    agent_name: str | None = None
    agent_employee_code: str | None = None
    agent_bind_time: datetime | None = None
    agent_location_name: str | None = None
    agent_location_code: str | None = None


@attrs.frozen(kw_only=True)
class ContactUpdate(Body):
    """What to change on a contact; None leaves a field as it is.

    `status` is True while subscribed. `tags` replaces all tags and excludes `tags_to_add` and
    `tags_to_remove`. `custom_attributes` maps keys (at most 100 characters) that exist in the
    portal to values (at most 1000): ``""`` clears text, dates and datetimes, 0 a number, False a
    boolean. `extra_attributes` maps strings to strings. The agent is bound by employee code and
    shop location code. Raises InvalidRequest.
    """

    name: str | None = None
    status: bool | None = None
    email: str | None = None
    phone: str | None = None
    member_id: str | None = None
    note: str | None = None
    agent_employee_code: str | None = None
    agent_location_code: str | None = None
    tags: Sequence[str] | None = None
    tags_to_add: Sequence[str] | None = None
    tags_to_remove: Sequence[str] | None = None
    custom_attributes: Mapping[str, AttributeValue] | None = None
    extra_attributes: Mapping[str, str] | None = None

    def _check(self) -> None:
        for field in _TEXTS:
            value: str | None = getattr(self, field)
            if value is not None:
                checks.string(field, value)
        if self.status is not None:
            checks.flag("status", self.status)
        check_tags(self.tags, self.tags_to_add, self.tags_to_remove)
        check_attributes(self.custom_attributes)
        if self.extra_attributes is not None:
            for value in checks.mapping("extra_attributes", self.extra_attributes).values():
                checks.string("extra_attributes value", value)

    def to_wire(self) -> dict[str, Any]:
        wire = super().to_wire()
        if self.custom_attributes is not None:
            wire["customAttributes"] = wire_attributes(self.custom_attributes)
        return wire


_TEXTS = (
    "name",
    "email",
    "phone",
    "member_id",
    "note",
    "agent_employee_code",
    "agent_location_code",
)
