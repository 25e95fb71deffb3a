"""What a listing asks, what its rows are, and where its pages come from."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypedDict, TypeVar

from omnichat_async.calls import Answer, Call, Page, Safety, encode_query
from omnichat_async.windows import fingerprint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from omnichat_async.windows import Checkpoint, Window

__all__ = ["ListQuery", "RowKind", "Source", "Unread", "WalkOptions"]

T = TypeVar("T")
Unread: TypeAlias = "Callable[[], Page[T]]"
"""A page that is read when it is called."""


class WalkOptions(TypedDict, total=False):
    """Options that every listing takes.

    `page_size` is the rows per request, 1 to 100 (100). `concurrency` is how many pages are
    asked for at once, 1 to 64 (by default what the rate limit and the server's answering time
    call for). `resume_from` is a checkpoint, or its text, of an earlier walk over the same query.
    `exact` makes the walk a certified one (False): rows that others move while it reads are
    neither lost nor doubled, or it raises Incomplete. Its pages are ranges that were proved to
    be complete, in order of time.
    """

    page_size: int
    concurrency: int | None
    resume_from: Checkpoint | str | None
    exact: bool


class RowKind:
    """What the rows of a list are, which a certified walk must know.

    `key` names the fields that together tell a row from all others (``channel.channelId`` for
    one inside another); without them rows are told apart by all they hold, and equal ones are
    several. `time` names the field with the time that the range filters by, in epoch ms. `moves`
    says that others change that time. `aggregated` rows sum up their range, so that it must not
    be cut. `block` is how many rows to read under one certificate, at first.
    """

    def __init__(
        self,
        *,
        key: tuple[str, ...] = (),
        time: str | None = None,
        moves: bool = False,
        aggregated: bool = False,
        block: int = 5_000,
    ) -> None:
        self.key = key
        self.time = time
        self.moves = moves
        self.aggregated = aggregated
        self.block = block


class ListQuery(Generic[T]):
    """What a listing asks: path, fixed parameters, a range of time, the model and the kind of its
    rows."""

    def __init__(
        self,
        *,
        path: str,
        model: type[Any] | None,
        params: Mapping[str, str | int | None] | None = None,
        window: Window | None = None,
        window_names: tuple[str, str] = ("after", "before"),
        path_params: Mapping[str, str] | None = None,
        kind: RowKind = RowKind(),  # noqa: B008 - nothing changes it
    ) -> None:
        self.path = path
        self.model = model
        self.params = params or {}
        self.window = window
        self.window_names = window_names
        self.path_params = path_params or {}
        self.kind = kind
        self.answer: Answer[Page[T]] = Answer("page", model)
        self._beginning: tuple[Window | None, str] = None, ""

    def raw(self, *, as_text: bool = False) -> ListQuery[Any]:
        """The same query for the server's own objects, or their text where they have a key."""
        query = copy.copy(self)
        lines = (self.kind.key, self.kind.time) if as_text and self.kind.key else None
        query.model, query.answer = None, Answer("page", lines=lines)
        return query

    @property
    def name(self) -> str:
        """A short name of the query, for its checkpoints."""
        return fingerprint(self.path, {**self.params, **self.path_params}, self.window)

    def call(self, window: Window | None, page: int, page_size: int) -> Call[Page[T]]:
        """The request for one page."""
        return Call(
            method="GET",
            path=self.path,
            safety=Safety.READ,
            answer=self.answer,
            path_params=self.path_params,
            query=f"{self._ready(window)}page={page}&pageSize={page_size}",
        )

    def _ready(self, window: Window | None) -> str:
        """What the queries of all pages of a window begin with."""
        latest, beginning = self._beginning
        if latest is not window or not beginning:
            params = dict(self.params)
            if window is not None:
                after, before = self.window_names
                params[after], params[before] = window.after, window.before
            query = encode_query(params)
            beginning = f"{query}&" if query else ""
            self._beginning = window, beginning
        return beginning


class Source(Generic[T]):
    """Where pages come from: `fetch` executes a page's call in the bulk lane and gives a function
    that reads the page, `fetch_now` gives the page, in the interactive lane, `concurrency` says
    how many pages to ask for at once just now, `server_now` what the server's clock shows, in
    epoch ms (None while nobody knows)."""

    def __init__(
        self,
        *,
        fetch: Callable[[Call[Page[T]]], Awaitable[Callable[[], Page[T]]]],
        fetch_now: Callable[[Call[Page[T]]], Awaitable[Page[T]]],
        concurrency: Callable[[], int],
        server_now: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.fetch = fetch
        self.fetch_now = fetch_now
        self.concurrency = concurrency
        self.server_now = server_now
