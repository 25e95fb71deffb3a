"""Rows of the order report of product referral links."""

import attrs

from omnichat_async.sandbox.data.ids import IdCodec
from omnichat_async.sandbox.data.mixing import key_of, mix
from omnichat_async.sandbox.data.people import Teammate
from omnichat_async.sandbox.data.timeline import Timeline
from omnichat_async.sandbox.wire import Row


@attrs.frozen
class OrderBook:
    """The orders: `build(i)` is row i as the API shows it."""

    key: int
    timeline: Timeline
    members: IdCodec
    team: tuple[Teammate, ...]

    def build(self, i: int) -> Row:
        """Order i, bought at the timeline's time i."""
        bits = mix(self.key + i)
        bought = self.timeline.time(i)
        considered_ms = 30_000 + (bits >> 4 & 0xFFFFFF)
        sent = bought - considered_ms
        agent = self.team[(bits >> 32 & 0xFF) % len(self.team)]
        row: Row = {
            "orderId": f"TX{i:09d}",
            "currency": ("TWD", "HKD", "USD")[bits % 3],
            "total": (bits >> 8 & 0xFFFFF) / 100 if bits & 1 else bits >> 8 & 0xFFFF,
            "date": bought,
            "memberId": self.members.encode(i) if bits & 6 else "",
            "linkSentTime": sent,
            "linkClickedTime": sent + considered_ms // 3,
            "considerationTime": round(considered_ms / 60_000, 2),  # minutes
            **_sender(agent),
        }
        if bits >> 40 & 3:  # only shops on 91App have it
            parcels = 1 + (bits >> 42 & 1)
            row["91appOrderId"] = {
                "tgCode": f"TG{i:011d}",
                "tmCode": [f"TM{i * 2 + n:011d}" for n in range(parcels)],
                "tsCode": [f"TS{i * 2 + n:011d}" for n in range(parcels)],
            }
        return row

    def link(self, ocsaid: str) -> Row:
        """What is known of a tracking code."""
        bits = mix(self.key ^ key_of(0, ocsaid))
        sent = self.timeline.start_ms + bits % (self.timeline.end_ms - self.timeline.start_ms)
        return {
            **_sender(self.team[(bits >> 32) % len(self.team)]),
            "linkSentTime": sent,
            "linkClickedTime": sent + 30_000,
            "linkTrackingMode": ("sent", "clicked")[bits & 1],
            "linkLifetime": 14,
        }


def _sender(agent: Teammate) -> Row:
    shop = agent.shops[0] if agent.shops else (None, None)
    return {
        "agentName": agent.name,
        "agentEmployeeCode": agent.employee_code,
        "agentLocationName": shop[0],
        "agentLocationCode": shop[1],
    }
