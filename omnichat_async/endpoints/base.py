"""What every API area is made of: calls that are executed, and listings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from omnichat_async.errors import InvalidRequest, NotFound
from omnichat_async.models.common import Platform
from omnichat_async.paging import Listing, ListQuery, Source, WalkOptions, suggested_concurrency

if TYPE_CHECKING:
    from omnichat_async.calls import Call
    from omnichat_async.session import Options, Session

__all__ = ["Area", "optional", "platform_name", "required", "user_ids"]

T = TypeVar("T")


class Area:
    """One API area of one client: its session, and the options its calls are made with."""

    def __init__(self, session: Session, options: Options) -> None:
        self._session = session
        self._options = options

    async def _execute(self, call: Call[T]) -> T:
        return await self._session.execute(call, self._options)

    async def _delete(self, call: Call[None]) -> None:
        """Execute a DELETE. Not found on a repeat means that an earlier attempt deleted it."""
        try:
            await self._execute(call)
        except NotFound as error:
            # Without a code nobody of the API said so: a wrong base URL, a proxy.
            if error.attempts == 1 or not error.code:
                raise

    def _listing(self, query: ListQuery[T], raw: bool, options: WalkOptions) -> Listing[Any]:
        if raw:
            query = attrs.evolve(query, model=None)
        session, lane = self._session, self._options.lane
        in_bulk = attrs.evolve(self._options, lane=lane or "bulk")
        latency = session.transport.latency

        def concurrency() -> int:
            now = session.limiter.stats()
            return suggested_concurrency(now.rate, latency.high(), latency.samples, now.waiting)

        source: Source[T] = Source(
            fetch=lambda call: session.execute(call, in_bulk),
            fetch_now=lambda call: session.execute(call, self._options),
            concurrency=concurrency,
            server_now=session.clock.now_ms,
        )
        return Listing(query, source, **options)


def required(field: str, value: str) -> str:
    """A parameter that must be a non-empty string."""
    if not isinstance(value, str) or not value:
        given = "an empty string" if value == "" else type(value).__name__
        raise InvalidRequest(field, "must be a non-empty string", given)
    return str(value)


def optional(field: str, value: str | None) -> str | None:
    """A parameter that may be None. An empty string is refused, since the API takes it for none
    and would answer for everything."""
    return None if value is None else required(field, value)


def platform_name(platform: Platform | str) -> str:
    """A platform as requests name it: in lower case, and webchat under this one of its names."""
    name = required("platform", platform)
    return str(Platform.known().get(name.lower(), name))


def user_ids(platform: str, user_id: str | None, bsuid: str | None) -> dict[str, str]:
    """The ids of a person on a channel by wire name: `user_id`, `bsuid` (WhatsApp) or both."""
    if bsuid is not None and platform != Platform.WHATSAPP:
        raise InvalidRequest("bsuid", "is an id of whatsapp only", "one for another platform")
    if user_id is None and bsuid is None:
        raise InvalidRequest("user_id", "is needed (or bsuid on whatsapp)", "none")
    given = {"userId": optional("user_id", user_id), "bsuid": optional("bsuid", bsuid)}
    return {name: value for name, value in given.items() if value is not None}
