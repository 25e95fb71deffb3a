"""``omnichat webhook``: receive events without a program, and give dead ones another turn."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from omnichat_async.cli.exits import INTERRUPTED
from omnichat_async.cli.running import run_until_interrupted
from omnichat_async.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from omnichat_async.webhooks import Delivery, Receiver, WebhookEvent

__all__ = ["app"]


app = typer.Typer(help="Receive webhooks, and replay what is in an inbox.", no_args_is_help=True)

InboxOption = Annotated[Path, typer.Option(help="The SQLite file that keeps the events.")]
SecretOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Signature Secret; may be repeated. Without one, only the handshake is answered."
        " [default: $OMNICHAT_SIGNATURE_SECRET]"
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(help="Verify token of the handshake [default: $OMNICHAT_VERIFY_TOKEN]."),
]


@app.command()
def serve(
    inbox: InboxOption,
    secret: SecretOption = None,
    verify_token: TokenOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Append events to this .jsonl file, not to stdout.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8041,
    path: Annotated[str, typer.Option(help="Path of the endpoint.")] = "/webhooks",
) -> None:
    """Receive webhooks until Ctrl-C, one line of JSON for each event.

    TLS is the work of the reverse proxy in front. An event is kept in the inbox before it is
    answered, and is done once its line is written.
    """
    from omnichat_async.webhooks import (  # noqa: PLC0415 - a wing of its own, rarely used
        OmnichatSignature,
        Receiver,
        SqliteInbox,
    )

    if not path.startswith("/"):
        raise InvalidRequest("--path", "must begin with a slash", "another path")
    secrets = secret or _from_environment("OMNICHAT_SIGNATURE_SECRET")
    token = verify_token or next(iter(_from_environment("OMNICHAT_VERIFY_TOKEN")), None)
    if not (secrets or token):
        raise ConfigurationError("give --secret, or --verify-token to do the handshake first")
    signature = OmnichatSignature(secrets or None)
    receiver = Receiver(signature, verify_token=token, inbox=SqliteInbox(inbox))
    writer = _Lines(out)
    receiver.on_any(writer.write)
    try:
        run_until_interrupted(_serve(receiver, host, port, path))
    finally:
        writer.close()


def _from_environment(name: str) -> list[str]:
    return [value] if (value := os.environ.get(name)) else []


async def _serve(receiver: Receiver, host: str, port: int, path: str) -> None:
    from omnichat_async.integrations.aiohttp import serving  # noqa: PLC0415 - only to serve

    async with serving(receiver, host, port, path) as url:
        typer.echo(f"receiving webhooks on {url}", err=True)
        await asyncio.Event().wait()


class _Lines:
    """Writes an event as a line of JSON; it is on disk when ``write`` returns."""

    def __init__(self, path: Path | None) -> None:
        if path is not None and path.is_fifo():  # a half line could not be taken back there
            raise InvalidRequest(
                "--out", "must be a file: without it, lines go to stdout", "a pipe"
            )
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        # The file holds personal data, as the inbox does.
        self._file = None if path is None else os.open(path, flags, 0o600)
        self._turn = asyncio.Lock()

    async def write(self, event: WebhookEvent, delivery: Delivery) -> None:
        line = json.dumps(_row(event, delivery), ensure_ascii=False, separators=(",", ":")) + "\n"
        # In threads: requests must be answered, however long a disk or a reader takes.
        async with self._turn:
            if self._file is None:
                await _printed(line.encode())
            else:
                await asyncio.to_thread(self._keep, self._file, line.encode())

    def _keep(self, file: int, line: bytes) -> None:
        self._append(file, line)
        os.fsync(file)

    def _append(self, file: int, line: bytes) -> None:
        """Write the whole line, or nothing if the disk has no room for it."""
        end = os.lseek(file, 0, os.SEEK_END)
        try:
            while line:
                line = line[os.write(file, line) :]
        except OSError:
            os.ftruncate(file, end)
            raise

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)


async def _printed(line: bytes) -> None:
    """Write to stdout, in a thread that a stop does not wait for: its reader may never read on."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: OSError | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        left, error = line, None
        try:
            while left:  # past Python's buffer, whose lock would be held at the end
                left = left[os.write(sys.stdout.fileno(), left) :]
        except OSError as failed:
            error = failed
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="omnichat-lines", daemon=True).start()
    await done


def _row(event: WebhookEvent, delivery: Delivery) -> dict[str, Any]:
    return {
        "key": delivery.key,
        "event": type(event).__name__,
        "name": event.name,
        "received_at": delivery.received_at.isoformat(),
        "headers": event.headers,
        "raw": event.raw,
        **({"problems": list(event.problems)} if event.problems else {}),
    }


@app.command()
def replay(
    inbox: InboxOption,
    done: Annotated[
        bool, typer.Option("--done", help="Replay events that were handled, not the dead ones.")
    ] = False,
    key: Annotated[
        list[str] | None, typer.Option(help="Only the event of this key; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be replayed, and change nothing.")
    ] = False,
) -> None:
    """Put dead events back in line; whoever works on the inbox handles them next."""
    from omnichat_async.webhooks import SqliteInbox  # noqa: PLC0415 - a wing of its own

    if not inbox.exists():
        raise ConfigurationError(f"there is no inbox {inbox}")
    state: Any = "done" if done else "dead"

    async def main() -> int:
        box = SqliteInbox(inbox)
        try:
            if not dry_run:
                return await box.replay(state, keys=key)
            chosen = [
                each
                for each in await box.stored(state, limit=100_000)
                if key is None or each.record.key in key
            ]
            for each in chosen:
                received = datetime.fromtimestamp(each.record.received, UTC)
                details = f"{received:%Y-%m-%d %H:%M:%S}  {each.record.name}  {each.error or '-'}"
                typer.echo(f"{each.record.key}  {details}")
            return len(chosen)
        finally:
            await box.aclose()

    count = run_until_interrupted(main())
    if count is None:
        raise typer.Exit(INTERRUPTED)
    typer.echo(f"{count} {state} events {'would be' if dry_run else 'are'} back in line", err=True)
