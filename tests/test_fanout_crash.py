"""Fan-outs under SIGKILL and on a server that loses answers: the server's own count decides."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from omnichat_async.sandbox import Fault
from tests.support.exports import served
from tests.support.fanouts import (
    fan_out,
    planned,
    resent,
    served_to,
    settled_truly,
    worker,
)
from tests.support.loops import rounds

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from omnichat_async.jobs import Status
    from omnichat_async.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

RUNS = rounds(2, 100)
RECIPIENTS = 20_000
CALLS = -(-RECIPIENTS // 150)
KILLS = 4
CONCURRENCY = 6
TIMEOUT_S, SLOW_S = 0.6, 1.0

DOUBTFUL = ("reset_after", "reset_before", "html500", "json500", "slow", "truncated")
"""Faults after which nobody can know."""


def afflict(sandbox: Sandbox, chance: random.Random) -> int:
    """Spread faults over the sends to come; how many of them leave a doubt."""
    doubts = 0
    for number in range(1, 3 * CALLS):
        if chance.random() < 0.12:
            kind = chance.choice([*DOUBTFUL, "429", "429", "429"])
            doubts += kind != "429"
            sandbox.add_fault(
                Fault(
                    kind=kind,  # type: ignore[arg-type]
                    at=number,
                    path="/broadcast",
                    delay_ms=SLOW_S * 1000,
                    retry_after="0" if kind == "429" else None,
                )
            )
    return doubts


def kill_after(sandbox: Sandbox, process: subprocess.Popen[bytes], requests: int) -> bool:
    """Kill a worker when the server has got so many more requests; False if it ended before."""
    goal = sandbox.stats().requests + requests
    with process:
        while process.poll() is None and sandbox.stats().requests < goal:
            time.sleep(0.0005)
        process.kill()
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode in {0, -signal.SIGKILL}, said
    return process.returncode != 0


def finished(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a worker, which must be a good one."""
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said.decode()


async def sent_in_the_end(sandbox: Sandbox, journal: Path) -> Status:
    """Reconcile, compare, decide, send the rest on a server that is well again, and compare."""
    async with fan_out(sandbox, journal, settle=2 * SLOW_S) as job:
        await asyncio.sleep(2 * SLOW_S)  # what is slow has arrived
        doubtful = await settled_truly(sandbox, job, RECIPIENTS)
        assert doubtful.pending == doubtful.sending == 0
        assert await resent(job) == doubtful.unknown
        await job.run()
        status = await settled_truly(sandbox, job, RECIPIENTS)
        assert (status.unknown, status.sent, status.late) == (0, RECIPIENTS, 0)
    assert served_to(sandbox).total() == RECIPIENTS
    return doubtful


@pytest.mark.parametrize("seed", range(RUNS))
def test_killed_at_random_moments_on_a_bad_server(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    journal = tmp_path / "sale.journal"
    settings = {"timeout": TIMEOUT_S, "concurrency": CONCURRENCY}
    with served(rows=10) as sandbox:
        asyncio.run(planned(sandbox, journal, RECIPIENTS))
        doubts = afflict(sandbox, chance)
        kills = 0
        for _ in range(KILLS):
            kills += kill_after(
                sandbox, worker(sandbox, journal, **settings), chance.randrange(0, 50)
            )
        while True:  # a server that is ill for long stops a run, which can be gone on with
            process = worker(sandbox, journal, **settings)
            _, said = process.communicate(timeout=120)
            if process.returncode == 0:
                break
            assert b"RateLimited" in said or b"NotSent" in said, said.decode()
        sandbox.clear_faults()
        doubtful = asyncio.run(sent_in_the_end(sandbox, journal))
    assert doubtful.unknown <= 150 * (doubts + kills * CONCURRENCY)
    assert [path.name for path in tmp_path.iterdir()] == [journal.name]


@pytest.mark.parametrize("seed", range(max(1, RUNS // 10)))
def test_two_workers_one_of_them_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    journal = tmp_path / "sale.journal"
    settings = {"timeout": TIMEOUT_S, "concurrency": CONCURRENCY}
    with served(rows=10, rtt_ms=20) as sandbox:
        asyncio.run(planned(sandbox, journal, RECIPIENTS))
        doubts = afflict(sandbox, chance)
        first = worker(sandbox, journal, **settings)
        second = worker(sandbox, journal, **settings)
        killed = kill_after(sandbox, first, chance.randrange(20, 100))
        finished(second)
        sandbox.clear_faults()
        doubtful = asyncio.run(sent_in_the_end(sandbox, journal))
    assert killed
    assert doubtful.unknown <= 150 * (doubts + CONCURRENCY)
