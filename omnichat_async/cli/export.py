"""``omnichat export``: a stream, over a range of time, into a file."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from omnichat_async.cli.display import complain, display_for
from omnichat_async.cli.running import run_until_interrupted
from omnichat_async.cli.settings import DEFAULT_RATE, known_platform
from omnichat_async.cli.times import is_absolute, parse_time
from omnichat_async.errors import OmnichatError
from omnichat_async.jobs import Export
from omnichat_async.jobs.files import read_note

if TYPE_CHECKING:
    from omnichat_async.cli.settings import Settings
    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs import ExportReport

__all__ = ["app"]

INTERRUPTED = 130

GLOBALS = "--sandbox, --token, --base-url, --rate and --json work here too: see omnichat --help."

app = typer.Typer(
    help="Export a stream to a .jsonl or .csv file.", no_args_is_help=True, epilog=GLOBALS
)

After = Annotated[
    str,
    typer.Option(help="Start, inclusive: 2026-11-01 (UTC), 2026-11-01T08:00+08:00, epoch ms, 30d."),
]
Before = Annotated[str, typer.Option(help="End, exclusive, in the same forms, or now.")]
Out = Annotated[Path, typer.Option(help="The file to write: .jsonl or .csv.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Start over: replace the file.")]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with an export that was interrupted.")
]
PlatformOption = Annotated[
    str,
    typer.Option(
        parser=known_platform,
        metavar="NAME",
        help="line, facebook, instagram, wechat, whatsapp or webchat.",
    ),
]
ChannelOption = Annotated[str | None, typer.Option(help="Only this channel of the platform.")]


@attrs.frozen(kw_only=True)
class Request:
    """What one export command line asks for."""

    stream: str
    out: Path
    after: str
    before: str
    force: bool
    resume: bool
    platform: str | None = None
    channel_id: str | None = None

    def open(self, client: OmnichatClient) -> Export:
        """The export. On a resume, times that move with the clock give way to the noted range."""
        now = datetime.now(UTC)
        resumed = self.resume and not self.force and read_note(self.out) is not None
        times = {
            name: None if resumed and not is_absolute(text) else parse_time(name, text, now)
            for name, text in (("after", self.after), ("before", self.before))
        }
        return Export(
            client,
            self.stream,
            self.out,
            after=times["after"],
            before=times["before"],
            platform=self.platform,
            channel_id=self.channel_id,
            force=self.force,
            resume=self.resume,
        )

    def resume_command(self, settings: Settings) -> str:
        """The command line that goes on. It never holds the token."""
        words = ["omnichat", *(["--sandbox"] if settings.sandbox else [])]
        if settings.base_url is not None:
            words += ["--base-url", settings.base_url]
        if settings.rate != DEFAULT_RATE:
            words += ["--rate", f"{settings.rate:g}"]
        words += ["export", self.stream, "--out", str(self.out), "--resume"]
        if self.platform is not None:
            words += ["--platform", self.platform]
        if self.channel_id is not None:
            words += ["--channel-id", self.channel_id]
        return shlex.join(words)


def _with_platform(stream: str, text: str) -> None:
    """Add the command of a stream that is asked for platform by platform."""

    def command(
        context: typer.Context,
        out: Out,
        platform: PlatformOption = "whatsapp",
        channel_id: ChannelOption = None,
        after: After = "30d",
        before: Before = "now",
        force: ForceOption = False,
        resume: ResumeOption = False,
    ) -> None:
        request = Request(
            stream=stream,
            out=out,
            after=after,
            before=before,
            force=force,
            resume=resume,
            platform=platform,
            channel_id=channel_id,
        )
        _export(context.obj, request)

    app.command(name=stream, help=text, epilog=GLOBALS)(command)


def _without_platform(stream: str, text: str) -> None:
    """Add the command of a stream that has no filters."""

    def command(
        context: typer.Context,
        out: Out,
        after: After = "30d",
        before: Before = "now",
        force: ForceOption = False,
        resume: ResumeOption = False,
    ) -> None:
        request = Request(
            stream=stream, out=out, after=after, before=before, force=force, resume=resume
        )
        _export(context.obj, request)

    app.command(name=stream, help=text, epilog=GLOBALS)(command)


_with_platform("messages", "Export the chat history of one platform.")
_with_platform("contacts", "Export the contacts of one platform that were updated in the range.")
_without_platform("tagging-logs", "Export the log of tags put on contacts.")
_without_platform("report-messages", "Export how many messages each teammate sent, per window.")
_without_platform("report-orders", "Export the orders that came from product referral links.")


def _export(settings: Settings, request: Request) -> None:
    display = display_for(settings)

    async def main() -> ExportReport:
        async with settings.client() as client:
            export = request.open(client)
            with display.running(export):
                return await export.run(display.progress)

    try:
        report = run_until_interrupted(main())
    except (OmnichatError, OSError) as error:
        code = complain(error, as_json=settings.json)
        if display.started and (note := read_note(request.out)) is not None and note.rows:
            display.interrupted(note.rows, request.resume_command(settings))
        raise typer.Exit(code) from None
    if report is None:
        note = read_note(request.out) if display.started else None
        if note is not None:
            display.interrupted(note.rows, request.resume_command(settings))
        raise typer.Exit(INTERRUPTED)
    display.report(report)
