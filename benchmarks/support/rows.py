"""Sample rows in the API's own form: about 600 bytes each, with CJK text and emoji.

Only the standard library is used here, because the peers run where nothing of ours is installed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from base64 import b64encode
from typing import Any

__all__ = ["END_MS", "SECRET", "contact", "message", "page_bytes", "signature", "webhook_bytes"]

END_MS = 1_735_689_600_000  # 2025-01-01
NAMES = ("陳大文", "Emily Wong", "山田 太郎", "Nguyễn Văn An", "林小美 🌸", "Omar Haddad")
TEXTS = (
    "您好,請問今天的訂單什麼時候會到?謝謝 🙏",
    "Thanks! I would like to change the delivery address of my order, please.",
    "了解,我們會盡快為您處理 😊 請稍候,客服人員將會在營業時間內回覆您。",
    "👍",
)
TYPES = ("text", "text", "text", "photo", "document", "chatbot")


def message(n: int) -> dict[str, Any]:
    """The n-th message of a chat history."""
    draw = random.Random(n)
    phone = f"8526{draw.randrange(10**7):07d}"
    kind, inbound = draw.choice(TYPES), draw.random() < 0.5
    name = draw.choice(NAMES)
    return {
        "id": "wamid." + b64encode(f"{phone}-{draw.getrandbits(144):036x}".encode()).decode(),
        "time": END_MS - n * 977,
        "channel": {"platform": "whatsapp", "channelId": "85264522345"},
        "roomId": f"{draw.getrandbits(96):024x}",
        "customerUserId": phone,
        "senderType": "customer" if inbound else "agent",
        "senderName": name,
        "senderUserId": phone if inbound else f"{draw.getrandbits(96):024x}",
        "senderPhone": phone if inbound else None,
        "senderEmail": None if inbound else "agent.of.the.team@example.com",
        "messageType": kind,
        "messageStatus": draw.choice(("sent", "delivered", "read")),
        "message": draw.choice(TEXTS),
        "mediaUrl": "https://media.example.com/files/photo.jpg" if kind == "photo" else None,
    }


def contact(n: int) -> dict[str, Any]:
    """The n-th contact of a team."""
    draw = random.Random(n)
    phone = f"8526{draw.randrange(10**7):07d}"
    return {
        "id": f"{draw.getrandbits(96):024x}",
        "channel": {"platform": "line", "channelId": "1650000001"},
        "name": draw.choice(NAMES),
        "lastMessageTime": END_MS - n * 1013,
        "subscribedAt": END_MS - n * 5003,
        "unsubscribedAt": None,
        "updatedAt": END_MS - n * 977,
        "tags": draw.sample(["VIP", "新客", "promo-2024", "台北", "wholesale"], 3),
        "customAttributes": [
            {"key": "tier", "value": "gold", "type": "text", "displayName": "會員等級"},
            {"key": "points", "value": draw.randrange(9999), "type": "number"},
        ],
        "extraAttributes": {"source": "pos", "store": "TPE-01"},
        "status": True,
        "note": "",
        "email": "somebody@example.com",
        "phone": phone,
        "memberId": f"M{n:08d}",
        "agentName": "Amy",
        "agentEmployeeCode": "E0042",
        "agentBindTime": END_MS - n * 7001,
        "agentLocationName": "旗艦店",
        "agentLocationCode": "S01",
    }


def page_bytes(number: int, size: int = 100) -> bytes:
    """The rows of one page of messages, as a JSON array."""
    rows = [message(n) for n in range(number * size, (number + 1) * size)]
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


# ---- webhooks ----------------------------------------------------------------------------------

SECRET = "bench-secret"


def webhook_bytes(events: int) -> bytes:
    """A WhatsApp envelope with so many texts, each from another user with a contact."""
    senders = [f"8526{n:07d}" for n in range(events)]
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "85264522345", "phone_number_id": "1089"},
        "contacts": [
            {"profile": {"name": NAMES[n % 6]}, "wa_id": each, "user_id": f"HK.{each}"}
            for n, each in enumerate(senders)
        ],
        "messages": [
            {
                "id": "wamid." + b64encode(f"{each}-{n:036x}".encode()).decode(),
                "from": each,
                "from_user_id": f"HK.{each}",
                "timestamp": str(END_MS // 1000 + n),
                "type": "text",
                "text": {"body": TEXTS[n % 4]},
            }
            for n, each in enumerate(senders)
        ],
    }
    entry = {"id": "E-1", "changes": [{"field": "messages", "value": value}]}
    body = {"object": "whatsapp_business_account", "entry": [entry]}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def signature(body: bytes) -> str:
    """The signature of a body, without a prefix."""
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
