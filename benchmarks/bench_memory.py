"""Bytes per kept row, and what ten million rows cost against a hundred thousand.

python -m benchmarks.bench_memory [--smoke] [--json FILE] [--peers PYTHON]
"""

from __future__ import annotations

from benchmarks.support.compare import Case, run_rounds
from benchmarks.support.report import Report, arguments
from benchmarks.support.server import serving

MODELS, DICTS, PYDANTIC = "omnichat_async", "dicts of orjson", "pydantic"


def main() -> None:
    """Measure and print."""
    given = arguments("bench_memory").parse_args()
    kept = Report("memory", "Messages that are kept: bytes per row, with their text")
    pages = "50" if given.smoke else "200"
    cases = [
        Case(MODELS, "clients", ("kept_models", pages)),
        Case(DICTS, "clients", ("kept_dicts", pages)),
        Case(PYDANTIC, "peers", ("kept_pydantic", pages), of_peers=True),
    ]
    found = run_rounds(cases, 1 if given.smoke else 3, given.peers)
    kept.table(found, DICTS, "bytes", "B")
    kept.bar("over dicts", found.ratios(MODELS, DICTS, "bytes"), most=0.55)
    if PYDANTIC in found.figures:
        kept.bar("over pydantic", found.ratios(MODELS, PYDANTIC, "bytes"), most=0.4)
    kept.save(given.json)

    long = Report("long_walks", "A long walk: CPU per row and peak memory of the process")
    few, many = (50_000, 200_000) if given.smoke else (100_000, 10_000_000)
    with serving() as server:
        cases = [
            Case(f"{rows:,} rows", "clients", ("walk", server.root, str(rows // 100)))
            for rows in (few, many)
        ]
        found = run_rounds(cases, 1, None)
    for figure, unit in (("cpu_us", "us"), ("peak_mb", "MB")):
        long.table(found, cases[0].name, figure, unit)
        long.bar(figure, found.ratios(cases[1].name, cases[0].name, figure), most=1.1)
    long.save(given.json)


if __name__ == "__main__":
    main()
