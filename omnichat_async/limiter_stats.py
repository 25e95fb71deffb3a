"""The figures of a rate limiter: a module of their own, since few programs ask for them."""

from __future__ import annotations

import attrs

__all__ = ["LimiterStats"]


@attrs.frozen(kw_only=True)
class LimiterStats:
    """What a limiter has done and how it stands.

    `granted` permits so far, `waiting` callers now, `rate` requests/s now, `paused_s` seconds
    of a pause still to go, `refused` answers 429 reported, `slowdowns` how often they made it
    slow down, `voided` tokens thrown away because a pause or a slow connection outdated them.
    """

    granted: int
    waiting: int
    rate: float
    paused_s: float
    refused: int
    slowdowns: int
    voided: int
