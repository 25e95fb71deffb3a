"""Objects of the sales reports."""

from datetime import datetime

import attrs

from omnichat_async.models.base import Model, local, wire
from omnichat_async.models.common import Platform
from omnichat_async.windows import Window

__all__ = [
    "App91OrderId",
    "MessageCount",
    "MessagesSent",
    "MessagesSentTotal",
    "ReferralOrder",
    "ShopLocation",
]


@attrs.define(kw_only=True)
class ShopLocation(Model):
    """A shop a teammate belongs to."""

    name: str | None = None
    code: str | None = None


@attrs.define(kw_only=True)
class MessageCount(Model):
    """How many messages, and messages with a product referral link, went out on one platform."""

    platform: Platform | str | None = None
    messages: int | None = None
    product_referral_links: int | None = None


@attrs.define(kw_only=True)
class MessagesSent(Model):
    """What one teammate sent in one window of at most 7 days.

    A span longer than that gives several rows per teammate, one for each `window`; their counts
    may be added. `employee_code` may be None, so two rows without one need not be one person.
    """

    name: str | None = None
    employee_code: str | None = None
    shop_locations: list[ShopLocation] = attrs.field(factory=list)
    message_count: list[MessageCount] = attrs.field(factory=list)
    window: Window | None = local(default=None)


@attrs.frozen(kw_only=True)
class MessagesSentTotal:
    """What one teammate sent over a whole span, per platform.

    `messages` and `product_referral_links` map a platform to a count.
    """

    name: str | None
    employee_code: str | None
    messages: dict[str, int]
    product_referral_links: dict[str, int]


@attrs.define(kw_only=True)
class App91OrderId(Model):
    """An order's numbers on the 91App platform. The API refreshes them once a day, at 02:30."""

    tg_code: str | None = None
    tm_code: list[str] = attrs.field(factory=list)
    ts_code: list[str] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class ReferralOrder(Model):
    """An order that came from a product referral link.

    `total` is in `currency` (a currency code), `consideration_time` in minutes from the link
    sent to the purchase. Times are aware UTC datetimes.
    """

    order_id: str
    currency: str | None = None
    total: float | None = None
    date: datetime | None = None
    member_id: str | None = None
    link_sent_time: datetime | None = None
    link_clicked_time: datetime | None = None
    consideration_time: float | None = None
    agent_name: str | None = None
    agent_employee_code: str | None = None
    agent_location_name: str | None = None
    agent_location_code: str | None = None
    app91_order_id: App91OrderId | None = wire("91appOrderId", default=None)
