"""The rich menus of LINE."""

from omnichat_async.sandbox.data.mixing import mix
from omnichat_async.sandbox.wire import Row

_STATUSES = ("DRAFT", "SCHEDULED", "PUBLISHED", "HALT", "FINISHED")
_ACTIONS: dict[str, str | None] = {
    "message": "我要預約",
    "postback": "LINE chatbot > Welcome",
    "url": "https://example.com/summer",
    "menu_switch": "Menu 2",
    "certified_provider": None,
}
_FIRST_ID = 1001


def hang_menus(key: int) -> dict[int, tuple[Row, list[Row]]]:
    """Each menu (without its id) with its areas, by id."""
    return {
        _FIRST_ID + n: ({"name": f"Menu {n + 1}", "status": status}, _areas(mix(key + n)))
        for n, status in enumerate(_STATUSES)
    }


def _areas(bits: int) -> list[Row]:
    counts = [bits >> 10 * n & 0x3FF for n in range(len(_ACTIONS))]
    return [
        {
            "area": chr(ord("A") + n),
            "actionType": kind,
            "actionContent": content,
            "clickedCount": count,
            "clickedPercentage": f"{100 * count / max(1, sum(counts)):.2f}%",
        }
        for n, ((kind, content), count) in enumerate(zip(_ACTIONS.items(), counts, strict=True))
    ]
