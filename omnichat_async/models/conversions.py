"""Events of the Conversion API: what visitors of a shop do on its site and in its apps.

::

    Purchase(device="web", sales_id=ocsaid, transaction_id="T-1", amount=29.99, currency="USD")
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.body import Body

__all__ = [
    "AddToCart",
    "Checkout",
    "ConversionEvent",
    "ConversionProduct",
    "Device",
    "MemberMapping",
    "PageView",
    "Purchase",
    "RemoveFromCart",
    "TrafficSource",
    "ViewProduct",
]

Device: TypeAlias = Literal["web", "ios", "android"]

_CURRENCY = re.compile(r"[A-Z]{3}")
_COMMON = (
    "member_id",
    "sales_id",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
)


@attrs.frozen(kw_only=True)
class ConversionProduct(Body):
    """A product of an event. All events but ViewProduct need its `quantity`."""

    id: str
    name: str
    brand: str | None = None
    category: str | None = None
    variant: str | None = None
    price: float | None = None
    quantity: int | None = None

    def _check(self) -> None:
        checks.text("id", self.id)
        checks.text("name", self.name)
        checks.given_texts(self, "brand", "category", "variant")
        if self.price is not None:
            checks.number("price", self.price)
        if self.quantity is not None:
            checks.whole_number("quantity", self.quantity)


@attrs.frozen(kw_only=True)
class _Event(Body):
    """What all events have. `sales_id` is the ``ocsaid`` of the referral link."""

    action: ClassVar[str]

    device: Device
    member_id: str | None = None
    sales_id: str | None = None
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_term: str | None = None
    utm_content: str | None = None

    def _check(self) -> None:
        checks.one_of("device", self.device, get_args(Device))
        checks.given_texts(self, *_COMMON)

    def to_wire(self) -> dict[str, Any]:
        return {"action": self.action, **super().to_wire()}


@attrs.frozen(kw_only=True)
class PageView(_Event):
    """A page was opened, on the web only."""

    action = "pageview"

    url: str
    referrer_url: str | None = None
    device: Device = "web"

    def _check(self) -> None:
        super()._check()
        if self.device != "web":
            raise InvalidRequest("device", "must be web for a PageView", self.device)
        checks.url("url", self.url)
        if self.referrer_url is not None:
            checks.url("referrer_url", self.referrer_url)


@attrs.frozen(kw_only=True)
class ViewProduct(_Event):
    """Products were looked at."""

    action = "view_product"

    items: Sequence[ConversionProduct]

    def _check(self) -> None:
        super()._check()
        _check_items(self.items)


@attrs.frozen(kw_only=True)
class _CartEvent(_Event):
    """Something happened to products in a cart."""

    items: Sequence[ConversionProduct]

    def _check(self) -> None:
        super()._check()
        _check_items(self.items, counted=True)


@attrs.frozen(kw_only=True)
class AddToCart(_CartEvent):
    """Products were put into the cart."""

    action = "add_to_cart"


@attrs.frozen(kw_only=True)
class RemoveFromCart(_CartEvent):
    """Products were taken out of the cart."""

    action = "remove_from_cart"


@attrs.frozen(kw_only=True)
class Checkout(_CartEvent):
    """The visitor went to the till."""

    action = "checkout"


@attrs.frozen(kw_only=True)
class Purchase(_Event):
    """An order was placed. `currency` is a code of three letters, such as ``TWD``."""

    action = "purchase"

    transaction_id: str
    amount: float
    currency: str
    items: Sequence[ConversionProduct] | None = None

    def _check(self) -> None:
        super()._check()
        checks.text("transaction_id", self.transaction_id)
        checks.number("amount", self.amount)
        if not _CURRENCY.fullmatch(checks.text("currency", self.currency)):
            raise InvalidRequest("currency", "must be a code of three letters", "another text")
        if self.items is not None:
            _check_items(self.items, least=0, counted=True)


@attrs.frozen(kw_only=True)
class TrafficSource(_Event):
    """A visitor came, by the link that the utm fields describe."""

    action = "traffic_source"


@attrs.frozen(kw_only=True)
class MemberMapping(_Event):
    """Who the visitor is: at least one of `member_id`, `member_email` and `member_phone`, which
    is country code and number."""

    action = "member_mapping"

    member_email: str | None = None
    member_phone: str | None = None
    member_name: str | None = None
    member_profile_pic: str | None = None

    def _check(self) -> None:
        super()._check()
        if not (self.member_id or self.member_email or self.member_phone):
            raise InvalidRequest(
                "member_id, member_email, member_phone", "at least one is needed", "none"
            )
        checks.given_texts(self, "member_email", "member_name")
        if self.member_phone is not None:
            checks.phone("member_phone", self.member_phone)
        if self.member_profile_pic is not None:
            checks.url("member_profile_pic", self.member_profile_pic)


ConversionEvent: TypeAlias = (
    PageView
    | ViewProduct
    | AddToCart
    | RemoveFromCart
    | Checkout
    | Purchase
    | TrafficSource
    | MemberMapping
)


def _check_items(
    items: Sequence[ConversionProduct], *, least: int = 1, counted: bool = False
) -> None:
    for item in checks.instances("items", items, ConversionProduct, least=least):
        if counted and item.quantity is None:
            raise InvalidRequest("quantity", "is needed for each product of this event", "none")
