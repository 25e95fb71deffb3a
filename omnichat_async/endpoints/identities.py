"""Identities: which members the users of a channel are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnichat_async import checks
from omnichat_async.calls import Call, Safety, list_of
from omnichat_async.endpoints.base import Area
from omnichat_async.endpoints.batches import run_batches
from omnichat_async.models.common import platform_name
from omnichat_async.models.identities import MemberData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omnichat_async.models.common import Platform

__all__ = ["Identities"]

MOST_IDS = 100


class Identities(Area):
    """User ids on channels and the members they belong to."""

    async def member_data(
        self, *, platform: Platform | str, channel_id: str, ids: Sequence[str]
    ) -> list[MemberData]:
        """The member id of each user id, in the order of `ids`, which may hold any number.

        They are asked for 100 a call, several calls at once; repeated ids are fine. `member_id`
        is None where there is no linked member, or no answer for the id. The API supports only
        LINE so far.

        Raises InvalidRequest, and PartialFailure if some of several calls fail.

        Wraps ``POST /identities/member-data``. Needs the CRM Open API module.
        """
        name, channel = platform_name(platform), checks.text("channel_id", channel_id)
        checks.texts("ids", ids, least=0)

        async def ask(chunk: Sequence[str]) -> list[MemberData]:
            answer = await self._execute(
                Call(
                    method="POST",
                    path="/identities/member-data",
                    safety=Safety.READ,  # a POST, but one that changes nothing
                    answer=list_of(MemberData, or_nothing=True),
                    json={
                        "platform": name,
                        "channelId": channel,
                        "ids": list(dict.fromkeys(chunk)),
                    },
                )
            )
            found = {row.id: row for row in answer}
            return [found.get(each) or MemberData(id=each) for each in chunk]

        return await run_batches(ids, MOST_IDS, ask)
