"""Messages of the WhatsApp headless API, which go to Meta as they are.

::

    from omnichat_async.models import headless

    HeadlessMessage("85291234567", headless.Text("Hello"))
    HeadlessMessage("85291234567", headless.Image("https://example.com/a.png", caption="New"))
    HeadlessMessage(
        "85291234567",
        headless.Buttons("Size?", [headless.ReplyButton("s", "S"), headless.ReplyButton("m", "M")]),
        reply_to="wamid.HBgL",
    )

The names here are those of Meta's message types, so some of them mean something else in
``omnichat_async.models``: use them with the module's name in front.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias, TypeVar

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.base import Model, wire
from omnichat_async.models.body import Body
from omnichat_async.models.whatsapp import MediaHeader, WhatsAppTemplate

__all__ = [
    "Audio",
    "Buttons",
    "Catalog",
    "Content",
    "Document",
    "HeadlessContact",
    "HeadlessMessage",
    "HeadlessMessageId",
    "HeadlessSent",
    "Image",
    "List",
    "ListRow",
    "ListSection",
    "Location",
    "Product",
    "ProductSection",
    "Products",
    "Reaction",
    "ReplyButton",
    "Sticker",
    "Template",
    "Text",
    "Video",
]

MOST_BUTTONS, MOST_ROWS, MOST_SECTIONS, MOST_PRODUCTS = 3, 10, 10, 30
"""Meta's limits; rows and products count over all sections together."""


@attrs.frozen
class Text(Body):
    """A text. `preview_url` shows a preview of the first link in it."""

    body: str
    preview_url: bool = False

    def _check(self) -> None:
        checks.text("body", self.body)
        checks.flag("preview_url", self.preview_url)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "text", "text": {"preview_url": self.preview_url, "body": self.body}}


@attrs.frozen
class Reaction(Body):
    """A reaction to the message `message_id`; an empty `emoji` takes it back."""

    message_id: str
    emoji: str

    def _check(self) -> None:
        checks.text("message_id", self.message_id)
        checks.string("emoji", self.emoji)

    def to_wire(self) -> dict[str, Any]:
        reaction = {"message_id": self.message_id, "emoji": self.emoji}
        return {"type": "reaction", "reaction": reaction}


@attrs.frozen
class _Media(Body):
    """A file, by the `link` it can be fetched from or by the `media_id` Meta gave it."""

    kind: ClassVar[str]

    link: str | None = None
    media_id: str | None = attrs.field(default=None, kw_only=True)

    def _check(self) -> None:
        checks.exactly_one(link=self.link, media_id=self.media_id)
        if self.link is not None:
            checks.url("link", self.link)
        texts = ("media_id", "caption", "filename")
        checks.given_texts(self, *(field for field in texts if hasattr(self, field)))

    def to_wire(self) -> dict[str, Any]:
        fields = super().to_wire()
        if "mediaId" in fields:
            fields["id"] = fields.pop("mediaId")
        return {"type": self.kind, self.kind: fields}


@attrs.frozen
class Image(_Media):
    """An image, by its URL or Meta's `media_id`."""

    kind = "image"

    caption: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Video(_Media):
    """A video, by its URL or Meta's `media_id`."""

    kind = "video"

    caption: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Document(_Media):
    """A document, by its URL or Meta's `media_id`; `filename` is the name it is shown under."""

    kind = "document"

    caption: str | None = attrs.field(default=None, kw_only=True)
    filename: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Audio(_Media):
    """A sound or a voice message, by its URL or Meta's `media_id`."""

    kind = "audio"


@attrs.frozen
class Sticker(_Media):
    """A WebP sticker, by its URL or Meta's `media_id`."""

    kind = "sticker"


@attrs.frozen
class Location(Body):
    """A place. Degrees are numbers, or text as in the API's own samples."""

    latitude: float | str
    longitude: float | str
    name: str | None = None
    address: str | None = None

    def _check(self) -> None:
        for field in ("latitude", "longitude"):
            value = getattr(self, field)
            if isinstance(value, str):
                checks.text(field, value)
            else:
                checks.number(field, value)
        checks.given_texts(self, "name", "address")

    def to_wire(self) -> dict[str, Any]:
        return {"type": "location", "location": super().to_wire()}


# ---- interactive messages ----------------------------------------------------------------------


