"""The tagging log: the computed records and those of requests."""

from collections.abc import Callable

import attrs

from omnichat_async.sandbox.data.tagging import TaggingLog
from omnichat_async.sandbox.data.times import naive_time
from omnichat_async.sandbox.state.ledger import Ledger
from omnichat_async.sandbox.wire import Row


@attrs.frozen
class Tagged:
    """One tag that was given."""

    platform: str
    channel_id: str
    user_id: str
    tag: str
    source: str
    message_id: str | None


class TagLog:
    """Records by number: `build(number)` is the row as the API shows it."""

    def __init__(self, computed: TaggingLog) -> None:
        self._computed = computed
        self.key = computed.key
        self.ledger = Ledger(computed.timeline)
        self._blocks: list[Callable[[int], Tagged]] = []

    def add(self, count: int, describe: Callable[[int], Tagged], now_ms: int) -> None:
        """Enter `count` records of this moment; `describe(n)` makes the n-th when it is read."""
        self.ledger.add(now_ms, count)
        self._blocks.append(describe)

    def build(self, number: int) -> Row:
        """The record as the API shows it."""
        if number < self._computed.timeline.rows:
            return self._computed.build(number)
        block, n = self.ledger.block(number)
        tagged = self._blocks[block](n)
        return {
            "time": naive_time(self.ledger.time(number)),
            "platform": tagged.platform,
            "channelId": tagged.channel_id,
            "userId": tagged.user_id,
            "tag": tagged.tag,
            "source": tagged.source,
            "messageId": tagged.message_id,
        }
