"""``omnichat broadcast``: one message to many people, and how it fared."""

from __future__ import annotations

import json
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from omnichat_async.cli import broadcasts
from omnichat_async.cli.display import complain
from omnichat_async.cli.exits import INTERRUPTED, UNDECIDED, USAGE
from omnichat_async.cli.fanout_display import fanout_display
from omnichat_async.cli.running import run_until_interrupted
from omnichat_async.cli.settings import DEFAULT_RATE
from omnichat_async.errors import ConfigurationError, InvalidRequest, OmnichatError
from omnichat_async.jobs.fanout import SETTLE_S, FanOut, Message, read_status

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any, TypeVar

    from omnichat_async.cli.settings import Settings
    from omnichat_async.jobs.fanout import Plan, Report, Status

    T = TypeVar("T")

__all__ = ["app"]


GLOBALS = "--sandbox, --token, --base-url, --rate and --json work here too: see omnichat --help."

app = typer.Typer(
    help="Send one message to many people, and see how it fared.",
    no_args_is_help=True,
    epilog=GLOBALS,
)
for name, command in (
    ("list", broadcasts.list_broadcasts),
    ("show", broadcasts.show),
    ("recipients", broadcasts.recipients),
):
    app.command(name=name, epilog=GLOBALS)(command)

JournalOption = Annotated[Path, typer.Option(help="The job's file: all that is known of it.")]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="Send to so many people only, as a first small batch.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask before sending.")]


@attrs.frozen
class Job:
    """One job on the command line."""

    settings: Settings
    journal: Path

    def resume_command(self, *more: str) -> str:
        """The command line that goes on, with these words. It never holds the token."""
        words = ["omnichat"]
        if self.settings.sandbox:
            words.append("--sandbox")
        if self.settings.base_url is not None:
            words += ["--base-url", self.settings.base_url]
        if self.settings.rate != DEFAULT_RATE:
            words += ["--rate", f"{self.settings.rate:g}"]
        words += ["broadcast", "resume", "--journal", str(self.journal)]
        return shlex.join([*words, *more])

    def complete(self, main: Coroutine[Any, Any, T]) -> T:
        """Run something that sends nothing and that a signal cancels."""
        result = run_until_interrupted(main)
        if result is None:
            typer.echo("Interrupted: nothing was sent.", err=True)
            raise typer.Exit(INTERRUPTED)
        return result

    def confirm(self, recipients: int, limit: int | None, *decided: str, yes: bool) -> None:
        """Ask before something is sent; `decided` are the words that say what of the unknown."""
        count = recipients if limit is None else min(recipients, limit)
        if yes or not count:
            return
        if self.settings.json:
            raise ConfigurationError("--json asks no questions: confirm with --yes")
        question = f"Send to {count:,} people? It costs money and cannot be undone."
        try:
            sure = typer.confirm(question, err=True)
        except typer.Abort:  # Ctrl-C, or nobody there to answer
            typer.echo("", err=True)
            sure = False
        if not sure:
            limited = [] if limit is None else ["--limit", str(limit)]
            typer.echo(
                "Nothing was sent. Send it with (--yes answers the question):\n"
                f"  {self.resume_command(*decided, *limited)}",
                err=True,
            )
            raise typer.Exit(INTERRUPTED)

    def run(
        self,
        limit: int | None,
        *,
        resend: bool = False,
        drop: bool = False,
        settle: float = SETTLE_S,
    ) -> None:
        """Send, and end with the exit code that says how it stands."""
        display = fanout_display(self.settings)
        running: list[FanOut] = []
        stopped: list[bool] = []

        async def main() -> Status:
            async with (
                self.settings.client() as client,
                FanOut(client, self.journal, settle=settle) as job,
            ):
                if resend:
                    await job.resend_unknown()
                if drop:
                    await job.drop_unknown()
                running.append(job)
                async with display.running(job):
                    return await job.run(limit=limit)

        def stop() -> bool:
            stopped.append(True)
            return bool(running) and running[0].stop()

        try:
            status = run_until_interrupted(main(), stop)
        except (OmnichatError, OSError) as error:
            code = complain(error, as_json=self.settings.json)
            if code != USAGE:  # the same command would be refused again
                display.interrupted(self._status(), self.resume_command())
            raise typer.Exit(code) from None
        if status is None or (stopped and not status.done):
            display.interrupted(self._status(), self.resume_command())
            raise typer.Exit(INTERRUPTED)
        display.status(status, self.resume_command())
        raise typer.Exit(UNDECIDED if status.unknown else 0)

    def _status(self) -> Status:
        return self.complete(read_status(self.journal))


