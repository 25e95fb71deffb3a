"""Bytes of a verified request to a JSON object: strict, and bounded in depth."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from omnichat_async.webhooks.refusal import WebhookRefused

__all__ = ["MAX_DEPTH", "load_object"]

MAX_DEPTH = 64

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_MARK = bytes(set(range(256)) - set(b'[]{}"'))
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return built


_parse = json.JSONDecoder(
    parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique
).decode


def load_object(body: bytes) -> dict[str, Any]:
    """The JSON object that `body` is.

    Refused with status 400: anything but UTF-8 (also with a byte order mark), nesting beyond
    64 levels, a key that stands twice, NaN and numbers out of range, half a surrogate pair, and
    whatever is not an object. Raises WebhookRefused.
    """
    if not _shallow(body):
        raise WebhookRefused(f"the body is nested deeper than {MAX_DEPTH} levels")
    try:
        text = body.decode("utf-8")
        parsed = _parse(text)
        if _SURROGATE.search(text):
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):  # UnicodeError is a ValueError
        raise WebhookRefused("the body is not strict UTF-8 JSON") from None
    if not isinstance(parsed, dict):
        raise WebhookRefused("the body is not a JSON object")
    return parsed


def _shallow(body: bytes) -> bool:
    """Whether no parser could get deeper than allowed before it is at an end, or at an error."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return True
    if b"\\" in body:
        body = _ESCAPE.sub(b"", body)
    # Quotes part what is inside of strings from what is outside; and of the brackets outside,
    # each round takes away the innermost. In a body that is no JSON some may be left.
    brackets = b"".join(body.translate(_SQUARE, _NO_MARK).split(b'"')[::2])
    rounds = 0
    while rounds <= MAX_DEPTH and len(left := brackets.replace(b"[]", b"")) < len(brackets):
        brackets, rounds = left, rounds + 1
    return rounds + brackets.count(b"[") <= MAX_DEPTH
