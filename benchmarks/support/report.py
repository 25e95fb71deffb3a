"""What a benchmark says: a table, its bars, and the same as JSON."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.support.compare import Rounds, spread

__all__ = ["Report", "arguments"]

PACKAGES = ("aiohttp", "attrs", "cattrs", "orjson", "msgspec")


def arguments(module: str) -> argparse.ArgumentParser:
    """The options of every benchmark."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}")
    parser.add_argument("--smoke", action="store_true", help="short, to see that it runs")
    parser.add_argument(
        "--json", metavar="FILE", default=os.environ.get("BENCH_JSON"), help="add the results here"
    )
    parser.add_argument(
        "--peers",
        metavar="PYTHON",
        default=os.environ.get("BENCH_PEERS"),
        help="an interpreter that has the libraries to compare with",
    )
    return parser


class Report:
    """The results of one benchmark."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self._data: dict[str, Any] = {"title": title, "machine": machine(), "rows": [], "bars": []}
        print(f"{title}\n{self._data['machine']}")

    def table(self, rounds: Rounds, over: str, figure: str = "cpu_us", unit: str = "us") -> None:
        """All cases: median [least to most], and the ratio to the case `over`."""
        heading = f"{figure}, {unit}" if unit else figure
        print(f"\n{'':<34}{heading:>12}{'least':>9}{'most':>9}{f'  x {over}':>24}")
        for name in rounds.figures:
            middle, least, most = spread(rounds.values(name, figure))
            ratio = spread(rounds.ratios(name, over, figure))[0]
            print(f"{name:<34}{middle:>12.2f}{least:>9.2f}{most:>9.2f}{ratio:>24.2f}")
            row = {"case": name, "figure": figure, "unit": unit, "median": middle}
            row |= {"least": least, "most": most, "over": over}
            row["ratio"] = None if math.isnan(ratio) else ratio
            row["rounds"] = rounds.values(name, figure)
            self._data["rows"].append(row)

    def bar(self, what: str, values: list[float], *, most: float = 0, least: float = 0) -> None:
        """A figure and the bar it should keep: at most, or at least."""
        middle, low, high = spread(values)
        met = middle <= most if most else middle >= least
        sign = "<=" if most else ">="
        print(
            f"{'met   ' if met else 'MISSED'} {what}: {middle:.3g} [{low:.3g} to {high:.3g}], "
            f"bar {sign} {most or least:g}"
        )
        self._data["bars"].append(
            {"what": what, "median": middle, "least": low, "most": high}
            | {"bar": f"{sign} {most or least:g}", "met": met}
        )

    def save(self, file: str | None) -> None:
        """Add the results to a JSON file that may hold those of other benchmarks."""
        if file is not None:
            path = Path(file)
            known = json.loads(path.read_text()) if path.exists() else {}
            known[self.name] = self._data
            path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")


def machine() -> str:
    """Processor, Python and versions, in one line."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return ", ".join([f"{_processor()} x {os.cpu_count()}", f"{sys.platform}, {python}", *found])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
