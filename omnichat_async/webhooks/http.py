"""A webhook request and its answer, in no framework's terms."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Pairs", "WebhookRequest", "WebhookResponse"]

Pairs: TypeAlias = "Mapping[str, str] | Sequence[tuple[str, str]]"

_ANSWER_HEADERS = {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def _pairs(given: Pairs) -> tuple[tuple[str, str], ...]:
    return tuple(given.items()) if isinstance(given, Mapping) else tuple(given)


def _lower(given: Pairs) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in _pairs(given))


def _raw(_: object, field: attrs.Attribute[Any], value: Any) -> None:
    """An attrs validator. A text is no longer what was signed."""
    if not isinstance(value, bytes | bytearray | memoryview | AsyncIterable):
        raise TypeError(
            f"{field.name} must be the raw bytes, or an async iterable of them;"
            f" given: {type(value).__name__}"
        )


@attrs.frozen(kw_only=True, repr=False)
class WebhookRequest:
    """A request as a server got it.

    `query` and `headers` are mappings or pairs, which may repeat a name. `body` is the raw bytes,
    or an async iterable of them that is read no further than allowed. `peer` is the address the
    connection came from. Raises TypeError for a body of another type.
    """

    method: str
    path: str = "/"
    query: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_pairs)
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_lower)
    body: AsyncIterable[bytes] | bytes = attrs.field(default=b"", validator=_raw)
    peer: str | None = None

    @classmethod
    def to(
        cls, url: str, method: str = "POST", *, headers: Pairs = (), body: bytes = b""
    ) -> WebhookRequest:
        """A request for a path with a query, or for a whole URL."""
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
        return cls(method=method, path=parts.path, query=query, headers=headers, body=body)

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a header; None if it is missing, and if it is there more than once."""
        values = self.values(name)
        return values[0] if len(values) == 1 else None

    def __repr__(self) -> str:
        return f"<WebhookRequest {self.method}>"


@attrs.frozen(kw_only=True)
class WebhookResponse:
    """What to answer: status, headers and body, to be sent exactly so."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = attrs.field(factory=lambda: dict(_ANSWER_HEADERS))
