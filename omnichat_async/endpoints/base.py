"""What every API area is made of: calls that are executed, and listings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from omnichat_async import checks
from omnichat_async.errors import InvalidRequest, NotFound
from omnichat_async.models.common import Platform
from omnichat_async.paging import Listing, ListQuery, Source, WalkOptions, suggested_concurrency
from omnichat_async.session import Options

if TYPE_CHECKING:
    from types import UnionType

    from omnichat_async.calls import Call
    from omnichat_async.models.body import Body
    from omnichat_async.session import Session

__all__ = ["Area", "check_bsuid", "user_ids", "wire_of"]

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
            query = query.raw()
        session, given = self._session, self._options
        lane = given.lane or "bulk"
        in_bulk = Options(timeout=given.timeout, retry=given.retry, lane=lane)
        latency = session.transport.latency

        def concurrency() -> int:
            limiter = session.limiter
            rate, waiting = limiter.current_rate(), limiter.waiting
            return suggested_concurrency(rate, latency.high(), latency.samples, waiting)

        source: Source[T] = Source(
            fetch=lambda call: session.fetch(call, in_bulk),
            fetch_now=lambda call: session.execute(call, given),
            concurrency=concurrency,
            server_now=session.clock.now_ms,
        )
        return Listing(query, source, **options)


def wire_of(field: str, value: Body, kind: type[Body] | UnionType) -> dict[str, Any]:
    """The body of a request, from an object of one kind."""
    return checks.instance(field, value, kind).to_wire()


def user_ids(platform: str, user_id: str | None, bsuid: str | None) -> dict[str, str]:
    """The ids of a person on a channel by wire name: `user_id`, `bsuid` (WhatsApp) or both."""
    check_bsuid(platform, bsuid)
    if user_id is None and bsuid is None:
        raise InvalidRequest("user_id", "is needed (or bsuid on whatsapp)", "none")
    given = {
        "userId": checks.optional_text("user_id", user_id),
        "bsuid": checks.optional_text("bsuid", bsuid),
    }
    return {name: value for name, value in given.items() if value is not None}


def check_bsuid(platform: str, bsuid: str | None) -> None:
    """Only WhatsApp has such ids."""
    if bsuid is not None and platform != Platform.WHATSAPP:
        raise InvalidRequest("bsuid", "is an id of whatsapp only", "one for another platform")
