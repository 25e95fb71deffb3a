"""Orders of other shops: wire bodies, batches, counts, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import OmnichatClient
from omnichat_async.errors import BadRequest, InvalidRequest, PartialFailure
from omnichat_async.models import Order, OrderItem, OrdersUpserted
from omnichat_async.sandbox import Sandbox
from tests.support.calls import served
from tests.support.run import run
from tests.support.wire import drop, reply

if TYPE_CHECKING:
    from tests.support.wire import Reply, Request

NOON = datetime(2025, 4, 11, 15, 30)  # noqa: DTZ001 - the API's times have no zone
ITEM = OrderItem(product_id="p-1", name="Black Tee", quantity=2, price=29.9)
COUNTS = {"matchedCount": 1, "modifiedCount": 1, "insertedCount": 0}


def order(number: int = 1, **fields: Any) -> Order:
    """An order with what is required."""
    values: dict[str, Any] = {
        "member_id": "m-1",
        "order_id": f"o-{number}",
        "order_name": "#1001",
        "order_date": NOON,
        "order_amount": 59.8,
        "order_currency": "USD$",
        "order_status": "Processing",
        "payment_status": "Paid",
        "items": [ITEM],
    }
    return Order(**values | fields)


def item(**fields: Any) -> OrderItem:
    """An item with what is required."""
    values: dict[str, Any] = {"product_id": "p-1", "name": "Tee", "quantity": 1, "price": 1}
    return OrderItem(**values | fields)


TEXTS = {
    "payment_method": "paymentMethod",
    "delivery_method": "deliveryMethod",
    "delivery_info": "deliveryInfo",
    "delivery_status": "deliveryStatus",
    "delivery_tracking_number": "deliveryTrackingNumber",
}
NUMBERS = {
    "payment_fee": "paymentFee",
    "delivery_fee": "deliveryFee",
    "total_items_amount": "totalItemsAmount",
    "order_discount": "orderDiscount",
    "total_tax_fee": "totalTaxFee",
}
EXTRA: dict[str, Any] = {**dict.fromkeys(TEXTS, "text"), **dict.fromkeys(NUMBERS, 1.5)}
FULL = order(
    items=[item(brand="B", category="C", variant="V")],
    **EXTRA,
)


def test_an_order_goes_over_the_wire_as_documented() -> None:
    async def main() -> None:
        async with served([reply(200, {"content": COUNTS})]) as (server, client):
            await client.orders.upsert([order()])
            (request,) = server.requests
            assert (request.method, request.target) == ("PUT", "/v1/third-party-orders")
            assert json.loads(request.body) == {
                "orders": [
                    {
                        "memberId": "m-1",
                        "orderId": "o-1",
                        "orderName": "#1001",
                        "orderDate": "2025-04-11T15:30:00",
                        "orderAmount": 59.8,
                        "orderCurrency": "USD$",
                        "orderStatus": "Processing",
                        "paymentStatus": "Paid",
                        "items": [
                            {"productId": "p-1", "name": "Black Tee", "quantity": 2, "price": 29.9}
                        ],
                    }
                ]
            }

    run(main())


def test_every_optional_field_has_its_documented_name() -> None:
    wire = FULL.to_wire()
    extra = {key: wire[key] for key in wire.keys() - order().to_wire().keys()}
    assert extra == {
        **dict.fromkeys(TEXTS.values(), "text"),
        **dict.fromkeys(NUMBERS.values(), 1.5),
    }
    assert wire["items"] == [
        {
            "productId": "p-1",
            "name": "Tee",
            "quantity": 1,
            "price": 1,
            "brand": "B",
            "category": "C",
            "variant": "V",
        }
    ]


@pytest.mark.parametrize("answer", [{"content": COUNTS}, COUNTS])
def test_the_counts_are_read(answer: Any) -> None:
    async def main() -> OrdersUpserted:
        async with served([reply(200, answer)]) as (_, client):
            return await client.orders.upsert([order()])

    counted = run(main())
    assert counted == OrdersUpserted(matched_count=1, modified_count=1, inserted_count=0)


@pytest.mark.parametrize(
    ("count", "batch_size", "calls"), [(0, 100, 0), (100, 100, 1), (101, 100, 2), (7, 2, 4)]
)
def test_counts_are_summed_over_the_calls(count: int, batch_size: int, calls: int) -> None:
    def count_them(request: Request) -> Reply:
        orders = json.loads(request.body)["orders"]
        assert len(orders) <= batch_size
        return reply(200, {"content": {"matchedCount": None, "insertedCount": len(orders)}})

    async def main() -> None:
        async with served(count_them) as (server, client):
            orders = [order(n) for n in range(count)]
            counted = await client.orders.upsert(orders, batch_size=batch_size)
            assert len(server.requests) == calls
            assert counted.inserted_count == count
            ids = [
                one["orderId"]
                for request in server.requests
                for one in json.loads(request.body)["orders"]
            ]
            assert sorted(ids) == sorted(f"o-{n}" for n in range(count))
            if calls != 1:
                assert (counted.matched_count, counted.modified_count) == (0, 0)

    run(main())


def test_a_lost_answer_is_asked_for_again() -> None:
    async def main() -> None:
        script = [drop(), reply(503), reply(200, {"content": COUNTS})]
        async with served(script) as (server, client):
            assert (await client.orders.upsert([order()])).matched_count == 1
            assert len(server.requests) == 3
            assert len({request.body for request in server.requests}) == 1

    run(main())


def test_when_one_call_fails_the_others_are_made_and_counted() -> None:
    def act(request: Request) -> Reply:
        bad = b'"o-2"' in request.body
        return reply(400, {"errorCode": "X"}) if bad else reply(200, {"content": COUNTS})

    async def main() -> None:
        async with served(act) as (server, client):
            with pytest.raises(PartialFailure) as caught:
                await client.orders.upsert([order(n) for n in range(5)], batch_size=2)
            kinds = [type(each) for each in caught.value.outcomes]
            ends = [OrdersUpserted] * 2 + [BadRequest] * 2 + [OrdersUpserted]
            assert kinds == ends
            assert len(server.requests) == 3
            with pytest.raises(BadRequest):
                await client.orders.upsert([order(2)])

    run(main())


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        *[
            (name, {name: ""})
            for name in ("member_id", "order_id", "order_name", "order_status", "payment_status")
        ],
        ("order_date", {"order_date": datetime(2025, 4, 11, tzinfo=UTC)}),
        ("order_date", {"order_date": "2025-04-11T15:30:00"}),
        ("order_amount", {"order_amount": "59.8"}),
        ("order_amount", {"order_amount": float("nan")}),
        ("order_currency", {"order_currency": ""}),
        ("order_currency", {"order_currency": "$"}),
        ("order_currency", {"order_currency": "usd"}),
        ("items", {"items": "p-1"}),
        ("items", {"items": [{"productId": "p-1"}]}),
        *[(name, {name: ""}) for name in TEXTS],
        *[(name, {name: "1"}) for name in NUMBERS],
    ],
)
def test_an_order_that_cannot_be_sent_cannot_be_made(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        order(**fields)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("product_id", ""),
        ("name", ""),
        ("quantity", 1.5),
        ("quantity", True),
        ("price", "1"),
        ("price", float("inf")),
        ("brand", ""),
        ("category", ""),
        ("variant", ""),
    ],
)
def test_an_item_that_cannot_be_sent_cannot_be_made(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        item(**{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "orders", "batch_size"),
    [
        ("orders", [order(1), order(2), order(1)], 1),
        ("orders", [order(), {"orderId": "o-2"}], 1),
        ("orders", order(), 1),
        ("batch_size", [order()], 0),
        ("batch_size", [order()], True),
        ("batch_size", [order()], 1.0),
    ],
)
def test_nothing_is_sent_of_what_is_refused(field: str, orders: Any, batch_size: Any) -> None:
    async def main() -> None:
        async with served([reply(200, {"content": COUNTS})]) as (server, client):
            with pytest.raises(InvalidRequest) as caught:
                await client.orders.upsert(orders, batch_size=batch_size)
            assert caught.value.field == field
            assert server.requests == []

    run(main())


def test_an_order_without_items_and_with_a_bare_currency_is_fine() -> None:
    wire = order(items=[], order_currency="TWD").to_wire()
    assert (wire["items"], wire["orderCurrency"]) == ([], "TWD")


def test_the_sandbox_counts_what_is_new_and_what_has_changed() -> None:
    async def main() -> None:
        async with (
            Sandbox(rows=10, limit=None) as sandbox,
            OmnichatClient(sandbox.token, base_url=sandbox.url) as client,
        ):
            orders = [order(n) for n in range(5)]
            counted = await client.orders.upsert(orders, batch_size=2)
            assert (counted.matched_count, counted.inserted_count) == (0, 5)
            counted = await client.orders.upsert([order(0, order_amount=1), *orders[1:]])
            assert counted == OrdersUpserted(matched_count=5, modified_count=1, inserted_count=0)

    run(main())
