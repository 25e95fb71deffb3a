"""The WhatsApp headless API: Meta's messages, passed through."""

from __future__ import annotations

from omnichat_async import checks
from omnichat_async.calls import Call, Safety, one
from omnichat_async.endpoints.base import Area, wire_of
from omnichat_async.models.headless import HeadlessMessage, HeadlessSent

__all__ = ["Headless"]


class Headless(Area):
    """WhatsApp messages that go to Meta without being tracked."""

    async def send(self, business_phone: str, message: HeadlessMessage) -> HeadlessSent:
        """Send one WhatsApp message from the number `business_phone`, digits with country code.

        It is never sent twice: where nobody knows whether it went out, OutcomeUnknown is raised.
        Meta's error code is the ``code`` of an APIError, such as 131047 when the 24-hour window
        is closed and only a template may be sent.

        Wraps ``POST /whatsapp/headless-api/{business-phone-number}/messages``.
        Needs the WhatsApp headless API module.
        """
        return await self._execute(
            Call(
                method="POST",
                path="/whatsapp/headless-api/{business_phone}/messages",
                safety=Safety.ONCE,
                answer=one(HeadlessSent),
                path_params={"business_phone": checks.phone("business_phone", business_phone)},
                json=wire_of("message", message, HeadlessMessage),
            )
        )
