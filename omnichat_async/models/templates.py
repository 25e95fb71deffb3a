"""WhatsApp message templates as the API lists them."""

from typing import Any

import attrs

from omnichat_async.models.base import Model, OpenEnum, wire

__all__ = [
    "MessageTemplate",
    "TemplateButton",
    "TemplateCategory",
    "TemplateComponent",
    "TemplateStatus",
]


class TemplateStatus(OpenEnum):
    """Whether Meta lets a template be sent."""

    APPROVED = "APPROVED"
    PENDING = "PENDING"
    REJECTED = "REJECTED"


class TemplateCategory(OpenEnum):
    """What a template is for, which decides its price."""

    UTILITY = "UTILITY"
    MARKETING = "MARKETING"
    AUTHENTICATION = "AUTHENTICATION"


@attrs.define(kw_only=True)
class TemplateButton(Model):
    """A button of a template. `url` may hold a placeholder."""

    type: str | None = None
    text: str | None = None
    url: str | None = None
    phone_number: str | None = wire("phone_number", default=None)
    example: Any = None


@attrs.define(kw_only=True)
class TemplateComponent(Model):
    """Header, body, footer or buttons of a template, in upper case as Meta writes them.

    `text` holds placeholders as ``{{1}}``; `format` is the kind of a header; `example` is Meta's.
    """

    type: str | None = None
    format: str | None = None
    text: str | None = None
    example: Any = None
    buttons: list[TemplateButton] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class MessageTemplate(Model):
    """A WhatsApp template. ``WhatsAppTemplate.of`` makes a message of it."""

    id: str
    name: str | None = None
    language: str | None = None
    category: TemplateCategory | str | None = None
    status: TemplateStatus | str | None = None
    components: list[TemplateComponent] = attrs.field(factory=list)
