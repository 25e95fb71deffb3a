"""The commands, and what their errors mean for a shell."""

from __future__ import annotations

from typing import Annotated

import typer

from omnichat_async._version import __version__
from omnichat_async.cli import broadcast, export, sandbox, show, webhook
from omnichat_async.cli.display import complain
from omnichat_async.cli.exits import DONE, FAILED
from omnichat_async.cli.settings import DEFAULT_RATE, Settings, hoisted
from omnichat_async.errors import OmnichatError

__all__ = ["run"]


app = typer.Typer(
    name="omnichat",
    help="The Omnichat Open API from the command line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(export.app, name="export")
app.add_typer(broadcast.app, name="broadcast")
app.add_typer(webhook.app, name="webhook")
app.add_typer(show.contacts, name="contacts")
app.command(name="channels")(show.channels)
app.command(name="templates")(show.templates)
app.add_typer(export.plan_app, name="plan")
app.command(name="sandbox")(sandbox.serve)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"omnichat_async {__version__}")
        raise typer.Exit


@app.callback()
def settings(
    context: typer.Context,
    token: Annotated[
        str | None, typer.Option(help="API token [default: $OMNICHAT_API_TOKEN].")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="API URL with its /v1 [default: $OMNICHAT_BASE_URL].")
    ] = None,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Start a local fake API and use it: no account needed."),
    ] = False,
    rate: Annotated[
        float, typer.Option(help="The account's limit, in requests per second.")
    ] = DEFAULT_RATE,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_version),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One line of JSON per event instead of a progress bar.")
    ] = False,
) -> None:
    """The Omnichat Open API from the command line.

    These options may stand before or after the command.
    """
    del version
    context.obj = Settings(token=token, base_url=base_url, sandbox=sandbox, rate=rate, json=as_json)


def run(argv: list[str]) -> int:
    """Run one command line; the exit code says how it ended."""
    argv = hoisted(argv)
    try:
        app(argv, prog_name="omnichat")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    except (OmnichatError, OSError) as error:
        return complain(error, as_json="--json" in argv)
    return DONE
