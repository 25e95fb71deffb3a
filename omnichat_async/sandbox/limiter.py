"""The rate limit: a strict sliding window, and the fullest second seen."""

from collections import deque

WINDOW_S = 1.0
# A full window stays full for its own length at most: rounded up to whole seconds, always 1.
RETRY_AFTER = "1"


class SlidingWindow:
    """Moments within the last second, half-open: two that are 1.000 s apart do not share one."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque()
        self.fullest = 0

    def held(self, now_s: float) -> int:
        """How many moments lie in (now - 1 s, now]."""
        while self._moments and self._moments[0] <= now_s - WINDOW_S:
            self._moments.popleft()
        return len(self._moments)

    def add(self, now_s: float) -> None:
        """Enter a moment; moments come in order."""
        self._moments.append(now_s)
        self.fullest = max(self.fullest, self.held(now_s))


class Limiter:
    """At most `limit` requests in any second; None = no limit. `penalise`: refusals count too."""

    def __init__(self, limit: int | None, *, penalise: bool) -> None:
        self._limit = limit
        self._penalise = penalise
        self._window = SlidingWindow()

    def admit(self, now_s: float) -> bool:
        """Count a request at this instant; False = refuse it."""
        if self._limit is None:
            return True
        admitted = self._window.held(now_s) < self._limit
        if admitted or self._penalise:
            self._window.add(now_s)
        return admitted
