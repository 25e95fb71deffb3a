"""Loyalty points."""

from __future__ import annotations

from omnichat_async import checks
from omnichat_async.calls import NOTHING, Call, Safety
from omnichat_async.endpoints.base import Area

__all__ = ["Loyalty"]


class Loyalty(Area):
    """The loyalty points of members."""

    async def adjust(
        self,
        points: int,
        *,
        phone: str | None = None,
        email: str | None = None,
        member_id: str | None = None,
    ) -> None:
        """Add `points` to a member's balance, or deduct them where they are negative.

        Exactly one of `phone` (digits only), `email` and `member_id`: the one that the portal has
        set as the identifier for points. It is sent once: after a lost answer OutcomeUnknown is
        raised, and nothing is repeated.

        Raises InvalidRequest for none or several ids.

        Wraps ``PUT /loyalty-points/action/adjust``.
        Needs the Loyalty Points and Loyalty Open API modules.
        """
        name, value = checks.exactly_one(phone=phone, email=email, member_id=member_id)
        if name == "phone":
            checks.digits(name, value)
        await self._execute(
            Call(
                method="PUT",
                path="/loyalty-points/action/adjust",
                safety=Safety.ONCE,  # a PUT, but one that adds
                answer=NOTHING,
                json={
                    "points": checks.whole_number("points", points),
                    "memberId" if name == "member_id" else name: checks.text(name, value),
                },
            )
        )
