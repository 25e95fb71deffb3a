"""Rows of the tagging log."""

from collections.abc import Sequence

import attrs

from omnichat_async.sandbox.data.messages import Chat
from omnichat_async.sandbox.data.mixing import mix
from omnichat_async.sandbox.data.timeline import Timeline
from omnichat_async.sandbox.data.times import naive_time
from omnichat_async.sandbox.wire import Row

_TAGS = ("subscribed", "VIP", "已購買", "click:summer", "🎁", "")
_SOURCES = (
    *("Bot", "bot", "broadcast", "manual", "import", "keyword_auto_reply", "open_api", "game"),
    *("abandoned_cart", "remarketing", "product_referral", "journey", "line_rich_menu"),
    *("third_party_system", "coupon", "cross_channel_connector", "phone_binding"),
    *("survey_cake", "social_channel_mapping", "chatbot_button", "add_cart"),
)


@attrs.frozen
class TaggingLog:
    """The tagging log of all platforms: `build(i)` is row i as the API shows it."""

    key: int
    timeline: Timeline
    chats: Sequence[Chat]

    def build(self, i: int) -> Row:
        """Record i. In half of the runs of one millisecond all records are equal in every field."""
        leader = self.timeline.leader(i)
        if mix(self.key ^ ~leader) & 1:
            i = leader
        bits = mix(self.key + i)
        chat = self.chats[bits % len(self.chats)]
        return {
            "time": naive_time(self.timeline.time(i)),
            "platform": chat.platform.name,
            "channelId": chat.platform.channels[i & 1],
            "userId": chat.users.encode(i) if bits >> 8 & 15 else None,
            "tag": _TAGS[(bits >> 12 & 0xFF) % len(_TAGS)],
            "source": _SOURCES[(bits >> 20 & 0xFFFF) % len(_SOURCES)],
            "messageId": chat.ids.encode(i) if bits >> 36 & 1 else None,
        }
