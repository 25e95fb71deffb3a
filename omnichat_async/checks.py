"""The API's limits, checked before anything is sent.

Each function returns the value it was given, or raises InvalidRequest with the field, the limit
and a description of what came that holds no personal data. What the documents contradict each
other about (which platform works where) is not checked.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from omnichat_async.errors import InvalidRequest

if TYPE_CHECKING:
    from types import UnionType

__all__ = [
    "clock_time",
    "day_of",
    "digits",
    "exactly_one",
    "few",
    "flag",
    "given_texts",
    "instance",
    "instances",
    "json_object",
    "mapping",
    "month",
    "naive",
    "normalise_phone",
    "number",
    "one_of",
    "optional_text",
    "phone",
    "public_key",
    "string",
    "text",
    "texts",
    "url",
    "whole_number",
]

T = TypeVar("T")

# Patterns are compiled when they are first used: few programs use more than a few.
_PHONE_NOISE = r"[\s().\-/‐-―]+"
_URL = r"https?://[^\s/?#]\S*"
_MONTH = r"(?!0000)(\d{4})-(0[1-9]|1[0-2])"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_PEM = r"\s*-----BEGIN (RSA )?PUBLIC KEY-----([A-Za-z0-9+/=\s]+?)-----END (RSA )?PUBLIC KEY-----\s*"
_RSA_OID = bytes.fromhex("2a864886f70d010101")
_SMALLEST_RSA_BITS = 1024
_LONG = 2**63


def text(field: str, value: str, longest: int | None = None) -> str:
    """A string that is not empty, of at most `longest` characters."""
    if not isinstance(value, str) or not value:
        raise InvalidRequest(field, "must be a non-empty string", _kind(value))
    return string(field, value, longest)


def string(field: str, value: str, longest: int | None = None) -> str:
    """A string of at most `longest` characters, which may be empty."""
    if not isinstance(value, str):
        raise InvalidRequest(field, "must be a string", type(value).__name__)
    if longest is not None and len(value) > longest:
        raise InvalidRequest(
            field, f"must be at most {longest} characters", f"{len(value)} characters"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest(field, "must be text that fits UTF-8", "a lone surrogate") from None
    return str.__str__(value)  # str() of an enum's member may be its name


def optional_text(field: str, value: str | None) -> str | None:
    """None, or a string that is not empty: the API would take an empty one for none."""
    return None if value is None else text(field, value)


def flag(field: str, value: bool) -> bool:
    """True or False, and not what Python takes for one of them."""
    if not isinstance(value, bool):
        raise InvalidRequest(field, "must be True or False", type(value).__name__)
    return value


def one_of(field: str, value: str, options: Sequence[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in options:
        raise InvalidRequest(field, f"must be one of {', '.join(options)}", "another value")
    return value


def url(field: str, value: str) -> str:
    """An http or https URL."""
    if not re.fullmatch(_URL, text(field, value), re.IGNORECASE):
        raise InvalidRequest(field, "must be an http:// or https:// URL", "another string")
    return value


def few(field: str, values: Sequence[T], most: int, least: int = 1) -> Sequence[T]:
    """A list of `least` to `most` items."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Sequence):
        raise InvalidRequest(field, "must be a list", type(values).__name__)
    if not least <= len(values) <= most:
        limit = f"{least} to {most} items" if most < sys.maxsize else "at least one item"
        raise InvalidRequest(field, f"must hold {limit}", f"{len(values)} items")
    return values


def instances(
    field: str, values: Sequence[T], kind: type[T], most: int = sys.maxsize, least: int = 1
) -> Sequence[T]:
    """A list of `least` to `most` objects of one kind."""
    for value in few(field, values, most, least):
        if not isinstance(value, kind):
            raise InvalidRequest(
                field, f"must hold {kind.__name__} objects", f"one of {type(value).__name__}"
            )
    return values


def instance(field: str, value: T, kind: type[T] | UnionType) -> T:
    """An object of one kind, or of one of several."""
    if not isinstance(value, kind):
        kinds: tuple[Any, ...] = get_args(kind) or (kind,)
        names = " or ".join(each.__name__ for each in kinds)
        raise InvalidRequest(field, f"must be {names}", type(value).__name__)
    return value


def texts(field: str, values: Sequence[str], most: int = sys.maxsize, least: int = 1) -> None:
    """A list of `least` to `most` strings that are not empty."""
    for value in few(field, values, most, least):
        text(field, value)


def mapping(field: str, value: Mapping[str, T]) -> Mapping[str, T]:
    """A mapping whose keys are strings that are not empty."""
    if not isinstance(value, Mapping):
        raise InvalidRequest(field, "must map names to values", type(value).__name__)
    for name in value:
        text(f"{field} key", name)
    return value


