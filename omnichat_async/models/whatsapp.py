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
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.base import Body

if TYPE_CHECKING:
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

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")


@attrs.frozen
class MediaHeader(Body):
    """The image, video or document above a template's text."""

    kind: Literal["image", "video", "document"]
    link: str
    filename: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.kind not in {"image", "video", "document"}:
            raise InvalidRequest("header", "must be image, video or document", "another kind")
        checks.url("link", self.link)
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

    def __attrs_post_init__(self) -> None:
        checks.text("payload", self.payload)

    def to_wire(self) -> dict[str, Any]:
        return _button("quick_reply", {"type": "payload", "payload": self.payload})


@attrs.frozen
class UrlButton(Body):
    """A link button; `value` takes the place of the placeholder in the template's URL."""

    value: str

    def __attrs_post_init__(self) -> None:
        checks.text("value", self.value)

    def to_wire(self) -> dict[str, Any]:
        return _button("url", {"type": "text", "text": self.value})


@attrs.frozen
class CatalogButton(Body):
    """A button that opens the catalog, with the product whose picture is shown."""

    thumbnail_product_retailer_id: str

    def __attrs_post_init__(self) -> None:
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
    """

    name: str
    language: str | None = attrs.field(default=None, kw_only=True)
    header: MediaHeader | Values | None = attrs.field(default=None, kw_only=True)
    body: Values = attrs.field(default=(), kw_only=True)
    buttons: Sequence[Button | None] = attrs.field(default=(), kw_only=True)
    language_policy: str | None = attrs.field(default=None, kw_only=True)
    namespace: str | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        checks.text("name", self.name)
        for field in ("language", "language_policy", "namespace"):
            if (value := getattr(self, field)) is not None:
                checks.text(field, value)
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

    @classmethod
    def of(
        cls,
        template: "MessageTemplate",
        *,
        header: MediaHeader | Values | None = None,
        body: Values = (),
        buttons: Sequence[Button | None] = (),
        namespace: str | None = None,
    ) -> Self:
        """The message of a template that was listed, refused unless every placeholder is filled.

        Raises InvalidRequest that names the component, what it needs and what was given.
        """
        components = {str(each.type or "").upper(): each for each in template.components}
        _fits("body", components.get("BODY"), body)
        _fits_header(components.get("HEADER"), header)
        _fits_buttons(components.get("BUTTONS"), buttons)
        return cls(
            template.name or "",
            language=template.language,
            header=header,
            body=body,
            buttons=buttons,
            namespace=namespace,
        )

    def template_object(self) -> dict[str, Any]:
        """Meta's template object: name, language and components."""
        wire: dict[str, Any] = {"name": self.name}
        if self.namespace is not None:
            wire["namespace"] = self.namespace
        if self.language is not None:
            wire["language"] = {"code": self.language}
            if self.language_policy is not None:
                wire["language"]["policy"] = self.language_policy
        return {**wire, "components": list(self._components())}

    def to_wire(self) -> dict[str, Any]:
        return {"type": "whatsappTemplate", "whatsappTemplate": self.template_object()}

    def _components(self) -> Sequence[dict[str, Any]]:
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
    given = values.values() if isinstance(values, Mapping) else checks.few(field, values, 100, 0)
    for value in given:
        if not isinstance(value, Mapping):
            checks.text(field, value)


def _parameters(values: Values) -> list[Any]:
    if isinstance(values, Mapping):
        return [{"type": "text", "parameter_name": name, "text": t} for name, t in values.items()]
    return [
        dict(value) if isinstance(value, Mapping) else {"type": "text", "text": value}
        for value in values
    ]


# ---- does it fit the template? -----------------------------------------------------------------


def placeholders(text: str | None) -> list[str]:
    """The names in ``{{…}}`` of a text, each once, in order."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text or "")))


def _fits(field: str, component: "TemplateComponent | None", values: Values) -> None:
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


def _fits_header(
    component: "TemplateComponent | None", header: MediaHeader | Values | None
) -> None:
    wanted = str((component.format if component is not None else None) or "TEXT").lower()
    media = header.kind if isinstance(header, MediaHeader) else None
    if wanted in {"image", "video", "document"}:
        if media != wanted:
            given = f"a {media}" if media else "none"
            raise InvalidRequest("header", f"must be MediaHeader.{wanted}(url)", given)
    elif isinstance(header, MediaHeader):
        raise InvalidRequest("header", "has no media in this template", f"a {media}")
    elif wanted == "text":
        _fits("header", component, header or ())


def _fits_buttons(component: "TemplateComponent | None", buttons: Sequence[Button | None]) -> None:
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
