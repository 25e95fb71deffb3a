"""``omnichat export`` and ``omnichat plan export``: a stream, over a range of time."""

from __future__ import annotations

import inspect
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from omnichat_async.cli.display import complain, display_for
from omnichat_async.cli.exits import INTERRUPTED, UNDECIDED
from omnichat_async.cli.running import run_until_interrupted
from omnichat_async.cli.settings import DEFAULT_RATE, known_platform
from omnichat_async.cli.times import is_absolute, parse_time
from omnichat_async.errors import InvalidRequest, OmnichatError
from omnichat_async.jobs import STREAMS, Export
from omnichat_async.jobs.export import query_params
from omnichat_async.jobs.planning import plan_export
from omnichat_async.jobs.sinks import SUFFIXES, sink_for
from omnichat_async.jobs.store import peek
from omnichat_async.windows import to_ms, whole_range

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.cli.settings import Settings
    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs import ExportReport
    from omnichat_async.jobs.planning import ExportPlan
    from omnichat_async.jobs.sinks.base import Sink
    from omnichat_async.windows import Window

__all__ = ["app", "plan_app"]


GLOBALS = "--sandbox, --token, --base-url, --rate and --json work here too: see omnichat --help."

app = typer.Typer(
    help="Export a stream to a file: .jsonl, .csv (also .gz), .parquet or .sqlite.",
    no_args_is_help=True,
    epilog=GLOBALS,
)
plan_app = typer.Typer(help="Say what a command would cost.", no_args_is_help=True, epilog=GLOBALS)
_plan_export = typer.Typer(
    help="Say what an export would cost, with one request per window.",
    no_args_is_help=True,
    epilog=GLOBALS,
)
plan_app.add_typer(_plan_export, name="export")

