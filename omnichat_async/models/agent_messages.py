"""What a third-party AI agent says in a room.

::

    from omnichat_async.models import agent_messages as agent

    AgentMessage(
        team="5f2a…",  # team.id, payload.room.id and payload.message.replyToken of the AI webhook
        room_id="64d1…",
        messages=[agent.Text("Hello"), agent.QuickReply("Anything else?", ["Yes", "No"])],
        reply_token="nHuyWi…",
    )

Some names here mean something else in ``omnichat_async.models``: use them with the module's name
in front.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.models.base import Model
from omnichat_async.models.body import Body
from omnichat_async.models.content import Text

__all__ = [
    "AgentMessage",
    "AgentSent",
    "Audio",
    "Content",
    "GoogleMap",
    "Image",
    "QuickReply",
    "Text",
    "Video",
]

MOST_MESSAGES = 5


@attrs.frozen
class _File(Body):
    """A file, by the URL it can be fetched from."""

    kind: ClassVar[str]

    url: str

    def _check(self) -> None:
        checks.url("url", self.url)

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.kind, "url": self.url}


@attrs.frozen
class Image(_File):
    """An image, by the URL it can be fetched from."""

    kind = "image"


@attrs.frozen
class Audio(_File):
    """A sound, by the URL it can be fetched from; webchat takes none."""

    kind = "audio"


@attrs.frozen
class Video(Body):
    """A video, by the URL it can be fetched from; LINE needs a `thumbnail_url` too."""

    url: str
    thumbnail_url: str | None = None

    def _check(self) -> None:
        checks.url("url", self.url)
        if self.thumbnail_url is not None:
            checks.url("thumbnail_url", self.thumbnail_url)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "video", "video": super().to_wire()}


@attrs.frozen
class QuickReply(Body):
    """A text with replies to choose from."""

    text: str
    replies: Sequence[str]

    def _check(self) -> None:
        checks.text("text", self.text)
        checks.texts("replies", self.replies)

    def to_wire(self) -> dict[str, Any]:
        replies = [{"text": reply} for reply in self.replies]
        # One table of the documents has quickReply; the samples and the server's errors do not.
        return {"type": "quick_reply", "quick_reply": {"text": self.text, "replies": replies}}


@attrs.frozen(kw_only=True)
class GoogleMap(Body):
    """A map, for webchat only: a picture, a page to embed, and a link for the maps app."""

    static_url: str
    embedding_url: str
    app_url: str | None = None

    def _check(self) -> None:
        checks.url("static_url", self.static_url)
        checks.url("embedding_url", self.embedding_url)
        if self.app_url is not None:
            checks.url("app_url", self.app_url)

    def to_wire(self) -> dict[str, Any]:
        return {"type": "google_map", "googleMap": super().to_wire()}


Content: TypeAlias = Text | Image | Audio | Video | QuickReply | GoogleMap


@attrs.frozen(kw_only=True)
class AgentMessage(Body):
    """1 to 5 messages for a room in AI chat.

    `team` and `room_id` are the ids that the AI webhook gives; `reply_token` is its reply token,
    which LINE needs and takes once.
    """

    team: str
    room_id: str
    messages: Sequence[Content]
    reply_token: str | None = None

    def _check(self) -> None:
        checks.text("team", self.team)
        checks.text("room_id", self.room_id)
        for message in checks.few("messages", self.messages, MOST_MESSAGES):
            if not isinstance(message, Content):
                given = type(message).__name__
                raise InvalidRequest("messages", "must be of models.agent_messages", given)
        checks.given_texts(self, "reply_token")


@attrs.define(kw_only=True)
class AgentSent(Model):
    """What became of the messages: an id for each in order, None for one that failed."""

    message_ids: list[str | None] = attrs.field(factory=list)

    @property
    def failed(self) -> list[int]:
        """The places of the messages that failed, from 0."""
        return [place for place, each in enumerate(self.message_ids) if each is None]
