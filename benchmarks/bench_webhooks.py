"""Webhooks: how fast a batch is parsed and made safe.

    python -m benchmarks.bench_webhooks [--smoke]

One request of 1,000 events goes through a receiver with a SQLite inbox; Omnichat waits 15 s for
the answer, and a tenth of that is the bar. Beside it, parsing alone: this package, and the
fields of a text message through plain ``json`` and pydantic models, if pydantic is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnichat_async.testing import signed_request, to_bytes, whatsapp_body, whatsapp_message
from omnichat_async.webhooks import OmnichatSignature, Receiver, SqliteInbox, parse_whatsapp

if TYPE_CHECKING:
    from collections.abc import Callable

EVENTS = 1000
BAR_S = 1.5
SECRET = "bench-secret"


def batch() -> bytes:
    """A request body of 1,000 messages, each from another user."""
    messages = [whatsapp_message(id=f"w{n}", **{"from": str(n)}) for n in range(EVENTS)]
    return to_bytes(whatsapp_body(*messages))


async def store(body: bytes, directory: str) -> tuple[float, int]:
    """Seconds from the request to its answer, and the events that are on disk by then."""
    inbox = SqliteInbox(Path(directory) / "inbox.db")
    receiver = Receiver(OmnichatSignature(SECRET), inbox=inbox)
    async with receiver:
        started = time.perf_counter()
        response = await receiver.handle(signed_request(body, SECRET))
        seconds = time.perf_counter() - started
        assert response.status == 200
        counts = await inbox.counts()
    return seconds, sum(counts.values())


def pydantic_parse() -> Callable[[bytes], int] | None:
    """The same fields as pydantic models, as one would write them by hand."""
    if importlib.util.find_spec("pydantic") is None:
        return None
    from pydantic import BaseModel

    class Text(BaseModel):
        body: str | None = None

    class Message(BaseModel):
        id: str | None = None
        from_user_id: str | None = None
        timestamp: str | None = None
        type: str | None = None
        text: Text | None = None

    def run(body: bytes) -> int:
        root: Any = json.loads(body)
        messages = root["entry"][0]["changes"][0]["value"]["messages"]
        return len([Message.model_validate(each) for each in messages])

    return run


def best(work: Callable[[bytes], int], body: bytes, repeats: int) -> float:
    """The best of several runs, in seconds."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        assert work(body) == EVENTS
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    """Print the figures; fail if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="fewer repeats")
    repeats = 2 if parser.parse_args().smoke else 10
    body = batch()
    print(f"{EVENTS} events in one request of {len(body):,} bytes")
    times = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as directory:
            seconds, stored = asyncio.run(store(body, directory))
            assert stored == EVENTS
            times.append(seconds)
    print(
        f"verified, parsed, stored, answered: {1000 * min(times):7.1f} ms best,"
        f" {1000 * max(times):.1f} ms worst; the bar is {1000 * BAR_S:.0f} ms"
    )
    own = best(lambda raw: len(parse_whatsapp(raw)), body, repeats)
    print(f"parsed alone:                       {1000 * own:7.1f} ms")
    work = pydantic_parse()
    if work is None:
        print("json + pydantic: not compared (pip install pydantic)")
    else:
        other = best(work, body, repeats)
        ratio = f"ours takes {own / other:.1f} times as long"
        print(f"json + pydantic, one type only:     {1000 * other:7.1f} ms; {ratio}")
    assert max(times) < BAR_S, "a batch takes more than a tenth of Omnichat's time-out"


if __name__ == "__main__":
    main()
