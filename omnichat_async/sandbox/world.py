"""All data of a sandbox: rows computed from the seed, and what requests changed."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import Literal, get_args

import attrs

from omnichat_async.sandbox.config import SandboxConfig
from omnichat_async.sandbox.data import ids
from omnichat_async.sandbox.data.chatbots import build_chatbots
from omnichat_async.sandbox.data.contacts import AddressBook
from omnichat_async.sandbox.data.messages import Chat
from omnichat_async.sandbox.data.mixing import key_of, mix
from omnichat_async.sandbox.data.orders import OrderBook
from omnichat_async.sandbox.data.people import hire_team
from omnichat_async.sandbox.data.platforms import PLATFORMS, Platform
from omnichat_async.sandbox.data.rich_menus import hang_menus
from omnichat_async.sandbox.data.tagging import TaggingLog
from omnichat_async.sandbox.data.teammates import TeamReport
from omnichat_async.sandbox.data.timeline import Timeline
from omnichat_async.sandbox.state.broadcasts import Broadcast, Broadcasts, reached_by
from omnichat_async.sandbox.state.chats import ChatLog
from omnichat_async.sandbox.state.contacts import ContactBook
from omnichat_async.sandbox.state.customers import Customers
from omnichat_async.sandbox.state.ledger import Pieces
from omnichat_async.sandbox.state.outbox import Sent, SentKind
from omnichat_async.sandbox.state.points import Points
from omnichat_async.sandbox.state.profile import Changes
from omnichat_async.sandbox.state.rooms import Rooms
from omnichat_async.sandbox.state.tagging import Tagged, TagLog
from omnichat_async.sandbox.wire import Row

Stream = Literal["messages", "contacts", "orders", "tagging_logs", "teammates"]
MOST_RECIPIENTS = 150  # of one broadcast
STREAMS: tuple[Stream, ...] = get_args(Stream)


@attrs.frozen
class Selection:
    """Rows chosen by a request, in server order: their numbers, and how to build one."""

    numbers: Sequence[int]
    build: Callable[[int], Row]

    def page(self, number: int, size: int) -> list[Row]:
        """Page `number` (from 1) of `size` rows; empty past the end."""
        first = (number - 1) * size
        return [self.build(i) for i in self.numbers[first : first + size]]


class World:
    """The five streams and all that requests change. `now_ms`: later rows do not exist yet."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.team = hire_team(self._key("team"))
        self.members = ids.member_ids(self._key("members"))
        bsuids = ids.bsuids(self._key("bsuids"))
        self.chats: dict[str, ChatLog] = {}
        self.contacts: dict[str, ContactBook] = {}
        for name, platform in PLATFORMS.items():
            users = ids.user_ids(name, self._key("users", name))
            chat = Chat(
                key=self._key("messages", name),
                platform=platform,
                timeline=self._timeline("messages", name),
                ids=ids.message_ids(name, self._key("message ids", name)),
                users=users,
                bsuids=bsuids,
                team=self.team,
            )
            book = AddressBook(
                key=self._key("contacts", name),
                platform=platform,
                timeline=self._timeline("contacts", name),
                users=users,
                bsuids=bsuids,
                members=self.members,
                phones=ids.phones(self._key("phones", name)),
                team=self.team,
            )
            self.chats[name] = ChatLog(chat)
            self.contacts[name] = ContactBook(book, chat, iso_bind_time=config.guide)
        self.orders = OrderBook(
            self._key("orders"), self._timeline("orders"), self.members, self.team
        )
        computed = tuple(chat.computed for chat in self.chats.values())
        self.tagging_log = TagLog(
            TaggingLog(self._key("tagging"), self._timeline("tagging"), computed)
        )
        self.report = TeamReport(self._key("report"), config.start_ms, config.end_ms, self.team)
        self._set_up_state()

    def _set_up_state(self) -> None:
        self.sent: list[Sent] = []
        self.points = Points()
        self.customers = Customers(
            self._key("customers"),
            self.members,
            ids.omni_customer_ids(self._key("omni ids")),
            self.contacts,
            self.points,
        )
        self.rooms = Rooms(self.contacts)
        self.broadcasts = Broadcasts(
            self._key("broadcasts"), ids.broadcast_ids(self._key("broadcast ids"))
        )
        self.broadcast_message_ids = {
            name: ids.message_ids(name, self._key("broadcast messages", name)) for name in PLATFORMS
        }
        self.menus = hang_menus(self._key("rich menus"))
        self.chatbots = build_chatbots(self._key("chatbots"))
        self.template_keys = [self._key("templates", str(channel)) for channel in (0, 1)]
        self._trigger_ids = map(ids.trigger_ids(self._key("triggers")).encode, count())
        self.shop_orders: dict[str, Row] = {}
        self.public_keys: dict[str, str] = {}
        self.rosters: dict[tuple[str, str, str], Row] = {}
        self.conversions: list[Row] = []
        self.spent_reply_tokens: set[str] = set()

    def record(self, kind: SentKind, body: bytes, now_ms: int) -> Sent:
        """Note that something was sent."""
        sent = Sent(kind, now_ms, body)
        self.sent.append(sent)
        return sent

    def next_trigger_id(self) -> str:
        """The id of one more call that sends notifications."""
        return next(self._trigger_ids)

    def change_contact(
        self,
        book: ContactBook,
        channel: int,
        user_id: str,
        changes: Changes,
        now_ms: int,
        number: int | None,
    ) -> None:
        """Change or make a contact: its customer follows, and the tags gained are logged."""
        number, gained = book.change(number, channel, user_id, changes, now_ms)
        member_id = book.read(number)["memberId"]
        if member_id:
            self.customers.follow(str(member_id), changes, now_ms)
        self._log_tags(book, channel, user_id, gained, None, now_ms)

    def give_tags(
        self,
        book: ContactBook,
        channel: int,
        user_id: str,
        tags: tuple[str, ...],
        message_id: str,
        now_ms: int,
    ) -> None:
        """Tags that come with a direct message."""
        number = book.at(channel, "id", user_id, now_ms)
        if number is not None:
            book.tag(number, tags)
        self._log_tags(book, channel, user_id, tags, message_id, now_ms)

    def settle(self, now_ms: int) -> None:
        """Send the broadcasts that are due: those they reach get the tags."""
        for broadcast in self.broadcasts.due(now_ms):
            if broadcast.tags:
                self._tag_audience(broadcast, now_ms)

    def _tag_audience(self, broadcast: Broadcast, now_ms: int) -> None:
        book = self.contacts[broadcast.platform]
        reached = array("H", reached_by(broadcast, now_ms))
        tags = broadcast.tags
        for k in reached:
            number = book.at(broadcast.channel, "id", broadcast.sent.recipients[k], now_ms)
            if number is not None:
                book.tag(number, tags)

        def describe(n: int) -> Tagged:
            k, tag = reached[n // len(tags)], tags[n % len(tags)]
            return Tagged(
                platform=broadcast.platform,
                channel_id=broadcast.channel_id,
                user_id=broadcast.sent.recipients[k],
                tag=tag,
                source="broadcast",
                message_id=self.broadcast_message_id(broadcast, k),
            )

        self.tagging_log.add(len(reached) * len(tags), describe, broadcast.at_ms)

    def broadcast_message_id(self, broadcast: Broadcast, k: int) -> str:
        """The id of the message to the k-th recipient."""
        number = broadcast.number * MOST_RECIPIENTS + k
        return self.broadcast_message_ids[broadcast.platform].encode(number)

    def _log_tags(
        self,
        book: ContactBook,
        channel: int,
        user_id: str,
        tags: tuple[str, ...],
        message_id: str | None,
        now_ms: int,
    ) -> None:
        if not tags:
            return
        platform = book.platform

        def describe(n: int) -> Tagged:
            channel_id = platform.channels[channel]
            return Tagged(platform.name, channel_id, user_id, tags[n], "open_api", message_id)

        self.tagging_log.add(len(tags), describe, now_ms)

    def select(
        self,
        stream: Stream,
        after_ms: int,
        before_ms: int,
        now_ms: int,
        platform: str | None = None,
        channel_id: str | None = None,
    ) -> Selection:
        """The rows of one list request: [after_ms, before_ms), one platform or one channel of it.

        Messages and contacts need a platform; the other streams know neither filter.
        """
        before_ms = min(before_ms, now_ms + 1)
        book: ChatLog | ContactBook | TagLog
        match stream:
            case "messages":
                book = self.chats[_known(platform).name]
            case "contacts":
                book = self.contacts[_known(platform).name]
            case "orders":
                numbers = self.orders.timeline.between(after_ms, before_ms)
                return Selection(self.ordered(numbers, self.orders.key), self.orders.build)
            case "tagging_logs":
                book = self.tagging_log
            case _:
                return self._teammates(after_ms, before_ms)
        channel = None
        if channel_id is not None:
            channel = _known(platform).channel_number(channel_id)
            if channel is None:
                return Selection(range(0), book.build)
        chosen = book.ledger.between(after_ms, before_ms, channel)
        return Selection(self.ordered(chosen, book.key), book.build)

    def parts(
        self,
        stream: Stream,
        after_ms: int,
        before_ms: int,
        now_ms: int,
        platform: str | None = None,
        channel_id: str | None = None,
    ) -> Iterator[Selection]:
        """As `select`, but without a platform messages and contacts give one part for each."""
        by_platform = stream in {"messages", "contacts"}
        if not by_platform and (platform is not None or channel_id is not None):
            raise ValueError(f"{stream} cannot be filtered: leave platform and channel_id out")
        names = [platform] if platform is not None or not by_platform else list(PLATFORMS)
        if channel_id is not None and platform is None:
            raise ValueError("channel_id needs a platform: give platform too")
        self.settle(now_ms)
        for name in names:
            yield self.select(stream, after_ms, before_ms, now_ms, name, channel_id)

    def _teammates(self, after_ms: int, before_ms: int) -> Selection:
        before_ms = max(after_ms, before_ms)

        def build(n: int) -> Row:
            return self.report.build(n, after_ms, before_ms)

        everyone = range(len(self.team))
        return Selection(self.ordered(everyone, self.report.key), build)

    def ordered(self, numbers: range | Pieces, key: int) -> Sequence[int]:
        """Rows in the order of this server; they come in the order of time."""
        match self.config.order:
            case "asc":
                return numbers
            case "desc":
                return numbers[::-1] if isinstance(numbers, range) else numbers.backwards()
            case _:
                return _by_hash(numbers, key)

    def _key(self, *names: str) -> int:
        return key_of(self.config.seed, *names)

    def _timeline(self, *names: str) -> Timeline:
        config = self.config
        return Timeline(self._key("time", *names), config.rows, config.start_ms, config.end_ms)


def _known(platform: str | None) -> Platform:
    if platform not in PLATFORMS:
        raise ValueError(f"platform is {platform!r}: give one of {', '.join(PLATFORMS)}")
    return PLATFORMS[platform]


@lru_cache(maxsize=8)  # paging through one window sorts it once
def _by_hash(numbers: range | Pieces, key: int) -> tuple[int, ...]:
    return tuple(sorted(numbers, key=lambda i: mix(key + i)))
