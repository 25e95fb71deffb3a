"""WhatsApp Business accounts."""

from __future__ import annotations

from omnichat_async import checks
from omnichat_async.calls import NOTHING, Call, Safety
from omnichat_async.endpoints.base import Area

__all__ = ["WhatsAppBusiness"]


class WhatsAppBusiness(Area):
    """The team's WhatsApp Business phone numbers."""

    async def upload_public_key(self, phone: str, pem: str) -> None:
        """Upload the public key that WhatsApp Flows of a business phone number are encrypted with.

        `phone` is the business number with country code, digits only; `pem` one PEM block of an
        RSA public key of at least 1024 bits, never a private key. It replaces the key there was
        and is safe to repeat.

        Raises InvalidRequest.

        Wraps ``POST /whatsapp-business/public-key``.
        """
        await self._execute(
            Call(
                method="POST",
                path="/whatsapp-business/public-key",
                safety=Safety.REPEATABLE,
                answer=NOTHING,
                json={
                    "phone": checks.phone("phone", phone),
                    "businessPublicKey": checks.public_key("pem", pem),
                },
            )
        )
