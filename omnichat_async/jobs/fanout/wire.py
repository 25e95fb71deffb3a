"""Message contents as the API's documents write them, read back into objects that are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models import headless
from omnichat_async.models.body import wire_value
from omnichat_async.models.content import (
    Block,
    Content,
    FlexTemplate,
    FlexTemplates,
    Image,
    Product,
    Products,
    Text,
)
from omnichat_async.models.whatsapp import WhatsAppTemplate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["given_content", "given_contents"]


@attrs.frozen
class _GivenTemplate(WhatsAppTemplate):
    """A WhatsApp template in Meta's own form, which goes as it is."""

    given: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)

    def template_object(self) -> dict[str, Any]:
        made: dict[str, Any] = wire_value(self.given)
        return made


@attrs.frozen
class _GivenContent(headless.Text):
    """A headless message in Meta's own form, which goes as it is."""

    given: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)

    def to_wire(self) -> dict[str, Any]:
        made: dict[str, Any] = wire_value(self.given)
        return made


def given_contents(messages: object) -> list[Content]:
    """The contents of a broadcast or a direct message. Raises InvalidRequest."""
    if not isinstance(messages, list):
        raise InvalidRequest("messages", "must be a list", type(messages).__name__)
    return [_content(_object("messages", each)) for each in messages]


def given_content(content: object) -> headless.Content:
    """The content of a headless message: ``type`` and an object of that name."""
    wire = _object("content", content)
    kind = checks.text("type", wire.get("type", ""))
    _object(kind if kind.isidentifier() else "content", wire.get(kind))
    for name in ("to", "messaging_product", "recipient_type"):
        wire = {key: value for key, value in wire.items() if key != name}
    return _GivenContent("given", given=wire)


def _content(wire: dict[str, Any]) -> Content:
    match wire.get("type"):
        case "text":
            return Text(wire.get("text", ""))
        case "image":
            return Image(wire.get("image", ""))
        case "block":
            return Block(wire.get("blockId", ""))
        case "products":
            return Products([_product(_object("products", each)) for each in _list(wire)])
        case "lineFlexMessageTemplates":
            return FlexTemplates([_flex(_object("templates", each)) for each in _list(wire)])
        case "whatsappTemplate":
            return _template(_object("whatsappTemplate", wire.get("whatsappTemplate")))
    raise InvalidRequest(
        "type",
        "must be text, image, block, products, lineFlexMessageTemplates or whatsappTemplate",
        "another",
    )


def _list(wire: dict[str, Any]) -> list[Any]:
    values = wire.get(wire["type"])
    if not isinstance(values, list):
        raise InvalidRequest(wire["type"], "must be a list", type(values).__name__)
    return values


def _object(field: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(field, "must be a JSON object", type(value).__name__)
    return value


def _product(wire: dict[str, Any]) -> Product:
    return Product(
        name=wire.get("name", ""),
        image=wire.get("image", ""),
        url=wire.get("url", ""),
        button_label=wire.get("buttonLabel", ""),
        price=wire.get("price"),
    )


def _flex(wire: dict[str, Any]) -> FlexTemplate:
    parameters = checks.few("parameters", wire.get("parameters", []), most=1000, least=0)
    pairs = [_object("parameters", each) for each in parameters]
    return FlexTemplate(
        wire.get("templateId", ""),
        {str(each.get("key", "")): each.get("value", "") for each in pairs},
    )


def _template(wire: dict[str, Any]) -> WhatsAppTemplate:
    language = wire.get("language")
    code = _object("language", language).get("code", "") if language is not None else None
    for component in checks.few("components", wire.get("components", []), most=100, least=0):
        checks.text("components type", _object("components", component).get("type", ""))
    return _GivenTemplate(wire.get("name", ""), language=code, given=wire)
