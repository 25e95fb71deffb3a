"""Rows of the contact list of one platform, and who is meant by a phone, email or member id."""

import attrs

from omnichat_async.sandbox.data.ids import IdCodec
from omnichat_async.sandbox.data.mixing import mix
from omnichat_async.sandbox.data.people import CUSTOMER_NAMES, Teammate
from omnichat_async.sandbox.data.platforms import Platform
from omnichat_async.sandbox.data.timeline import Timeline
from omnichat_async.sandbox.wire import Row

_TAGS = ("VIP", "Sports", "新客", "回購", "🎁", "a/b", "50% off")
_NOTES = ("", "new customer", "refund on 6/7", "喜歡黑色\n勿來電")
_EMAIL_AT = "@example.com"


@attrs.frozen
class AddressBook:
    """The contacts of one platform: `build(i)` is row i as the API shows it."""

    key: int
    platform: Platform
    timeline: Timeline
    users: IdCodec
    bsuids: IdCodec
    members: IdCodec
    phones: IdCodec
    team: tuple[Teammate, ...]

    def build(self, i: int) -> Row:
        """Contact i, updated at the timeline's time i. Its channel is i % 2."""
        bits = mix(self.key + i)
        updated = self.timeline.time(i)
        subscribed = bits & 7 != 0
        row: Row = {
            "channel": {
                "platform": self.platform.name,
                "channelId": self.platform.channels[i & 1],
            },
            "id": self.users.encode(i),
            "name": CUSTOMER_NAMES[i % len(CUSTOMER_NAMES)],
            "lastMessageTime": updated - (bits >> 8 & 0xFFFFF),
            "subscribedAt": updated - (bits >> 8 & 0xFFFFFFFF),
            "unsubscribedAt": None if subscribed else updated,
            "updatedAt": updated,
            "tags": [tag for n, tag in enumerate(_TAGS) if bits >> 16 + n & 3 == 3],
            "customAttributes": _custom_attributes(bits),
            "status": subscribed,
            "note": _NOTES[bits >> 24 & 3],
            "email": f"user{i}{_EMAIL_AT}" if bits >> 26 & 3 else "",
            "phone": self._phone(i, bits),
            "memberId": self.members.encode(i) if bits >> 30 & 1 else "",
            **self._agent(updated, bits),
        }
        if self.platform.name == "whatsapp" and i % 5 == 0:
            row["bsuid"] = self.bsuids.encode(i)
        if bits >> 36 & 3 == 0:  # the samples leave these out of some items
            for name in ("subscribedAt", "unsubscribedAt", "updatedAt", "customAttributes"):
                del row[name]
        return row

    def find(self, field: str, value: str) -> int | None:
        """The one contact whose `field` (id, bsuid, memberId, phone or email) is `value`."""
        i = self._candidate(field, value)
        # Not every contact has every field, so the row itself has the last word.
        if i is None or i >= self.timeline.rows or self.build(i).get(field) != value:
            return None
        return i

    def _candidate(self, field: str, value: str) -> int | None:
        if field == "email":
            digits = value.removeprefix("user").removesuffix(_EMAIL_AT)
            return int(digits) if digits.isdecimal() else None
        codecs = {
            "id": self.users,
            "bsuid": self.bsuids,
            "memberId": self.members,
            "phone": self.users if self.platform.name == "whatsapp" else self.phones,
        }
        return codecs[field].decode(value)

    def _phone(self, i: int, bits: int) -> str:
        if self.platform.name == "whatsapp":
            return self.users.encode(i)
        return self.phones.encode(i) if bits >> 28 & 3 else ""

    def _agent(self, updated: int, bits: int) -> Row:
        agent = self.team[(bits >> 40 & 0xFF) % len(self.team)]
        bound = bits >> 48 & 1 == 1
        shop = agent.shops[0] if bound and agent.shops else (None, None)
        return {
            "agentName": agent.name if bound else None,
            "agentEmployeeCode": agent.employee_code if bound else None,
            "agentBindTime": updated - (bits >> 12 & 0xFFFFFF) if bound else None,
            "agentLocationName": shop[0],
            "agentLocationCode": shop[1],
        }


def _custom_attributes(bits: int) -> list[Row]:
    """None to all five types of attribute; cleared dates read back as 1970-01-01."""
    everything: tuple[tuple[str, object, str, str], ...] = (
        ("MEMBER_TIER", ("GOLD", "銀", "")[bits % 3], "text", "Member Tier"),
        ("POINTS", (0, 12, 7.5, -3)[bits >> 4 & 3], "number", "Points"),
        ("BIRTHDAY", ("1970-01-01", "2011-12-03")[bits >> 6 & 1], "date", "Birthday"),
        ("LAST_VISIT", "2024-02-29T10:15:30", "datetime", "Last visit"),
        ("OPT_IN", bits >> 7 & 1 == 1, "boolean", "Opt-in"),
    )
    return [
        {"key": key, "value": value, "type": kind, "displayName": shown}
        for key, value, kind, shown in everything[: (bits >> 50) % 6]
    ]
