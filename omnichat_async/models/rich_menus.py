"""Objects of LINE rich menus."""

from decimal import Decimal

import attrs

from omnichat_async.models.base import Model, NumericText, OpenEnum
from omnichat_async.models.numbers import parse_percent

__all__ = ["RichMenu", "RichMenuAction", "RichMenuArea", "RichMenuStatus"]


class RichMenuStatus(OpenEnum):
    """How far a rich menu is."""

    DRAFT = "DRAFT"
    SCHEDULED = "SCHEDULED"
    PUBLISHED = "PUBLISHED"
    HALT = "HALT"
    FINISHED = "FINISHED"


class RichMenuAction(OpenEnum):
    """What a tap on an area does."""

    MESSAGE = "message"
    POSTBACK = "postback"
    URL = "url"
    MENU_SWITCH = "menu_switch"
    CERTIFIED_PROVIDER = "certified_provider"


@attrs.define(kw_only=True)
class RichMenu(Model):
    """A rich menu. `id` is text here, whether the API sends text or a number."""

    id: NumericText
    name: str | None = None
    status: RichMenuStatus | str | None = None


@attrs.define(kw_only=True)
class RichMenuArea(Model):
    """One area of a rich menu and how often it was tapped."""

    area: str | None = None
    action_type: RichMenuAction | str | None = None
    action_content: str | None = None
    clicked_count: int | None = None
    clicked_percentage: str | None = None

    @property
    def percent(self) -> Decimal | None:
        """`clicked_percentage` as a number of percent."""
        return parse_percent(self.clicked_percentage)
