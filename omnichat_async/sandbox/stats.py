"""What the sandbox has seen."""

from collections import Counter
from collections.abc import Mapping

import attrs

from omnichat_async.sandbox.limiter import SlidingWindow


@attrs.frozen(kw_only=True)
class Stats:
    """A snapshot.

    requests               counted API requests: accepted + refused.
    refused                429s of the rate limit; a 429 injected as a fault is an accepted request.
    unauthorized           401s. The limit is per team and these belong to none: not in `requests`.
    worst_second           most counted requests in any sliding second.
    worst_accepted_second  the same of the accepted ones.
    by_route               counted requests per "METHOD /path/{pattern}".
    first_at, last_at      moment of the first and last counted request, s of the monotonic clock.
    faults                 faults injected.
    """

    requests: int = 0
    accepted: int = 0
    refused: int = 0
    unauthorized: int = 0
    worst_second: int = 0
    worst_accepted_second: int = 0
    by_route: Mapping[str, int] = attrs.field(factory=dict)
    first_at: float | None = None
    last_at: float | None = None
    faults: int = 0


class Meter:
    """Collects the statistics."""

    def __init__(self) -> None:
        self.unauthorized = 0
        self.faults = 0
        self._accepted = 0
        self._by_route: Counter[str] = Counter()
        self._arrivals = SlidingWindow()
        self._admissions = SlidingWindow()
        self._first_at: float | None = None
        self._last_at: float | None = None

    def count(self, route: str, now_s: float, *, accepted: bool) -> None:
        """Enter one counted request."""
        self._by_route[route] += 1
        self._arrivals.add(now_s)
        if accepted:
            self._accepted += 1
            self._admissions.add(now_s)
        if self._first_at is None:
            self._first_at = now_s
        self._last_at = now_s

    def snapshot(self) -> Stats:
        """The statistics so far."""
        requests = self._by_route.total()
        return Stats(
            requests=requests,
            accepted=self._accepted,
            refused=requests - self._accepted,
            unauthorized=self.unauthorized,
            worst_second=self._arrivals.fullest,
            worst_accepted_second=self._admissions.fullest,
            by_route=dict(self._by_route),
            first_at=self._first_at,
            last_at=self._last_at,
            faults=self.faults,
        )
