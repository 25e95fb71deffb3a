"""The chat history of one platform: the computed messages and those sent since."""

import attrs

from omnichat_async.sandbox.data.messages import Chat
from omnichat_async.sandbox.state.ledger import Ledger
from omnichat_async.sandbox.wire import Row


@attrs.frozen
class Said:
    """A message that was sent through the API. `kind` is a messageType."""

    user_id: str
    kind: str
    text: str | None = None
    url: str | None = None
    sender: str = "bot"


class ChatLog:
    """Messages by number: `build(number)` is the row as the API shows it."""

    def __init__(self, computed: Chat) -> None:
        self.computed = computed
        self.key = computed.key
        self.ledger = Ledger(computed.timeline)
        self._said: list[Said] = []

    def add(self, channel: int, said: Said, now_ms: int) -> str:
        """Enter a message that is sent now; its id."""
        self._said.append(said)
        return self.computed.ids.encode(self.ledger.add(now_ms, channel=channel))

    def find(self, message_id: str, now_ms: int) -> int | None:
        """The number of a message."""
        number = self.computed.ids.decode(message_id)
        return number if number is not None and self.ledger.exists(number, now_ms) else None

    def build(self, number: int) -> Row:
        """The message as the API shows it."""
        if number < self.computed.timeline.rows:
            return self.computed.build(number)
        said = self._said[number - self.computed.timeline.rows]
        platform = self.computed.platform
        return {
            "channel": {
                "platform": platform.in_messages,
                "channelId": platform.in_message_channels[self.ledger.channel(number)],
            },
            "id": self.computed.ids.encode(number),
            "time": self.ledger.time(number),
            "senderName": "Bot" if said.sender == "bot" else "AI Chat",
            "senderUserId": said.sender,
            "senderPhone": None,
            "senderEmail": None,
            "senderType": said.sender,
            "messageType": said.kind,
            "messageStatus": "sent",
            "message": said.text,
            "mediaUrl": said.url,
            "roomId": self.computed.room_of(said.user_id),
            "customerUserId": said.user_id,
        }
