"""Chatbots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnichat_async import checks
from omnichat_async.calls import Call, Safety, list_of
from omnichat_async.endpoints.base import Area
from omnichat_async.models.chatbots import Chatbot, MessageBlock

if TYPE_CHECKING:
    import builtins

__all__ = ["Chatbots"]


class Chatbots(Area):
    """The chatbots of the portal and their message blocks."""

    async def list(self) -> builtins.list[Chatbot]:
        """All chatbots.

        Wraps ``GET /chatbots``. Needs the Marketing Open API module.
        """
        return await self._execute(
            Call(method="GET", path="/chatbots", safety=Safety.READ, answer=list_of(Chatbot))
        )

    async def message_blocks(self, chatbot_id: str) -> builtins.list[MessageBlock]:
        """The message blocks of a chatbot, which may have none.

        Raises NotFound if there is no such chatbot.

        Wraps ``GET /chatbots/{chatbotId}/message-blocks``. Needs the Marketing Open API module.
        """
        return await self._execute(
            Call(
                method="GET",
                path="/chatbots/{chatbot_id}/message-blocks",
                safety=Safety.READ,
                answer=list_of(MessageBlock, or_nothing=True),
                path_params={"chatbot_id": checks.text("chatbot_id", chatbot_id)},
            )
        )
