"""Objects of chatbots."""

import attrs

from omnichat_async.models.base import Model, OpenIntEnum

__all__ = ["Chatbot", "ChatbotType", "MessageBlock"]


class ChatbotType(OpenIntEnum):
    """Which platforms a chatbot is made for."""

    ALL_PLATFORMS = 1
    FACEBOOK_INSTAGRAM = 2
    LINE = 3
    WEBCHAT = 4
    ABANDONED_CART = 5
    WHATSAPP = 6


@attrs.define(kw_only=True)
class Chatbot(Model):
    """A chatbot of the portal."""

    id: str
    name: str | None = None
    type: ChatbotType | int | None = None


@attrs.define(kw_only=True)
class MessageBlock(Model):
    """A block of a chatbot, which a direct message or a broadcast can send by its id."""

    id: str
    name: str | None = None