@app.command(epilog=GLOBALS)
def send(
    context: typer.Context,
    recipients: Annotated[
        Path, typer.Option(help="Whom to send to: .csv, .jsonl, or .txt with one a line.")
    ],
    message: Annotated[
        Path,
        typer.Option(help="What to send: JSON with the fields of POST /broadcast, without to."),
    ],
    journal: JournalOption,
    column: Annotated[str, typer.Option(help="The column or key that is the recipient.")] = "to",
    suppress: Annotated[
        Path | None, typer.Option(help="People who must not get it, in the same forms.")
    ] = None,
    platform: Annotated[str | None, typer.Option(help="In place of the message's.")] = None,
    channel_id: Annotated[str | None, typer.Option(help="In place of the message's.")] = None,
    mark: Annotated[
        bool,
        typer.Option(help="Put the job's mark into the subject, to find lost broadcasts again."),
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and show it; send nothing.")
    ] = False,
    limit: LimitOption = None,
    yes: YesOption = False,
) -> None:
    """Send a message to everybody in a file: once, whatever happens.

    The message's "kind" may be broadcast (the default), direct-message, headless or notification;
    texts of the last three may hold ${column}. Once planned, the job goes on with resume.
    """
    settings: Settings = context.obj
    content = read_message(message, platform, channel_id)
    job = Job(settings, journal)

    async def plan(path: Path) -> Plan:
        async with settings.client() as client, FanOut(client, path) as fan_out:
            planned = await fan_out.plan(
                content, recipients, suppress=suppress, column=column, mark=mark
            )
            await fanout_display(settings).planned(planned, fan_out)
            return planned

    if dry_run:
        with tempfile.TemporaryDirectory() as folder:
            job.complete(plan(Path(folder) / "journal"))
        return
    planned = job.complete(plan(journal))
    job.confirm(planned.recipients, limit, yes=yes)
    job.run(limit)


@app.command(epilog=GLOBALS)
def resume(
    context: typer.Context,
    journal: JournalOption,
    resend_unknown: Annotated[
        bool,
        typer.Option(
            "--resend-unknown",
            help="Send again to those of whom nobody knows. Some may get it twice.",
        ),
    ] = False,
    drop_unknown: Annotated[
        bool,
        typer.Option("--drop-unknown", help="Never send to them again. Some may not have got it."),
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            help="With --resend-unknown: seconds that must lie between a lost call and a look at "
            "the server that did not find it."
        ),
    ] = SETTLE_S,
    limit: LimitOption = None,
    yes: YesOption = False,
) -> None:
    """Go on with a job: look for lost calls on the server, then send to those who are left."""
    settings: Settings = context.obj
    if resend_unknown and drop_unknown:
        raise ConfigurationError("--resend-unknown and --drop-unknown exclude each other")
    job = Job(settings, journal)

    async def look() -> Status:
        await read_status(journal)  # before a file is made where there is none
        async with settings.client() as client, FanOut(client, journal, settle=settle) as fan_out:
            before = (await fan_out.status()).unknown
            found = await fan_out.reconcile()
            if before or found.found:
                fanout_display(settings).reconciled(found)
            if resend_unknown:
                await fan_out.resend_unknown(dry_run=True)
            return await fan_out.status()

    status = job.complete(look())
    again = status.unknown if resend_unknown else 0
    decided = {"--resend-unknown": resend_unknown, "--drop-unknown": drop_unknown}
    chosen = [word for word, meant in decided.items() if meant]
    job.confirm(status.pending + again, limit, *chosen, yes=yes)
    job.run(limit, resend=resend_unknown and bool(again), drop=drop_unknown, settle=settle)


@app.command(epilog=GLOBALS)
def status(context: typer.Context, journal: JournalOption) -> None:
    """Show how a job stands. It needs no account."""
    job = Job(context.obj, journal)
    found = job.complete(read_status(journal))
    fanout_display(context.obj).status(found, job.resume_command())
    raise typer.Exit(UNDECIDED if found.unknown else 0)


@app.command(epilog=GLOBALS)
def report(
    context: typer.Context,
    journal: JournalOption,
    out: Annotated[
        Path | None, typer.Option(help="A .csv or .json file with a row for every recipient.")
    ] = None,
) -> None:
    """Collect how a job has fared: delivered, read, clicked, responded."""
    settings: Settings = context.obj
    job = Job(settings, journal)

    async def collect() -> Report:
        await read_status(journal)
        async with settings.client() as client, FanOut(client, journal) as fan_out:
            return await fan_out.report(out)

    found = job.complete(collect())
    fanout_display(settings).report(found, job.resume_command())
    raise typer.Exit(UNDECIDED if found.status.unknown else 0)


def read_message(path: Path, platform: str | None, channel_id: str | None) -> Message:
    """The message in a file, with what the command line says in place of its own."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise InvalidRequest("message", "must be a file of JSON", "something else") from None
    if isinstance(data, dict):
        given = {"platform": platform, "channelId": channel_id}
        data |= {name: value for name, value in given.items() if value is not None}
    return Message.from_json(json.dumps(data))
