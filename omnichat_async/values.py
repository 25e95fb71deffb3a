"""What value classes share."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["shown"]


def shown(self: Any) -> str:
    """A ``__repr__`` as attrs writes it. Writing one for each class is a quarter of the work of
    making the class."""
    fields = (f"{field.name}={getattr(self, field.name)!r}" for field in attrs.fields(type(self)))
    return f"{type(self).__qualname__}({', '.join(fields)})"
