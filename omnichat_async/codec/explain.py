"""The second pass over what did not fit: where it is, and what belongs there."""

from __future__ import annotations

import functools
import typing
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import attrs

from omnichat_async.codec.misfits import Mismatch
from omnichat_async.codec.rules import hook_for, is_list, is_model, is_union
from omnichat_async.errors import DecodeError
from omnichat_async.models.base import wire_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["explain", "structure"]

M = TypeVar("M")


def structure(model: type[M], value: Any, path: str = "$") -> M:
    """Build one `model` from parsed JSON; a value that does not fit is a DecodeError."""
    try:
        return typing.cast("M", hook_for(model)(value, model))
    except (Mismatch, KeyError):
        raise explain(model, value, path) from None


def _fits(tp: Any, value: Any) -> bool:
    try:
        hook_for(tp)(value, tp)
    except (Mismatch, KeyError):
        return False
    return True


def explain(tp: Any, value: Any, path: str) -> DecodeError:
    """Find the first place in `value` that does not fit `tp`. Only called when one exists."""
    if is_union(tp):
        inner = [m for m in get_args(tp) if is_model(m) or is_list(m)]
        if inner:
            return explain(inner[0], value, path)
    for part, found, name in _parts(tp, value):
        if found is _MISSING:
            return DecodeError(path + name, "a value", "nothing")
        if not _fits(part, found):
            return explain(part, found, path + name)
    try:
        hook_for(tp)(value, tp)
    except Mismatch as error:
        return DecodeError(path, error.expected, error.found)
    raise AssertionError("unreachable: the value fits")  # pragma: no cover


_MISSING = object()


@functools.cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _parts(tp: Any, value: Any) -> Iterator[tuple[Any, Any, str]]:
    """The values inside `value` that have a type of their own: type, value, how to write it."""
    if is_list(tp) and type(value) is list:
        for index, each in enumerate(value):
            if each is not None:
                yield get_args(tp)[0], each, f"[{index}]"
    elif is_model(tp) and type(value) is dict:
        hints = _hints(tp)
        for field in attrs.fields(tp):
            name = wire_name(field)
            if name in value and not field.metadata.get("local"):
                yield hints[field.name], value[name], f".{name}"
            elif field.default is attrs.NOTHING:
                yield hints[field.name], _MISSING, f".{name}"
