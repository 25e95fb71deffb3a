"""The report of messages sent per teammate: differences of running totals.

So the counts of adjacent windows add up exactly to the count of their union, however it is cut.
"""

import attrs

from omnichat_async.sandbox.data.mixing import mix
from omnichat_async.sandbox.data.people import Teammate
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.wire import Row

_DAY_MS = 86_400_000
_BUSIEST_PER_DAY = 120
_MOST_LINKS_PER_DAY = 9


@attrs.frozen
class TeamReport:
    """The report over [start_ms, end_ms); nothing was sent outside."""

    key: int
    start_ms: int
    end_ms: int
    team: tuple[Teammate, ...]

    def build(self, n: int, after_ms: int, before_ms: int) -> Row:
        """The line of teammate n for [after_ms, before_ms)."""
        mate = self.team[n]
        return {
            "name": mate.name,
            "employeeCode": mate.employee_code,
            "shopLocations": [{"name": name, "code": code} for name, code in mate.shops],
            "messageCount": [
                {
                    "platform": platform.in_messages,
                    "messages": self._sent(bits, _BUSIEST_PER_DAY, after_ms, before_ms),
                    "productReferralLinks": self._sent(
                        bits >> 20, _MOST_LINKS_PER_DAY, after_ms, before_ms
                    ),
                }
                for p, platform in enumerate(PLATFORMS.values())
                if (bits := mix(self.key + n * len(PLATFORMS) + p)) & 3  # not everyone is on all
            ],
        }

    def _sent(self, bits: int, most_per_day: int, after_ms: int, before_ms: int) -> int:
        per_day = (bits >> 2 & 0xFF) % (most_per_day + 1)
        phase = bits % _DAY_MS  # else everyone's counts would step at the same moments

        def until(t_ms: int) -> int:
            passed = min(max(t_ms, self.start_ms), self.end_ms) - self.start_ms
            return (passed * per_day + phase) // _DAY_MS

        return until(before_ms) - until(after_ms)