def json_object(field: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A mapping that goes over the wire as it is, so it must be what JSON can hold."""
    try:
        json.dumps(mapping(field, value), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, InvalidRequest):
            raise
        raise InvalidRequest(field, "must be what JSON can hold", type(error).__name__) from None
    return value


def given_texts(holder: object, *fields: str) -> None:
    """Those of an object's fields that are not None must be strings that are not empty."""
    for field in fields:
        optional_text(field, getattr(holder, field))


def exactly_one(**values: Any) -> tuple[str, Any]:
    """The one of several parameters that is given, by name."""
    given = [(name, value) for name, value in values.items() if value is not None]
    if len(given) != 1:
        raise InvalidRequest(", ".join(values), "exactly one is needed", str(len(given)))
    return given[0]


def whole_number(field: str, value: int) -> int:
    """An int, and not True or False."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(field, "must be a whole number", type(value).__name__)
    if not -_LONG <= value < _LONG:
        raise InvalidRequest(field, "must fit 64 bits", f"{value.bit_length()} bits")
    return value


def number(field: str, value: float) -> float:
    """A finite number, and not True or False."""
    if isinstance(value, int) and not isinstance(value, bool):
        return whole_number(field, value)
    if not isinstance(value, float) or not math.isfinite(value):
        raise InvalidRequest(field, "must be a finite number", type(value).__name__)
    return value


def normalise_phone(value: str) -> str:
    """A phone number as the API wants it: country code and number, digits only.

    ``+852 9123-4567``, ``00852 91234567`` and ``(852) 91234567`` all become ``85291234567``.
    Nothing is guessed: a national number without its country code stays as wrong as it is.
    """
    digits = re.sub(_PHONE_NOISE, "", text("phone", value))
    digits = digits.removeprefix("+") if digits.startswith("+") else digits.removeprefix("00")
    return phone("phone", digits)


def phone(field: str, value: str) -> str:
    """Country code and number: 7 to 15 digits, not starting with 0 (E.164 without the plus)."""
    plain = text(field, value)
    if not (plain.isascii() and plain.isdigit() and 7 <= len(plain) <= 15 and plain[0] != "0"):
        raise InvalidRequest(
            field,
            "must be country code and number, 7 to 15 digits (normalise_phone helps)",
            f"{len(plain)} characters",
        )
    return value


def digits(field: str, value: str) -> str:
    """Digits only, for a phone number that must be written as the portal has it."""
    plain = text(field, value)
    if not (plain.isascii() and plain.isdigit()):
        raise InvalidRequest(field, "must hold digits only", f"{len(plain)} characters")
    return value


def naive(field: str, value: datetime) -> datetime:
    """A datetime without a zone, for the fields whose zone the API does not state."""
    if not isinstance(value, datetime) or value.tzinfo is not None:
        raise InvalidRequest(
            field,
            "must be a datetime without a time zone, in your team's own time: the API takes "
            "none and does not say which one it means",
            "an aware datetime" if isinstance(value, datetime) else type(value).__name__,
        )
    return value


def month(field: str, value: str) -> tuple[int, int]:
    """Year and month of ``YYYY-MM``."""
    match = re.fullmatch(_MONTH, text(field, value), re.ASCII)
    if match is None:
        raise InvalidRequest(field, "must be YYYY-MM", f"{len(value)} characters")
    return int(match[1]), int(match[2])


def day_of(field: str, year: int, in_month: int, day: int) -> int:
    """A day that the month has."""
    last = calendar.monthrange(year, in_month)[1]
    if not 1 <= whole_number(field, day) <= last:
        raise InvalidRequest(field, f"must be 1 to {last} in {year}-{in_month:02d}", str(day))
    return day


def clock_time(field: str, value: str) -> str:
    """``hh:mm`` from 00:00 to 23:59."""
    if not re.fullmatch(_CLOCK, text(field, value), re.ASCII):
        raise InvalidRequest(field, "must be hh:mm, 00:00 to 23:59", f"{len(value)} characters")
    return value


def public_key(field: str, pem: str) -> str:
    """A PEM text of an RSA public key."""
    match = re.fullmatch(_PEM, text(field, pem))
    if match is None or match[1] != match[3]:
        private = isinstance(pem, str) and "PRIVATE KEY" in pem
        given = "a private key: keep it to yourself" if private else "another text"
        raise InvalidRequest(field, "must be one PEM block, BEGIN PUBLIC KEY", given)
    try:
        der = base64.b64decode("".join(match[2].split()), validate=True)
        modulus = _pkcs1_modulus(der) if match[1] else _spki_modulus(der)
    except (binascii.Error, ValueError, IndexError):
        raise InvalidRequest(field, "must be an RSA public key", "another kind of key") from None
    if modulus.bit_length() < _SMALLEST_RSA_BITS:
        raise InvalidRequest(
            field,
            f"must be an RSA key of at least {_SMALLEST_RSA_BITS} bits",
            f"{modulus.bit_length()} bits",
        )
    return pem


def _spki_modulus(der: bytes) -> int:
    """The modulus in a SubjectPublicKeyInfo: SEQUENCE { SEQUENCE { OID, NULL }, BIT STRING }."""
    body, end = _element(der, 0x30)
    algorithm, rest = _element(body, 0x30)
    oid, _ = _element(algorithm, 0x06)
    if end or oid != _RSA_OID:
        raise ValueError("not RSA")
    bits, end = _element(rest, 0x03)
    if end or bits[0] != 0:
        raise ValueError("not whole bytes")
    return _pkcs1_modulus(bits[1:])


def _pkcs1_modulus(der: bytes) -> int:
    """The modulus in an RSAPublicKey: SEQUENCE { INTEGER modulus, INTEGER exponent }."""
    body, end = _element(der, 0x30)
    modulus, rest = _element(body, 0x02)
    exponent, tail = _element(rest, 0x02)
    if end or tail or int.from_bytes(exponent, "big") % 2 == 0:
        raise ValueError("not an RSA public key")
    return int.from_bytes(modulus, "big")


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the DER element at the start, which must have `tag`, and what follows it."""
    if der[0] != tag:
        raise ValueError("another element")
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        raise ValueError("cut short")
    return der[start : start + length], der[start + length :]


def _kind(value: Any) -> str:
    return "an empty string" if value == "" else type(value).__name__
