"""What a fan-out sends: one of the four calls, and how a call of it is made for some recipients.

Texts may hold placeholders such as ``${first_name}``, which every recipient's row fills from its
field of that name. A broadcast says the same to everybody, so it has none.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal, Self, get_args
from urllib.parse import quote

import attrs

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.fanout.wire import given_content, given_contents
from omnichat_async.models.broadcasts import MOST_RECIPIENTS, Broadcast
from omnichat_async.models.direct_messages import DirectMessage
from omnichat_async.models.headless import HeadlessMessage
from omnichat_async.models.notifications import Notification

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from omnichat_async.jobs.fanout.records import Recipient
    from omnichat_async.models import headless as meta
    from omnichat_async.models.attributes import AttributeValue
    from omnichat_async.models.common import Platform
    from omnichat_async.models.content import Content

__all__ = ["Kind", "Message"]

Kind = Literal["broadcast", "direct-message", "headless", "notification"]

MOST_NOTIFICATIONS = 100
LONGEST_VALUE = 1000
LONGEST_ID = 200
"""Characters."""
LAST_ZONE = timezone(timedelta(hours=-12))
"""Where a day ends last."""
ANYBODY = "85200000000"
"""An address that fits everywhere, to check a message before there are recipients."""

_FIELD = re.compile(r"[A-Za-z_]{1,40}")  # what somebody typed; data stays out of errors
_PLACEHOLDER = re.compile(r"\$\{\s*([^${}\s](?:[^${}]*[^${}\s])?)\s*\}")
_DECIMAL = re.compile(r"\+?\d{7,}\.\d{0,2}")
_TRUNK_ZERO = re.compile(r"\(0\)")
_BSUID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]+")
_MARK = re.compile(r"\[([0-9a-f]{8})-(\d{1,18})\]$")


@attrs.frozen(kw_only=True, repr=False)
class Message:
    """What is sent to everybody, as JSON without the recipients.

    Made by ``broadcast``, ``direct``, ``headless`` and ``notification``, or by ``from_json`` from
    the same fields as the API's documents have them, with ``kind`` added. Each raises
    InvalidRequest for what the API would refuse.
    """

    kind: Kind
    body: Mapping[str, Any]
    business_phone: str | None = None

    def __attrs_post_init__(self) -> None:
        checks.json_object("message", self.body)
        for text in _texts_in(dict(self.body)):
            if "${" in _PLACEHOLDER.sub("", text):
                raise InvalidRequest(
                    "message", "must hold placeholders as ${name}, closed and not empty", "another"
                )

    def __repr__(self) -> str:
        return f"Message({self.kind})"

    # ---- making one ----------------------------------------------------------------------------

    @classmethod
    def broadcast(
        cls,
        *,
        subject: str,
        platform: Platform | str,
        channel_id: str,
        messages: Sequence[Content],
        tags: Sequence[str] | None = None,
        scheduled_at: datetime | None = None,
    ) -> Self:
        """A broadcast, 150 recipients a call. The fields are those of ``models.Broadcast``."""
        body = Broadcast(
            subject=subject,
            platform=platform,
            channel_id=channel_id,
            to=[ANYBODY],
            messages=messages,
            tags=tags,
            scheduled_at=scheduled_at,
        ).to_wire()
        if names := _names_in(body):
            raise InvalidRequest(
                "messages",
                "say the same to everybody in a broadcast; personal values need another kind",
                f"{len(names)} placeholders",
            )
        return cls(kind="broadcast", body=_without_to(body))

    @classmethod
    def direct(
        cls,
        *,
        platform: Platform | str,
        channel_id: str,
        messages: Sequence[Content],
        track_id: str,
        tags: Sequence[str] | None = None,
        custom_attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Self:
        """A direct message to each recipient. The fields are those of ``models.DirectMessage``."""
        body = DirectMessage(
            track_id=track_id,
            platform=platform,
            channel_id=channel_id,
            to=ANYBODY,
            messages=messages,
            tags=tags,
            custom_attributes=custom_attributes,
        ).to_wire()
        return cls(kind="direct-message", body=_without_to(body))

    @classmethod
    def headless(cls, *, business_phone: str, content: meta.Content) -> Self:
        """A WhatsApp message of the headless API to each recipient, from this number."""
        body = HeadlessMessage(ANYBODY, content).to_wire()
        checks.text("business_phone", business_phone)
        return cls(kind="headless", body=_without_to(body), business_phone=business_phone)

    @classmethod
    def notification(
        cls, *, channel_id: str, setting_id: str, value_map: Mapping[str, str | int | float | bool]
    ) -> Self:
        """A LINE notification to each phone number, 100 a call."""
        body = Notification(
            channel_id=channel_id, to=ANYBODY, setting_id=setting_id, value_map=value_map
        ).to_wire()
        return cls(kind="notification", body=_without_to(body))

    @classmethod
    def from_json(cls, text: str) -> Message:
        """Read what ``to_json`` wrote, or what somebody wrote by the API's documents."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise InvalidRequest("message", "must be JSON", f"{len(text)} characters") from None
        if not isinstance(data, dict):
            raise InvalidRequest("message", "must be a JSON object", type(data).__name__)
        kind = data.pop("kind", "broadcast")
        if kind not in get_args(Kind):
            raise InvalidRequest("kind", f"must be one of {', '.join(get_args(Kind))}", "another")
        return _READERS[kind](cls, data)

    def to_json(self) -> str:
        """All of it, for ``from_json``."""
        phone = {} if self.business_phone is None else {"businessPhone": self.business_phone}
        body = {"content": self.body} if self.kind == "headless" else self.body
        return json.dumps({"kind": self.kind, **phone, **body}, ensure_ascii=False)

    # ---- what it needs -------------------------------------------------------------------------

    @property
    def per_call(self) -> int:
        """Recipients in one call at most."""
        return {"broadcast": MOST_RECIPIENTS, "notification": MOST_NOTIFICATIONS}.get(self.kind, 1)

    @property
    def platform(self) -> str:
        """Where it goes."""
        return "whatsapp" if self.kind == "headless" else str(self.body["platform"]).lower()

    @property
    def channel_id(self) -> str:
        """The channel it is sent from."""
        return self.business_phone or str(self.body["channelId"])

    @property
    def to_phones(self) -> bool:
        """Whether recipients are phone numbers."""
        return self.kind == "notification" or self.platform == "whatsapp"

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders that each recipient must fill, in order."""
        return () if self.kind == "broadcast" else _names_in(self.body)

    def address(self, value: object) -> str:
        """A recipient as the API wants it: a phone number as digits, or an id as it is.

        Raises InvalidRequest.
        """
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise InvalidRequest("recipient", "must be text", type(value).__name__)
        value = value.strip()
        if not self.to_phones or (self.platform == "whatsapp" and _BSUID.fullmatch(value)):
            if not value.isprintable() or any(map(str.isspace, value)):
                raise InvalidRequest("recipient", "must be an id without white space", "some in it")
            return checks.text("recipient", value, LONGEST_ID)
        # What normalising would make another number of, and somebody else would get the message.
        if _DECIMAL.fullmatch(value):
            raise InvalidRequest("recipient", "must be a phone number", "a decimal number")
        if _TRUNK_ZERO.search(value):
            raise InvalidRequest("recipient", "must be a phone number without (0)", "one with it")
        return checks.normalise_phone(value)

    def personal(self, values: Mapping[str, object]) -> dict[str, str]:
        """The values of the placeholders out of a row. Raises InvalidRequest for one that lacks."""
        found: dict[str, str] = {}
        for name in self.names:
            value = values.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                value = str(checks.number(name, value))
            text = checks.text(name, value, LONGEST_VALUE)  # type: ignore[arg-type]
            if text.isspace():
                raise InvalidRequest(name, "must be a non-empty string", "white space")
            found[name] = text
        return found

    def is_past(self, now: datetime) -> bool:
        """Whether it is scheduled for a time that was before `now`, an aware time, in every zone:
        the API does not say which one it means."""
        at = self.body.get("scheduledAt")
        return at is not None and _time(at).replace(tzinfo=LAST_ZONE) < now

    # ---- a call of it --------------------------------------------------------------------------

    def subject(self, mark: str | None, number: int) -> str:
        """The subject of a call: with the job's mark and the call's number, if it is marked."""
        subject: str = self.body["subject"]
        return subject if mark is None else f"{subject} [{mark}-{number}]"

    def request(
        self, recipients: Sequence[Recipient], mark: str | None, number: int
    ) -> tuple[str, dict[str, Any]]:
        """Path and body of the call that goes to these recipients."""
        if self.kind == "broadcast":
            to = [each.address for each in recipients]
            return "/broadcast", {**self.body, "subject": self.subject(mark, number), "to": to}
        bodies = [{**_filled(self.body, each.personal), "to": each.address} for each in recipients]
        if self.kind == "notification":
            return "/notification-messages", {"notifications": bodies}
        if self.kind == "direct-message":
            return "/direct-messages", bodies[0]
        phone = quote(self.business_phone or "", safe="")
        return f"/whatsapp/headless-api/{phone}/messages", bodies[0]

    def texts(self, personal: Mapping[str, str]) -> list[str]:
        """The texts that one recipient would find in the chat, to look for them there."""
        if self.kind == "headless":
            said = [self.body.get("text", {}).get("body")]
        else:
            said = [each.get("text") for each in self.body.get("messages", ())]
        return [_filled(text, personal) for text in said if isinstance(text, str)]


def read_mark(subject: str | None) -> tuple[str, int] | None:
    """The job's mark and the call's number in a subject."""
    match = _MARK.search((subject or "").strip())
    return (match[1], int(match[2])) if match else None


# ---- reading JSON ------------------------------------------------------------------------------


def _fields(data: dict[str, Any], **names: str) -> dict[str, Any]:
    """The fields of a message under their Python names; others are refused."""
    unknown = set(data) - set(names)
    if unknown:
        shown = sorted(name for name in unknown if _FIELD.fullmatch(name))
        given = ", ".join(shown) or f"{len(unknown)} other fields"
        raise InvalidRequest("message", f"may hold {', '.join(names)}", given)
    return {names[name]: value for name, value in data.items() if value is not None}


def _whole(call: Any, fields: dict[str, Any], **needed: str) -> Any:
    for name, wire in needed.items():
        if name not in fields:
            raise InvalidRequest(wire, "is needed in a message of this kind", "none")
    return call(**fields)


def _read_broadcast(cls: type[Message], data: dict[str, Any]) -> Message:
    fields = _fields(
        data,
        subject="subject",
        platform="platform",
        channelId="channel_id",
        messages="messages",
        tags="tags",
        scheduledAt="scheduled_at",
    )
    if "messages" in fields:
        fields["messages"] = given_contents(fields["messages"])
    if "scheduled_at" in fields:
        fields["scheduled_at"] = _time(fields["scheduled_at"])
    needed = {"subject": "subject", "platform": "platform"}
    needed |= {"channel_id": "channelId", "messages": "messages"}
    made: Message = _whole(cls.broadcast, fields, **needed)
    return made


def _read_direct(cls: type[Message], data: dict[str, Any]) -> Message:
    fields = _fields(
        data,
        trackId="track_id",
        platform="platform",
        channelId="channel_id",
        messages="messages",
        tags="tags",
        customAttributes="custom_attributes",
    )
    if "messages" in fields:
        fields["messages"] = given_contents(fields["messages"])
    if isinstance(fields.get("custom_attributes"), list):
        fields["custom_attributes"] = {
            checks.text("customAttributes key", each.get("key", "")): each.get("value")
            for each in checks.instances("customAttributes", fields["custom_attributes"], dict)
        }
    needed = {"track_id": "trackId", "platform": "platform"}
    needed |= {"channel_id": "channelId", "messages": "messages"}
    made: Message = _whole(cls.direct, fields, **needed)
    return made


def _read_headless(cls: type[Message], data: dict[str, Any]) -> Message:
    fields = _fields(data, businessPhone="business_phone", content="content")
    if "content" in fields:
        fields["content"] = given_content(fields["content"])
    needed = {"business_phone": "businessPhone", "content": "content"}
    made: Message = _whole(cls.headless, fields, **needed)
    return made


def _read_notification(cls: type[Message], data: dict[str, Any]) -> Message:
    if data.pop("platform", "line") != "line":
        raise InvalidRequest("platform", "must be line for notifications", "another")
    fields = _fields(data, channelId="channel_id", settingId="setting_id", valueMap="value_map")
    needed = {"channel_id": "channelId", "setting_id": "settingId", "value_map": "valueMap"}
    made: Message = _whole(cls.notification, fields, **needed)
    return made


_READERS = {
    "broadcast": _read_broadcast,
    "direct-message": _read_direct,
    "headless": _read_headless,
    "notification": _read_notification,
}


def _time(value: object) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidRequest("scheduledAt", "must be YYYY-MM-DDTHH:mm:ss", "another form") from None


# ---- placeholders ------------------------------------------------------------------------------


def _without_to(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "to"}


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts_in(each)


def _names_in(body: Mapping[str, Any]) -> tuple[str, ...]:
    texts = _texts_in(dict(body))
    return tuple(dict.fromkeys(name for text in texts for name in _PLACEHOLDER.findall(text)))


def _filled(value: Any, personal: Mapping[str, str]) -> Any:
    """A piece of JSON with its placeholders filled; what a value holds is never filled again."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: personal[match[1]], value) if personal else value
    if isinstance(value, dict):
        return {name: _filled(each, personal) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, personal) for each in value]
    return value