After = Annotated[
    str,
    typer.Option(help="Start, inclusive: 2026-11-01 (UTC), 2026-11-01T08:00+08:00, epoch ms, 30d."),
]
Before = Annotated[str, typer.Option(help="End, exclusive, in the same forms, or now.")]
Out = Annotated[Path, typer.Option(help=f"The file to write: {', '.join(SUFFIXES)}.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Start over: replace the file.")]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on with what was interrupted; leave a finished file.")
]
SinceLastOption = Annotated[
    bool, typer.Option("--since-last", help="Add what is new since the last run.")
]
RecordOption = Annotated[
    bool,
    typer.Option(
        "--record-incomplete",
        help="Write ranges that cannot be proved complete too, and list them (exit code 3).",
    ),
]
CsvSafeOption = Annotated[
    bool, typer.Option("--csv-safe", help="Neutralise cells a spreadsheet would run as formulas.")
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
OfflineOption = Annotated[bool, typer.Option("--offline", help="Ask nothing, count windows only.")]


@attrs.frozen(kw_only=True)
class Request:
    """What one export command line asks for."""

    stream: str
    out: Path
    after: str
    before: str
    force: bool = False
    resume: bool = False
    since_last: bool = False
    record_incomplete: bool = False
    csv_safe: bool = False
    platform: str | None = None
    channel_id: str | None = None

    def open(self, client: OmnichatClient) -> Export:
        """The export. Times that move with the clock give way to those of the run it goes on
        with."""
        now = datetime.now(UTC)
        sink = sink_for(self.out, csv_safe=self.csv_safe)
        params = query_params(client, self.platform, self.channel_id)
        fixed = {
            name: to_ms(name, parse_time(name, text, now))
            for name, text in (("after", self.after), ("before", self.before))
            if is_absolute(text) and not (name == "before" and self.since_last)
        }

        def fits(window: Window) -> bool:
            return all(getattr(window, name) == time for name, time in fixed.items())

        job = None
        if not self.force:
            stream, since_last = STREAMS[self.stream], self.since_last
            job = peek(sink, stream, params, fits, since_last=since_last)
        if self.resume and job is None and "after" not in fixed and self._is_free(sink):
            raise InvalidRequest(
                "resume",
                "needs an export of this query to go on with (leave --resume out to begin one, or "
                "give --after the time it starts at)",
                "a place without one",
            )
        times: dict[str, datetime | None] = {}
        for name, text in (("after", self.after), ("before", self.before)):
            later = name == "before" and self.since_last and job is not None and job.finished
            given_way = job is not None and not is_absolute(text) and not later
            times[name] = None if given_way else parse_time(name, text, now)
        return Export(
            client,
            self.stream,
            sink,
            after=times["after"],
            before=times["before"],
            platform=self.platform,
            channel_id=self.channel_id,
            force=self.force,
            resume=self.resume,
            since_last=self.since_last,
            on_incomplete="record" if self.record_incomplete else "raise",
        )

    def _is_free(self, sink: Sink) -> bool:
        """Whether an export could begin here, of which some other range may have been meant."""
        return sink.shared or not self.out.exists()

    def resume_command(
        self, settings: Settings, window: Window | None, *, again: bool = False
    ) -> str:
        """The command line that goes on, or reads `again` what could not be proved, with the range
        `window` where there may be others. It never holds the token."""
        since_last = self.since_last and not again
        words = ["omnichat", *(["--sandbox"] if settings.sandbox else [])]
        if settings.base_url is not None:
            words += ["--base-url", settings.base_url]
        if settings.rate != DEFAULT_RATE:
            words += ["--rate", f"{settings.rate:g}"]
        words += ["export", self.stream, "--out", str(self.out)]
        words += ["--since-last" if since_last else "--resume"]
        if window is not None:
            words += ["--after", str(window.after)]
            words += [] if since_last else ["--before", str(window.before)]
        if self.platform is not None:
            words += ["--platform", self.platform]
        if self.channel_id is not None:
            words += ["--channel-id", self.channel_id]
        words += ["--record-incomplete"] if self.record_incomplete and not again else []
        words += ["--csv-safe"] if self.csv_safe else []
        return shlex.join(words)


def _export_command(
    context: typer.Context,
    stream: str,
    out: Out,
    platform: PlatformOption = "whatsapp",
    channel_id: ChannelOption = None,
    after: After = "30d",
    before: Before = "now",
    force: ForceOption = False,
    resume: ResumeOption = False,
    since_last: SinceLastOption = False,
    record_incomplete: RecordOption = False,
    csv_safe: CsvSafeOption = False,
) -> None:
    by_platform = STREAMS[stream].by_platform
    request = Request(
        stream=stream,
        out=out,
        after=after,
        before=before,
        force=force,
        resume=resume,
        since_last=since_last,
        record_incomplete=record_incomplete,
        csv_safe=csv_safe,
        platform=platform if by_platform else None,
        channel_id=channel_id,
    )
    _export(context.obj, request)


def _plan_command(
    context: typer.Context,
    stream: str,
    platform: PlatformOption = "whatsapp",
    channel_id: ChannelOption = None,
    after: After = "30d",
    before: Before = "now",
    offline: OfflineOption = False,
) -> None:
    settings: Settings = context.obj
    now = datetime.now(UTC)
    window = whole_range(parse_time("after", after, now), parse_time("before", before, now))
    filters = {"platform": platform, "channel_id": channel_id}

    async def main() -> ExportPlan:
        async with settings.client(needs_account=not offline) as client:
            chosen: Any = filters if STREAMS[stream].by_platform else {}
            return await plan_export(client, STREAMS[stream], window, offline=offline, **chosen)

    plan = run_until_interrupted(main())
    if plan is None:
        raise typer.Exit(INTERRUPTED)
    display_for(settings).plan(plan)


def _for_stream(command: Callable[..., None], stream: str) -> Callable[..., None]:
    """`command` for one stream, with the options that it has."""
    signature = inspect.signature(command, eval_str=True)
    hidden = {"stream"} | (set() if STREAMS[stream].by_platform else {"platform", "channel_id"})

    def run(**options: Any) -> None:
        command(stream=stream, **options)

    shown = [each for name, each in signature.parameters.items() if name not in hidden]
    keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in shown]
    run.__signature__ = signature.replace(parameters=keyword)  # type: ignore[attr-defined]
    return run


_HELP = {
    "messages": "the chat history of one platform",
    "contacts": "the contacts of one platform that were updated in the range",
    "tagging-logs": "the log of tags put on contacts",
    "report-messages": "how many messages each teammate sent, per window",
    "report-orders": "the orders that came from product referral links",
}
for _name, _text in _HELP.items():
    app.command(name=_name, help=f"Export {_text}.", epilog=GLOBALS)(
        _for_stream(_export_command, _name)
    )
    _plan_export.command(name=_name, help=f"Plan an export of {_text}.", epilog=GLOBALS)(
        _for_stream(_plan_command, _name)
    )


def _export(settings: Settings, request: Request) -> None:
    display = display_for(settings)
    opened: list[Export] = []

    async def main() -> ExportReport:
        async with settings.client() as client:
            export = request.open(client)
            opened.append(export)
            with display.running(export):
                return await export.run(display.progress)

    def say_how_to_go_on() -> None:
        if opened and opened[0].safe_rows:
            window = opened[0].window if opened[0].shared else None
            command = request.resume_command(settings, window)
            display.interrupted(opened[0].safe_rows, command)

    try:
        report = run_until_interrupted(main())
    except (OmnichatError, OSError) as error:
        code = complain(error, as_json=settings.json)
        say_how_to_go_on()
        raise typer.Exit(code) from None
    if report is None:
        say_how_to_go_on()
        raise typer.Exit(INTERRUPTED)
    again = None
    if report.incomplete and opened[0].replaces:
        again = request.resume_command(settings, report.window, again=True)
    display.report(report, again)
    if report.incomplete:
        raise typer.Exit(UNDECIDED)
