"""Rooms: who follows them up, and whether the AI does."""

from collections.abc import Iterator, Mapping
from enum import IntEnum

import attrs

from omnichat_async.sandbox.data.people import Teammate
from omnichat_async.sandbox.state.contacts import ContactBook

_AI_PLATFORMS = ("line", "webchat")  # an AI agent sees only these


class RoomStatus(IntEnum):
    """The documents show 1 for a room that is not with the AI; the other numbers are invented."""

    OPEN = 1
    IN_PROGRESS = 2
    CLOSED = 3
    AI_CHAT = 4


@attrs.define
class Room:
    """The room of one contact."""

    id: str
    platform: str
    user_id: str
    status: RoomStatus
    agent: Teammate | None = None
    collaborators: list[Teammate] = attrs.field(factory=list)


class Rooms:
    """Rooms by id. Those nobody touched are computed: every third of LINE and webchat is in
    AI chat."""

    def __init__(self, books: Mapping[str, ContactBook]) -> None:
        self._books = books
        self._touched: dict[str, Room] = {}

    def find(self, room_id: str, now_ms: int) -> Room | None:
        """The room of this id, if an AI agent sees its channel and the contact exists."""
        for name in _AI_PLATFORMS:
            book = self._books[name]
            user_id = book.user_in(room_id)
            if user_id is not None and book.find("id", user_id, now_ms):
                return self.of(book, user_id)
        return None

    def of(self, book: ContactBook, user_id: str) -> Room:
        """The room of a contact; what is changed on it stays."""
        room_id = book.room_of(user_id)
        room = self._touched.get(room_id)
        if room is None:
            status = self._first_status(book, user_id)
            room = self._touched[room_id] = Room(room_id, book.platform.name, user_id, status)
        return room

    def in_ai_chat(self, platform: str, now_ms: int) -> Iterator[str]:
        """The ids of the rooms of one platform that are in AI chat."""
        book = self._books[platform]
        for number in book.ledger.between(0, now_ms + 1):
            user_id = str(book.read(number)["id"])
            room = self._touched.get(book.room_of(user_id))
            status = self._first_status(book, user_id) if room is None else room.status
            if status is RoomStatus.AI_CHAT:
                yield book.room_of(user_id)

    def _first_status(self, book: ContactBook, user_id: str) -> RoomStatus:
        i = book.computed.users.decode(user_id)
        if i is None or i % 3 == 1:
            return RoomStatus.OPEN
        with_ai = i % 3 == 0 and book.platform.name in _AI_PLATFORMS
        return RoomStatus.AI_CHAT if with_ai else RoomStatus.IN_PROGRESS
