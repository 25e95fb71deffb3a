"""The chatbots and their message blocks."""

import uuid

from omnichat_async.sandbox.data.mixing import mix
from omnichat_async.sandbox.wire import Row

_NAMES = {  # by the API's number of the type
    1: "All platforms",
    2: "FB chatbot",
    3: "LINE chatbot",
    4: "Webchat chatbot",
    5: "Abandoned cart",
    6: "WhatsApp chatbot",
}
_BLOCKS = ("Welcome", "Promo 1 Block", "優惠 🎁")
_EMPTY = 4  # the chatbot of this type has no blocks


def build_chatbots(key: int) -> dict[str, tuple[Row, list[Row]]]:
    """Each chatbot with its blocks, by id."""
    bots: dict[str, tuple[Row, list[Row]]] = {}
    for number, name in _NAMES.items():
        blocks: list[Row] = [
            {"id": _uuid(key + 100 * number + n), "name": block}
            for n, block in enumerate(_BLOCKS, 1)
        ]
        bot: Row = {"id": _uuid(key + 100 * number), "name": name, "type": number}
        bots[str(bot["id"])] = bot, [] if number == _EMPTY else blocks
    return bots


def _uuid(x: int) -> str:
    return str(uuid.UUID(int=mix(x) << 64 | mix(~x)))
