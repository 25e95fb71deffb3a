"""Far away: rows a second over a round trip of 200 ms, with and without a rate limit.

    python -m benchmarks.bench_latency [--smoke] [--json FILE]

The limit is the API's: 40 requests in any second, 4000 rows, counted by the server where
requests arrive, over a way that takes up to 20 ms more or less. The SDK runs as it comes there.
"""

from __future__ import annotations

from benchmarks.support.compare import Case, run_rounds
from benchmarks.support.report import Report, arguments
from benchmarks.support.server import serving

RTT_MS, JITTER_MS, LIMIT = 200, 20, 40
IN_TURN, AT_ONCE = "aiohttp by hand, in turn", "omnichat_async, 40 at once"
PACED = "omnichat_async, defaults"


def main() -> None:
    """Measure and print."""
    given = arguments("bench_latency").parse_args()
    rounds = 1 if given.smoke else 5
    free = Report("latency", f"{RTT_MS} ms round trip, no rate limit: rows per second")
    with serving(rtt_ms=RTT_MS) as server:
        cases = [
            Case(IN_TURN, "clients", ("far_in_turn", server.root, "10")),
            Case(AT_ONCE, "clients", ("far_at_once", server.root, "80" if given.smoke else "800")),
        ]
        found = run_rounds(cases, rounds, None)
    free.table(found, IN_TURN, "rows_per_s", "1/s")
    free.bar("40 at once over in turn", found.ratios(AT_ONCE, IN_TURN, "rows_per_s"), least=34)
    free.save(given.json)

    paced = Report("pace", f"{RTT_MS} ms, {JITTER_MS} ms of jitter, {LIMIT} requests/s at most")
    with serving(rtt_ms=RTT_MS, jitter_ms=JITTER_MS, limit=LIMIT) as server:
        pages = "120" if given.smoke else "800"
        found = run_rounds(
            [Case(PACED, "clients", ("far_paced", server.root, pages))], rounds, None
        )
        refused = server.counts()["refused"]
    paced.table(found, PACED, "rows_per_s", "1/s")
    share = [each / (LIMIT * 100) for each in found.values(PACED, "rows_per_s")]
    paced.bar("share of the limit", share, least=0.93)
    paced.bar("answers 429", [float(refused)], most=0.5)
    paced.save(given.json)


if __name__ == "__main__":
    main()