@attrs.frozen
class ListRow(Body):
    """A row of a list; `id` comes back when it is chosen."""

    id: str
    title: str
    description: str | None = None

    def _check(self) -> None:
        checks.text("id", self.id)
        checks.text("title", self.title)
        checks.given_texts(self, "description")


@attrs.frozen
class ListSection(Body):
    """Rows under a title, which may be missing where there is one section only."""

    rows: Sequence[ListRow]
    title: str | None = None

    def _check(self) -> None:
        checks.instances("rows", self.rows, ListRow, MOST_ROWS)
        checks.given_texts(self, "title")


@attrs.frozen
class List(Body):
    """A list behind the button `button`: 1 to 10 rows in up to 10 sections."""

    body: str
    button: str = attrs.field(kw_only=True)
    sections: Sequence[ListSection] = attrs.field(kw_only=True)
    header: str | None = attrs.field(default=None, kw_only=True)
    footer: str | None = attrs.field(default=None, kw_only=True)

    def _check(self) -> None:
        checks.text("body", self.body)
        checks.text("button", self.button)
        checks.given_texts(self, "header", "footer")
        _check_sections(ListSection, self.sections)
        rows = [row for section in self.sections for row in section.rows]
        checks.few("sections rows", rows, MOST_ROWS)
        _distinct("sections rows", [row.id for row in rows])

    def to_wire(self) -> dict[str, Any]:
        sections = [section.to_wire() for section in self.sections]
        return _interactive("list", self, {"button": self.button, "sections": sections})


@attrs.frozen
class ReplyButton(Body):
    """A button below a message; `id` comes back when it is tapped."""

    id: str
    title: str

    def _check(self) -> None:
        checks.text("id", self.id)
        checks.text("title", self.title)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "reply", "reply": super().to_wire()}


@attrs.frozen
class Buttons(Body):
    """A text with 1 to 3 reply buttons, and a text or a file above it."""

    body: str
    buttons: Sequence[ReplyButton]
    header: str | MediaHeader | None = attrs.field(default=None, kw_only=True)
    footer: str | None = attrs.field(default=None, kw_only=True)

    def _check(self) -> None:
        checks.text("body", self.body)
        checks.instances("buttons", self.buttons, ReplyButton, MOST_BUTTONS)
        _distinct("buttons", [button.id for button in self.buttons])
        if not isinstance(self.header, MediaHeader):
            checks.given_texts(self, "header")
        checks.given_texts(self, "footer")

    def to_wire(self) -> dict[str, Any]:
        return _interactive("button", self, {"buttons": [each.to_wire() for each in self.buttons]})


@attrs.frozen(kw_only=True)
class Product(Body):
    """One product of a catalog, by the ids it has there."""

    catalog_id: str
    product_retailer_id: str
    body: str | None = None
    footer: str | None = None

    def _check(self) -> None:
        checks.text("catalog_id", self.catalog_id)
        checks.text("product_retailer_id", self.product_retailer_id)
        checks.given_texts(self, "body", "footer")

    def to_wire(self) -> dict[str, Any]:
        action = {
            "catalog_id": self.catalog_id,
            "product_retailer_id": self.product_retailer_id,
        }
        return _interactive("product", self, action)


@attrs.frozen
class ProductSection(Body):
    """Products under a title, which may be missing where there is one section only."""

    product_retailer_ids: Sequence[str]
    title: str | None = None

    def _check(self) -> None:
        ids = self.product_retailer_ids
        checks.texts("product_retailer_ids", ids, MOST_PRODUCTS)
        checks.given_texts(self, "title")

    def to_wire(self) -> dict[str, Any]:
        title = {} if self.title is None else {"title": self.title}
        items = [{"product_retailer_id": each} for each in self.product_retailer_ids]
        return {**title, "product_items": items}


@attrs.frozen(kw_only=True)
class Products(Body):
    """1 to 30 products of one catalog in up to 10 sections."""

    catalog_id: str
    header: str
    body: str
    sections: Sequence[ProductSection]
    footer: str | None = None

    def _check(self) -> None:
        for field in ("catalog_id", "header", "body"):
            checks.text(field, getattr(self, field))
        checks.given_texts(self, "footer")
        _check_sections(ProductSection, self.sections)
        ids = [each for section in self.sections for each in section.product_retailer_ids]
        checks.few("sections product_retailer_ids", ids, MOST_PRODUCTS)

    def to_wire(self) -> dict[str, Any]:
        sections = [section.to_wire() for section in self.sections]
        action = {"catalog_id": self.catalog_id, "sections": sections}
        return _interactive("product_list", self, action)


