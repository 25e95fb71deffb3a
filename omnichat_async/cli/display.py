"""What a person sees of an export, or a program with --json."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as ProgressBar,
)
from rich.table import Table

from omnichat_async.errors import APIError, ConfigurationError, InvalidRequest, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omnichat_async.cli.settings import Settings
    from omnichat_async.jobs import Export, ExportReport, Progress

__all__ = ["EVENT_S", "FAILED", "Display", "complain", "display_for", "say"]

FAILED, USAGE = 1, 2

OPTIONS = {
    "after": "--after",
    "before": "--before",
    "channel_id": "--channel-id",
    "force": "--force",
    "limit": "--rate",
    "out": "--out",
    "platform": "--platform",
    "resume": "--resume",
}
"""What a person typed for a parameter that an error is about."""

EVENT_S = 1.0
"""Between two progress events of --json, in seconds."""


class Display(Protocol):
    """Shows an export as it runs, and how it ended."""

    started: bool

    def running(self, export: Export) -> contextlib.AbstractContextManager[None]:
        """Around the run."""
        ...

    def progress(self, progress: Progress) -> None:
        """A page was written."""

    def interrupted(self, rows: int, command: str) -> None:
        """It ended early; `rows` are safe, and `command` goes on."""

    def report(self, report: ExportReport) -> None:
        """It is done."""


def display_for(settings: Settings) -> Display:
    """JSON lines if asked for, otherwise text, with a bar where there is a terminal."""
    return _JsonLines() if settings.json else _Terminal()


def complain(error: Exception, *, as_json: bool) -> int:
    """Say what went wrong; the exit code that goes with it."""
    text = str(error)
    if isinstance(error, InvalidRequest):
        names = ", ".join(OPTIONS.get(name, name) for name in error.field.split(", "))
        text = f"{names}: {error.limit}; given: {error.given}"
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if not (as_json and _said(error, text)):
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"omnichat: {text}", markup=False)
        if isinstance(error, APIError) and error.message:
            console.print(f"  the API says: {error.message}", markup=False)
        if isinstance(error, Unauthorized):
            console.print("  check the token: --token, or $OMNICHAT_API_TOKEN", markup=False)
    return USAGE if isinstance(error, ConfigurationError | InvalidRequest) else FAILED


def _said(error: Exception, text: str) -> bool:
    """Whether somebody took the event; if not, what is still to come goes nowhere."""
    try:
        say("error", type=type(error).__name__, message=text)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def say(event: str, **fields: Any) -> None:
    """One event of --json: a line of JSON."""
    print(json.dumps({"event": event, **fields}), flush=True)  # noqa: T201 - its whole purpose


class _Terminal:
    def __init__(self) -> None:
        self.started = False
        self._console = Console(stderr=True, highlight=False)
        self._bar: ProgressBar | None = None
        self._task = TaskID(0)

    @contextlib.contextmanager
    def running(self, export: Export) -> Iterator[None]:
        self.started = True
        start, end = _day(export.window.after), _day(export.window.before)
        self._console.print(f"{export.stream.name}, {start} to {end}", markup=False)
        self._started_at = time.monotonic()
        self._rows_before: int | None = None
        if not self._console.is_terminal:
            yield
            return
        with ProgressBar(
            TextColumn("{task.fields[rows]:>12,} rows"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]:>7,.0f} rows/s"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
        ) as self._bar:
            self._task = self._bar.add_task("", total=1.0, rows=0, rate=0.0)
            yield

    def progress(self, progress: Progress) -> None:
        if self._bar is None:
            return
        if self._rows_before is None:
            self._rows_before = progress.rows
        seconds = time.monotonic() - self._started_at
        rate = (progress.rows - self._rows_before) / seconds if seconds else 0.0
        self._bar.update(self._task, completed=progress.done, rows=progress.rows, rate=rate)

    def interrupted(self, rows: int, command: str) -> None:
        self._console.print(f"Stopped. {rows:,} rows are safe; go on with:", markup=False)
        self._console.print(f"  {command}", markup=False, soft_wrap=True)

    def report(self, report: ExportReport) -> None:
        table = Table.grid(padding=(0, 2))
        for name, value in (
            ("file", str(report.path)),
            ("rows", f"{report.rows:,}"),
            ("size", f"{report.bytes:,} bytes"),
            ("windows", f"{report.windows:,}"),
            ("requests", f"{report.requests:,} in {report.seconds:.1f} s"),
            ("rate", f"{report.rate:.1f} requests/s"),
            ("429s", f"{report.throttled:,}"),
        ):
            table.add_row(name, value)
        Console(highlight=False, soft_wrap=True).print(table)


class _JsonLines:
    def __init__(self) -> None:
        self.started = False
        self._next_at = 0.0

    @contextlib.contextmanager
    def running(self, export: Export) -> Iterator[None]:
        self.started = True
        say(
            "started",
            stream=export.stream.name,
            file=str(export.path),
            after=export.window.after,
            before=export.window.before,
        )
        yield

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + EVENT_S
            say("progress", rows=progress.rows, done=round(progress.done, 4))

    def interrupted(self, rows: int, command: str) -> None:
        say("interrupted", rows=rows, resume=command)

    def report(self, report: ExportReport) -> None:
        say(
            "finished",
            file=str(report.path),
            rows=report.rows,
            fresh_rows=report.fresh_rows,
            bytes=report.bytes,
            windows=report.windows,
            requests=report.requests,
            rate=round(report.rate, 2),
            throttled=report.throttled,
            seconds=round(report.seconds, 3),
        )


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
