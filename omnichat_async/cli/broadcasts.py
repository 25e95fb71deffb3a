"""``omnichat broadcast list``, ``show`` and ``recipients``: read what the server has."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer
from rich.table import Table

from omnichat_async.cli.display import plain_console, say
from omnichat_async.cli.exits import INTERRUPTED
from omnichat_async.cli.running import run_until_interrupted
from omnichat_async.models.broadcasts import BroadcastType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omnichat_async.cli.settings import Settings
    from omnichat_async.client import OmnichatClient
    from omnichat_async.paging import Listing

__all__ = ["list_broadcasts", "recipients", "show"]

BRIEF = ("id", "status", "sent_at", "recipient_count", "success", "read", "clicked", "subject")
PERSON = ("phone", "success", "sent_at", "read_at", "clicked_at", "responded_at", "error")

WIDEST = 10_000

LimitOption = Annotated[int, typer.Option(min=1, help="Rows at most.")]
BroadcastId = Annotated[str, typer.Argument(help="A broadcast's id.")]


def list_broadcasts(
    context: typer.Context,
    platform: Annotated[str | None, typer.Option(help="line, facebook or whatsapp.")] = None,
    channel_id: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    status: Annotated[str | None, typer.Option(help="A number 0 to 9, or a name.")] = None,
    limit: LimitOption = 100,
) -> None:
    """List the broadcasts that were sent through the API."""

    async def main(client: OmnichatClient) -> list[Any]:
        listing = client.broadcasts.list(
            types=[BroadcastType.OPEN_API], platform=platform, channel_id=channel_id, status=status
        )
        return await first(listing, limit)

    _print(context.obj, "broadcast", BRIEF, _read(context.obj, main))


def show(context: typer.Context, broadcast_id: BroadcastId) -> None:
    """Show one broadcast with all its statistics."""

    async def main(client: OmnichatClient) -> list[Any]:
        return [await client.broadcasts.get(broadcast_id)]

    (found,) = _read(context.obj, main)
    fields = _fields(found)
    if context.obj.json:
        say("broadcast", **fields)
        return
    table = Table.grid(padding=(0, 2))
    for name, value in fields.items():
        if value not in (None, [], {}):
            table.add_row(name, str(value))
    _show(table)


def recipients(
    context: typer.Context,
    broadcast_id: BroadcastId,
    status: Annotated[
        str | None,
        typer.Option(help="failed, read, clicked, responded, success, notDelivered, unsubscribed."),
    ] = None,
    limit: LimitOption = 1000,
) -> None:
    """Show the recipients of a broadcast."""

    async def main(client: OmnichatClient) -> list[Any]:
        return await first(client.broadcasts.recipients(broadcast_id, status=status), limit)

    _print(context.obj, "recipient", PERSON, _read(context.obj, main))


async def first(listing: Listing[Any], limit: int) -> list[Any]:
    """The first rows of a listing."""
    rows: list[Any] = []
    async with contextlib.aclosing(listing.pages()) as pages:
        async for page in pages:
            rows += page
            if len(rows) >= limit:
                break
    return rows[:limit]


def _read(settings: Settings, main: Any) -> list[Any]:
    async def with_client() -> list[Any]:
        async with settings.client() as client:
            found: list[Any] = await main(client)
            return found

    rows = run_until_interrupted(with_client())
    if rows is None:
        raise typer.Exit(INTERRUPTED)
    return rows


def _print(settings: Settings, event: str, columns: Sequence[str], rows: list[Any]) -> None:
    if settings.json:
        for row in rows:
            say(event, **_fields(row))
        return
    table = Table(*columns, box=None)
    for row in rows:
        fields = _fields(row)
        table.add_row(*("" if fields[name] is None else str(fields[name]) for name in columns))
    _show(table)


def _show(table: Table) -> None:
    console = plain_console()
    console.width = WIDEST  # ids are made to be copied: nothing is cut to that of a terminal
    console.print(table)


def _fields(row: Any) -> dict[str, Any]:
    fields = attrs.asdict(row)
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in fields.items()
    }
