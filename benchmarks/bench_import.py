"""What it costs to import the SDK, and to get to the first page: CPU in milliseconds.

    python -m benchmarks.bench_import [--smoke] [--json FILE] [--peers PYTHON]

Counted from when the interpreter is up, so that bare Python is not in it.
"""

from __future__ import annotations

from benchmarks.support.compare import Case, compile_package, run_rounds
from benchmarks.support.report import Report, arguments
from benchmarks.support.server import serving

OURS, OPENAI = "omnichat_async and its client", "openai and its client"
FIRST, BY_HAND = "omnichat_async, first typed page", "aiohttp by hand, first page"


def main() -> None:
    """Measure and print."""
    given = arguments("bench_import").parse_args()
    compile_package()
    report = Report("import", "Imports and cold starts: CPU in milliseconds")
    with serving() as server:
        cases = [
            Case(OURS, "clients", ("sdk_client",)),
            Case(OPENAI, "peers", ("openai_client",), of_peers=True),
            Case(FIRST, "clients", ("sdk_first_page", server.root)),
            Case(BY_HAND, "clients", ("aiohttp_first_page", server.root)),
        ]
        found = run_rounds(cases, 2 if given.smoke else 25, given.peers)
    report.table(found, BY_HAND, "cpu_ms", "ms")
    print()
    if OPENAI in found.figures:
        report.bar(f"{OURS} over {OPENAI}", found.ratios(OURS, OPENAI, "cpu_ms"), most=1 / 8)
    report.bar(f"{FIRST} over {BY_HAND}", found.ratios(FIRST, BY_HAND, "cpu_ms"), most=1.15)
    report.save(given.json)


if __name__ == "__main__":
    main()
