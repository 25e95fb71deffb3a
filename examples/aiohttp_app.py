"""An aiohttp application that keeps count of tickets and answers a chatbot.

    OMNICHAT_API_TOKEN=... OMNICHAT_SIGNATURE_SECRET=... OMNICHAT_VERIFY_TOKEN=... \
        OMNICHAT_CHATBOT_TOKEN=... python examples/aiohttp_app.py
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from typing import TYPE_CHECKING

from aiohttp import web

from omnichat_async.integrations.aiohttp import CLIENT, cleanup_ctx, setup
from omnichat_async.webhooks import OmnichatEvent, OmnichatSignature, Receiver, SqliteInbox
from omnichat_async.webhooks.chatbot import Reply, Text, check_bearer

if TYPE_CHECKING:
    from omnichat_async.webhooks import Delivery
    from omnichat_async.webhooks.topics import Ticket

receiver = Receiver(
    OmnichatSignature(os.environ.get("OMNICHAT_SIGNATURE_SECRET")),
    verify_token=os.environ["OMNICHAT_VERIFY_TOKEN"],
    inbox=SqliteInbox(os.environ.get("OMNICHAT_INBOX", "webhooks.db")),
)
tickets: Counter[str] = Counter()


@receiver.on("ticket/update")
async def on_ticket(event: OmnichatEvent[Ticket], delivery: Delivery) -> None:
    """Count the tickets by status."""
    del delivery
    tickets[str(event.data.status)] += 1


async def show_tickets(request: web.Request) -> web.Response:
    """How many tickets came in each status."""
    del request
    return web.json_response(dict(tickets))


async def show_channels(request: web.Request) -> web.Response:
    """The ids of the account's channels."""
    return web.json_response(
        [each.channel_id for each in await request.app[CLIENT].channels.list()]
    )


async def chatbot(request: web.Request) -> web.Response:
    """A chatbot's dynamic response."""
    token = os.environ.get("OMNICHAT_CHATBOT_TOKEN")
    if not token or not check_bearer(request.headers.get("Authorization"), token):
        return web.Response(status=401)
    closed = tickets["Closed"]
    reply = Reply([Text(f"{closed} tickets were closed")])
    return web.Response(body=reply.to_json(), content_type="application/json")


def make_app() -> web.Application:
    """The application."""
    app = web.Application()
    app.cleanup_ctx.append(cleanup_ctx())
    setup(app, receiver, "/webhooks")
    app.router.add_get("/tickets", show_tickets)
    app.router.add_get("/channels", show_channels)
    app.router.add_post("/chatbot", chatbot)
    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
