"""Chatbot dynamic response: the one call of Omnichat's that wants an answer.

It posts JSON of your own design with a bearer token that you issued, and sends to the user what
you answer.

::

    if not check_bearer(headers.get("Authorization"), token):
        ...  # answer 401
    reply = Reply([Text("Your order is on its way")])
    ...  # answer 200 with reply.to_json()
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.body import Body, wire_value
from omnichat_async.webhooks.verify import Secrets, same, secrets_of

__all__ = [
    "Button",
    "Card",
    "Carousel",
    "Image",
    "LineImageCarousel",
    "Option",
    "OptionList",
    "Reply",
    "ReplyMessage",
    "Text",
    "check_bearer",
]

MOST_MESSAGES = 5
LONGEST_TEXT, LONGEST_LIST_TEXT, LONGEST_BUTTON = 4096, 1024, 20
LONGEST_OPTION, LONGEST_DESCRIPTION = 24, 72


def check_bearer(header: str | None, tokens: Secrets) -> bool:
    """Whether an ``Authorization`` header holds ``Bearer`` and one of the `tokens`.

    Several tokens serve a change of tokens. Raises ConfigurationError without one or for an
    empty one.
    """
    expected = secrets_of(tokens)
    scheme, _, given = (header or "").partition(" ")
    fits = False
    for token in expected:  # no early exit: the time does not tell which one fitted
        fits |= same(given.strip(), token.reveal())
    return fits and scheme.lower() == "bearer"


@attrs.frozen
class Text(Body):
    """A text of 1 to 4096 characters."""

    text: str

    def _check(self) -> None:
        checks.text("text", self.text, LONGEST_TEXT)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "text", "text": self.text}


@attrs.frozen
class Image(Body):
    """An image, by its URL; `text` is its caption on WhatsApp."""

    url: str
    text: str | None = None

    def _check(self) -> None:
        checks.url("url", self.url)
        checks.given_texts(self, "text")

    def to_wire(self) -> dict[str, Any]:
        caption = {} if self.text is None else {"text": self.text}
        return {"type": "image", "image": self.url, **caption}


@attrs.frozen
class Button(Body):
    """A button: exactly one of `block_id` (with its `bot_id`), `url` and `message`.

    `title` has at most 20 characters on WhatsApp. `tags` and `attribute` (key and value) are put
    on the customer who presses it. `style` (primary, secondary) and `color` are for LINE's image
    carousels.
    """

    title: str
    block_id: str | None = None
    bot_id: str | None = None
    url: str | None = None
    message: str | None = None
    tags: Sequence[str] = ()
    attribute: tuple[str, str] | None = None
    style: str | None = None
    color: str | None = None

    def _check(self) -> None:
        checks.text("title", self.title)
        checks.exactly_one(block_id=self.block_id, url=self.url, message=self.message)
        checks.given_texts(self, "block_id", "bot_id", "message", "style", "color")
        if self.url is not None:
            checks.url("url", self.url)
        _check_labels(self)

    def to_wire(self) -> dict[str, Any]:
        kind = "postback" if self.block_id else "url" if self.url else "message"
        return {"type": kind, **_labelled(self, super().to_wire())}


def _check_labels(holder: "Button | Option") -> None:
    checks.texts("tags", holder.tags, least=0)
    if holder.attribute is not None:
        checks.texts("attribute", holder.attribute, most=2, least=2)


def _labelled(holder: "Button | Option", sent: dict[str, Any]) -> dict[str, Any]:
    """The tags and the attribute in the form the API has for them."""
    del sent["tags"]
    if holder.tags:
        sent["tags"] = list(holder.tags)
    if holder.attribute is not None:
        sent["attribute"] = dict(zip(("key", "value"), holder.attribute, strict=True))
    return sent


@attrs.frozen(kw_only=True)
class Card(Body):
    """A card of a carousel. On WhatsApp title and text have at most 4096 characters together,
    there are at most 3 buttons, and `url` is not supported."""

    title: str | None = None
    text: str | None = None
    image: str | None = None
    url: str | None = None
    buttons: Sequence[Button] = ()

    def _check(self) -> None:
        checks.given_texts(self, "title", "text")
        for name in ("image", "url"):
            if getattr(self, name) is not None:
                checks.url(name, getattr(self, name))
        checks.instances("buttons", self.buttons, Button, least=0)
        longest = len(self.title or "") + len(self.text or "")
        if longest > LONGEST_TEXT:
            raise InvalidRequest(
                "title and text", f"must be at most {LONGEST_TEXT} characters", f"{longest}"
            )


@attrs.frozen
class Carousel(Body):
    """Cards side by side."""

    cards: Sequence[Card]

    def _check(self) -> None:
        checks.instances("cards", self.cards, Card)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "carousel", "carousel": wire_value(list(self.cards))}


@attrs.frozen
class LineImageCarousel(Body):
    """LINE's image carousel: `images` are the API's own objects, with ``image``,
    ``overlapImage``, ``action`` and ``buttons``, whose buttons may be Button objects."""

    images: Sequence[Mapping[str, Any]]

    def _check(self) -> None:
        checks.few("images", self.images, 2**31)

    def to_wire(self) -> dict[str, Any]:
        kind = "lineImageCarousel"
        return {"type": kind, kind: wire_value(list(self.images))}


@attrs.frozen
class Option(Body):
    """A row of a list: `title` of at most 24 characters, `description` of at most 72."""

    title: str
    bot_id: str
    block_id: str
    description: str | None = None
    tags: Sequence[str] = ()
    attribute: tuple[str, str] | None = None

    def _check(self) -> None:
        checks.text("title", self.title, LONGEST_OPTION)
        checks.text("bot_id", self.bot_id)
        checks.text("block_id", self.block_id)
        if self.description is not None:
            checks.text("description", self.description, LONGEST_DESCRIPTION)
        _check_labels(self)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "postback", **_labelled(self, super().to_wire())}


@attrs.frozen
class OptionList(Body):
    """A WhatsApp list: `text` of at most 1024 characters over a button of at most 20."""

    text: str
    button_title: str
    options: Sequence[Option]

    def _check(self) -> None:
        checks.text("text", self.text, LONGEST_LIST_TEXT)
        checks.text("button_title", self.button_title, LONGEST_BUTTON)
        checks.instances("options", self.options, Option)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "optionList", "optionList": super().to_wire()}


ReplyMessage: TypeAlias = Text | Image | Carousel | LineImageCarousel | OptionList


@attrs.frozen
class Reply(Body):
    """The answer: 1 to 5 messages, sent with status 200 and ``application/json``.

    To start the chatbot's error block instead, answer 400 with an empty body. Raises
    InvalidRequest for more messages and for a message that breaks a limit.
    """

    messages: Sequence[ReplyMessage]

    def _check(self) -> None:
        for message in checks.few("messages", self.messages, MOST_MESSAGES):
            if not isinstance(message, Text | Image | Carousel | LineImageCarousel | OptionList):
                raise InvalidRequest(
                    "messages", "must hold messages of this module", type(message).__name__
                )

    def to_json(self) -> bytes:
        """The body."""
        return json.dumps(self.to_wire(), ensure_ascii=False).encode()
