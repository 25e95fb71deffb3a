"""The scalars of JSON and of the objects it became, by path, to see that none is lost."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.models import Model
from omnichat_async.models.base import wire_name
from omnichat_async.windows import to_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["json_leaves", "object_leaves"]


def json_leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar of parsed JSON with its path."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from json_leaves(each, f"{path}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from json_leaves(each, f"{path}[{index}]")
    else:
        yield path, value


def object_leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The same of decoded objects, under wire names; aware times are epoch ms again."""
    if isinstance(value, Model):
        for field in attrs.fields(type(value)):
            if field.name != "extra" and not field.metadata.get("local"):
                yield from object_leaves(getattr(value, field.name), f"{path}.{wire_name(field)}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from object_leaves(each, f"{path}[{index}]")
    elif isinstance(value, dict):
        yield from json_leaves(value, path)
    elif isinstance(value, datetime):
        yield path, to_ms(path, value) if value.tzinfo else value.isoformat()
    else:
        yield path, value
