"""What direct messages and broadcasts may say."""

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.magic import CAROUSEL
from omnichat_async.sandbox.state.chats import Said

MIXABLE = frozenset({"text", "image", "products"})
MOST_MESSAGES = 5
_MOST_PRODUCTS = 10
_MOST_BUBBLES = 12
_MESSAGE = (
    *("type", "text", "image", "blockId", "products", "whatsappTemplate"),
    "lineFlexMessageTemplates",
)
_PRODUCT = ("name", "image", "url", "price", "buttonLabel")
_TEMPLATE = ("name", "namespace", "language", "components")


def read_messages(body: Fields, kinds: tuple[str, ...]) -> list[Fields]:
    """The `messages`, each of one of these types and complete."""
    messages = body.groups("messages", _MESSAGE)
    for message in messages:
        match message.choice("type", kinds):
            case "text" | "image" as kind:
                message.text(kind)
            case "block":
                message.text("blockId")
            case "products":
                _check_products(message)
            case "whatsappTemplate":
                _check_template(message.group("whatsappTemplate", _TEMPLATE))
            case _:
                _check_flex(message)
    if len(messages) > MOST_MESSAGES:
        raise body.refuse(f"messages has {len(messages)} entries, {MOST_MESSAGES} are allowed")
    return messages


def alone_or_mixable(messages: list[Fields]) -> bool:
    """Whether they may go out together: several only of text, image and products."""
    return len(messages) == 1 or {message.text("type") for message in messages} <= MIXABLE


def said(message: Fields, user_id: str) -> Said:
    """The message as the chat history keeps it."""
    match message.text("type"):
        case "text":
            return Said(user_id, "text", message.text("text"))
        case "image":
            return Said(user_id, "photo", None, message.text("image"))
        case "whatsappTemplate":
            return Said(user_id, "text", message.group("whatsappTemplate").text("name"))
        case kind:
            return Said(user_id, "chatbot", kind)


def _check_products(message: Fields) -> None:
    for product in message.groups("products", _PRODUCT, most=_MOST_PRODUCTS):
        for name in ("name", "image", "url", "buttonLabel"):
            product.text(name)
        product.text_or_none("price")


def _check_template(template: Fields) -> None:
    template.text("name")
    template.text_or_none("namespace")
    if template.has("language"):
        template.group("language", ("code", "policy")).text("code")
    for component in template.groups("components", least=0):
        component.text("type")
        component.groups("parameters", least=0)
        if component.has("index") and isinstance(component.scalar("index"), float | bool):
            raise component.refuse("the index of a button must be an integer or a string")


def _check_flex(message: Fields) -> None:
    templates = message.groups(
        "lineFlexMessageTemplates", ("templateId", "parameters"), most=_MOST_BUBBLES
    )
    for template in templates:
        carousel = template.text("templateId").startswith(CAROUSEL)
        if carousel and len(templates) > 1:
            raise template.refuse("a carousel template must be the only one")
        for parameter in template.groups("parameters", ("key", "value"), least=0):
            parameter.text("key")
            parameter.given_text("value")
