"""LINE official notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnichat_async import checks
from omnichat_async.calls import Call, Safety, one
from omnichat_async.endpoints.base import Area
from omnichat_async.endpoints.batches import run_batches
from omnichat_async.models.notifications import Notification, NotificationSent

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Notifications"]

A_CALL = 100


class Notifications(Area):
    """Notifications to phone numbers by LINE, with SMS as the portal's setting says."""

    async def send(self, notifications: Sequence[Notification]) -> list[NotificationSent]:
        """Send any number of notifications, 100 a call; one answer for each, in their order.

        The API takes them and delivers later: what became of each comes by webhook only. None is
        sent twice: where nobody knows whether a call went out, its error is OutcomeUnknown.

        Raises InvalidRequest, before anything is sent, for something that is no Notification,
        PartialFailure with the outcome of each notification if one of several calls failed, and
        the error itself if there was one call.

        Wraps ``POST /notification-messages``. Needs the Notification Open API module.
        """
        return await run_batches(
            checks.instances("notifications", notifications, Notification, least=0),
            A_CALL,
            self._send,
        )

    async def _send(self, chunk: Sequence[Notification]) -> list[NotificationSent]:
        sent = await self._execute(
            Call(
                method="POST",
                path="/notification-messages",
                safety=Safety.ONCE,
                answer=one(NotificationSent),
                json={"notifications": [each.to_wire() for each in chunk]},
            )
        )
        return [sent] * len(chunk)
