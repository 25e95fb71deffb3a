"""The vocabulary of a certified walk: what is asked, and how reading a range can end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from omnichat_async.calls import Page
    from omnichat_async.windows import Window

__all__ = ["Ask", "Certificate", "Cut", "Found", "Leaf", "Outcome", "Reading", "Stuck"]

Certificate: TypeAlias = Literal[
    "atomic", "count", "union", "double", "backward", "seek", "weak", "none"
]
"""Why the rows of a leaf are all rows of its range.

``atomic``: they came in one answer. ``count``: as many distinct rows as the server counted before
and after them. ``union``: the same after several passes. ``double``: a pass found again by a
second one. ``backward``: pages read from the last to the first, in an order that was seen to
hold. ``weak``: two equal passes over rows that cannot be told apart. ``none``: it could not be
certified, which only a walk with ``on_incomplete="record"`` hands out. (``seek`` is kept for
walks over lists in time order.)
"""


@attrs.frozen(kw_only=True)
class Leaf:
    """All rows of one range.

    `window` is the half-open range of time (None for a list without one), `rows` the server's
    own objects (or the text of each in bytes, if the walk was asked for that), sorted by time and
    key where they have them, `certificate` why they are all, `requests` what the range cost in
    the end, and `reason` why it has no certificate.
    """

    window: Window | None
    rows: list[Any]
    certificate: Certificate
    requests: int
    reason: str = ""


@attrs.frozen
class Ask:
    """One page to ask for: `number` counts from 1, `size` is the rows per page."""

    window: Window | None
    number: int
    size: int


@attrs.frozen
class Found:
    """A range ended with all its rows. `checks` of its requests only proved it."""

    rows: list[Any]
    certificate: Certificate
    checks: int = 0


@attrs.frozen
class Cut:
    """A range is to be read in parts: adjacent windows that make it up. `departures` counts the
    rows that were seen to leave, `failed` says that a certificate failed before."""

    parts: list[Window]
    departures: int = 0
    failed: bool = False


@attrs.frozen
class Stuck:
    """A range that can neither be certified nor cut, with the rows that were seen."""

    rows: list[Any]
    reason: str


Outcome: TypeAlias = Found | Cut | Stuck
Reading: TypeAlias = "Generator[Sequence[Ask], Sequence[Page[Any] | None], Outcome]"
"""How a range is read, without any I/O: it asks for pages, all at once, and is sent the answers;
None for a page that the server refuses to have."""
