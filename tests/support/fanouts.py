"""Fan-outs in tests: a message, a journal, worker processes, and the truth of the server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from omnichat_async import OmnichatClient, RateLimiter, RetryPolicy
from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs import FanOut, Message, State
from omnichat_async.jobs.fanout.message import read_mark
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
    "Witness",
    "broadcast",
    "calls_in",
    "fan_out",
    "outcomes",
    "people",
    "planned",
    "resent",
    "served_to",
    "settled_truly",
    "under_way",
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


class Witness:
    """What the server knows of the broadcasts of a job, by the numbers in their marks: `fate` is
    the fault that met the last arrival of each, or "answered"."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.fate: dict[int, str] = {}
        self.sandbox = sandbox
        gateway: Any = sandbox._gateway
        answer, misbehave = gateway._answer, gateway._misbehave

        def note(request: Any, body: bytes, fate: str) -> None:
            if (request.method, request.path) == ("POST", "/v1/broadcast"):
                self.fate[_number(json.loads(body))] = fate

        async def noted(endpoint: Any, request: Any, body: bytes) -> Any:
            note(request, body, "answered")
            return await answer(endpoint, request, body)

        async def broken(fault: Any, endpoint: Any, request: Any, body: bytes) -> Any:
            note(request, body, fault.kind)
            return await misbehave(fault, endpoint, request, body)

        gateway._answer, gateway._misbehave = noted, broken

    def met(self, *faults: str) -> set[int]:
        """The calls whose last arrival met one of these."""
        return {number for number, fate in self.fate.items() if fate in faults}

    def processed(self) -> set[int]:
        """The calls that were sent on to people."""
        return {_number(sent.body) for sent in self.sandbox.sent}


def _number(body: Any) -> int:
    mark = read_mark(body["subject"])
    assert mark is not None
    return mark[1]


def under_way(log: Path) -> set[int]:
    """The calls that workers let go and whose results they did not live to see written down."""
    open_calls: set[int] = set()
    for line in log.read_text().splitlines():
        word, number = line.split()
        (open_calls.add if word == "left" else open_calls.discard)(int(number))
    return open_calls


def calls_in(journal: Path, state: str) -> set[int]:
    """The calls of a journal in one state, as another program finds them there."""
    with contextlib.closing(sqlite3.connect(journal, timeout=60)) as database:
        rows = database.execute("SELECT id FROM calls WHERE state = ?", (state,)).fetchall()
    return {number for (number,) in rows}


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
