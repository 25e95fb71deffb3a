"""Product referral links."""

from __future__ import annotations

from omnichat_async import checks
from omnichat_async.calls import Call, Safety, list_of
from omnichat_async.endpoints.base import Area
from omnichat_async.errors import NotFound
from omnichat_async.models.referral_links import ReferralLink

__all__ = ["ReferralLinks"]


class ReferralLinks(Area):
    """The links to products that sales agents send."""

    async def info(self, ocsaid: str) -> ReferralLink | None:
        """Who sent the link with this tracking code, or None if nothing is known about it.

        `ocsaid` is the parameter of the link's URL, or the cookie ``__ocsaid``.

        Wraps ``GET /product-referral-links/info``. Needs the OMO Sales Open API module.
        """
        call = Call(
            method="GET",
            path="/product-referral-links/info",
            safety=Safety.READ,
            # An array by the table, an object by the sample.
            answer=list_of(ReferralLink, or_nothing=True),
            params={"ocsaid": checks.text("ocsaid", ocsaid)},
        )
        try:
            links = await self._execute(call)
        except NotFound as error:
            if not error.code:  # nobody of the API said so: a wrong base URL, a proxy
                raise
            return None
        return links[0] if links else None
