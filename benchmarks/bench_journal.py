"""The journal of a fan-out: what it costs to write down one recipient, on the disk for good.

    python -m benchmarks.bench_journal [--smoke] [--json FILE]

By hand it is a table with a unique address, filled in transactions of 5,000 rows that are as
durable as the journal's. The journal also checks each row, and writes down what it leaves out.
"""

from __future__ import annotations

from benchmarks.support.compare import Case, run_rounds
from benchmarks.support.report import Report, arguments

JOURNAL, BY_HAND = "FanOut.plan", "sqlite3 by hand"


def main() -> None:
    """Measure and print."""
    given = arguments("bench_journal").parse_args()
    people = "5000" if given.smoke else "100000"
    report = Report("journal", "The journal of a fan-out: microseconds per recipient planned")
    cases = [
        Case(JOURNAL, "journals", ("journal", people)),
        Case(BY_HAND, "journals", ("by_hand", people)),
    ]
    found = run_rounds(cases, 1 if given.smoke else 7, given.peers)
    report.table(found, BY_HAND)
    report.table(found, BY_HAND, "wall_us")
    report.save(given.json)


if __name__ == "__main__":
    main()
