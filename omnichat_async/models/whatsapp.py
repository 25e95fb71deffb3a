"""WhatsApp template messages: the parts that are filled in when one is sent.

::

    WhatsAppTemplate(
        "cart_reminder",
        language="en_US",
        header=MediaHeader.image("https://example.com/tee.png"),
        body=["Black Tee", "$29.99"],
        buttons=[UrlButton("https://example.com/checkout"), QuickReply("STOP")],
    )

``WhatsAppTemplate.of(template, ...)`` takes a template that ``templates.list`` gave and checks
that every placeholder of it gets its value.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.body import Body, wire_value
from omnichat_async.models.templates import MessageTemplate, TemplateComponent

__all__ = [
    "Button",
    "CatalogButton",
    "MediaHeader",
    "QuickReply",
    "UrlButton",
    "Values",
    "WhatsAppTemplate",
]

Values: TypeAlias = Sequence[str | Mapping[str, Any]] | Mapping[str, str]
"""Values of placeholders: in order for ``{{1}}``, ``{{2}}``, by name for ``{{first_name}}``. An
entry that is a mapping goes as it is, for Meta's currency and date parameters."""

MEDIA = ("image", "video", "document")
_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")


@attrs.frozen
class MediaHeader(Body):
    """The image, video or document above a template's text."""

    kind: Literal["image", "video", "document"]
    link: str
    filename: str | None = None

    def _check(self) -> None:
        checks.one_of("kind", self.kind, MEDIA)
        checks.url("link", self.link)
        checks.given_texts(self, "filename")
        if self.filename is not None and self.kind != "document":
            raise InvalidRequest("filename", "is for documents only", f"one for a {self.kind}")

    @classmethod
    def image(cls, link: str) -> Self:
        """An image, by its URL."""
        return cls("image", link)

    @classmethod
    def video(cls, link: str) -> Self:
        """A video, by its URL."""
        return cls("video", link)

    @classmethod
    def document(cls, link: str, filename: str | None = None) -> Self:
        """A document, by its URL, and the name it is shown under."""
        return cls("document", link, filename)

    def to_wire(self) -> dict[str, Any]:
        media = {"link": self.link}
        if self.filename is not None:
            media["filename"] = self.filename
        return {"type": self.kind, self.kind: media}


@attrs.frozen
class QuickReply(Body):
    """A reply button; `payload` comes back when it is tapped."""

    payload: str

    def _check(self) -> None:
        checks.text("payload", self.payload)

    def to_wire(self) -> dict[str, Any]:
        return _button("quick_reply", {"type": "payload", "payload": self.payload})


@attrs.frozen
class UrlButton(Body):
    """A link button; `value` takes the place of the placeholder in the template's URL."""

    value: str

    def _check(self) -> None:
        checks.text("value", self.value)

    def to_wire(self) -> dict[str, Any]:
        return _button("url", {"type": "text", "text": self.value})


@attrs.frozen
class CatalogButton(Body):
    """A button that opens the catalog, with the product whose picture is shown."""

    thumbnail_product_retailer_id: str

    def _check(self) -> None:
        checks.text("thumbnail_product_retailer_id", self.thumbnail_product_retailer_id)

    def to_wire(self) -> dict[str, Any]:
        action = {"thumbnail_product_retailer_id": self.thumbnail_product_retailer_id}
        return _button("CATALOG", {"type": "action", "action": action})


def _button(sub_type: str, parameter: dict[str, Any]) -> dict[str, Any]:
    return {"type": "button", "sub_type": sub_type, "parameters": [parameter]}


Button: TypeAlias = QuickReply | UrlButton | CatalogButton


