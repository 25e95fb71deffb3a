"""A FastAPI application that answers WhatsApp texts and lists its channels.

    pip install 'omnichat_async[fastapi]' uvicorn
    OMNICHAT_API_TOKEN=... OMNICHAT_SIGNATURE_SECRET=... OMNICHAT_VERIFY_TOKEN=... \
        uvicorn examples.fastapi_app:app --port 8000

Without a signature secret it waits for one: Omnichat shows it once the webhook is saved.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING

from fastapi import FastAPI

from omnichat_async import OmnichatError
from omnichat_async.integrations.fastapi import Client, setup
from omnichat_async.models.headless import HeadlessMessage, Text
from omnichat_async.webhooks import InboundMessage, OmnichatSignature, Receiver, SqliteInbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from omnichat_async.webhooks import Delivery

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("example")

receiver = Receiver(
    OmnichatSignature(os.environ.get("OMNICHAT_SIGNATURE_SECRET")),
    verify_token=os.environ["OMNICHAT_VERIFY_TOKEN"],
    inbox=SqliteInbox(os.environ.get("OMNICHAT_INBOX", "webhooks.db")),
)


@receiver.on_message("text")
async def answer(event: InboundMessage, delivery: Delivery) -> None:
    """Send the text back, once: what cannot be known to have failed is not sent again."""
    phone, sender = event.context.display_phone_number, event.data.from_
    if phone is None or sender is None or event.data.text is None or not event.data.text.body:
        return
    try:
        text = Text(f"You said: {event.data.text.body}")
        await delivery.client.headless.send(phone, HeadlessMessage(sender, text))
    except OmnichatError as error:
        log.warning("not answered: %s", error)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """What this application needs besides: setup() keeps it."""
    log.info("up: %s", app.title)
    yield
    log.info("down; deliveries: %s", receiver.health)


app = FastAPI(title="Omnichat example", lifespan=lifespan)
setup(app, receiver, "/webhooks")


@app.get("/channels")
async def channels(client: Client) -> list[str | None]:
    """The ids of the account's channels."""
    return [channel.channel_id for channel in await client.channels.list()]
