"""The last step before a call leaves: its intent goes into the journal, with the permit in hand.

Until then nothing of the call has left for certain, however long it waits in the queue of the rate
limiter or after a 429. So a crash while it waits leaves no doubt, and a worker that has lost its
claim finds out in time.
"""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, cast

import attrs

from omnichat_async.limits import Permit

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs.fanout.journal import Journal
    from omnichat_async.jobs.fanout.records import PlannedCall
    from omnichat_async.limits import Lane, RateLimiter

__all__ = ["Departure", "HeldBack", "Lead"]

LONGEST_LEAD_S = 0.05
"""A slower disk costs permits."""


class HeldBack(Exception):  # noqa: N818 - a signal inside this room, never seen by a caller
    """The call did not leave, for a `reason` of ours: the run ends, or the claim is lost, or the
    intent could not be written down (the `__cause__`)."""


@attrs.define
class Lead:
    """How long after their permits the calls of a run leave, in `seconds`: as long as the disk
    needs for an intent. It only grows, so they leave as evenly as they were permitted to."""

    seconds: float = 0.0

    def moved(self, permit: Permit, now: float) -> Permit:
        """The permit to leave that much later."""
        self.seconds = max(self.seconds, min(now - permit.granted_at, LONGEST_LEAD_S))
        return Permit(permit.granted_at + self.seconds)


class Departure:
    """Stands in the rate limiter's place for one call of a client."""

    def __init__(
        self,
        call: PlannedCall,
        limiter: RateLimiter,
        lead: Lead,
        journal: Journal,
        lease_s: float,
        may_leave: Callable[[], bool],
    ) -> None:
        self.call = call
        self.begun = self.left = False
        """Whether it has come to wait for its turn, and whether it may have left since it was last
        refused."""
        self.permitted_at = 0.0
        """When it was permitted to, in seconds of the loop."""
        self._lead = lead
        self._limiter = limiter
        self._journal = journal
        self._lease_s = lease_s
        self._may_leave = may_leave

    def through(self, client: OmnichatClient) -> OmnichatClient:
        """A view of `client` whose next call is this one."""
        view = client.with_options()
        session = copy.copy(view._session)  # noqa: SLF001 - it is one of us
        session.limiter = cast("RateLimiter", self)
        view._session = session  # noqa: SLF001
        return view

    # ---- what a transport asks a limiter for ---------------------------------------------------

    async def acquire(
        self, *, lane: Lane, deadline: float | None = None, instead_of: Permit | None = None
    ) -> Permit:
        """Wait for leave to send, and write the intent down. Raises HeldBack."""
        self.begun = True
        if self.left:  # only the permit went stale
            return await self._limiter.acquire(lane=lane, deadline=deadline, instead_of=instead_of)
        self._check()
        permit = await self._limiter.acquire(lane=lane, deadline=deadline, instead_of=instead_of)
        self._check()
        self.left, self.permitted_at = True, permit.granted_at
        try:
            if not await self._journal.leave(self.call, self._lease_s):
                raise HeldBack("another worker has it")
            return await self._in_time(permit, lane)
        except BaseException as error:
            self.left = False
            if isinstance(error, OSError):  # the transport would take it for one of its own
                raise HeldBack("its intent could not be written down") from error
            raise

    def _check(self) -> None:
        if not self._may_leave():
            raise HeldBack("the run ended before it left")

    async def _in_time(self, permit: Permit, lane: Lane) -> Permit:
        """Writing took a while: leave later by what it takes at most, or pay again."""
        loop = asyncio.get_running_loop()
        permit = self._lead.moved(permit, loop.time())
        if self._limiter.stale(permit):
            return await self._limiter.acquire(lane=lane, instead_of=permit)
        await asyncio.sleep(max(0.0, permit.granted_at - loop.time()))
        return permit

    def throttled(self, permit: Permit, retry_after: float) -> None:
        """The server refused it for its rate, so nothing of it has been processed."""
        self._limiter.throttled(permit, retry_after)
        self.left = False
        self._journal.hold(self.call, self._lease_s)

    def stale(self, permit: Permit) -> bool:
        """Whether so much time has passed since `permit` that it has to be paid for again."""
        return self._limiter.stale(permit)
