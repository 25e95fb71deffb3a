"""Orders of a shop that Omnichat has no connector for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnichat_async import checks
from omnichat_async.calls import Call, Safety, one
from omnichat_async.endpoints.base import Area
from omnichat_async.endpoints.batches import run_batches
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.orders import Order, OrdersUpserted

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Orders"]


class Orders(Area):
    """Orders that are written to Omnichat."""

    async def upsert(self, orders: Sequence[Order], *, batch_size: int = 100) -> OrdersUpserted:
        """Write any number of orders, `batch_size` a call, and count what that did in all.

        Orders are known by their ``order_id``, so writing one again does no harm. The API states
        no limit for `batch_size`.

        Raises InvalidRequest, before anything is sent, for an ``order_id`` that is there twice
        (calls run side by side, so nobody could say which of the two would last), PartialFailure
        with the outcome of each order if one of several calls failed, and the error itself if
        there was one call.

        Wraps ``PUT /third-party-orders``.
        """
        if checks.whole_number("batch_size", batch_size) < 1:
            raise InvalidRequest("batch_size", "must be 1 or more", str(batch_size))
        ids = {order.order_id for order in checks.instances("orders", orders, Order, least=0)}
        if len(ids) < len(orders):
            given = f"{len(orders)} orders with {len(ids)} ids"
            raise InvalidRequest("orders", "must hold each order_id once", given)
        counts = await run_batches(orders, batch_size, self._upsert)
        return _total(counts[::batch_size])

    async def _upsert(self, chunk: Sequence[Order]) -> list[OrdersUpserted]:
        counted = await self._execute(
            Call(
                method="PUT",
                path="/third-party-orders",
                safety=Safety.REPEATABLE,
                answer=one(OrdersUpserted),
                json={"orders": [each.to_wire() for each in chunk]},
            )
        )
        return [counted] * len(chunk)


def _total(counts: Sequence[OrdersUpserted]) -> OrdersUpserted:
    """The sum over all calls."""
    if len(counts) == 1:
        return counts[0]
    return OrdersUpserted(
        matched_count=sum(each.matched_count or 0 for each in counts),
        modified_count=sum(each.modified_count or 0 for each in counts),
        inserted_count=sum(each.inserted_count or 0 for each in counts),
    )
