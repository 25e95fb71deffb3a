"""Text to JSON values: by msgspec or orjson where one is installed, with the standard library's
results. It reads the first answers itself, since many programs get no more."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["loads", "pays_off"]

_WORTH_AN_IMPORT = 512 * 1024
"""Bytes over which a faster parser saves about what its import costs."""


class _SoFar:
    """What this process has parsed."""

    size = 0


def pays_off() -> bool:
    """Whether so much has been parsed that more is to be expected, and a faster parser pays off."""
    return _SoFar.size >= _WORTH_AN_IMPORT


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_parse = json.JSONDecoder(parse_constant=_no_constant).decode


def loads(body: bytes) -> Any:
    """Parse a JSON body. Raises ValueError for anything that is not strict UTF-8 JSON."""
    _SoFar.size += len(body)
    parse = _fast() if pays_off() else None
    if parse is not None:
        try:
            return parse(body)
        except (ValueError, RecursionError):
            pass  # it refuses lone surrogates, which are JSON, and says less about what is not
    return _read(body)


def _read(body: bytes) -> Any:
    try:
        return _parse(body.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


@cache
def _fast() -> Callable[[bytes], Any] | None:
    """The fastest parser there is. orjson would be it, but for the look for numbers that it cannot
    read."""
    return _msgspec() or _orjson()


def _msgspec() -> Callable[[bytes], Any] | None:
    try:
        import msgspec  # noqa: PLC0415
    except ImportError:
        return None
    decode = msgspec.json.Decoder().decode

    def parse(body: bytes) -> Any:
        try:
            return decode(body)
        except msgspec.MsgspecError as error:  # before 0.22 no ValueError
            raise ValueError(str(error)) from None

    return parse


def _orjson() -> Callable[[bytes], Any] | None:
    try:
        import orjson  # noqa: PLC0415
    except ImportError:
        return None
    return lambda body: _read(body) if holds_big_number(body) else orjson.loads(body)


# ---- whole numbers beyond 64 bits ----------------------------------------------------------------

_STRIDE, _SHORTEST = 3, 19
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"000000000")
_MANY = b"0" * (_SHORTEST // _STRIDE)
_SEEN = _STRIDE * (len(_MANY) - 1) + 1
_BIG = re.compile(rb"(?<![^\s:,\[])(?:-\d{19}|\d{20})")


def holds_big_number(body: bytes) -> bool:
    """Whether `body` may hold a whole number that orjson reads as a float, since it needs more
    than 64 bits and so at least 20 digits, or 19 after a minus sign.

    Every third byte is enough to see that there are no 19 digits in a row anywhere, and a
    fraction of the cost of parsing.
    """
    sample = body[::_STRIDE].translate(_DIGITS_AS_0)
    at = sample.find(_MANY)
    while at >= 0:
        first = at * _STRIDE  # or up to a stride before that
        # Hexadecimal ids often have digits where we look and letters in between.
        if body[first : first + _SEEN].isdigit() and _BIG.search(
            body, first - _STRIDE - 1, first + _SHORTEST + 2
        ):
            return True
        at = sample.find(_MANY, at + 1)
    return False
