"""The Conversion API, which lives on another host."""

from __future__ import annotations

from omnichat_async.calls import NOTHING, Call, Safety
from omnichat_async.endpoints.base import Area, wire_of
from omnichat_async.models.conversions import ConversionEvent

__all__ = ["Conversions"]


class Conversions(Area):
    """What visitors of a shop do, for Omnichat to count."""

    async def track(self, event: ConversionEvent) -> None:
        """Report one event: PageView, ViewProduct, AddToCart, Purchase and so on.

        It goes to the client's ``conversions_url`` with the same token. It is never sent twice:
        where nobody knows whether it was counted, OutcomeUnknown is raised. What the API answers
        is not documented, so any success counts as one.

        Wraps ``POST /restapi/v1/pixel/events``.
        """
        await self._execute(
            Call(
                method="POST",
                path="/pixel/events",
                safety=Safety.ONCE,
                answer=NOTHING,
                json=wire_of("event", event, ConversionEvent),
                base=self._session.transport.conversions_url,
            )
        )
