"""Reports of the sales cloud."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from omnichat_async.endpoints.base import Area
from omnichat_async.models.reports import MessagesSent, MessagesSentTotal, ReferralOrder
from omnichat_async.paging import ListQuery, RowKind
from omnichat_async.windows import whole_range

if TYPE_CHECKING:
    import builtins
    from datetime import datetime

    from omnichat_async.paging import Listing, WalkOptions

__all__ = ["Reports"]


class Reports(Area):
    """What teammates sent, and the orders that came of it."""

    @overload
    def messages_sent(
        self,
        *,
        after: datetime | int,
        before: datetime | int,
        raw: Literal[False] = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[MessagesSent]: ...

    @overload
    def messages_sent(
        self,
        *,
        after: datetime | int,
        before: datetime | int,
        raw: Literal[True],
        **options: Unpack[WalkOptions],
    ) -> Listing[dict[str, Any]]: ...

    def messages_sent(
        self,
        *,
        after: datetime | int,
        before: datetime | int,
        raw: bool = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[Any]:
        """How many messages each teammate sent in ``after <= time < before``.

        The API counts at most 7 days at a time, so a longer span gives one row per teammate and
        window, with the window on the row; `messages_sent_totals` adds them up. Times are aware
        datetimes or epoch ms; see WalkOptions for the rest.

        Wraps ``GET /reports/messages``. Needs the OMO Sales Open API module.
        """
        query: ListQuery[MessagesSent] = ListQuery(
            path="/reports/messages",
            model=MessagesSent,
            window=whole_range(after, before),
            kind=RowKind(aggregated=True),  # no key: an employee code may be missing
        )
        return self._listing(query, raw, options)

    async def messages_sent_totals(
        self, *, after: datetime | int, before: datetime | int
    ) -> builtins.list[MessagesSentTotal]:
        """How many messages each teammate sent over a span of any length, by platform.

        A teammate is known by employee code and name together, because the code may be missing.
        Times are aware datetimes or epoch ms.

        Wraps ``GET /reports/messages``. Needs the OMO Sales Open API module.
        """
        totals = _Totals()
        async for row in self.messages_sent(after=after, before=before):
            totals.add(row)
        return totals.per_teammate()

    @overload
    def referral_orders(
        self,
        *,
        after: datetime | int,
        before: datetime | int,
        raw: Literal[False] = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[ReferralOrder]: ...

    @overload
    def referral_orders(
        self,
        *,
        after: datetime | int,
        before: datetime | int,
        raw: Literal[True],
        **options: Unpack[WalkOptions],
    ) -> Listing[dict[str, Any]]: ...

    def referral_orders(
        self,
        *,
        after: datetime | int,
        before: datetime | int,
        raw: bool = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[Any]:
        """All orders from product referral links placed in ``after <= date < before``.

        Times are aware datetimes or epoch ms, any span; see WalkOptions for the rest.

        Wraps ``GET /reports/product-referral-links/orders``. Needs the OMO Sales Open API module.
        """
        query: ListQuery[ReferralOrder] = ListQuery(
            path="/reports/product-referral-links/orders",
            model=ReferralOrder,
            window=whole_range(after, before),
            kind=RowKind(key=("orderId",), time="date"),
        )
        return self._listing(query, raw, options)


class _Totals:
    """The counts of each teammate, added up over all windows."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str | None, str | None], tuple[Counter[str], Counter[str]]] = {}

    def add(self, row: MessagesSent) -> None:
        sent, linked = self._sums.setdefault((row.employee_code, row.name), (Counter(), Counter()))
        for count in row.message_count:
            platform = str(count.platform or "")
            sent[platform] += count.messages or 0
            linked[platform] += count.product_referral_links or 0

    def per_teammate(self) -> list[MessagesSentTotal]:
        """One total for each, in the order of first appearance."""
        return [
            MessagesSentTotal(
                name=name,
                employee_code=code,
                messages=dict(sent),
                product_referral_links=dict(linked),
            )
            for (code, name), (sent, linked) in self._sums.items()
        ]
