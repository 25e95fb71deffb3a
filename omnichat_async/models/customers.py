"""Objects of customers: one person with the contacts on all channels."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from omnichat_async import checks
from omnichat_async.models.attributes import (
    AttributeValue,
    check_attributes,
    check_tags,
    wire_attributes,
)
from omnichat_async.models.base import Model, OpenIntEnum
from omnichat_async.models.body import Body
from omnichat_async.models.common import Platform
from omnichat_async.models.numbers import parse_money

__all__ = [
    "Customer",
    "CustomerAttribute",
    "CustomerAttributeType",
    "CustomerUpdate",
    "LinkedUser",
]


class CustomerAttributeType(OpenIntEnum):
    """The type of a customer's custom attribute, a number where contacts have a word."""

    TEXT = 1
    NUMBER = 2
    DATE = 3
    DATETIME = 4
    BOOLEAN = 5


@attrs.define(kw_only=True)
class CustomerAttribute(Model):
    """A custom attribute. `value` is what the API sent, `status` True while it is in use.

    Dates are text such as ``2025-11-11``, datetimes ``2024-11-18 05:15:48`` without a zone.
    """

    key: str
    value: str | int | float | bool | None = None
    type: CustomerAttributeType | int | None = None
    display_name: str | None = None
    status: bool | None = None


@attrs.define(kw_only=True)
class LinkedUser(Model):
    """A contact on one channel that belongs to a customer. On webchat `channel_user_id`,
    `channel_username` and `room_id` are always None."""

    platform: Platform | str | None = None
    channel_id: str | None = None
    channel_user_id: str | None = None
    channel_username: str | None = None
    channel_name: str | None = None
    room_id: str | None = None
    subscribed: bool | None = None
    bsuid: str | None = None


@attrs.define(kw_only=True)
class Customer(Model):
    """One person with all linked contacts. Times are aware UTC datetimes.

    `point_balance` and `accumulated_points` are text, as the API sends them; `points` and
    `points_in_all` are the same as numbers.
    """

    username: str | None = None
    name: str | None = None
    profile_picture: str | None = None
    member_id: str | None = None
    phone: str | None = None
    email: str | None = None
    social_channel_subscribed: bool | None = None
    tags: list[str] = attrs.field(factory=list)
    reachable: bool | None = None
    custom_attributes: list[CustomerAttribute] = attrs.field(factory=list)
    linked_users: list[LinkedUser] = attrs.field(factory=list)
    point_balance: str | None = None
    accumulated_points: str | None = None
    last_message_received_at: datetime | None = None
    last_cs_message_sent_at: datetime | None = None
    last_marketing_message_sent_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def points(self) -> Decimal | None:
        """`point_balance` as a number; None if it is none."""
        return parse_money(self.point_balance)

    @property
    def points_in_all(self) -> Decimal | None:
        """`accumulated_points` as a number; None if it is none."""
        return parse_money(self.accumulated_points)


@attrs.frozen(kw_only=True)
class CustomerUpdate(Body):
    """What to change on a customer; None leaves a field as it is.

    `tags` replaces all tags and excludes `tags_to_add` and `tags_to_remove`.
    `custom_attributes` maps keys (at most 100 characters) that exist in the portal to values (at
    most 1000): ``""`` clears text, dates and datetimes, 0 a number, False a boolean. Raises
    InvalidRequest.
    """

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    tags: Sequence[str] | None = None
    tags_to_add: Sequence[str] | None = None
    tags_to_remove: Sequence[str] | None = None
    custom_attributes: Mapping[str, AttributeValue] | None = None

    def _check(self) -> None:
        for field in ("name", "email", "phone"):
            value: str | None = getattr(self, field)
            if value is not None:
                checks.string(field, value)
        check_tags(self.tags, self.tags_to_add, self.tags_to_remove)
        check_attributes(self.custom_attributes)

    def to_wire(self) -> dict[str, Any]:
        wire = super().to_wire()
        if self.custom_attributes is not None:
            wire["customAttributes"] = wire_attributes(self.custom_attributes)
        return wire
