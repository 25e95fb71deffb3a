"""Rich menus of LINE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnichat_async import checks
from omnichat_async.calls import Call, Safety, list_of
from omnichat_async.endpoints.base import Area
from omnichat_async.models.rich_menus import RichMenu, RichMenuArea

if TYPE_CHECKING:
    import builtins

__all__ = ["RichMenus"]


class RichMenus(Area):
    """The menus below a LINE chat, and how often they are tapped."""

    async def list(self) -> builtins.list[RichMenu]:
        """All rich menus.

        Wraps ``GET /rich-menus``.
        """
        return await self._execute(
            Call(method="GET", path="/rich-menus", safety=Safety.READ, answer=list_of(RichMenu))
        )

    async def get(self, menu_id: str) -> builtins.list[RichMenuArea]:
        """The areas of a rich menu with their clicks.

        Raises NotFound if there is no such menu.

        Wraps ``GET /rich-menus/{menu_id}``.
        """
        return await self._execute(
            Call(
                method="GET",
                path="/rich-menus/{menu_id}",
                safety=Safety.READ,
                answer=list_of(RichMenuArea),
                path_params={"menu_id": checks.text("menu_id", menu_id)},
            )
        )
