"""``omnichat sandbox``: a local fake of the API."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from omnichat_async.cli.running import run_until_interrupted
from omnichat_async.errors import ConfigurationError

__all__ = ["serve"]


def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")
    ] = 8040,
    rows: Annotated[int, typer.Option(help="Rows per stream and platform; not stored.")] = 800_000,
    seed: Annotated[int, typer.Option(help="Other seeds give other data.")] = 1,
    limit: Annotated[int, typer.Option(help="Requests per second; 0 for no limit.")] = 40,
    rtt_ms: Annotated[float, typer.Option(help="Round trip time to imitate, in ms.")] = 0,
    jitter_ms: Annotated[float, typer.Option(help="Random delay on the way in, in ms.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="A fault, as html500@12 or reset_before%50; may be repeated."),
    ] = None,
) -> None:
    """Serve a local fake of the Omnichat Open API until Ctrl-C."""
    from omnichat_async.sandbox import Sandbox, parse_fault  # noqa: PLC0415 - a server, rarely used

    try:
        box = Sandbox(
            port=port,
            rows=rows,
            seed=seed,
            limit=limit or None,
            rtt_ms=rtt_ms,
            jitter_ms=jitter_ms,
            faults=tuple(parse_fault(text) for text in fault or ()),
        )
    except ValueError as error:
        raise ConfigurationError(str(error)) from None

    async def main() -> None:
        async with box:
            typer.echo(f"Omnichat sandbox on {box.url}")
            typer.echo(f"export OMNICHAT_BASE_URL={box.url} OMNICHAT_API_TOKEN={box.token}")
            await asyncio.Event().wait()

    run_until_interrupted(main())
