"""Rosters of the sales cloud."""

from __future__ import annotations

from omnichat_async.calls import Call, Safety, list_of
from omnichat_async.endpoints.base import Area, wire_of
from omnichat_async.models.rosters import InvalidRecord, Roster

__all__ = ["Rosters"]


class Rosters(Area):
    """Who works when in which shop."""

    async def upload(self, roster: Roster) -> list[InvalidRecord]:
        """Upload the roster of a month; returns the records that were NOT taken over.

        The server takes the good records and refuses the others with a reason each, so only an
        empty list means that all went well. Safe to repeat.

        Wraps ``PUT /rosters``. Needs the OMO Sales Open API module.
        """
        return await self._execute(
            Call(
                method="PUT",
                path="/rosters",
                safety=Safety.REPEATABLE,
                # {"content": {"invalidRecords": [...]}}, or nothing at all as the text has it.
                answer=list_of(InvalidRecord, or_nothing=True),
                json=wire_of("roster", roster, Roster),
            )
        )
