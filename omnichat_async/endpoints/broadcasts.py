"""Broadcasts and how they fared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from omnichat_async import checks
from omnichat_async.calls import Call, Safety, list_of, one
from omnichat_async.endpoints.base import Area, wire_of
from omnichat_async.models.broadcasts import (
    Broadcast,
    BroadcastButton,
    BroadcastJob,
    BroadcastRecipient,
    BroadcastSent,
    BroadcastStatus,
    BroadcastType,
)
from omnichat_async.models.common import platform_name
from omnichat_async.paging import ListQuery, RowKind

if TYPE_CHECKING:
    import builtins
    from collections.abc import Sequence

    from omnichat_async.models.broadcasts import RecipientStatus
    from omnichat_async.models.common import Platform
    from omnichat_async.paging import Listing, WalkOptions

__all__ = ["Broadcasts"]


class Broadcasts(Area):
    """Messages to many contacts."""

    async def send(self, broadcast: Broadcast) -> BroadcastSent:
        """Send, or schedule, one broadcast to up to 150 contacts.

        It is sent once: after a lost answer OutcomeUnknown is raised, and nothing is repeated.

        Wraps ``POST /broadcast``. Needs the Marketing Open API module.
        """
        return await self._execute(
            Call(
                method="POST",
                path="/broadcast",
                safety=Safety.ONCE,
                answer=one(BroadcastSent),
                json=wire_of("broadcast", broadcast, Broadcast),
            )
        )

    @overload
    def list(
        self,
        *,
        types: Sequence[BroadcastType | int],
        platform: Platform | str | None = None,
        channel_id: str | None = None,
        status: BroadcastStatus | int | str | None = None,
        raw: Literal[False] = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[BroadcastJob]: ...

    @overload
    def list(
        self,
        *,
        types: Sequence[BroadcastType | int],
        platform: Platform | str | None = None,
        channel_id: str | None = None,
        status: BroadcastStatus | int | str | None = None,
        raw: Literal[True],
        **options: Unpack[WalkOptions],
    ) -> Listing[dict[str, Any]]: ...

    def list(
        self,
        *,
        types: Sequence[BroadcastType | int],
        platform: Platform | str | None = None,
        channel_id: str | None = None,
        status: BroadcastStatus | int | str | None = None,
        raw: bool = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[Any]:
        """Broadcasts of some `types`, such as ``[BroadcastType.OPEN_API]``.

        `platform` may be needed by the API, though its documents disagree. `status` is a number
        as the API's collection has it, or a name as its guide does. `raw` gives the server's
        dicts; see WalkOptions for the rest.

        Wraps ``GET /broadcast``. Needs the Marketing Open API module.
        """
        chosen = [checks.whole_number("types", each) for each in checks.few("types", types, 10)]
        query: ListQuery[BroadcastJob] = ListQuery(
            path="/broadcast",
            model=BroadcastJob,
            params={
                "platform": None if platform is None else platform_name(platform),
                "channelId": checks.optional_text("channel_id", channel_id),
                "type": ",".join(str(int(each)) for each in chosen),
                "status": _status(status),
            },
            kind=RowKind(key=("id",)),
        )
        return self._listing(query, raw, options)

    async def get(self, broadcast_id: str) -> BroadcastJob:
        """One broadcast with all its statistics.

        Raises NotFound if there is none.

        Wraps ``GET /broadcast/{id}``. Needs the Marketing Open API module.
        """
        return await self._execute(
            Call(
                method="GET",
                path="/broadcast/{broadcast_id}",
                safety=Safety.READ,
                answer=one(BroadcastJob),
                path_params={"broadcast_id": checks.text("broadcast_id", broadcast_id)},
            )
        )

    @overload
    def recipients(
        self,
        broadcast_id: str,
        *,
        status: RecipientStatus | str | None = None,
        raw: Literal[False] = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[BroadcastRecipient]: ...

    @overload
    def recipients(
        self,
        broadcast_id: str,
        *,
        status: RecipientStatus | str | None = None,
        raw: Literal[True],
        **options: Unpack[WalkOptions],
    ) -> Listing[dict[str, Any]]: ...

    def recipients(
        self,
        broadcast_id: str,
        *,
        status: RecipientStatus | str | None = None,
        raw: bool = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[Any]:
        """The recipients of a broadcast, all or those of one `status`.

        `raw` gives the server's dicts; see WalkOptions for the rest. Raises NotFound if there is
        no such broadcast.

        Wraps ``GET /broadcast/{id}/recipients``. Needs the Marketing Open API module.
        """
        query: ListQuery[BroadcastRecipient] = ListQuery(
            path="/broadcast/{broadcast_id}/recipients",
            model=BroadcastRecipient,
            params={"status": checks.optional_text("status", status)},
            path_params={"broadcast_id": checks.text("broadcast_id", broadcast_id)},
            kind=RowKind(key=("phone", "bsuid")),
        )
        return self._listing(query, raw, options)

    async def buttons(self, broadcast_id: str) -> builtins.list[BroadcastButton]:
        """Clicks on each button of a broadcast.

        Raises NotFound if there is none.

        Wraps ``GET /broadcast/{id}/buttons``. Needs the Marketing Open API module.
        """
        return await self._execute(
            Call(
                method="GET",
                path="/broadcast/{broadcast_id}/buttons",
                safety=Safety.READ,
                answer=list_of(BroadcastButton),
                path_params={"broadcast_id": checks.text("broadcast_id", broadcast_id)},
            )
        )


def _status(status: BroadcastStatus | int | str | None) -> str | None:
    if status is None or isinstance(status, str):
        return checks.optional_text("status", status)
    return str(int(checks.whole_number("status", status)))
