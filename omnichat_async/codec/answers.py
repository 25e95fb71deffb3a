"""Parsed bodies to what calls promise: pages, lists, single objects."""

from __future__ import annotations

import re
import typing
from itertools import chain
from typing import Any, TypeVar

from omnichat_async.calls import Call, Page
from omnichat_async.codec.explain import explain, structure
from omnichat_async.codec.generate import known_names
from omnichat_async.codec.misfits import kind_of
from omnichat_async.codec.rules import rows_hook
from omnichat_async.errors import DecodeError

__all__ = ["TOTAL_KEYS", "decode", "decode_page", "total_of"]

T = TypeVar("T")
M = TypeVar("M")

TOTAL_KEYS = ("totalElements", "totalElement")
_LIKE_A_TOTAL = r"total[_-]?(elements?|counts?|rows?|records?|items?|results?|hits)?"


def total_of(parsed: Any) -> int | None:
    """The server's count of all rows, under one of its spellings or another that can mean nothing
    else; None when it gives none."""
    if not isinstance(parsed, dict):
        return None
    others = (key for key in parsed if re.fullmatch(_LIKE_A_TOTAL, key, re.IGNORECASE))
    for key in chain(TOTAL_KEYS, others):  # the others are looked for only where these say nothing
        total = parsed.get(key)
        # The length keeps int() from raising on thousands of digits.
        if isinstance(total, str) and total.isascii() and total.isdigit() and len(total) < 20:
            total = int(total)
        if type(total) is int and total >= 0:
            return total
    return None


def rows_of(parsed: Any) -> list[Any]:
    """The rows of a list answer: under ``content``, or the whole body when it is an array."""
    rows = parsed.get("content") if isinstance(parsed, dict) else parsed
    if not isinstance(rows, list):
        path = "content" if isinstance(parsed, dict) else "$"
        raise DecodeError(path, "an array", kind_of(rows))
    return rows


def decode_page(model: type[M] | None, parsed: Any) -> Page[Any]:
    """Read one page; `model` None leaves the rows as they are. One odd row spoils no other."""
    rows = rows_of(parsed)
    total = total_of(parsed)
    if model is None:
        return Page(rows, total)
    read = rows_hook(model)
    items = read(rows)
    rejected: dict[int, DecodeError] = {}
    while (place := len(items) + len(rejected)) < len(rows):  # this row stopped it
        error = rejected[place] = explain(model, rows[place], f"content[{place}]")
        error.raw = rows[place]
        items += read(rows[place + 1 :])
    return Page(items, total, rejected=rejected)


def decode(call: Call[T], parsed: Any) -> T:
    """Turn the parsed body of a good answer into what `call` promises."""
    answer, model = call.answer, call.answer.model
    result: Any
    if answer.kind == "nothing":
        result = None
    elif answer.kind == "page":
        result = decode_page(model, parsed)
    elif answer.kind == "list" and model is not None:
        result = _decode_list(model, parsed, answer.or_nothing)
    elif answer.kind == "one" and model is not None:
        inside = isinstance(parsed, dict) and "content" in parsed
        value = parsed["content"] if inside else parsed
        result = structure(model, value, "content" if inside else "$")
    else:
        result = parsed
    return typing.cast("T", result)


def _decode_list(model: type[M], parsed: Any, or_nothing: bool) -> list[M]:
    inside = isinstance(parsed, dict) and "content" in parsed
    rows, path = (parsed["content"], "content") if inside else (parsed, "$")
    if or_nothing and _says_nothing(rows):
        return []
    if isinstance(rows, dict):
        if not known_names(model).isdisjoint(rows):
            return [structure(model, rows, path)]
        rows, path = _unwrap(rows, path)
    if not isinstance(rows, list):
        raise DecodeError(path, "an array", kind_of(rows))
    return [structure(model, row, f"{path}[{index}]") for index, row in enumerate(rows)]


def _says_nothing(value: Any) -> bool:
    """Null, or an object with nothing but nulls and a total in it."""
    fields = value.items() if isinstance(value, dict) else [("", value)]
    return all(each is None for name, each in fields if name not in TOTAL_KEYS)


def _unwrap(value: dict[str, Any], path: str) -> tuple[Any, str]:
    """The only array in an object, whatever its name; without one, the object itself."""
    names = [name for name, each in value.items() if isinstance(each, list)]
    return (value[names[0]], f"{path}.{names[0]}") if len(names) == 1 else (value, path)
