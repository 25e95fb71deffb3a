"""The contacts of one platform: the computed ones, those changed or made, and those deleted."""

from omnichat_async.sandbox.data.contacts import AddressBook
from omnichat_async.sandbox.data.messages import Chat
from omnichat_async.sandbox.data.times import zoned_time
from omnichat_async.sandbox.state.ledger import Ledger
from omnichat_async.sandbox.state.profile import UNBOUND, Changes, tags_of, unique
from omnichat_async.sandbox.wire import Row

_LOOKUPS = ("id", "bsuid", "memberId", "phone", "email")
_BLANK: Row = {
    "lastMessageTime": None,
    "note": "",
    "email": "",
    "phone": "",
    "memberId": "",
    **UNBOUND,
}


class ContactBook:
    """Contacts by number: `build(number)` is the row as the API shows it.

    A change takes the old row out and adds the new one at the time of the change, so a contact
    moves to the end of the list as its `updatedAt` does. Tags given by sends change no `updatedAt`.
    """

    def __init__(self, computed: AddressBook, chat: Chat, *, iso_bind_time: bool) -> None:
        self.computed = computed
        self.room_of = chat.room_of
        self.user_in = chat.user_in
        self.platform = computed.platform
        self.key = computed.key
        self.ledger = Ledger(computed.timeline)
        self._iso_bind_time = iso_bind_time
        self._made: dict[int, Row] = {}
        self._numbers: dict[tuple[str, object], list[int]] = {}  # of made contacts, by lookup
        self._signed_off: set[tuple[int, str]] = set()
        self._given_tags: dict[int, tuple[str, ...]] = {}  # to computed contacts, by sends

    def build(self, number: int) -> Row:
        """The contact as the API shows it."""
        row = self.read(number)
        bound = row["agentBindTime"] if self._iso_bind_time else None
        if isinstance(bound, int):
            row["agentBindTime"] = zoned_time(bound)
        return row

    def read(self, number: int) -> Row:
        """The contact, as a copy to work with."""
        if number >= self.computed.timeline.rows:
            return dict(self._made[number])
        row = self.computed.build(number)
        given = self._given_tags.get(number)
        if given:
            row["tags"] = list(unique((*tags_of(row), *given)))
        return row

    def find(self, field: str, value: str, now_ms: int) -> list[int]:
        """The numbers of the contacts whose `field` (id, bsuid, …) is `value`."""
        i = self.computed.find(field, value)
        made = self._numbers.get((field, value), ())
        return [n for n in (i, *made) if n is not None and self.ledger.exists(n, now_ms)]

    def at(self, channel: int, field: str, value: str, now_ms: int) -> int | None:
        """The number of the contact of one channel with this id or bsuid."""
        for number in self.find(field, value, now_ms):
            if self.ledger.channel(number) == channel:
                return number
        return None

    def signed_off(self, channel: int, user_id: str) -> bool:
        """Whether a request has unsubscribed the contact. Computed contacts can all be sent to."""
        return (channel, user_id) in self._signed_off

    def change(
        self, number: int | None, channel: int, user_id: str, changes: Changes, now_ms: int
    ) -> tuple[int, tuple[str, ...]]:
        """Change a contact, or make one (number None): its number now, and the tags gained."""
        if number is None:
            row = self._new(channel, user_id, now_ms)
            self._signed_off.discard((channel, user_id))
            self._replace_later_one(channel, user_id)
        else:
            row = self.read(number)
        row.setdefault("subscribedAt", None)
        row.setdefault("unsubscribedAt", None)
        row.setdefault("customAttributes", [])
        before = row.get("status")
        gained = changes.apply(row)
        if row["status"] is not before:
            row["subscribedAt" if row["status"] else "unsubscribedAt"] = now_ms
        if changes.fields.get("status") is False:
            self._signed_off.add((channel, user_id))
        elif changes.fields.get("status"):
            self._signed_off.discard((channel, user_id))
        if number is not None:
            self.delete(number)
        made = self.ledger.add(now_ms, channel=channel)
        row["updatedAt"] = self.ledger.time(made)
        self._made[made] = row
        for known_as in _lookups(row):
            self._numbers.setdefault(known_as, []).append(made)
        return made, gained

    def delete(self, number: int) -> None:
        """Take a contact out."""
        self.ledger.hide(number)
        self._given_tags.pop(number, None)
        for known_as in _lookups(self._made.pop(number, {})):
            numbers = self._numbers[known_as]
            numbers.remove(number)
            if not numbers:
                del self._numbers[known_as]

    def tag(self, number: int, tags: tuple[str, ...]) -> None:
        """Give a contact tags, as a send does."""
        if number in self._made:
            row = self._made[number]
            row["tags"] = list(unique((*tags_of(row), *tags)))
        elif number in self._given_tags:
            self._given_tags[number] = unique((*self._given_tags[number], *tags))
        else:
            self._given_tags[number] = tags  # one tuple for all recipients of a broadcast

    def _replace_later_one(self, channel: int, user_id: str) -> None:
        """A computed contact that would appear later is made now: it must not come twice."""
        i = self.computed.users.decode(user_id)
        if i is not None and i < self.computed.timeline.rows and i % 2 == channel:
            self.ledger.hide(i)

    def _new(self, channel: int, user_id: str, now_ms: int) -> Row:
        whatsapp = self.platform.name == "whatsapp"
        return {
            "channel": {
                "platform": self.platform.name,
                "channelId": self.platform.channels[channel],
            },
            "id": user_id,
            "name": user_id,
            "subscribedAt": now_ms,
            "unsubscribedAt": None,
            "updatedAt": now_ms,
            "tags": [],
            "customAttributes": [],
            "status": True,
            **_BLANK,
            **({"phone": user_id} if whatsapp else {}),
        }


def _lookups(row: Row) -> list[tuple[str, object]]:
    return [(field, row[field]) for field in _LOOKUPS if row.get(field)]
