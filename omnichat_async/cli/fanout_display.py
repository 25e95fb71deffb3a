"""What a person sees of a fan-out, or a program with --json."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Protocol

import attrs
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from omnichat_async.cli.display import EVENT_S, plain_console, say
from omnichat_async.jobs.fanout import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from omnichat_async.cli.settings import Settings
    from omnichat_async.jobs.fanout import (
        FanOut,
        Plan,
        Progress,
        Reconciled,
        Report,
        Status,
    )

__all__ = ["FanOutDisplay", "fanout_display"]

SHOWN_ROWS = 10
"""Bad rows shown one by one; all of them are in the report."""

FATES = ("success", "failed", "read", "clicked", "responded")


class FanOutDisplay(Protocol):
    """Shows a fan-out as it runs, and how it stands."""

    async def planned(self, plan: Plan, job: FanOut) -> None:
        """What would be sent."""

    def running(self, job: FanOut) -> contextlib.AbstractAsyncContextManager[None]:
        """Around the run."""
        ...

    def reconciled(self, found: Reconciled) -> None:
        """What a look at the server has settled."""

    def interrupted(self, status: Status, command: str) -> None:
        """It ended early, and `command` goes on."""

    def status(self, status: Status, command: str) -> None:
        """How it stands; `command` goes on."""

    def report(self, report: Report, command: str) -> None:
        """How it fared; `command` goes on."""


def fanout_display(settings: Settings) -> FanOutDisplay:
    """JSON lines if asked for, otherwise text, with a bar where there is a terminal."""
    return _JsonLines() if settings.json else _Terminal()


@contextlib.asynccontextmanager
async def _following(job: FanOut, show: Any) -> AsyncIterator[None]:
    """Show the events of a run until it ends."""

    async def follow() -> None:
        async for progress in job.events():
            show(progress)

    task = asyncio.create_task(follow(), name="omnichat-display")
    try:
        yield
        await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class _Terminal:
    def __init__(self) -> None:
        self._console = plain_console(stderr=True)

    async def planned(self, plan: Plan, job: FanOut) -> None:
        self._table(
            ("recipients", f"{plan.recipients:,}"),
            ("calls", f"{plan.calls:,}, {_minutes(plan.minutes)}"),
            ("duplicates", f"{plan.duplicates:,}"),
            ("excluded", f"{plan.excluded:,}"),
            ("invalid rows", f"{plan.invalid:,}"),
        )
        shown = 0
        if plan.invalid:
            async for each in job.outcomes(State.INVALID):
                shown += 1
                if shown <= SHOWN_ROWS:
                    self._say(f"  line {each.line}: {each.reason}")
        if shown > SHOWN_ROWS:
            self._say(f"  and {shown - SHOWN_ROWS:,} more")
        if plan.example is not None:
            self._say("an example:")
            self._say(json.dumps(plan.example, ensure_ascii=False, indent=2))

    @contextlib.asynccontextmanager
    async def running(self, job: FanOut) -> AsyncIterator[None]:
        if not self._console.is_terminal:
            yield
            return
        bar = ProgressBar(
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[sent]:,} sent"),
            TextColumn("{task.fields[refused]:,} refused"),
            TextColumn("{task.fields[unknown]:,} unknown"),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TextColumn("{task.fields[eta]} left"),
            console=self._console,
        )
        with bar:
            task = bar.add_task("", total=None, sent=0, refused=0, unknown=0, rate=0.0, eta="?")

            def show(progress: Progress) -> None:
                done = progress.recipients - progress.pending - progress.sending
                bar.update(
                    task,
                    total=progress.recipients,
                    completed=done,
                    sent=progress.sent,
                    refused=progress.refused,
                    unknown=progress.unknown,
                    rate=progress.rate,
                    eta=_duration(progress.eta),
                )

            async with _following(job, show):
                yield

    def reconciled(self, found: Reconciled) -> None:
        self._say(f"Found on the server: {found.found:,}. Still unknown: {found.unknown:,}.")
        if not found.complete:
            self._say("The server does not show all that was sent. Is it the same account?")

    def interrupted(self, status: Status, command: str) -> None:
        self._counts(status)
        self._say("Stopped. Go on with:")
        self._say(f"  {command}")

    def status(self, status: Status, command: str) -> None:
        self._counts(status)
        if status.unknown:
            self._say(
                "Nobody knows whether the unknown ones got it. This looks for them on the server, "
                "and sends to those who are pending:"
            )
            self._say(f"  {command}")
            self._say(
                "Who stays unknown is in the report; what becomes of them you decide, by adding "
                "--resend-unknown or --drop-unknown."
            )
        elif status.pending:
            self._say("Send to those who are pending with:")
            self._say(f"  {command}")

    def _counts(self, status: Status) -> None:
        self._table(
            ("recipients", f"{status.recipients:,}"),
            ("sent", f"{status.sent:,}"),
            ("refused", f"{status.refused:,}"),
            ("unknown", f"{status.unknown:,}"),
            ("dropped", f"{status.dropped:,}"),
            ("pending", f"{status.pending + status.sending:,}"),
        )
        if status.halted:
            self._say(f"The last run was stopped by {status.halted}.")
        if status.late:
            self._say(
                f"Sent twice: {status.late:,} calls were sent again as unknown and showed on the "
                "server after that."
            )

    def report(self, report: Report, command: str) -> None:
        self.status(report.status, command)
        if not report.broadcasts:
            self._say("No broadcast to follow up; what becomes of other kinds is told by webhook.")
            return
        rows = [("broadcasts", f"{report.broadcasts:,}"), ("missing", f"{report.missing:,}")]
        for fate in FATES:
            rate = report.rate(fate)
            part = "" if rate is None else f"  {100 * rate:.2f} %"
            rows.append((fate, f"{getattr(report, fate):,}{part}"))
        for each in report.buttons:
            place = f"button {each.message_index}.{each.card_index}.{each.button_index}"
            rows.append((place, f"{each.clicks:,} clicks"))
        self._table(*rows)
        if report.missing:
            self._say("The server does not show the missing broadcasts (any more).")

    def _say(self, text: str) -> None:
        self._console.print(text)

    def _table(self, *rows: tuple[str, str]) -> None:
        table = Table.grid(padding=(0, 2))
        for name, value in rows:
            table.add_row(name, value)
        plain_console().print(table)


class _JsonLines:
    async def planned(self, plan: Plan, job: FanOut) -> None:
        async for each in job.outcomes(State.INVALID):
            say("invalid", line=each.line, reason=each.reason)
        say("planned", **attrs.asdict(plan))

    @contextlib.asynccontextmanager
    async def running(self, job: FanOut) -> AsyncIterator[None]:
        next_at = 0.0

        def show(progress: Progress) -> None:
            nonlocal next_at
            now = time.monotonic()
            if now >= next_at:
                next_at = now + EVENT_S
                say("progress", **attrs.asdict(progress))

        async with _following(job, show):
            yield

    def reconciled(self, found: Reconciled) -> None:
        say("reconciled", **attrs.asdict(found))

    def interrupted(self, status: Status, command: str) -> None:
        say("interrupted", resume=command, **attrs.asdict(status))

    def status(self, status: Status, command: str) -> None:
        del command
        say("status", **attrs.asdict(status))

    def report(self, report: Report, command: str) -> None:
        del command
        rates = {fate: report.rate(fate) for fate in FATES}
        say("report", **attrs.asdict(report), rates=rates)


def _minutes(minutes: float) -> str:
    return "less than a minute" if minutes < 1 else f"about {minutes:,.0f} minutes"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
