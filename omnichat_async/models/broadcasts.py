"""Broadcasts: messages to up to 150 contacts a call, and how they fared."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.attributes import check_tags
from omnichat_async.models.base import Model, OpenEnum, OpenIntEnum
from omnichat_async.models.body import Body
from omnichat_async.models.common import Platform, platform_name
from omnichat_async.models.content import Content, FlexTemplates, check_contents
from omnichat_async.models.numbers import parse_money, parse_percent

__all__ = [
    "MOST_RECIPIENTS",
    "Broadcast",
    "BroadcastButton",
    "BroadcastJob",
    "BroadcastMode",
    "BroadcastRecipient",
    "BroadcastSent",
    "BroadcastStatus",
    "BroadcastType",
    "RecipientStatus",
    "RecipientType",
]

MOST_RECIPIENTS = 150


class BroadcastType(OpenIntEnum):
    """Where a broadcast comes from."""

    BROADCAST = 1
    MASS_MESSAGE = 2
    OPEN_API = 3
    EXTERNAL_INTEGRATION = 4


class BroadcastStatus(OpenIntEnum):
    """How far a broadcast is. 5 to 8 are shown as pending in the portal."""

    PENDING = 0
    COMPLETED = 1
    PROCESSING = 2
    CANCELED = 3
    SCHEDULED = 4
    ON_HOLD = 5
    CSV_PENDING = 6
    CSV_PROCESSING = 7
    FILTER_PROCESSING = 8
    FAILED = 9


class RecipientType(OpenIntEnum):
    """How the recipients were chosen."""

    FILTER = 1
    CSV = 2
    OPEN_API = 3
    SEGMENT = 4


class BroadcastMode(OpenEnum):
    """How the recipients were put together in the portal."""

    FILTER = "filter"
    MANUAL = "manual"
    CSV = "csv"


class RecipientStatus(OpenEnum):
    """A filter on the recipients of a broadcast."""

    FAILED = "failed"
    READ = "read"
    CLICKED = "clicked"
    RESPONDED = "responded"
    SUCCESS = "success"
    NOT_DELIVERED = "notDelivered"
    UNSUBSCRIBED = "unsubscribed"


@attrs.frozen(kw_only=True)
class Broadcast(Body):
    """The same messages to 1 to 150 contacts of one channel.

    `to` holds their user ids. `messages` are up to 5 of Text, Image and Products, or one Block or
    WhatsAppTemplate. `scheduled_at` is a datetime without a zone, to the second: the API does not
    say which zone it takes it for. `tags` are put on the contacts.
    """

    subject: str
    platform: Platform | str = attrs.field(converter=platform_name)
    channel_id: str
    to: Sequence[str]
    messages: Sequence[Content]
    tags: Sequence[str] | None = None
    scheduled_at: datetime | None = None

    def _check(self) -> None:
        checks.text("subject", self.subject)
        checks.text("channel_id", self.channel_id)
        checks.texts("to", self.to, MOST_RECIPIENTS)
        if len(set(self.to)) != len(self.to):
            twice = len(self.to) - len(set(self.to))
            raise InvalidRequest("to", "must name each recipient once", f"{twice} of them again")
        check_contents(self.messages)
        if any(isinstance(each, FlexTemplates) for each in self.messages):
            raise InvalidRequest("messages", "FlexTemplates are for direct messages", "some")
        check_tags(self.tags, None, None)
        if self.scheduled_at is not None:
            checks.naive("scheduled_at", self.scheduled_at)


@attrs.define(kw_only=True)
class BroadcastSent(Model):
    """A broadcast that was accepted. `broadcast_id` leads to its report."""

    broadcast_id: str


@attrs.define(kw_only=True)
class BroadcastJob(Model):
    """A broadcast and its statistics.

    Rates are text such as ``76.78%``, money is text with a currency such as ``HK$ 34,707.40``;
    ``rate("read_rate")`` and ``money("cost")`` give them as numbers. `sent_at` has no zone. On
    WhatsApp, `sent` has reached WhatsApp and `success` the contact; the rates divide by different
    counts, as the API's documents say.
    """

    id: str
    platform: Platform | str | None = None
    channel_id: str | None = None
    channel_name: str | None = None
    subject: str | None = None
    recipient_type: RecipientType | int | None = None
    type: BroadcastType | int | None = None
    mode: BroadcastMode | str | None = None
    sent_at: datetime | None = None
    status: BroadcastStatus | int | None = None
    tags: list[str] = attrs.field(factory=list)
    recipient_count: int | None = None
    success: int | None = None
    success_rate: str | None = None
    sent: int | None = None
    sent_rate: str | None = None
    failed: int | None = None
    fail_rate: str | None = None
    read: int | None = None
    read_rate: str | None = None
    clicked: int | None = None
    click_rate: str | None = None
    responded: int | None = None
    respond_rate: str | None = None
    unsubscribed: int | None = None
    unsubscribe_rate: str | None = None
    purchase: int | None = None
    revenue: str | None = None
    cost: str | None = None
    roas: str | None = None
    message_count: int | None = None
    message_success: int | None = None
    message_success_rate: str | None = None
    responded_within12_hour: int | None = None
    responded_within24_hour: int | None = None
    responded_within48_hour: int | None = None
    response_rate_within12_hour: str | None = None
    response_rate_within24_hour: str | None = None
    response_rate_within48_hour: str | None = None

    def rate(self, field: str) -> Decimal | None:
        """A rate field as a number of percent: ``76.78`` for ``"76.78%"``; None if it has none."""
        return parse_percent(_text_of(self, field))

    def money(self, field: str) -> Decimal | None:
        """A money field as a number without its currency; None if it has none."""
        return parse_money(_text_of(self, field))


def _text_of(job: BroadcastJob, field: str) -> str | None:
    value: Any = getattr(job, field)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{field} is not a rate or an amount")
    return value


@attrs.define(kw_only=True)
class BroadcastRecipient(Model):
    """One recipient of a broadcast. A flag can be True while its time is missing."""

    name: str | None = None
    phone: str | None = None
    bsuid: str | None = None
    success: bool | None = None
    sent_at: datetime | None = None
    clicked: bool | None = None
    clicked_at: datetime | None = None
    read: bool | None = None
    read_at: datetime | None = None
    responded: bool | None = None
    responded_at: datetime | None = None
    message_id: str | None = None
    error: str | None = None


@attrs.define(kw_only=True)
class BroadcastButton(Model):
    """Clicks on one button: the message from 0, the card from 0, the button from 1, where 0 is the
    card's image."""

    message_index: int | None = None
    card_index: int | None = None
    button_index: int | None = None
    clicked_count: int | None = None
    clicked_percentage: str | None = None

    @property
    def percent(self) -> Decimal | None:
        """`clicked_percentage` as a number of percent."""
        return parse_percent(self.clicked_percentage)
