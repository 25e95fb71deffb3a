"""Listings beside what users would otherwise run: client CPU per row, over loopback.

    python -m benchmarks.bench_listings [--smoke] [--json FILE] [--peers PYTHON]

The server has its pages ready and runs in a process of its own. Every case has a process of its
own too, which waits for its turns, and reads until it is warm before it is measured in each. The
SDK runs with a rate limit that is never reached; "20 at once" is the number of pages in flight.
"""

from __future__ import annotations

from benchmarks.support.compare import Case, run_rounds
from benchmarks.support.report import Report, arguments
from benchmarks.support.server import serving

BY_HAND = {
    "aiohttp + orjson, 20 at once": "floor",
    "aiohttp + r.json(), in turn": "loop_of_dicts",
}
OURS = {
    "typed rows, 20 at once": "typed_rows",
    "typed rows, in turn": "typed_rows_in_turn",
    "typed pages, 20 at once": "typed_pages",
    "raw pages, 20 at once": "raw_pages",
}
PEERS = {
    "openai paginator": ("openai_default", 0.1),
    "openai paginator, validating": ("openai_validating", 0.3),
    "httpx + pydantic": ("httpx_pydantic", 0.3),
    "dlt": ("dlt_rest", 0.3),
    "requests + r.json()": ("requests_json", 0.3),
    "aiohttp + cattrs, 20 at once": ("aiohttp_cattrs", 0.5),
    "aiohttp + pydantic, 20 at once": ("aiohttp_pydantic", 0.5),
}
FLOOR, LOOP = BY_HAND
ROWS, _, PAGES, RAW = OURS


def main() -> None:
    """Measure and print."""
    given = arguments("bench_listings").parse_args()
    rounds, turns, pages = (1, 2, 40) if given.smoke else (3, 21, 200)
    report = Report("listings", "Listings: CPU of the client, microseconds per row")
    with serving() as server:

        def case(name: str, function: str, share: float, peers: bool = False) -> Case:
            # Slow cases read fewer pages: it is the time that has to be long enough.
            module = "peers" if peers else "clients"
            return Case(name, module, (function, server.root, str(int(pages * share))), peers)

        cases = [case(name, function, 1) for name, function in (BY_HAND | OURS).items()]
        cases += [case(name, *peer, peers=True) for name, peer in PEERS.items()]
        found = run_rounds(cases, rounds, given.peers, turns)
    report.table(found, FLOOR)
    print()
    report.bar("typed rows over the floor", found.ratios(ROWS, FLOOR), most=1.8)
    report.bar("typed pages over the floor", found.ratios(PAGES, FLOOR), most=1.65)
    report.bar("raw pages over the floor", found.ratios(RAW, FLOOR), most=1.15)
    report.bar("typed rows over the loop by hand", found.ratios(ROWS, LOOP), most=1.1)
    bars = (17, 3.3, 2.6, 3.2, 0, 1.9, 1.45)
    for name, bar in zip(PEERS, bars, strict=True):
        if bar and name in found.figures:
            report.bar(f"{name} over typed rows", found.ratios(name, ROWS), least=bar)
    report.save(given.json)


if __name__ == "__main__":
    main()
