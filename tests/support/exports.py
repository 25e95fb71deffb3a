"""Exports in tests: a sandbox beside the test, the command line, and files read back."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from omnichat_async.cli.app import run as run_cli
from omnichat_async.windows import Window, split
from tests.sandbox.support import DAY_MS, START_MS, small

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from omnichat_async.sandbox import Sandbox

__all__ = [
    "AFTER",
    "BEFORE",
    "RANGE",
    "ROOT",
    "STREAM_NAMES",
    "Row",
    "arguments",
    "command",
    "complete",
    "environment",
    "in_process",
    "read_csv",
    "read_jsonl",
    "served",
    "truth",
]

Row: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parent.parent.parent
AFTER, BEFORE = START_MS + DAY_MS // 3, START_MS + 17 * DAY_MS
"""The range that is exported: two whole windows and a part of one."""
RANGE = ["--after", str(AFTER), "--before", str(BEFORE)]
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


def read_jsonl(path: Path) -> list[Row]:
    """The rows of a .jsonl file, each line of which ends."""
    *lines, rest = path.read_bytes().split(b"\n")
    assert rest == b""
    return [json.loads(line) for line in lines]


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a .csv file, by column."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


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
