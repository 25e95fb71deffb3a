"""Shop orders, and the events of the Conversion API."""

import re

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.data.times import read_naive_time
from omnichat_async.sandbox.wire import EMPTY_OK, Call, Reply, bad_body, json_reply
from omnichat_async.sandbox.world import World

_ORDER_TEXTS = (
    *("memberId", "orderId", "orderName", "orderDate", "orderCurrency", "orderStatus"),
    "paymentStatus",
)
_ORDER_EXTRA_TEXTS = (
    *("paymentMethod", "deliveryMethod", "deliveryInfo", "deliveryStatus"),
    "deliveryTrackingNumber",
)
_ORDER_EXTRA_NUMBERS = (
    *("paymentFee", "deliveryFee", "totalItemsAmount", "orderDiscount", "totalTaxFee"),
)
_ORDER = (*_ORDER_TEXTS, "orderAmount", "items", *_ORDER_EXTRA_TEXTS, *_ORDER_EXTRA_NUMBERS)
_ITEM_EXTRA = ("brand", "category", "variant")
_ITEM = ("productId", "name", "quantity", "price", *_ITEM_EXTRA)
_CURRENCY = re.compile(r"[A-Z]{3}\S{0,4}")

_ACTIONS: dict[str, tuple[str, ...]] = {  # action: the fields it adds to the common ones
    "pageview": ("url", "referrerUrl"),
    "view_product": ("items",),
    "add_to_cart": ("items",),
    "remove_from_cart": ("items",),
    "checkout": ("items",),
    "purchase": ("transactionId", "amount", "currency", "items"),
    "traffic_source": (),
    "member_mapping": ("memberEmail", "memberPhone", "memberName", "memberProfilePic"),
}
_COMMON_TEXTS = (
    *("memberId", "salesId", "utmSource", "utmMedium", "utmCampaign", "utmTerm", "utmContent"),
)
_EVENT = (
    *("action", "device", *_COMMON_TEXTS),
    *dict.fromkeys(name for names in _ACTIONS.values() for name in names),
)
_PRODUCT = ("id", "name", "price", "quantity", *_ITEM_EXTRA)


def upsert_orders(world: World, call: Call) -> Reply:
    """`PUT /third-party-orders`: by `orderId`."""
    orders = Fields.of(call, ("orders",)).groups("orders", _ORDER)
    for order in orders:
        _check_order(order)
    matched = modified = inserted = 0
    for order in orders:
        before = world.shop_orders.get(order.text("orderId"))
        matched += before is not None
        modified += before is not None and before != order.values
        inserted += before is None
        world.shop_orders[order.text("orderId")] = order.values
    counts = {"matchedCount": matched, "modifiedCount": modified, "insertedCount": inserted}
    return json_reply({"content": counts})


def _check_order(order: Fields) -> None:
    for name in _ORDER_TEXTS:
        order.text(name)
    if read_naive_time(order.text("orderDate")) is None:
        raise bad_body("orderDate must have the form YYYY-MM-DDTHH:mm:ss")
    if _CURRENCY.fullmatch(order.text("orderCurrency")) is None:
        raise bad_body("orderCurrency must be the code and the symbol, as USD$")
    order.number("orderAmount")
    for name in _ORDER_EXTRA_TEXTS:
        order.text_or_none(name)
    for name in _ORDER_EXTRA_NUMBERS:
        order.number_or_none(name)
    for item in order.groups("items", _ITEM):
        item.text("productId")
        item.text("name")
        item.integer("quantity")
        item.number("price")
        for name in _ITEM_EXTRA:
            item.text_or_none(name)


def track_conversion(world: World, call: Call) -> Reply:
    """`POST /restapi/v1/pixel/events`. Its answers and errors are in no document."""
    event = Fields.of(call, _EVENT)
    action = event.choice("action", _ACTIONS)
    device = event.choice("device", ("web", "ios", "android"))
    event.only(("action", "device", *_COMMON_TEXTS, *_ACTIONS[action]))
    for name in _COMMON_TEXTS:
        event.text_or_none(name)
    match action:
        case "pageview":
            if device != "web":
                raise bad_body("pageview is for the device web")
            event.text("url")
            event.text_or_none("referrerUrl")
        case "member_mapping":
            if not any(event.has(name) for name in ("memberId", "memberEmail", "memberPhone")):
                raise bad_body("give at least one of memberId, memberEmail and memberPhone")
            for name in _ACTIONS[action]:
                event.text_or_none(name)
        case "purchase":
            event.text("transactionId")
            event.number("amount")
            event.text("currency")
    if "items" in _ACTIONS[action]:
        _check_products(event, action)
    world.conversions.append(event.values)
    return EMPTY_OK


def _check_products(event: Fields, action: str) -> None:
    for product in event.groups("items", _PRODUCT, least=0 if action == "purchase" else 1):
        product.text("id")
        product.text("name")
        if action != "view_product":
            product.integer("quantity")
        product.number_or_none("price")
        for name in _ITEM_EXTRA:
            product.text_or_none(name)
