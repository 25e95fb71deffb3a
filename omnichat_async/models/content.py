"""What a direct message or a broadcast says: text, images, chatbot blocks, products, templates.

::

    Text("Hello"), Image("https://example.com/a.png"), Block("07269d7a-…")
    Products([Product(name="Tee", image=..., url=..., button_label="View")])
    WhatsAppTemplate("order_shipped", language="zh_HK", body=["Mr. Chan", "TX0001"])
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.body import Body
from omnichat_async.models.whatsapp import WhatsAppTemplate

__all__ = [
    "Block",
    "Content",
    "FlexTemplate",
    "FlexTemplates",
    "Image",
    "Product",
    "Products",
    "Text",
    "check_contents",
]

MOST_CONTENTS, MOST_PRODUCTS, MOST_BUBBLES = 5, 10, 12


@attrs.frozen
class Text(Body):
    """A text message."""

    text: str

    def _check(self) -> None:
        checks.text("text", self.text)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "text", "text": self.text}


@attrs.frozen
class Image(Body):
    """An image, by the URL it can be fetched from."""

    url: str

    def _check(self) -> None:
        checks.url("url", self.url)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "image", "image": self.url}


@attrs.frozen
class Block(Body):
    """A message block of a chatbot, by the id that ``chatbots.message_blocks`` lists."""

    block_id: str

    def _check(self) -> None:
        checks.text("block_id", self.block_id)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "block", "blockId": self.block_id}


@attrs.frozen(kw_only=True)
class Product(Body):
    """One card of a product carousel. `price` is text with its currency, such as ``TWD$100``."""

    name: str
    image: str
    url: str
    button_label: str
    price: str | None = None

    def _check(self) -> None:
        checks.text("name", self.name)
        checks.url("image", self.image)
        checks.url("url", self.url)
        checks.text("button_label", self.button_label)
        checks.given_texts(self, "price")


@attrs.frozen
class Products(Body):
    """A carousel of 1 to 10 products."""

    products: Sequence[Product]

    def _check(self) -> None:
        checks.instances("products", self.products, Product, most=MOST_PRODUCTS)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "products", "products": [each.to_wire() for each in self.products]}


@attrs.frozen
class FlexTemplate(Body):
    """A LINE flex template of the portal, with the values of its ``((keys))``."""

    template_id: str
    parameters: Mapping[str, str] = attrs.field(factory=dict)

    def _check(self) -> None:
        checks.text("template_id", self.template_id)
        for value in checks.mapping("parameters", self.parameters).values():
            checks.string("parameters value", value)

    def to_wire(self) -> dict[str, Any]:
        parameters = [{"key": key, "value": value} for key, value in self.parameters.items()]
        return {"templateId": self.template_id, "parameters": parameters}


@attrs.frozen
class FlexTemplates(Body):
    """LINE flex templates shown side by side: 1 to 12 bubbles, or exactly one carousel."""

    templates: Sequence[FlexTemplate]

    def _check(self) -> None:
        checks.instances("templates", self.templates, FlexTemplate, most=MOST_BUBBLES)

    def to_wire(self) -> dict[str, Any]:
        kind = "lineFlexMessageTemplates"
        return {"type": kind, kind: [each.to_wire() for each in self.templates]}


Content: TypeAlias = Text | Image | Block | Products | FlexTemplates | WhatsAppTemplate


def check_contents(contents: Sequence[Content]) -> None:
    """At most 5 texts, images and carousels, or a single content of another kind."""
    checks.few("messages", contents, MOST_CONTENTS)
    for content in contents:
        if not isinstance(content, Content):
            raise InvalidRequest(
                "messages", "must hold Text, Image, Products and the like", type(content).__name__
            )
    alone = [each for each in contents if not isinstance(each, Text | Image | Products)]
    if alone and len(contents) > 1:
        raise InvalidRequest(
            "messages",
            f"{type(alone[0]).__name__} goes alone; only Text, Image and Products mix",
            f"{len(contents)} messages",
        )