@attrs.frozen
class Catalog(Body):
    """A button that opens the whole catalog, with the product whose picture is shown."""

    body: str
    footer: str | None = None
    thumbnail_product_retailer_id: str | None = None

    def _check(self) -> None:
        checks.text("body", self.body)
        checks.given_texts(self, "footer", "thumbnail_product_retailer_id")

    def to_wire(self) -> dict[str, Any]:
        action: dict[str, Any] = {"name": "catalog_message"}
        if (thumbnail := self.thumbnail_product_retailer_id) is not None:
            action["parameters"] = {"thumbnail_product_retailer_id": thumbnail}
        return _interactive("catalog_message", self, action)


@attrs.frozen
class Template(Body):
    """A template message; the template must name its language."""

    template: WhatsAppTemplate

    def _check(self) -> None:
        checks.instance("template", self.template, WhatsAppTemplate)
        if self.template.language is None:
            raise InvalidRequest("language", "is needed on the headless API", "none")

    def to_wire(self) -> dict[str, Any]:
        template = self.template.template_object()
        if self.template.components is None:
            for component in template["components"]:
                if component.get("sub_type") == "CATALOG":  # a number, text with other buttons
                    component["index"] = int(component["index"])
        return {"type": "template", "template": template}


def _interactive(kind: str, content: Body, action: dict[str, Any]) -> dict[str, Any]:
    interactive: dict[str, Any] = {"type": kind}
    header = getattr(content, "header", None)
    if isinstance(header, MediaHeader):
        interactive["header"] = header.to_wire()
    elif header is not None:
        interactive["header"] = {"type": "text", "text": header}
    for field in ("body", "footer"):
        if (value := getattr(content, field)) is not None:
            interactive[field] = {"text": value}
    return {"type": "interactive", "interactive": {**interactive, "action": action}}


_Section = TypeVar("_Section", ListSection, ProductSection)


def _check_sections(kind: type[_Section], sections: Sequence[_Section]) -> None:
    checks.instances("sections", sections, kind, MOST_SECTIONS)
    if len(sections) > 1 and any(section.title is None for section in sections):
        raise InvalidRequest(
            "title", "is needed in each section where there are several", "a section without one"
        )


def _distinct(field: str, ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        raise InvalidRequest(field, "must have different ids", "the same id twice")


# ---- the message and its answer ----------------------------------------------------------------

Content: TypeAlias = (
    Text
    | Reaction
    | Image
    | Video
    | Document
    | Audio
    | Sticker
    | Location
    | List
    | Buttons
    | Product
    | Products
    | Catalog
    | Template
)


@attrs.frozen
class HeadlessMessage(Body):
    """A WhatsApp message to one person. `to` is the phone number or another id Meta takes;
    `reply_to` is the id of the message it quotes."""

    to: str
    content: Content
    reply_to: str | None = None

    def _check(self) -> None:
        checks.text("to", self.to)
        if not isinstance(self.content, Content):
            given = type(self.content).__name__
            raise InvalidRequest("content", "must be one of models.headless", given)
        checks.given_texts(self, "reply_to")

    def to_wire(self) -> dict[str, Any]:
        context = {} if self.reply_to is None else {"context": {"message_id": self.reply_to}}
        return {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": self.to,
            **context,
            **self.content.to_wire(),
        }


def _stripped(value: str | None) -> str | None:
    return None if value is None else value.strip()


@attrs.define(kw_only=True)
class HeadlessContact(Model):
    """Whom a message went to: the number as given, and the WhatsApp id it belongs to."""

    input: str | None = None
    # The API's samples have a blank at the end.
    wa_id: str | None = wire("wa_id", default=None, converter=_stripped)


@attrs.define(kw_only=True)
class HeadlessMessageId(Model):
    """The id of a message that was taken."""

    id: str
    message_status: str | None = wire("message_status", default=None)


@attrs.define(kw_only=True)
class HeadlessSent(Model):
    """What became of a headless message."""

    messaging_product: str | None = wire("messaging_product", default=None)
    contacts: list[HeadlessContact] = attrs.field(factory=list)
    messages: list[HeadlessMessageId] = attrs.field(factory=list)

    @property
    def message_id(self) -> str | None:
        """The id of the message (``wamid.…``), None if the answer has none."""
        return self.messages[0].id if self.messages else None
