"""Customers: a member's contacts on all platforms as one person, and customers made by id."""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

from omnichat_async.sandbox.data.ids import IdCodec
from omnichat_async.sandbox.data.mixing import mix
from omnichat_async.sandbox.state.contacts import ContactBook
from omnichat_async.sandbox.state.points import Points
from omnichat_async.sandbox.state.profile import Changes, attributes_of, tags_of, unique
from omnichat_async.sandbox.wire import Row

_TYPES = {"text": 1, "number": 2, "date": 3, "datetime": 4, "boolean": 5}
_MOST_START_POINTS = 500


class Customers:
    """Customers by `omniCustomerId`. `records` holds what was set on the customer itself."""

    def __init__(
        self,
        key: int,
        members: IdCodec,
        omni_ids: IdCodec,
        books: Mapping[str, ContactBook],
        points: Points,
    ) -> None:
        self._key = key
        self._members = members
        self._omni_ids = omni_ids
        self._books = books
        self._rows = max(book.computed.timeline.rows for book in books.values())
        self._points = points
        self._records: dict[str, Row] = {}
        self._member_ids: dict[str, str] = {}  # of those that are not computed, by omni id

    def omni_id(self, member_id: str) -> str:
        """The `omniCustomerId` of a member."""
        i = self._computed(member_id)
        if i is not None:
            return self._omni_ids.encode(i)
        omni_id = blake2b(member_id.encode(), digest_size=16, key=self._key.to_bytes(8)).hexdigest()
        self._member_ids[omni_id] = member_id
        return omni_id

    def member_id(self, omni_id: str) -> str | None:
        """The member of an `omniCustomerId`, if it has one."""
        i = self._omni_ids.decode(omni_id)
        return self._members.encode(i) if i is not None else self._member_ids.get(omni_id)

    def contacts(self, member_id: str, now_ms: int) -> Iterator[tuple[ContactBook, int]]:
        """The contacts of a member, platform by platform."""
        for book in self._books.values():
            for number in book.find("memberId", member_id, now_ms):
                yield book, number

    def change(self, omni_id: str, changes: Changes, now_ms: int) -> None:
        """Change what is set on the customer itself, or make one."""
        record = self._records.setdefault(
            omni_id, {"tags": [], "customAttributes": [], "createdAt": now_ms}
        )
        changes.apply(record)
        record["updatedAt"] = now_ms

    def follow(self, member_id: str, changes: Changes, now_ms: int) -> None:
        """A contact of this member was changed: a customer of its own record changes too."""
        if self.omni_id(member_id) in self._records:
            self.change(self.omni_id(member_id), changes, now_ms)

    def delete(self, omni_id: str) -> None:
        """Forget what was set."""
        self._records.pop(omni_id, None)

    def view(self, omni_id: str, now_ms: int) -> Row | None:
        """The customer as the API shows it."""
        member_id = self.member_id(omni_id)
        linked = list(self.contacts(member_id, now_ms)) if member_id else []
        rows = [book.read(number) for book, number in linked]
        record = self._records.get(omni_id)
        if record is None and not rows:
            return None
        sources = [row for row in (*rows, record) if row is not None]
        identity = {name: _last(sources, name) for name in ("name", "email", "phone")}
        known_as = [text for text in (member_id, identity["email"], identity["phone"]) if text]
        return {
            "username": omni_id,
            "name": identity["name"],
            "profilePicture": None,
            "memberId": member_id,
            "phone": identity["phone"],
            "email": identity["email"],
            "socialChannelSubscribed": bool(rows),
            "tags": list(unique(tag for row in sources for tag in tags_of(row))),
            "reachable": any(row["status"] for row in rows),
            "customAttributes": _attributes(sources),
            "linkedUsers": [_linked(book, number) for book, number in linked],
            **self._points_of(member_id, known_as),
            **_moments(sources),
        }

    def _computed(self, member_id: str) -> int | None:
        """The row of a computed member."""
        i = self._members.decode(member_id)
        return i if i is not None and i < self._rows else None

    def _points_of(self, member_id: str | None, known_as: Iterable[Any]) -> Row:
        i = self._computed(member_id) if member_id else None
        start = mix(self._key + i) % _MOST_START_POINTS if i is not None else 0
        return {
            "pointBalance": str(start + self._points.balance(known_as)),
            "accumulatedPoints": str(start + self._points.collected(known_as)),
        }


def _last(sources: Iterable[Row], name: str) -> object:
    """The last value that is not empty: what was set on the customer itself wins."""
    return next((row[name] for row in reversed([*sources]) if row.get(name)), "")


def _attributes(sources: Iterable[Row]) -> list[Row]:
    found = {
        a["key"]: a for row in sources if "customAttributes" in row for a in attributes_of(row)
    }
    return [
        {
            "key": a["key"],
            "type": _TYPES[str(a["type"])],
            "value": str(a["value"]).replace("T", " ") if a["type"] == "datetime" else a["value"],
            "displayName": a["displayName"],
            "status": True,
        }
        for a in found.values()
    ]


def _linked(book: ContactBook, number: int) -> Row:
    row = book.read(number)
    name, user_id = book.platform.name, str(row["id"])
    channel = book.ledger.channel(number)
    hidden = name == "webchat"  # the guide: always null there
    linked: Row = {
        "platform": name,
        "channelId": book.platform.channels[channel],
        "channelUserId": None if hidden else user_id,
        "channelUsername": None if hidden else f"{name[:2]}{user_id}".lower(),
        "channelName": book.platform.channel_name(channel),
        "roomId": None if hidden else book.room_of(user_id),
        "subscribed": row["status"],
    }
    return linked | ({"bsuid": row["bsuid"]} if "bsuid" in row else {})


def _moments(sources: Iterable[Row]) -> Row:
    def all_of(name: str) -> list[Any]:
        return [row[name] for row in sources if row.get(name) is not None]

    return {
        "lastMessageReceivedAt": max(all_of("lastMessageTime"), default=None),
        "lastCsMessageSentAt": None,
        "lastMarketingMessageSentAt": None,
        "createdAt": min(all_of("createdAt") + all_of("subscribedAt"), default=None),
        "updatedAt": max(all_of("updatedAt"), default=None),
    }
