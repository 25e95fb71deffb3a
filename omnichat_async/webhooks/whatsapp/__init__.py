"""The objects of the WhatsApp webhooks that Omnichat forwards, as Meta writes them.

Any id may be missing, since users with a username hide their phone number: `sender` and
`recipient` give the best id there is. Media come as ids and addresses; nothing fetches them.
"""

from omnichat_async.webhooks.whatsapp.content import (
    Button,
    ContactCard,
    Edit,
    Interactive,
    Location,
    Media,
    MessageContent,
    NestedReply,
    Order,
    OrderItem,
    Reaction,
    System,
    Text,
    UnknownContent,
)
from omnichat_async.webhooks.whatsapp.messages import (
    Referral,
    ReferredProduct,
    ReplyContext,
    WhatsAppMessage,
)
from omnichat_async.webhooks.whatsapp.others import Call, GroupUpdateData
from omnichat_async.webhooks.whatsapp.shared import (
    ErrorInfo,
    Profile,
    WhatsAppContact,
    WireTime,
    time_of,
)
from omnichat_async.webhooks.whatsapp.statuses import (
    Conversation,
    Origin,
    Pricing,
    Status,
    StatusName,
)

__all__ = [
    "Button",
    "Call",
    "ContactCard",
    "Conversation",
    "Edit",
    "ErrorInfo",
    "GroupUpdateData",
    "Interactive",
    "Location",
    "Media",
    "MessageContent",
    "NestedReply",
    "Order",
    "OrderItem",
    "Origin",
    "Pricing",
    "Profile",
    "Reaction",
    "Referral",
    "ReferredProduct",
    "ReplyContext",
    "Status",
    "StatusName",
    "System",
    "Text",
    "UnknownContent",
    "WhatsAppContact",
    "WhatsAppMessage",
    "WireTime",
    "time_of",
]
