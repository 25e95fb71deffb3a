"""Webhooks: what it costs to verify and parse one event, and how soon a batch is safe.

python -m benchmarks.bench_webhooks [--smoke] [--json FILE] [--peers PYTHON]

Omnichat waits 15 s for the answer to a request. The bar is a tenth of that, for 1,000 events that
are verified, parsed and on the disk. pywa reads the first message of a request and no other, so
a batch is also taken apart by hand for it. What is written by hand with pydantic reads texts only.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.support.compare import Case, run_rounds
from benchmarks.support.report import Report, arguments
from benchmarks.support.rows import SECRET, webhook_bytes
from omnichat_async.testing import signed_request
from omnichat_async.webhooks import OmnichatSignature, Receiver, SqliteInbox

EVENTS = 1000
BAR_S = 1.5

EVENT, BATCH = "omnichat_async, event", "omnichat_async, batch"
PYWA, SPLIT = "pywa, event", "pywa, batch taken apart"
CASES = [
    Case(EVENT, "clients", ("webhook", "1")),
    Case(PYWA, "peers", ("pywa_webhook", "1"), of_peers=True),
    Case(BATCH, "clients", ("webhook", str(EVENTS))),
    Case("pywa, first of a batch", "peers", ("pywa_webhook", str(EVENTS)), of_peers=True),
    Case(SPLIT, "peers", ("pywa_webhook", str(EVENTS), "split"), of_peers=True),
    Case("json + pydantic, texts", "peers", ("pydantic_webhook", str(EVENTS)), of_peers=True),
]


async def store(body: bytes, directory: str) -> float:
    """Seconds from the request to its answer, when its events are on the disk."""
    inbox = SqliteInbox(Path(directory) / "inbox.db")
    async with Receiver(OmnichatSignature(SECRET), inbox=inbox) as receiver:
        request = signed_request(body, SECRET)
        started = time.perf_counter()
        response = await receiver.handle(request)
        seconds = time.perf_counter() - started
        assert response.status == 200
        assert sum((await inbox.counts()).values()) == EVENTS
    return seconds


def main() -> None:
    """Measure and print; fail if the bar is missed."""
    given = arguments("bench_webhooks").parse_args()
    report = Report("webhooks", "Webhooks: CPU in microseconds per event, verified and parsed")
    found = run_rounds(CASES, 1 if given.smoke else 9, given.peers)
    report.table(found, BATCH)
    print()
    if PYWA in found.figures:
        report.bar("pywa over ours, one event", found.ratios(PYWA, EVENT), least=0.7)
        report.bar("pywa over ours, a batch taken apart", found.ratios(SPLIT, BATCH), least=1)
    times = []
    for _ in range(2 if given.smoke else 9):
        with tempfile.TemporaryDirectory() as directory:
            times.append(asyncio.run(store(webhook_bytes(EVENTS), directory)))
    report.bar(f"seconds until {EVENTS:,} events of one request are safe", times, most=BAR_S)
    report.save(given.json)
    assert max(times) < BAR_S, "a batch takes more than a tenth of Omnichat's time-out"


if __name__ == "__main__":
    main()
