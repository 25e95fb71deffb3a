"""A receiver in a process of its own, to be killed. ``python -m ... INBOX LOG``

Each line of stdin is JSON: a list of ids is one request with these messages, ``"hold"`` keeps
the handlers from ending and ``"go"`` lets them. It says ``ack`` when that is done: for a request,
when it was answered with 200. The handler writes the id of its message to LOG.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from omnichat_async.testing import whatsapp_body, whatsapp_message
from omnichat_async.webhooks import InboundMessage, SqliteInbox, WorkPolicy
from tests.webhooks.support import make, signed


async def main(inbox: str, log: str) -> None:
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    going = asyncio.Event()
    going.set()
    receiver = make(inbox=SqliteInbox(inbox), work=WorkPolicy(lease=0.5, poll=0.05, concurrency=4))

    async def handler(event: InboundMessage, _: Any) -> None:
        os.write(file, f"{event.data.id}\n".encode())
        await asyncio.sleep(0.002)
        await going.wait()

    receiver.on(InboundMessage)(handler)
    loop = asyncio.get_running_loop()
    async with receiver:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            said = json.loads(line)
            if isinstance(said, str):
                going.clear() if said == "hold" else going.set()
                print("ack", flush=True)
                continue
            messages = [whatsapp_message(id=each, **{"from": each}) for each in said]
            response = await receiver.handle(signed(whatsapp_body(*messages)))
            print("ack" if response.status == 200 else response.status, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
    Path(sys.argv[2]).touch()
