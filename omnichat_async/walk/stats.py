"""What a certified walk has done so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from omnichat_async.walk.leaf import Leaf
    from omnichat_async.windows import Window

__all__ = ["WalkStats"]


@attrs.define(kw_only=True)
class WalkStats:
    """The figures of one walk.

    `useful` requests brought the rows of leaves, `certificates` only proved them, `probes` showed
    that a range must be cut, `repairs` were spent on certificates that failed, and `on_the_way`
    are not settled yet. `departures` counts rows seen to leave while they were read. `leaves` and
    `rows` were handed out, `by_certificate` counts leaves; `weak` and `incomplete` are the ranges
    of those. `peak_rows` is the most rows in memory, `rows_left` an estimate of what is to come,
    `window` the range handed out last. `server_clock` is False if the server sends no Date.
    """

    useful: int = 0
    certificates: int = 0
    probes: int = 0
    repairs: int = 0
    on_the_way: int = 0
    departures: int = 0
    leaves: int = 0
    rows: int = 0
    by_certificate: dict[str, int] = attrs.field(factory=dict)
    weak: list[Window | None] = attrs.field(factory=list)
    incomplete: list[Window | None] = attrs.field(factory=list)
    peak_rows: int = 0
    rows_left: int = 0
    window: Window | None = None
    server_clock: bool = True

    @property
    def requests(self) -> int:
        """All requests, without the repetitions that the session makes."""
        return self.useful + self.certificates + self.probes + self.repairs + self.on_the_way

    def handed_out(self, leaf: Leaf) -> None:
        """Take a leaf into account."""
        self.leaves += 1
        self.rows += len(leaf.rows)
        self.window = leaf.window
        name = leaf.certificate
        self.by_certificate[name] = self.by_certificate.get(name, 0) + 1
        if name == "weak":
            self.weak.append(leaf.window)
        elif name == "none":
            self.incomplete.append(leaf.window)
