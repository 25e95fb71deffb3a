"""Objects of the tagging log."""

from datetime import datetime

import attrs

from omnichat_async.models.base import Model, OpenEnum
from omnichat_async.models.common import Platform

__all__ = ["TaggingLog", "TaggingSource"]


class TaggingSource(OpenEnum):
    """What put a tag on a contact."""

    BOT = "bot"
    BROADCAST = "broadcast"
    MANUAL = "manual"
    IMPORT = "import"
    KEYWORD_AUTO_REPLY = "keyword_auto_reply"
    OPEN_API = "open_api"
    GAME = "game"
    ABANDONED_CART = "abandoned_cart"
    REMARKETING = "remarketing"
    PRODUCT_REFERRAL = "product_referral"
    JOURNEY = "journey"
    LINE_RICH_MENU = "line_rich_menu"
    THIRD_PARTY_SYSTEM = "third_party_system"
    COUPON = "coupon"
    CROSS_CHANNEL_CONNECTOR = "cross_channel_connector"
    PHONE_BINDING = "phone_binding"
    SURVEY_CAKE = "survey_cake"
    SOCIAL_CHANNEL_MAPPING = "social_channel_mapping"
    CHATBOT_BUTTON = "chatbot_button"
    ADD_CART = "add_cart"


@attrs.define(kw_only=True)
class TaggingLog(Model):
    """One tag put on one contact.

    `time` is **naive**: the API sends it without a zone and does not say which one is meant.
    There is no id, and two equal rows are two events.
    """

    time: datetime | None = None
    platform: Platform | str | None = None
    channel_id: str | None = None
    user_id: str | None = None
    bsuid: str | None = None
    tag: str | None = None
    source: TaggingSource | str | None = None
    message_id: str | None = None
