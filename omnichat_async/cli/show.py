"""``omnichat channels``, ``templates`` and ``contacts``: look something up."""

from __future__ import annotations

import enum
import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer
from rich.table import Table

from omnichat_async.cli.display import plain_console
from omnichat_async.cli.exits import FAILED, INTERRUPTED
from omnichat_async.cli.running import run_until_interrupted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from omnichat_async.cli.settings import Settings
    from omnichat_async.client import OmnichatClient
    from omnichat_async.models import Model

__all__ = ["channels", "contacts", "templates"]


contacts = typer.Typer(help="Look up contacts.", no_args_is_help=True)


def channels(context: typer.Context) -> None:
    """List the channels of the team, with the ids that other commands ask for."""

    async def read(client: OmnichatClient) -> Sequence[Model]:
        return await client.channels.list()

    _show(context.obj, read, ("platform", "channel_id", "channel_name"))


def templates(
    context: typer.Context,
    phone: Annotated[str, typer.Option(help="The WhatsApp business number.")],
) -> None:
    """List the message templates of a WhatsApp business number."""

    async def read(client: OmnichatClient) -> Sequence[Model]:
        return [each async for each in client.templates.list(phone=phone)]

    _show(context.obj, read, ("name", "language", "category", "status", "id"))


@contacts.command(name="find")
def find(
    context: typer.Context,
    platform: Annotated[
        str, typer.Option(help="line, facebook, instagram, wechat, whatsapp or webchat.")
    ],
    channel_id: Annotated[str | None, typer.Option(help="The channel of the contact.")] = None,
    user_id: Annotated[str | None, typer.Option(help="Its id on the channel.")] = None,
    bsuid: Annotated[str | None, typer.Option(help="Its business-scoped id.")] = None,
    member_id: Annotated[str | None, typer.Option(help="The member id of your own system.")] = None,
    phone: Annotated[str | None, typer.Option(help="Its phone number.")] = None,
    email: Annotated[str | None, typer.Option(help="Its e-mail address.")] = None,
) -> None:
    """Find one contact by exactly one of its ids. Ends with 1 if there is none."""

    async def read(client: OmnichatClient) -> Sequence[Model]:
        contact = await client.contacts.find(
            platform=platform,
            channel_id=channel_id,
            user_id=user_id,
            bsuid=bsuid,
            member_id=member_id,
            phone=phone,
            email=email,
        )
        return [] if contact is None else [contact]

    _show(context.obj, read, None, none="no such contact")


def _show(
    settings: Settings,
    read: Callable[[OmnichatClient], Awaitable[Sequence[Model]]],
    columns: tuple[str, ...] | None,
    none: str | None = None,
) -> None:
    """Print rows: with --json one object a line, in columns, or without any a field a line.

    No rows are a failure where `none` says what that means.
    """

    async def main() -> Sequence[Model]:
        async with settings.client() as client:
            return await read(client)

    rows = run_until_interrupted(main())
    if rows is None:
        raise typer.Exit(INTERRUPTED)
    if settings.json:
        for row in rows:
            typer.echo(json.dumps(plain(row), ensure_ascii=False))
    elif columns is None:
        _print(("field", "value"), (pair for row in rows for pair in plain(row).items()))
    else:
        _print(columns, ([plain(row).get(name) for name in columns] for row in rows))
    if not rows and none is not None:
        typer.echo(f"omnichat: {none}", err=True)
        raise typer.Exit(FAILED)


def _print(heading: Sequence[str], rows: Any) -> None:
    table = Table(*heading, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    if table.row_count:
        # Ids are made to be copied: a narrow terminal wraps lines, and cuts nothing off.
        plain_console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def plain(row: Model) -> dict[str, Any]:
    """A model as JSON can hold it: Python names, times in ISO 8601, unknown fields last."""

    def simple(_owner: Any, _field: Any, value: Any) -> Any:
        if isinstance(value, datetime):
            return value.isoformat()
        return value.value if isinstance(value, enum.Enum) else value

    fields = attrs.asdict(row, value_serializer=simple)
    extra = fields.pop("extra")
    return {**fields, "extra": extra} if extra else fields
