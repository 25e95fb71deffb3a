"""Ids that look like each platform's own and can be read back to the row number.

An id is 16 bytes: 8 of hash, then the row number hidden behind the hash, backwards. Reading it back
and writing it again must give the same text, so an invented id is not found.
"""

import uuid
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Protocol

import attrs

from omnichat_async.sandbox.data.mixing import mix


class IdCodec(Protocol):
    """Row number to id and back; `decode` gives None for an id that was never issued."""

    def encode(self, i: int) -> str:
        """The id of row i."""
        ...

    def decode(self, text: str) -> int | None:
        """The row of an id."""
        ...


@attrs.frozen
class TokenId:
    """A fixed prefix and the 16 bytes in some alphabet."""

    key: int
    prefix: str
    write: Callable[[bytes], str]
    read: Callable[[str], bytes]

    def encode(self, i: int) -> str:
        """The id of row i."""
        bits = mix(self.key + i)
        return self.prefix + self.write(bits.to_bytes(8) + (i ^ bits).to_bytes(8, "little"))

    def decode(self, text: str) -> int | None:
        """The row of an id."""
        if not text.startswith(self.prefix):
            return None
        try:
            raw = self.read(text.removeprefix(self.prefix))
        except ValueError:
            return None
        i = int.from_bytes(raw[8:16], "little") ^ int.from_bytes(raw[:8])
        return i if self.encode(i) == text else None


@attrs.frozen
class DigitsId:
    """A number: a fixed base, the row times a step, and a little noise below the step."""

    key: int
    base: int
    step: int = 1
    prefix: str = ""

    def encode(self, i: int) -> str:
        """The id of row i."""
        noise = mix(self.key + i) % self.step if self.step > 1 else 0
        return f"{self.prefix}{self.base + i * self.step + noise}"

    def decode(self, text: str) -> int | None:
        """The row of an id."""
        try:
            i = (int(text.removeprefix(self.prefix)) - self.base) // self.step
        except ValueError:
            return None
        return i if i >= 0 and self.encode(i) == text else None


def _write_plain64(raw: bytes) -> str:
    return b64encode(raw).decode()


def _read_plain64(text: str) -> bytes:
    return b64decode(text, validate=True)


def _write_url64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _read_url64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _write_uuid(raw: bytes) -> str:
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _read_uuid(text: str) -> bytes:
    return uuid.UUID(text).bytes


# Meta's ids start with these three bytes, and 3 + 16 bytes end in "==". The plain alphabet matters:
# some ids hold "/" and "+", which a client has to escape in a path.
_WAMID_HEAD = b"\x1c\x18\x0b"


def _write_wamid(raw: bytes) -> str:
    return _write_plain64(_WAMID_HEAD + raw)


def _read_wamid(text: str) -> bytes:
    return _read_plain64(text)[len(_WAMID_HEAD) :]


def message_ids(platform: str, key: int) -> IdCodec:
    """The codec of a platform's message ids."""
    codecs: dict[str, IdCodec] = {
        "line": DigitsId(key, 461_000_000_000_000_000, 997_331),
        "facebook": TokenId(key, "m_", _write_url64, _read_url64),
        "instagram": TokenId(key, "aWdfZAG1faXRlbToxOk", _write_url64, _read_url64),
        "wechat": DigitsId(key, 24_000_000_000_000_000, 997_331),
        "whatsapp": TokenId(key, "wamid.", _write_wamid, _read_wamid),
        "webchat": TokenId(key, "", _write_uuid, _read_uuid),
    }
    return codecs[platform]


def user_ids(platform: str, key: int) -> IdCodec:
    """The codec of a platform's user ids: what contacts are called there."""
    codecs: dict[str, IdCodec] = {
        "line": TokenId(key, "U", bytes.hex, bytes.fromhex),
        "facebook": DigitsId(key, 1_991_000_000_000_000, 977),
        "instagram": DigitsId(key, 3_202_000_000_000_000, 977),
        "wechat": TokenId(key, "oLa9f1", _write_url64, _read_url64),
        "whatsapp": DigitsId(key, 85_260_000_000),  # a phone number of Hong Kong
        "webchat": TokenId(key, "", _write_uuid, _read_uuid),
    }
    return codecs[platform]


def bsuids(key: int) -> IdCodec:
    """The codec of WhatsApp's business-scoped user ids."""
    return DigitsId(key, 13_491_000_000_000_000_000, 977, "US.")


def member_ids(key: int) -> IdCodec:
    """The codec of member ids, which the shop gives."""
    return DigitsId(key, 100_000, prefix="M")


def phones(key: int) -> IdCodec:
    """The codec of the phone numbers of contacts outside WhatsApp."""
    return DigitsId(key, 886_900_000_000)


def omni_customer_ids(key: int) -> IdCodec:
    """The codec of Omnichat's own ids of customers."""
    return TokenId(key, "", bytes.hex, bytes.fromhex)


def broadcast_ids(key: int) -> IdCodec:
    """The codec of broadcast ids."""
    return TokenId(key, "", _write_uuid, _read_uuid)


def trigger_ids(key: int) -> IdCodec:
    """The codec of the ids of notification calls."""
    return TokenId(key, "", bytes.hex, bytes.fromhex)
