"""An export that goes on at a server whose clock is behind the one it began with."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from omnichat_async import OmnichatClient, RateLimiter
from omnichat_async.errors import PermissionDenied
from omnichat_async.jobs import Export, ExportReport
from tests.support.exports import read_rows
from tests.support.run import run
from tests.support.wire import HostileServer, Request, reply

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS = 86_400_000
NOW = 1_760_000_000_000
START = NOW - 10 * DAY_MS
BEHIND_MS = 300_000


def is_soon_after(ms: int | None, start: int) -> bool:
    """The server's clock goes on while a run asks it."""
    return ms is not None and start <= ms < start + 20_000


@pytest.mark.parametrize("suffix", ["jsonl", "sqlite", "parquet"])
def test_what_is_too_young_for_a_clock_behind_is_left_to_the_next_run(
    tmp_path: Path, suffix: str
) -> None:
    """The first run fixes its horizon and fails; the second may not read that far."""
    times = [START + 1, NOW - 3 * BEHIND_MS, NOW - BEHIND_MS - 30_000, NOW - 70_000]
    clock, refuse = NOW, True

    def server(request: Request) -> Any:
        query = parse_qs(urlsplit(request.target).query)
        after, before = int(query["after"][0]), int(query["before"][0])
        date = {"Date": format_datetime(datetime.fromtimestamp(clock // 1000, UTC), usegmt=True)}
        if refuse and before > START + 7 * DAY_MS:
            return reply(403, {"errorCode": "FORBIDDEN"}, headers=date)
        rows = [{"id": str(t), "time": t} for t in times if after <= t < before]
        return reply(body={"content": rows, "totalElement": len(rows)}, headers=date)

    async def night() -> ExportReport:
        async with (
            HostileServer(server) as running,
            OmnichatClient("t", base_url=running.url, limiter=RateLimiter(None)) as client,
        ):
            options: dict[str, Any] = {"platform": "line", "since_last": True, "after": START}
            return await Export(client, "messages", out, before=NOW + DAY_MS, **options).run()

    out = tmp_path / f"rows.{suffix}"
    with pytest.raises(PermissionDenied):
        run(night())
    refuse, clock = False, NOW - BEHIND_MS
    report = run(night())
    assert [row["time"] for row in read_rows(out)] == times[:2]
    assert is_soon_after(report.watermark, NOW - BEHIND_MS - 60_000)
    assert report.clamped
    if suffix == "parquet":
        manifest = json.loads(out.with_name("rows.parquet.manifest.json").read_text())
        assert (manifest["horizon"], manifest["finished"]) == (report.watermark, True)
    clock = NOW + 60_000
    assert is_soon_after(run(night()).watermark, NOW)
    assert [row["time"] for row in read_rows(out)] == times
