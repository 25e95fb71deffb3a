"""Chat history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from omnichat_async import checks
from omnichat_async.calls import Call, Safety, one
from omnichat_async.endpoints.base import Area
from omnichat_async.models.common import platform_name
from omnichat_async.models.messages import Message
from omnichat_async.paging import ListQuery, RowKind
from omnichat_async.windows import whole_range

if TYPE_CHECKING:
    from datetime import datetime

    from omnichat_async.models.common import Platform
    from omnichat_async.paging import Listing, WalkOptions

__all__ = ["Messages"]


class Messages(Area):
    """The messages between customers and the team."""

    @overload
    def list(
        self,
        *,
        platform: Platform | str,
        after: datetime | int,
        before: datetime | int,
        channel_id: str | None = None,
        raw: Literal[False] = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[Message]: ...

    @overload
    def list(
        self,
        *,
        platform: Platform | str,
        after: datetime | int,
        before: datetime | int,
        channel_id: str | None = None,
        raw: Literal[True],
        **options: Unpack[WalkOptions],
    ) -> Listing[dict[str, Any]]: ...

    def list(
        self,
        *,
        platform: Platform | str,
        after: datetime | int,
        before: datetime | int,
        channel_id: str | None = None,
        raw: bool = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[Any]:
        """All messages of one platform sent or received in ``after <= time < before``.

        `after` and `before` are aware datetimes or epoch ms; the span may be of any length and
        is read in windows of at most 7 days. `channel_id` narrows it to one channel, `raw` gives
        the server's dicts instead of Message objects; see WalkOptions for the rest.

        Raises InvalidRequest for a naive datetime or an empty span.

        Wraps ``GET /messages``. Needs the CRM Open API module.
        """
        query: ListQuery[Message] = ListQuery(
            path="/messages",
            model=Message,
            params={
                "platform": platform_name(platform),
                "channelId": checks.optional_text("channel_id", channel_id),
            },
            window=whole_range(after, before),
            kind=RowKind(key=("id",), time="time"),
        )
        return self._listing(query, raw, options)

    async def get(self, message_id: str) -> Message:
        """One message by its id, which may hold any characters.

        Raises NotFound if there is none.

        Wraps ``GET /messages/{messageId}``. Needs the CRM Open API module.
        """
        return await self._execute(
            Call(
                method="GET",
                path="/messages/{message_id}",
                safety=Safety.READ,
                answer=one(Message),
                path_params={"message_id": checks.text("message_id", message_id)},
            )
        )
