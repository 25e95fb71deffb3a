"""Channels of the team."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnichat_async.calls import Call, Safety, list_of
from omnichat_async.endpoints.base import Area
from omnichat_async.models.channels import NamedChannel

if TYPE_CHECKING:
    import builtins

__all__ = ["Channels"]


class Channels(Area):
    """The messaging channels of the team."""

    async def list(self) -> builtins.list[NamedChannel]:
        """All channels that the API shows: with the AI agent module only LINE and webchat.

        Wraps ``GET /channels``.
        """
        return await self._execute(
            Call(method="GET", path="/channels", safety=Safety.READ, answer=list_of(NamedChannel))
        )
