"""A call as a value: what to send, what comes back, and whether it may be sent twice."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import quote

import attrs

from omnichat_async.errors import InvalidRequest
from omnichat_async.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from omnichat_async.errors import DecodeError
    from omnichat_async.windows import Window

__all__ = [
    "DEPTH",
    "FAR",
    "NOTHING",
    "RAW",
    "Answer",
    "Call",
    "KnownBy",
    "Page",
    "Safety",
    "encode_query",
    "list_of",
    "one",
    "page_of",
]

T = TypeVar("T")
M = TypeVar("M")

DEPTH = 10_000
"""Search engines answer no page beyond so many rows, and cap their count there."""
FAR = 1_000_000
"""So many pages on, there is none."""


class Safety(enum.Enum):
    """What happens if the server gets the same call twice."""

    READ = "read"
    """Nothing: it changes nothing."""
    REPEATABLE = "repeatable"
    """Nothing new: it sets or removes by key."""
    ONCE = "once"
    """Harm: a second message, a second adjustment. Sent again only if it was refused (429) or
    never arrived."""


KnownBy: TypeAlias = "tuple[tuple[str, ...], str | None]"
"""Where in a row stand the parts of its key, and its time in epoch ms (None for rows without one):
``channel.channelId`` is a field of an object inside it."""


class Answer(Generic[T]):
    """The form of a good answer: `kind` names the envelope, `model` the class of what is in it.

    `or_nothing` allows a list to be missing: an empty body, or no rows where they belong. With
    `lines`, a page may have its rows as their key, time and text.
    """

    def __init__(
        self,
        kind: Literal["page", "list", "one", "nothing", "raw"],
        model: type[Any] | None = None,
        *,
        or_nothing: bool = False,
        lines: KnownBy | None = None,
    ) -> None:
        self.kind = kind
        self.model = model
        self.or_nothing = or_nothing
        self.lines = lines

    def __repr__(self) -> str:
        return f"Answer{self._fields()}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def _fields(self) -> tuple[object, ...]:
        return (self.kind, self.model, self.or_nothing, self.lines)


@attrs.frozen(eq=False, slots=False)  # one with slots takes longer to make
class Page(Generic[T]):
    """One page of a listing.

    `items` are the rows, `total` the server's count of all rows of the range (None if it gave
    none), `number` counts from 1, `window` is the range of time that was asked for (None for
    lists without one). `rejected` maps the place of a row that could not be read, from 0, to
    the error about it, with the row itself as ``.raw``.
    """

    items: list[T]
    total: int | None = None
    number: int = 1
    window: Window | None = None
    rejected: Mapping[int, DecodeError] = attrs.field(factory=dict)

    __repr__ = shown

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def page_of(model: type[M]) -> Answer[Page[M]]:
    """A list of `model` objects, with a total."""
    return Answer("page", model)


def list_of(model: type[M], *, or_nothing: bool = False) -> Answer[list[M]]:
    """All `model` objects at once: under ``content`` or as a bare array. A single object counts
    as a list of one, and one that only wraps an array as that array, since the documents
    disagree on some endpoints. With `or_nothing` an answer that says nothing is an empty list."""
    return Answer("list", model, or_nothing=or_nothing)


def one(model: type[M]) -> Answer[M]:
    """One `model` object, inside ``content`` or bare."""
    return Answer("one", model)


NOTHING: Answer[None] = Answer("nothing")
RAW: Answer[Any] = Answer("raw")


@attrs.frozen(kw_only=True, repr=False, slots=False)
class Call(Generic[T]):
    """One request to the API, before anything of it is sent.

    `path` is a template such as ``/messages/{message_id}`` filled from `path_params`, each
    percent-encoded whole. A None among `params` is left out; `query` is a part of the query that is
    encoded already, and goes before them as it is. `json` is the body, already in
    wire form. `shown` replaces the path in logs and errors where the path itself holds ids.
    `base` is the base URL of an API on another host, used in place of the client's own.
    """

    method: str
    path: str
    safety: Safety
    answer: Answer[T]
    path_params: Mapping[str, str] = attrs.field(factory=dict)
    query: str = ""
    params: Mapping[str, str | int | None] = attrs.field(factory=dict)
    json: Any = None
    shown: str | None = None
    base: str | None = None

    def __repr__(self) -> str:
        return f"Call({self.label}, {self.safety.value})"

    @property
    def label(self) -> str:
        """Method and path template, for logs and errors: it holds no personal data."""
        return f"{self.method} {self.shown or self.path}"

    @property
    def repeatable(self) -> bool:
        """Whether the call may be sent again when nobody knows what became of it."""
        return self.safety is not Safety.ONCE

    def target(self) -> tuple[str, str]:
        """The path below the base URL and the query, as they go over the wire."""
        path = self.path
        for name, value in self.path_params.items():
            path = path.replace("{" + name + "}", encode_segment(name, value))
        if not self.params:
            return path, self.query
        query = encode_query(self.params)
        return path, f"{self.query}&{query}" if self.query and query else self.query or query


def encode_query(params: Mapping[str, str | int | None]) -> str:
    """Parameters as a query; a None among them is left out."""
    pairs = [
        f"{_encode(name, name)}={_in_query(name, value)}"
        for name, value in params.items()
        if value is not None
    ]
    return "&".join(pairs)


def encode_segment(name: str, value: str) -> str:
    """Percent-encode one path parameter whole, so that no id can change the path around it."""
    if not value:
        raise InvalidRequest(name, "must be a non-empty string", "an empty one")
    # A proxy would resolve a bare dot segment and land on another resource.
    if value in {".", ".."}:
        return value.replace(".", "%2E")
    return _encode(name, value)


def _in_query(name: str, value: object) -> str:
    if isinstance(value, str):
        return _encode(name, str.__str__(value))  # str() of an enum's member may be its name
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return _encode(name, repr(value + 0))
    raise InvalidRequest(name, "must be text, a number, true or false", type(value).__name__)


def _encode(name: str, value: str) -> str:
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise InvalidRequest(name, "must be text that fits UTF-8", "a lone surrogate") from None
