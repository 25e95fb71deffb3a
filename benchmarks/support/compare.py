"""Runs side by side: fresh processes, taken in turn, medians of the ratios of each round.

The speed of a machine changes from minute to minute, so figures of different rounds are never
compared: a ratio is taken within a round, and the median over the rounds is what counts.
"""

from __future__ import annotations

import compileall
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

import attrs

__all__ = ["Case", "Figures", "Rounds", "compile_package", "run_rounds", "spread"]

ROOT = Path(__file__).resolve().parents[2]


def compile_package() -> None:
    """Write the bytecode of the package, which is there once it is installed: processes that are
    told to write none would compile it in what is measured."""
    compileall.compile_dir(ROOT / "omnichat_async", quiet=1)


Figures = dict[str, float]


@attrs.frozen
class Case:
    """One thing to measure: a module of this folder that is run with arguments."""

    name: str
    module: str
    arguments: tuple[str, ...]
    of_peers: bool = False


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, least and most."""
    return statistics.median(values), min(values), max(values)


@attrs.frozen
class Rounds:
    """What was measured: for each case its figures, one for each round."""

    figures: dict[str, list[Figures]]

    def values(self, name: str, figure: str) -> list[float]:
        """One figure of a case over all rounds."""
        return [each[figure] for each in self.figures[name]]

    def ratios(self, name: str, over: str, figure: str = "cpu_us") -> list[float]:
        """A case's figure over another case's, round by round."""
        pairs = zip(self.values(name, figure), self.values(over, figure), strict=True)
        return [ours / theirs if theirs else math.nan for ours, theirs in pairs]


def run_rounds(cases: list[Case], rounds: int, peers: str | None) -> Rounds:
    """Measure all cases `rounds` times in turn. Without an interpreter that has the peers
    installed, theirs are left out."""
    cases = [case for case in cases if peers is not None or not case.of_peers]
    found: dict[str, list[Figures]] = {case.name: [] for case in cases}
    for number in range(rounds):
        for case in cases if number % 2 == 0 else cases[::-1]:
            found[case.name].append(_run(case, peers))
    return Rounds(found)


def _run(case: Case, peers: str | None) -> Figures:
    python = peers if case.of_peers and peers is not None else sys.executable
    command = [python, "-m", f"benchmarks.{case.module}", *case.arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case.name} failed:\n{done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures
