"""The WhatsApp message templates of a business phone number."""

from omnichat_async.sandbox.data.mixing import mix
from omnichat_async.sandbox.wire import Row

TEMPLATES = 25
_BODY: Row = {
    "type": "BODY",
    "text": "親愛的 {{1}}：\n您的訂單 {{2}} 💖",
    "example": {"body_text": [["A", "1"]]},
}
_IMAGE: Row = {"header_handle": ["https://example.com/header.jpg"]}
_LINK = "https://example.com/redirect?url={{1}}"
_SHAPES: tuple[tuple[str, list[Row]], ...] = (
    ("order_update", [_BODY]),
    (
        "autopush",
        [
            {"type": "BODY", "text": "多謝您的支持"},
            {
                "type": "BUTTONS",
                "buttons": [
                    {"type": "QUICK_REPLY", "text": "立即預約"},
                    {"type": "QUICK_REPLY", "text": "主目錄"},
                ],
            },
        ],
    ),
    ("canceled_order", [{"type": "HEADER", "format": "TEXT", "text": "Order cancelled"}, _BODY]),
    (
        "cart_reminder",
        [
            {"type": "HEADER", "format": "IMAGE", "example": _IMAGE},
            _BODY,
            {
                "type": "BUTTONS",
                "buttons": [
                    {"type": "URL", "text": "View", "url": _LINK, "example": ["https://x.example"]}
                ],
            },
        ],
    ),
    (
        "contact_us",
        [
            {"type": "HEADER", "format": "DOCUMENT", "example": _IMAGE},
            {"type": "BODY", "text": "You can contact us via phone call"},
            {"type": "FOOTER", "text": "Brand A"},
            {
                "type": "BUTTONS",
                "buttons": [
                    {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+85200000000"}
                ],
            },
        ],
    ),
)


def build_template(key: int, n: int) -> Row:
    """Template n of TEMPLATES."""
    name, components = _SHAPES[n % len(_SHAPES)]
    return {
        "id": str(10**15 + mix(key + n) % 10**15),
        "category": ("UTILITY", "MARKETING", "AUTHENTICATION")[n % 3],
        "status": ("APPROVED", "APPROVED", "APPROVED", "PENDING", "REJECTED")[n // 5 % 5],
        "name": f"{name}_{n // len(_SHAPES)}",
        "language": ("zh_HK", "en", "en_US")[n % 3],
        "components": components,
    }
