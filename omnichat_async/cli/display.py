"""What a person sees of an export, or a program with --json."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    TaskID,
    TextColumn,
)
from rich.progress import (
    Progress as ProgressBar,
)

from omnichat_async.cli.exits import FAILED, UNDECIDED, USAGE
from omnichat_async.errors import (
    APIError,
    ConfigurationError,
    Incomplete,
    InvalidRequest,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omnichat_async.cli.settings import Settings
    from omnichat_async.jobs import Export, ExportReport, Progress
    from omnichat_async.jobs.planning import ExportPlan

__all__ = ["EVENT_S", "Display", "complain", "display_for", "say"]


OPTIONS = {
    "after": "--after",
    "before": "--before",
    "channel_id": "--channel-id",
    "csv_safe": "--csv-safe",
    "force": "--force",
    "limit": "--rate",
    "out": "--out",
    "platform": "--platform",
    "resume": "--resume",
    "since_last": "--since-last",
}
"""What a person typed for a parameter that an error is about."""

ONLY_ADDED_TO = (
    "Such a file is only added to at its end: --force reads all of it again, and in .sqlite and "
    ".parquet files --resume reads just these ranges."
)
"""Why ranges that could not be proved stay as they are."""

EVENT_S = 1.0
"""Between two progress events of --json, in seconds."""


class Display(Protocol):
    """Shows an export as it runs, and how it ended."""

    started: bool

    def running(self, export: Export) -> contextlib.AbstractContextManager[None]:
        """Around the run."""
        ...

    def progress(self, progress: Progress) -> None:
        """A range was read."""

    def interrupted(self, rows: int, command: str) -> None:
        """It ended early; `rows` are safe, and `command` goes on."""

    def report(self, report: ExportReport, again: str | None) -> None:
        """It is done; the command `again` would read what could not be proved, if one can."""

    def plan(self, plan: ExportPlan) -> None:
        """What an export would cost."""


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
        console = plain_console(stderr=True)
        console.print(f"omnichat: {text}")
        if isinstance(error, APIError) and error.message:
            console.print(f"  the API says: {error.message}")
        if isinstance(error, Unauthorized):
            console.print("  check the token: --token, or $OMNICHAT_API_TOKEN")
    if isinstance(error, Incomplete):
        return UNDECIDED
    return USAGE if isinstance(error, ConfigurationError | InvalidRequest) else FAILED


def plain_console(*, stderr: bool = False) -> Console:
    """One that shows text as it is: a file may be called [bold] or :smile:."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


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
        self._console = plain_console(stderr=True)
        self._bar: ProgressBar | None = None
        self._task = TaskID(0)

    @contextlib.contextmanager
    def running(self, export: Export) -> Iterator[None]:
        self._export = export
        if not self._console.is_terminal:
            yield
            return
        with ProgressBar(
            TextColumn("{task.fields[rows]:>12,} rows"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]:>7,.0f} rows/s"),
            TextColumn("{task.fields[left]:>8} left"),
            TextColumn("{task.fields[day]}"),
            console=self._console,
        ) as self._bar:
            self._task = self._bar.add_task("", total=1.0, rows=0, rate=0.0, left="", day="")
            yield

    def progress(self, progress: Progress) -> None:
        if not self.started:
            self.started = True
            window = self._export.window
            if window is not None:
                span = f"{_day(window.after)} to {_day(window.before)}"
                self._console.print(f"{self._export.stream.name}, {span}")
        if self._bar is not None:
            left = "" if progress.eta is None else str(timedelta(seconds=round(progress.eta)))
            if progress.done == 1.0:
                left = "0:00:00"
            day = "" if progress.window is None else _day(progress.window.before)[:10]
            self._bar.update(
                self._task,
                completed=progress.done,
                rows=progress.rows,
                rate=progress.rate,
                left=left,
                day=day,
            )

    def interrupted(self, rows: int, command: str) -> None:
        self._console.print(f"Stopped. {rows:,} rows are safe; go on with:")
        self._console.print(f"  {command}")

    def report(self, report: ExportReport, again: str | None) -> None:
        fresh = f" ({report.fresh_rows:,} of them now)" if report.fresh_rows < report.rows else ""
        clamped = " (the last minute is never read)" if report.clamped else ""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.certificates.items())
        parts = [
            *((report.useful, "useful"), (report.proofs, "proofs"), (report.probes, "probes")),
            (report.repairs, "repairs"),
            (report.retries, "retries"),
        ]
        spent = ", ".join(f"{count:,} {name}" for count, name in parts if count)
        _print_table(
            {
                "file": str(report.path),
                "rows": f"{report.rows:,}{fresh}",
                "size": f"{report.bytes:,} bytes",
                "complete": f"up to {_day(report.watermark)}{clamped}",
                "windows": f"{report.windows:,}",
                "ranges": f"{report.ranges:,}" + (f": {kinds}" if kinds else ""),
                "requests": f"{report.requests:,} in {report.seconds:.1f} s"
                + (f": {spent}" if spent else ""),
                "rate": f"{report.rate:.1f} requests/s",
                "429s": f"{report.throttled:,}",
                "departures": f"{report.departures:,}",
                "peak rows": f"{report.peak_rows:,}",
            }
        )
        for name, windows in (("weak", report.weak), ("INCOMPLETE", report.incomplete)):
            for window in windows:
                span = f"{_moment(window.after)} to {_moment(window.before)}"
                self._console.print(f"{name}: {span}")
        if again is not None:
            self._console.print("Read them again with:")
            self._console.print(f"  {again}")
        elif report.incomplete:
            self._console.print(ONLY_ADDED_TO)

    def plan(self, plan: ExportPlan) -> None:
        unknown = "unknown (offline)" if not plan.asked else "unknown"
        _print_table(
            {
                "stream": plan.stream,
                "range": f"{_day(plan.window.after)} to {_day(plan.window.before)}",
                "windows": f"{plan.windows:,}",
                "rows": unknown if plan.rows is None else f"{plan.rows:,}",
                "requests": f"{plan.requests:,} at least",
                "time": f"{plan.minutes:.1f} minutes at least, at {plan.rate:.1f} requests/s",
                "size": unknown if plan.bytes is None else f"about {plan.bytes:,} bytes of .jsonl",
            }
        )


def _print_table(rows: dict[str, str]) -> None:
    console, width = plain_console(), max(map(len, rows))
    for name, value in rows.items():
        console.print(f"{name:<{width}}  {value}")  # rich's table would shorten a long path


class _JsonLines:
    def __init__(self) -> None:
        self.started = False
        self._next_at = 0.0

    @contextlib.contextmanager
    def running(self, export: Export) -> Iterator[None]:
        self._export = export
        yield

    def progress(self, progress: Progress) -> None:
        if not self.started:
            self.started = True
            window = self._export.window
            say(
                "started",
                stream=self._export.stream.name,
                file=str(self._export.path),
                after=None if window is None else window.after,
                before=None if window is None else window.before,
            )
            return
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + EVENT_S
            say(
                "progress",
                rows=progress.rows,
                done=round(progress.done, 4),
                rate=round(progress.rate, 1),
                eta=None if progress.eta is None else round(progress.eta, 1),
                window=None
                if progress.window is None
                else [progress.window.after, progress.window.before],
            )

    def interrupted(self, rows: int, command: str) -> None:
        say("interrupted", rows=rows, resume=command)

    def report(self, report: ExportReport, again: str | None) -> None:
        fields = report.to_dict()
        say("finished", file=fields.pop("path"), **fields, again=again)

    def plan(self, plan: ExportPlan) -> None:
        say("plan", **plan.to_dict())


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