@attrs.frozen
class WhatsAppTemplate(Body):
    """A WhatsApp template message.

    `header` is a MediaHeader, or the values of a text header; `body` the values of the text;
    `buttons` one entry for each button of the template in order, None for a button that takes
    no value. `language` is a code such as ``zh_HK``. `namespace` is what broadcasts may want.
    `components` takes the place of header, body and buttons: Meta's component objects, which go
    as they are, for what this class has no words for.
    """

    name: str
    language: str | None = attrs.field(default=None, kw_only=True)
    header: MediaHeader | Values | None = attrs.field(default=None, kw_only=True)
    body: Values = attrs.field(default=(), kw_only=True)
    buttons: Sequence[Button | None] = attrs.field(default=(), kw_only=True)
    language_policy: str | None = attrs.field(default=None, kw_only=True)
    namespace: str | None = attrs.field(default=None, kw_only=True)
    components: Sequence[Mapping[str, Any]] | None = attrs.field(default=None, kw_only=True)

    def _check(self) -> None:
        checks.text("name", self.name)
        checks.given_texts(self, "language", "language_policy", "namespace")
        if self.language_policy is not None and self.language is None:
            raise InvalidRequest("language_policy", "goes with a language", "none")
        _check_values("body", self.body)
        if self.header is not None and not isinstance(self.header, MediaHeader):
            _check_values("header", self.header)
        for button in checks.few("buttons", self.buttons, most=10, least=0):
            if button is not None and not isinstance(button, Button):
                raise InvalidRequest(
                    "buttons", "must be QuickReply, UrlButton, CatalogButton or None", "another"
                )
        if self.components is not None:
            self._check_components(self.components)

    def _check_components(self, components: Sequence[Mapping[str, Any]]) -> None:
        for component in checks.few("components", components, sys.maxsize, least=0):
            checks.text(
                "components type", checks.json_object("components", component).get("type", "")
            )
        if self.header is not None or self.body or self.buttons:
            raise InvalidRequest(
                "components", "takes the place of header, body and buttons", "some of them too"
            )

    @classmethod
    def of(
        cls,
        template: MessageTemplate,
        *,
        header: MediaHeader | Values | None = None,
        body: Values = (),
        buttons: Sequence[Button | None] = (),
        namespace: str | None = None,
    ) -> Self:
        """The message of a template that was listed, refused unless every placeholder is filled.

        Raises InvalidRequest that names the component, what it needs and what was given.
        """
        checks.instance("template", template, MessageTemplate)
        message = cls(
            template.name or "",
            language=template.language,
            header=header,
            body=body,
            buttons=buttons,
            namespace=namespace,
        )
        components = {str(each.type or "").upper(): each for each in template.components}
        _fits("body", components.get("BODY"), message.body)
        _fits_header(components.get("HEADER"), message.header)
        _fits_buttons(components.get("BUTTONS"), message.buttons)
        return message

    def template_object(self) -> dict[str, Any]:
        """Meta's template object: name, language and components."""
        wire: dict[str, Any] = {"name": self.name}
        if self.namespace is not None:
            wire["namespace"] = self.namespace
        if self.language is not None:
            wire["language"] = {"code": self.language}
            if self.language_policy is not None:
                wire["language"]["policy"] = self.language_policy
        given = self.components
        parts = self._components() if given is None else [wire_value(each) for each in given]
        return {**wire, "components": parts}

    def to_wire(self) -> dict[str, Any]:
        return {"type": "whatsappTemplate", "whatsappTemplate": self.template_object()}

    def _components(self) -> list[dict[str, Any]]:
        components: list[dict[str, Any]] = []
        if isinstance(self.header, MediaHeader):
            components.append({"type": "header", "parameters": [self.header.to_wire()]})
        elif self.header:
            components.append({"type": "header", "parameters": _parameters(self.header)})
        if self.body:
            components.append({"type": "body", "parameters": _parameters(self.body)})
        for index, button in enumerate(self.buttons):
            if button is not None:
                wire = button.to_wire()
                components.append({"type": wire.pop("type"), **wire, "index": str(index)})
        return components


def _check_values(field: str, values: Values) -> None:
    if isinstance(values, Mapping):
        for text in checks.mapping(field, values).values():
            checks.text(field, text)
        return
    for value in checks.few(field, values, 100, 0):
        if isinstance(value, Mapping):
            checks.json_object(field, value)
        else:
            checks.text(field, value)


def _parameters(values: Values) -> list[Any]:
    if isinstance(values, Mapping):
        return [{"type": "text", "parameter_name": name, "text": t} for name, t in values.items()]
    return [
        wire_value(value) if isinstance(value, Mapping) else {"type": "text", "text": value}
        for value in values
    ]


# ---- does it fit the template? -----------------------------------------------------------------


def placeholders(text: str | None) -> list[str]:
    """The names in ``{{…}}`` of a text, each once, in order."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text or "")))


def _fits(field: str, component: TemplateComponent | None, values: Values) -> None:
    wanted = placeholders(component.text if component is not None else None)
    by_name = isinstance(values, Mapping)
    if by_name:
        fits = set(wanted) == set(values)
    else:
        fits = len(values) == len(wanted) and all(name.isdigit() for name in wanted)
    if not fits:
        need = ", ".join(f"{{{{{name}}}}}" for name in wanted) or "nothing"
        how = " by name" if any(not name.isdigit() for name in wanted) else ""
        raise InvalidRequest(field, f"must fill {need}{how}", f"{len(values)} values")


def _fits_header(component: TemplateComponent | None, header: MediaHeader | Values | None) -> None:
    wanted = str((component.format if component is not None else None) or "TEXT").lower()
    media = header.kind if isinstance(header, MediaHeader) else None
    if wanted in MEDIA:
        if media != wanted:
            given = f"a {media}" if media else "none"
            raise InvalidRequest("header", f"must be MediaHeader.{wanted}(url)", given)
    elif isinstance(header, MediaHeader):
        raise InvalidRequest("header", "has no media in this template", f"a {media}")
    elif wanted == "text":
        _fits("header", component, header or ())


def _fits_buttons(component: TemplateComponent | None, buttons: Sequence[Button | None]) -> None:
    known = component.buttons if component is not None else []
    if len(buttons) > len(known):
        raise InvalidRequest("buttons", f"this template has {len(known)}", str(len(buttons)))
    for index, button in enumerate(known):
        given = buttons[index] if index < len(buttons) else None
        kind = str(button.type or "").upper()
        if kind == "URL" and placeholders(button.url) and not isinstance(given, UrlButton):
            raise InvalidRequest(f"buttons[{index}]", "must be a UrlButton(value)", "none")
        if isinstance(given, UrlButton) and not (kind == "URL" and placeholders(button.url)):
            raise InvalidRequest(f"buttons[{index}]", f"takes no URL value ({kind})", "a UrlButton")
        if isinstance(given, QuickReply) and kind != "QUICK_REPLY":
            raise InvalidRequest(f"buttons[{index}]", f"is {kind}", "a QuickReply")
        if isinstance(given, CatalogButton) and kind != "CATALOG":
            raise InvalidRequest(f"buttons[{index}]", f"is {kind}", "a CatalogButton")
