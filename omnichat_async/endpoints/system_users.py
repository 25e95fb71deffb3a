"""System users: the team."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnichat_async.calls import Call, Safety, list_of
from omnichat_async.endpoints.base import Area
from omnichat_async.models.system_users import SystemUser

if TYPE_CHECKING:
    import builtins

__all__ = ["SystemUsers"]


class SystemUsers(Area):
    """The teammates who have a login."""

    async def list(self) -> builtins.list[SystemUser]:
        """All teammates with their shops.

        Wraps ``GET /system-users``.
        """
        return await self._execute(
            Call(method="GET", path="/system-users", safety=Safety.READ, answer=list_of(SystemUser))
        )
