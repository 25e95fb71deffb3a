"""Orders of a shop that Omnichat has no connector for."""

import re
from collections.abc import Sequence
from datetime import datetime

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.base import Model
from omnichat_async.models.body import Body

__all__ = ["Order", "OrderItem", "OrdersUpserted"]

_CURRENCY = re.compile(r"[A-Z]{3}\S*")
_TEXTS = ("member_id", "order_id", "order_name", "order_status", "payment_status")
_OPTIONAL_TEXTS = (
    "payment_method",
    "delivery_method",
    "delivery_info",
    "delivery_status",
    "delivery_tracking_number",
)
_OPTIONAL_NUMBERS = (
    "payment_fee",
    "delivery_fee",
    "total_items_amount",
    "order_discount",
    "total_tax_fee",
)


@attrs.frozen(kw_only=True)
class OrderItem(Body):
    """One product of an order. `price` is a number in the order's currency."""

    product_id: str
    name: str
    quantity: int
    price: float
    brand: str | None = None
    category: str | None = None
    variant: str | None = None

    def _check(self) -> None:
        checks.text("product_id", self.product_id)
        checks.text("name", self.name)
        checks.whole_number("quantity", self.quantity)
        checks.number("price", self.price)
        checks.given_texts(self, "brand", "category", "variant")


@attrs.frozen(kw_only=True)
class Order(Body):
    """An order, known by its `order_id`.

    `order_date` is a datetime without a zone, since the API takes none. `order_currency` is the
    code with the symbol behind it, such as ``USD$``. The status fields are free text, such as
    "Processing", "Paid" or "In Transit".
    """

    member_id: str
    order_id: str
    order_name: str
    order_date: datetime
    order_amount: float
    order_currency: str
    order_status: str
    payment_status: str
    items: Sequence[OrderItem]
    payment_method: str | None = None
    payment_fee: float | None = None
    delivery_method: str | None = None
    delivery_info: str | None = None
    delivery_status: str | None = None
    delivery_fee: float | None = None
    delivery_tracking_number: str | None = None
    total_items_amount: float | None = None
    order_discount: float | None = None
    total_tax_fee: float | None = None

    def _check(self) -> None:
        for field in _TEXTS:
            checks.text(field, getattr(self, field))
        checks.naive("order_date", self.order_date)
        checks.number("order_amount", self.order_amount)
        if not _CURRENCY.fullmatch(checks.text("order_currency", self.order_currency)):
            raise InvalidRequest(
                "order_currency", "must be a code and its symbol, such as USD$", "another text"
            )
        checks.instances("items", self.items, OrderItem, least=0)
        checks.given_texts(self, *_OPTIONAL_TEXTS)
        for field in _OPTIONAL_NUMBERS:
            if (value := getattr(self, field)) is not None:
                checks.number(field, value)


@attrs.define(kw_only=True)
class OrdersUpserted(Model):
    """How many orders were known already, changed, and new."""

    matched_count: int | None = None
    modified_count: int | None = None
    inserted_count: int | None = None
