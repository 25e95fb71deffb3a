"""Messages of third-party AI agents."""

from __future__ import annotations

from omnichat_async.calls import Call, Safety, one
from omnichat_async.endpoints.base import Area, wire_of
from omnichat_async.models.agent_messages import AgentMessage, AgentSent

__all__ = ["AgentMessages"]


class AgentMessages(Area):
    """What an AI agent of your own says in the rooms it is asked about."""

    async def send(self, message: AgentMessage) -> AgentSent:
        """Send 1 to 5 messages to a room; some may fail while others go out.

        Look at ``failed`` of the answer: it names the messages that were not delivered. It is
        never sent twice: where nobody knows whether it went out, OutcomeUnknown is raised.
        BadRequest with the code LINE_API_EXCEPTION means a reply token that is used up.

        Wraps ``POST /agent-messages``. Needs the third-party AI agent module.
        """
        return await self._execute(
            Call(
                method="POST",
                path="/agent-messages",
                safety=Safety.ONCE,
                answer=one(AgentSent),
                json=wire_of("message", message, AgentMessage),
            )
        )
