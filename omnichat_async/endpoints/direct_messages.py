"""Messages to one contact."""

from __future__ import annotations

from omnichat_async.calls import Call, Safety, one
from omnichat_async.endpoints.base import Area, wire_of
from omnichat_async.models.direct_messages import DirectMessage, DirectMessageSent

__all__ = ["DirectMessages"]


class DirectMessages(Area):
    """Single messages to contacts on LINE and WhatsApp."""

    async def send(self, message: DirectMessage) -> DirectMessageSent:
        """Send messages to one contact.

        It is sent once: after a lost answer OutcomeUnknown is raised, and nothing is repeated.
        Raises ContactUnsubscribed, ContactNotReachable (also when the plan's contacts are used
        up) and MarketingMessagesLiteNotEnabled.

        Wraps ``POST /direct-messages``. Needs the Marketing Open API module.
        """
        return await self._execute(
            Call(
                method="POST",
                path="/direct-messages",
                safety=Safety.ONCE,
                answer=one(DirectMessageSent),
                json=wire_of("message", message, DirectMessage),
            )
        )
