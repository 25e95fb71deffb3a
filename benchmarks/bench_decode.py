"""The model layer alone: parsed JSON in, objects out; and what a row that does not fit costs.

python -m benchmarks.bench_decode [--smoke] [--json FILE] [--peers PYTHON]
"""

from __future__ import annotations

from benchmarks.support.compare import Case, run_rounds
from benchmarks.support.report import Report, arguments

BARS = {"message": (3.3, 1.55), "contact": (3.0, 2.0)}


def main() -> None:
    """Measure and print."""
    given = arguments("bench_decode").parse_args()
    report = Report("decode", "Model layer: CPU in microseconds per row, without parsing")
    cases = []
    for row in BARS:
        cases.append(Case(f"omnichat_async, {row}s", "clients", (f"sdk_{row}",)))
        cases.extend(
            Case(f"{layer}, {row}s", "peers", (f"{layer}_{row}",), of_peers=True)
            for layer in ("cattrs", "pydantic")
        )
    odd = "omnichat_async, messages, one odd in 100"
    cases.append(Case(odd, "clients", ("sdk_message_odd",)))
    found = run_rounds(cases, 1 if given.smoke else 9, given.peers)
    report.table(found, "omnichat_async, messages")
    print()
    for row, bars in BARS.items():
        for layer, bar in zip(("cattrs", "pydantic"), bars, strict=True):
            if (name := f"{layer}, {row}s") in found.figures:
                over = found.ratios(name, f"omnichat_async, {row}s")
                report.bar(f"{name} over ours", over, least=bar)
    report.bar(
        "a page with an odd row over a good one",
        found.ratios(odd, "omnichat_async, messages"),
        most=3,
    )
    report.save(given.json)


if __name__ == "__main__":
    main()
