"""Fan-outs in tests: a message, a journal, worker processes, and the truth of the server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from omnichat_async import OmnichatClient, RateLimiter, RetryPolicy
from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs import FanOut, Message, State
from omnichat_async.models import Text
from omnichat_async.sandbox import PLATFORMS
from tests.support.exports import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from omnichat_async.jobs import Status
    from omnichat_async.jobs.fanout import Outcome
    from omnichat_async.sandbox import Sandbox

__all__ = [
    "LINE",
    "WHATSAPP",
    "broadcast",
    "fan_out",
    "outcomes",
    "people",
    "planned",
    "resent",
    "served_to",
    "settled_truly",
    "worker",
]

LINE = PLATFORMS["line"].channels[0]
WHATSAPP = PLATFORMS["whatsapp"].channels[0]
QUICK = RetryPolicy(base=0.01, cap=0.05)


def broadcast(**changes: Any) -> Message:
    """A broadcast on LINE."""
    fields: dict[str, Any] = {"subject": "Spring sale", "platform": "line", "channel_id": LINE}
    return Message.broadcast(**{**fields, "messages": [Text("The sale has begun")], **changes})


def people(count: int) -> Iterator[str]:
    """LINE user ids."""
    return (f"U{number:012d}" for number in range(count))


@contextlib.asynccontextmanager
async def fan_out(sandbox: Sandbox, journal: Path, **options: Any) -> AsyncIterator[FanOut]:
    """A fan-out over a client without a limit; options of the client and of the job."""
    client_options: dict[str, Any] = {"limiter": RateLimiter(None), "retry": QUICK}
    client_options |= {
        name: options.pop(name) for name in ("limiter", "retry", "hooks") if name in options
    }
    async with (
        OmnichatClient(sandbox.token, base_url=sandbox.url, **client_options) as client,
        FanOut(client, journal, **options) as job,
    ):
        yield job


async def planned(sandbox: Sandbox, journal: Path, count: int) -> None:
    """Plan a broadcast to so many people."""
    async with fan_out(sandbox, journal) as job:
        plan = await job.plan(broadcast(), people(count))
    assert plan.recipients == count


def worker(sandbox: Sandbox, journal: Path, **settings: Any) -> subprocess.Popen[bytes]:
    """Go on with a job in a process of its own."""
    words = [sandbox.url, sandbox.token, str(journal), json.dumps(settings)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.fanning_out", *words],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


async def outcomes(job: FanOut) -> list[Outcome]:
    """What is known of everybody."""
    return [each async for each in job.outcomes()]


def served_to(sandbox: Sandbox) -> Counter[str]:
    """How often the server sent to whom."""
    return Counter(to for sent in sandbox.sent for to in sent.recipients)


async def settled_truly(sandbox: Sandbox, job: FanOut, count: int) -> Status:
    """Compare the journal with the server, after a reconciliation: nobody forgotten, nobody twice,
    and nobody unknown of whom the server knows."""
    await job.reconcile()
    server = served_to(sandbox)
    assert max(server.values(), default=1) == 1
    known: dict[State, set[str]] = {state: set() for state in State}
    everybody = await outcomes(job)
    for each in everybody:
        known[each.state].add(each.address)
    assert len(everybody) == len(set().union(*known.values())) == count
    assert known[State.SENT] == set(server)
    status = await job.status()
    assert (status.sent, status.unknown) == (len(server), len(known[State.UNKNOWN]))
    return status


async def resent(job: FanOut) -> int:
    """Decide to send the unknown again, as soon as that is allowed."""
    for _ in range(100):
        try:
            return await job.resend_unknown()
        except InvalidRequest as error:
            assert error.field == "resend_unknown"  # noqa: PT017
            await asyncio.sleep(0.2)
    raise AssertionError("never allowed")
