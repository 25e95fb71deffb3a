"""The objects of the API, as attrs classes: one module per API area, all names here too.

A module is imported when a name of it is first used: few programs use more than a few.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnichat_async.models.agent_messages import AgentMessage, AgentSent
    from omnichat_async.models.base import Model, OpenEnum, OpenIntEnum
    from omnichat_async.models.body import Body
    from omnichat_async.models.broadcasts import (
        Broadcast,
        BroadcastButton,
        BroadcastJob,
        BroadcastMode,
        BroadcastRecipient,
        BroadcastSent,
        BroadcastStatus,
        BroadcastType,
        RecipientStatus,
        RecipientType,
    )
    from omnichat_async.models.channels import NamedChannel
    from omnichat_async.models.chatbots import Chatbot, ChatbotType, MessageBlock
    from omnichat_async.models.common import Channel, Platform
    from omnichat_async.models.contacts import (
        AttributeType,
        Contact,
        ContactUpdate,
        CustomAttribute,
    )
    from omnichat_async.models.content import (
        Block,
        FlexTemplate,
        FlexTemplates,
        Image,
        Product,
        Products,
        Text,
    )
    from omnichat_async.models.conversions import (
        AddToCart,
        Checkout,
        ConversionEvent,
        ConversionProduct,
        MemberMapping,
        PageView,
        Purchase,
        RemoveFromCart,
        TrafficSource,
        ViewProduct,
    )
    from omnichat_async.models.customers import (
        Customer,
        CustomerAttribute,
        CustomerAttributeType,
        CustomerUpdate,
        LinkedUser,
    )
    from omnichat_async.models.direct_messages import DirectMessage, DirectMessageSent
    from omnichat_async.models.headless import (
        HeadlessContact,
        HeadlessMessage,
        HeadlessMessageId,
        HeadlessSent,
    )
    from omnichat_async.models.identities import MemberData
    from omnichat_async.models.messages import Message, MessageStatus, MessageType, SenderType
    from omnichat_async.models.notifications import Notification, NotificationSent
    from omnichat_async.models.orders import Order, OrderItem, OrdersUpserted
    from omnichat_async.models.referral_links import LinkTrackingMode, ReferralLink
    from omnichat_async.models.reports import (
        App91OrderId,
        MessageCount,
        MessagesSent,
        MessagesSentTotal,
        ReferralOrder,
        ShopLocation,
    )
    from omnichat_async.models.rich_menus import (
        RichMenu,
        RichMenuAction,
        RichMenuArea,
        RichMenuStatus,
    )
    from omnichat_async.models.rosters import InvalidRecord, Roster, RosterRecord, RosterTime, Shift
    from omnichat_async.models.system_users import Shop, SystemUser
    from omnichat_async.models.tagging_logs import TaggingLog, TaggingSource
    from omnichat_async.models.templates import (
        MessageTemplate,
        TemplateButton,
        TemplateCategory,
        TemplateComponent,
        TemplateStatus,
    )
    from omnichat_async.models.whatsapp import (
        CatalogButton,
        MediaHeader,
        QuickReply,
        UrlButton,
        WhatsAppTemplate,
    )

__all__ = [
    "AddToCart",
    "AgentMessage",
    "AgentSent",
    "App91OrderId",
    "AttributeType",
    "Block",
    "Body",
    "Broadcast",
    "BroadcastButton",
    "BroadcastJob",
    "BroadcastMode",
    "BroadcastRecipient",
    "BroadcastSent",
    "BroadcastStatus",
    "BroadcastType",
    "CatalogButton",
    "Channel",
    "Chatbot",
    "ChatbotType",
    "Checkout",
    "Contact",
    "ContactUpdate",
    "ConversionEvent",
    "ConversionProduct",
    "CustomAttribute",
    "Customer",
    "CustomerAttribute",
    "CustomerAttributeType",
    "CustomerUpdate",
    "DirectMessage",
    "DirectMessageSent",
    "FlexTemplate",
    "FlexTemplates",
    "HeadlessContact",
    "HeadlessMessage",
    "HeadlessMessageId",
    "HeadlessSent",
    "Image",
    "InvalidRecord",
    "LinkTrackingMode",
    "LinkedUser",
    "MediaHeader",
    "MemberData",
    "MemberMapping",
    "Message",
    "MessageBlock",
    "MessageCount",
    "MessageStatus",
    "MessageTemplate",
    "MessageType",
    "MessagesSent",
    "MessagesSentTotal",
    "Model",
    "NamedChannel",
    "Notification",
    "NotificationSent",
    "OpenEnum",
    "OpenIntEnum",
    "Order",
    "OrderItem",
    "OrdersUpserted",
    "PageView",
    "Platform",
    "Product",
    "Products",
    "Purchase",
    "QuickReply",
    "RecipientStatus",
    "RecipientType",
    "ReferralLink",
    "ReferralOrder",
    "RemoveFromCart",
    "RichMenu",
    "RichMenuAction",
    "RichMenuArea",
    "RichMenuStatus",
    "Roster",
    "RosterRecord",
    "RosterTime",
    "SenderType",
    "Shift",
    "Shop",
    "ShopLocation",
    "SystemUser",
    "TaggingLog",
    "TaggingSource",
    "TemplateButton",
    "TemplateCategory",
    "TemplateComponent",
    "TemplateStatus",
    "Text",
    "TrafficSource",
    "UrlButton",
    "ViewProduct",
    "WhatsAppTemplate",
]

_HOMES = {
    "agent_messages": ("AgentMessage", "AgentSent"),
    "base": ("Model", "OpenEnum", "OpenIntEnum"),
    "body": ("Body",),
    "broadcasts": (
        "Broadcast",
        "BroadcastButton",
        "BroadcastJob",
        "BroadcastMode",
        "BroadcastRecipient",
        "BroadcastSent",
        "BroadcastStatus",
        "BroadcastType",
        "RecipientStatus",
        "RecipientType",
    ),
    "channels": ("NamedChannel",),
    "chatbots": ("Chatbot", "ChatbotType", "MessageBlock"),
    "common": ("Channel", "Platform"),
    "contacts": ("AttributeType", "Contact", "ContactUpdate", "CustomAttribute"),
    "content": ("Block", "FlexTemplate", "FlexTemplates", "Image", "Product", "Products", "Text"),
    "conversions": (
        "AddToCart",
        "Checkout",
        "ConversionEvent",
        "ConversionProduct",
        "MemberMapping",
        "PageView",
        "Purchase",
        "RemoveFromCart",
        "TrafficSource",
        "ViewProduct",
    ),
    "customers": (
        "Customer",
        "CustomerAttribute",
        "CustomerAttributeType",
        "CustomerUpdate",
        "LinkedUser",
    ),
    "direct_messages": ("DirectMessage", "DirectMessageSent"),
    "headless": ("HeadlessContact", "HeadlessMessage", "HeadlessMessageId", "HeadlessSent"),
    "identities": ("MemberData",),
    "messages": ("Message", "MessageStatus", "MessageType", "SenderType"),
    "notifications": ("Notification", "NotificationSent"),
    "orders": ("Order", "OrderItem", "OrdersUpserted"),
    "referral_links": ("LinkTrackingMode", "ReferralLink"),
    "reports": (
        "App91OrderId",
        "MessageCount",
        "MessagesSent",
        "MessagesSentTotal",
        "ReferralOrder",
        "ShopLocation",
    ),
    "rich_menus": ("RichMenu", "RichMenuAction", "RichMenuArea", "RichMenuStatus"),
    "rosters": ("InvalidRecord", "Roster", "RosterRecord", "RosterTime", "Shift"),
    "system_users": ("Shop", "SystemUser"),
    "tagging_logs": ("TaggingLog", "TaggingSource"),
    "templates": (
        "MessageTemplate",
        "TemplateButton",
        "TemplateCategory",
        "TemplateComponent",
        "TemplateStatus",
    ),
    "whatsapp": ("CatalogButton", "MediaHeader", "QuickReply", "UrlButton", "WhatsAppTemplate"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # pragma: no branch - a type checker would believe in any name

    def __getattr__(name: str) -> Any:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
