"""Runs side by side: fresh processes, taken in turn, medians of the ratios of each turn.

The speed of a machine changes from second to second, so figures of different turns are never
compared: a ratio is taken within a turn, and the median over all turns is what counts.
"""

from __future__ import annotations

import compileall
import contextlib
import json
import math
import random
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    """What was measured: for each case its figures, one for each turn."""

    figures: dict[str, list[Figures]]

    def values(self, name: str, figure: str) -> list[float]:
        """One figure of a case over all turns."""
        return [each[figure] for each in self.figures[name]]

    def ratios(self, name: str, over: str, figure: str = "cpu_us") -> list[float]:
        """A case's figure over another case's, turn by turn."""
        pairs = zip(self.values(name, figure), self.values(over, figure), strict=True)
        return [ours / theirs if theirs else math.nan for ours, theirs in pairs]


def run_rounds(cases: list[Case], rounds: int, peers: str | None, turns: int = 1) -> Rounds:
    """Measure all cases by turns, `turns` times in each of `rounds` sets of fresh processes.
    Without an interpreter that has the peers installed, theirs are left out."""
    cases = [case for case in cases if peers is not None or not case.of_peers]
    found: dict[str, list[Figures]] = {case.name: [] for case in cases}
    for number in range(rounds):
        with contextlib.ExitStack() as stack:
            asks = {case.name: stack.enter_context(_process(case, peers)) for case in cases}
            for turn in range(number * turns, (number + 1) * turns):
                # Shuffled, since what went before leaves its mark on the caches.
                for case in random.Random(turn).sample(cases, len(cases)):
                    found[case.name].append(asks[case.name]())
    return Rounds(found)


@contextlib.contextmanager
def _process(case: Case, peers: str | None) -> Iterator[Callable[[], Figures]]:
    """A process that measures one case each time it is asked to, and waits in between."""
    python = peers if case.of_peers and peers is not None else sys.executable
    command = [python, "-m", f"benchmarks.{case.module}", *case.arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        wanted, answers = process.stdin, process.stdout

        def answer() -> str:
            line = answers.readline()
            if not line:
                raise SystemExit(f"{case.name} failed")
            return line

        def ask() -> Figures:
            print(file=wanted, flush=True)
            figures: Figures = json.loads(answer())
            return figures

        answer()  # it is ready: starting it must not take time from another one
        yield ask
