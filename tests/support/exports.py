"""Exports in tests: a sandbox beside the test, the command line, and files read back."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import gzip
import io
import json
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from omnichat_async.cli.app import run as run_cli
from omnichat_async.windows import Window, split
from tests.sandbox.support import DAY_MS, START_MS, small
from tests.support.leftovers import assert_nothing_left

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omnichat_async.sandbox import Sandbox

__all__ = [
    "AFTER",
    "BEFORE",
    "RANGE",
    "ROOT",
    "SINKS",
    "STREAM_NAMES",
    "Row",
    "arguments",
    "command",
    "complete",
    "environment",
    "in_process",
    "read_csv",
    "read_jsonl",
    "read_parquet",
    "read_rows",
    "read_sqlite",
    "same",
    "served",
    "truth",
]

Row: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parent.parent.parent
AFTER, BEFORE = START_MS + DAY_MS // 3, START_MS + 17 * DAY_MS
"""The range that is exported: two whole windows and a part of one."""
RANGE = ["--after", str(AFTER), "--before", str(BEFORE)]
SINKS = ["jsonl", "jsonl.gz", "csv", "csv.gz", "parquet", "sqlite"]
STREAM_NAMES = {
    "messages": "messages",
    "contacts": "contacts",
    "tagging-logs": "tagging_logs",
    "report-messages": "teammates",
    "report-orders": "orders",
}
"""What the sandbox calls the streams."""


@contextlib.contextmanager
def served(**overrides: Any) -> Iterator[Sandbox]:
    """A sandbox of 40 past days that runs in a thread of its own, without a limit."""
    sandbox = small(**{"rows": 3000} | overrides)
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with sandbox:
            ready.set()
            await stop.wait()
        assert_nothing_left()

    def main() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            loop.close()

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield sandbox
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)


def truth(sandbox: Sandbox, stream: str, platform: str | None = "whatsapp") -> list[Row]:
    """What an export of `stream` over RANGE must hold, from the sandbox's own data."""
    whole = Window(AFTER, BEFORE)
    if stream == "report-messages":
        return [
            {**row, "window": {"after": each.after, "before": each.before}}
            for each in split(whole)
            for row in sandbox.rows("teammates", each.after, each.before)
        ]
    name: Any = STREAM_NAMES[stream]
    chosen = platform if stream in {"messages", "contacts"} else None
    return list(sandbox.rows(name, AFTER, BEFORE, chosen))


def same(one: list[Row], other: list[Row]) -> bool:
    """Whether two lists hold equal rows, each as often as the other: rows of one moment have no
    order."""
    return sorted(map(json.dumps, one)) == sorted(map(json.dumps, other))


def read_jsonl(path: Path) -> list[Row]:
    """The rows of a .jsonl file, packed or not, each line of which ends."""
    *lines, rest = _unpacked(path).split(b"\n")
    assert rest == b""
    return [json.loads(line) for line in lines]


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a .csv file, packed or not, by column."""
    text = io.StringIO(_unpacked(path).decode(), newline="")
    return list(csv.DictReader(text, strict=True))


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def read_parquet(path: Path) -> list[Row]:
    """The rows of a .parquet folder as the server sent them."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    return [json.loads(raw) for raw in parquet.read_table(path)["raw"].to_pylist()]


def read_sqlite(path: Path, stream: str = "messages") -> list[Row]:
    """The rows of a table of an .sqlite file as the server sent them."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        table = stream.replace("-", "_")
        return [json.loads(raw) for (raw,) in database.execute(f"SELECT raw FROM {table}")]


def read_rows(path: Path, stream: str = "messages") -> list[Row]:
    """The rows of an export that keeps them as the server sent them."""
    if path.suffix == ".parquet":
        return read_parquet(path)
    if path.suffix == ".sqlite":
        return read_sqlite(path, stream)
    return read_jsonl(path)


def arguments(sandbox: Sandbox, stream: str, out: Path, *more: str) -> list[str]:
    """The command line that exports RANGE from this sandbox, without the word omnichat."""
    return [
        *("--token", sandbox.token, "--base-url", sandbox.url, "--rate", "2000"),
        *("export", stream, "--out", str(out), *more),
    ]


def in_process(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Run a command line here: the exit code, stdout and stderr."""
    capsys.readouterr()
    code = run_cli(list(argv))
    out, err = capsys.readouterr()
    return code, out, err


def command(*argv: str) -> list[str]:
    """A command line to run in a process of its own."""
    return [sys.executable, "-m", "omnichat_async", *argv]


def environment(**more: str) -> dict[str, str]:
    """An environment without an account, in which `omnichat` is the one of this interpreter."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("OMNICHAT_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{rest.get('PATH', '')}"
    return {**rest, "PATH": path, **more}


def complete(
    *argv: str, env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own, to its end."""
    return subprocess.run(
        command(*argv),
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        **options,
    )
