"""Rows of the chat history of one platform."""

from string import hexdigits

import attrs

from omnichat_async.sandbox.data.ids import IdCodec
from omnichat_async.sandbox.data.mixing import mix
from omnichat_async.sandbox.data.people import CUSTOMER_NAMES, Teammate
from omnichat_async.sandbox.data.platforms import Platform
from omnichat_async.sandbox.data.timeline import Timeline
from omnichat_async.sandbox.wire import Row

_TEXTS = (
    "hello",
    "請問這件有現貨嗎？",
    "ありがとうございます！",
    "안녕하세요",
    "👍🏽👨‍👩‍👧",
    "Order #1001\nwhen will it arrive?",
    'He said "50% off" \\ & <b>now</b>',
    " ",
    "",
    "長文" * 60,
    "zero\u200bwidth and line\u2028separator",
)
_SENDERS = ("customer",) * 8 + ("agent",) * 5 + ("bot",) * 2 + ("ai-chat",)
_MEDIA = {"photo": "png", "audio": "ogg", "video": "mp4", "document": "pdf"}
_TYPES = {
    "customer": ("text",) * 12 + tuple(_MEDIA),
    "agent": ("text",) * 12 + tuple(_MEDIA),
    "bot": ("chatbot",),
    "ai-chat": ("text",),
}
_ROOM_DIGITS = 12
_Sender = tuple[str, str | None, str | None, str | None]  # name, id, phone, email
_STATUSES = ("read",) * 4 + ("delivered",) * 2 + ("sent", "error")


@attrs.frozen
class Chat:
    """The messages of one platform: `build(i)` is row i as the API shows it."""

    key: int
    platform: Platform
    timeline: Timeline
    ids: IdCodec
    users: IdCodec
    bsuids: IdCodec
    team: tuple[Teammate, ...]

    def build(self, i: int) -> Row:
        """Message i. Its channel is i % 2, so a channel's rows can be counted at once."""
        bits = mix(self.key + i)
        sender = _SENDERS[bits & 15]
        customer = self._customer_of(i, bits >> 40)
        kinds = _TYPES[sender]
        kind = kinds[(bits >> 4 & 15) % len(kinds)]
        extension = _MEDIA.get(kind)
        url = f"https://example.com/{bits & 0xFFFFFFFFFFFF:012x}.{extension or 'png'}"
        whatsapp = self.platform.name == "whatsapp"
        # A WhatsApp user with a username hides the phone: only the bsuid is left.
        hidden = whatsapp and customer % 50 == 0
        user_id = None if hidden else self.users.encode(customer)
        name, sender_id, phone, email = self._sender(sender, bits, customer, user_id)
        row: Row = {
            "channel": {
                "platform": self.platform.in_messages,
                "channelId": self.platform.in_message_channels[i & 1],
            },
            "id": self.ids.encode(i),
            "time": self.timeline.time(i),
            "senderName": name,
            "senderUserId": sender_id,
            "senderPhone": phone,
            "senderEmail": email,
            "senderType": sender,
            "messageType": kind,
            "messageStatus": _STATUSES[bits >> 8 & 7],
            "message": None if extension else _TEXTS[(bits >> 16 & 0xFF) % len(_TEXTS)],
            "mediaUrl": url if extension or (kind == "chatbot" and bits & 1024) else None,
            "roomId": self._room(f"{customer:012x}"),
            "customerUserId": user_id,
        }
        if whatsapp and customer % 5 == 0:
            row["bsuid"] = self.bsuids.encode(customer)
        return row

    def room_of(self, user_id: str) -> str:
        """The room of a contact."""
        i = self.users.decode(user_id)
        known = i is not None and i < self.timeline.rows
        return self._room(f"{i:012x}" if known else user_id)

    def user_in(self, room_id: str) -> str | None:
        """The contact of a room; None for a room of another platform."""
        head = self._room("")
        if not room_id.startswith(head):
            return None
        tail = room_id.removeprefix(head)
        numbered = len(tail) == _ROOM_DIGITS and set(tail) <= set(hexdigits)
        return self.users.encode(int(tail, 16)) if numbered else tail

    def _room(self, tail: str) -> str:
        return f"{self.platform.room_prefix}18695d48-5788-4d0a-a02c-{tail}"

    def _customer_of(self, i: int, bits: int) -> int:
        """The contact who writes in message i: one of the same channel, so of i's parity."""
        pairs = max(1, self.timeline.rows // 2)
        return min(bits % pairs * 2 + (i & 1), self.timeline.rows - 1)

    def _sender(self, sender: str, bits: int, customer: int, user_id: str | None) -> _Sender:
        if sender == "customer":
            name = CUSTOMER_NAMES[customer % len(CUSTOMER_NAMES)]
            phone = user_id if self.platform.name == "whatsapp" else None
            return name, user_id, phone, None
        if sender == "agent":
            agent = self.team[(bits >> 24 & 0xFF) % len(self.team)]
            return agent.name, agent.user_id, agent.phone, agent.email
        return "Bot" if sender == "bot" else "AI Chat", sender, None, None
