"""Request bodies that the sandbox accepts, to be spoiled field by field."""

from typing import Any

from omnichat_async.sandbox import Sandbox

from .support import LINE, WHATSAPP, contact

PRODUCT = {"name": "Tee", "image": "https://x.example/t.png", "url": "https://x.example/t"}
PRODUCT |= {"price": "TWD$100", "buttonLabel": "View"}
TEMPLATE: dict[str, Any] = {
    "type": "whatsappTemplate",
    "whatsappTemplate": {
        "name": "order",
        "language": {"code": "zh_HK", "policy": "deterministic"},
        "components": [{"type": "button", "sub_type": "url", "index": 0, "parameters": []}],
    },
}
BLOCK = {"type": "block", "blockId": "07269d7a-68d6-4f36-9c0b-c837d9b296ef"}
TEXT = {"type": "text", "text": "hello"}
IMAGE = {"type": "image", "image": "https://x.example/i.png"}


def direct(**changes: Any) -> dict[str, Any]:
    body = {
        "trackId": "t-1",
        "platform": "line",
        "channelId": LINE,
        "to": "U4711",
        "messages": [TEXT],
    }
    return body | changes


def broadcast(**changes: Any) -> dict[str, Any]:
    body = {
        "subject": "Sale",
        "platform": "line",
        "channelId": LINE,
        "to": ["U1", "U2"],
        "messages": [TEXT],
    }
    return body | changes


def headless(**changes: Any) -> dict[str, Any]:
    body = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "85260000001",
        "type": "text",
        "text": {"body": "hi", "preview_url": False},
    }
    return body | changes


def notification(**changes: Any) -> dict[str, Any]:
    item = {
        "platform": "line",
        "channelId": LINE,
        "to": "886987654321",
        "settingId": "s-1",
        "valueMap": {"name": "Mary"},
    }
    return item | changes


def order(**changes: Any) -> dict[str, Any]:
    body = {
        "memberId": "M1",
        "orderId": "O1",
        "orderName": "#1",
        "orderDate": "2025-04-11T15:30:00",
        "orderAmount": 10,
        "orderCurrency": "USD$",
        "orderStatus": "Shipped",
        "paymentStatus": "Paid",
        "items": [{"productId": "p", "name": "Tee", "quantity": 1, "price": 9.5}],
    }
    return body | changes


def event(**changes: Any) -> dict[str, Any]:
    return {"action": "pageview", "device": "web", "url": "https://x.example"} | changes


def roster(**changes: Any) -> dict[str, Any]:
    record = {
        "id": "agent1@example.com",
        "locationCode": "S-001",
        "time": [{"day": 1, "in": "09:30", "out": "18:30"}],
    }
    return {"month": "2023-04", "idField": "email", "records": [record]} | changes


def room(sandbox: Sandbox, platform: str = "line", **changes: Any) -> dict[str, Any]:
    channel = {"line": LINE, "whatsapp": WHATSAPP}[platform]
    user_id = contact(sandbox, platform, 2)["id"]
    body = {"platform": platform, "channelId": channel, "userId": user_id}
    return body | {"agentEmail": "agent3@example.com"} | changes  # of customer service: no shop


def agent_message(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    body = {
        "team": sandbox.config.team_id,
        "roomId": next(sandbox.ai_rooms()),
        "messages": [TEXT],
        "replyToken": "token-1",
    }
    return body | changes
