"""Fan-outs under SIGKILL and on a server that loses answers: the server's own count decides."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async.sandbox import Fault
from tests.support.exports import served
from tests.support.fanouts import (
    Witness,
    calls_in,
    fan_out,
    planned,
    resent,
    served_to,
    settled_truly,
    under_way,
    worker,
)
from tests.support.loops import rounds

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from omnichat_async.jobs import FanOut, Status
    from omnichat_async.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

RUNS = rounds(2, 100)
RECIPIENTS = 20_000
CALLS = -(-RECIPIENTS // 150)
KILLS = 4
CONCURRENCY = 6
TIMEOUT_S, SLOW_S = 2.0, 2.6
LIMIT = 300
"""Requests/s: low enough that calls wait for their turn when a worker is killed."""

DOUBTFUL = ("reset_after", "reset_before", "html500", "json500", "slow", "truncated")
"""Faults after which nobody can know."""


def settings(log: Path) -> dict[str, Any]:
    """Of the workers."""
    return {
        "timeout": TIMEOUT_S,
        "concurrency": CONCURRENCY,
        "limit": LIMIT,
        "log": str(log),
    }


def afflict(sandbox: Sandbox, chance: random.Random) -> None:
    """Spread faults over the sends to come."""
    for number in range(1, 3 * CALLS):
        if chance.random() < 0.12:
            kind = chance.choice([*DOUBTFUL, "429", "429", "429"])
            sandbox.add_fault(
                Fault(
                    kind=kind,  # type: ignore[arg-type]
                    at=number,
                    path="/broadcast",
                    delay_ms=SLOW_S * 1000,
                    retry_after="0" if kind == "429" else None,
                )
            )


def kill_after(
    sandbox: Sandbox, process: subprocess.Popen[bytes], requests: int, seconds: float
) -> bool:
    """Kill a worker so long after the server got so many more requests; False if it ended."""
    goal = sandbox.stats().requests + requests
    with process:
        while process.poll() is None and sandbox.stats().requests < goal:
            time.sleep(0.0005)
        time.sleep(seconds)
        process.kill()
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode in {0, -signal.SIGKILL}, said
    return process.returncode != 0


def finished(process: subprocess.Popen[bytes]) -> bool:
    """Wait for the end of a worker. A server that is ill for long stops a run, which can be gone
    on with: False."""
    _, said = process.communicate(timeout=120)
    if process.returncode == 0:
        return True
    assert any(name in said for name in (b"RateLimited", b"NotSent", b"OutcomeUnknown")), said
    return False


async def doubted_exactly(journal: Path, job: FanOut, witness: Witness, log: Path) -> Status:
    """Compare what the journal does not know with what the server leaves in doubt: before a look
    at the server those are the calls whose answers it spoiled, and those that a killed worker had
    let go; after it those of them that it did not process."""
    assert (await job.status()).sending == 0
    unknown = calls_in(journal, "unknown")
    # An answer that is just too slow may come in time on a machine that is slower still.
    assert witness.met(*DOUBTFUL) - witness.met("slow") <= unknown
    assert unknown <= witness.met(*DOUBTFUL) | under_way(log)
    assert len(under_way(log)) <= KILLS * CONCURRENCY
    status = await settled_truly(witness.sandbox, job, RECIPIENTS)
    assert calls_in(journal, "unknown") == unknown - witness.processed()
    return status


async def sent_in_the_end(journal: Path, witness: Witness, log: Path) -> Status:
    """Reconcile, compare, decide, send the rest on a server that is well again, and compare."""
    async with fan_out(witness.sandbox, journal, settle=0.2) as job:
        await asyncio.sleep(SLOW_S + 0.2)  # what is slow has arrived
        doubtful = await doubted_exactly(journal, job, witness, log)
        assert doubtful.pending == 0
        assert await resent(job) == doubtful.unknown
        await job.run()
        status = await settled_truly(witness.sandbox, job, RECIPIENTS)
        assert (status.unknown, status.sent, status.late) == (0, RECIPIENTS, 0)
    assert served_to(witness.sandbox).total() == RECIPIENTS
    return doubtful


@pytest.mark.parametrize("seed", range(RUNS))
def test_killed_at_random_moments_on_a_bad_server(
    tmp_path: Path, seed: int, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(seed)
    journal, log = tmp_path / "sale.journal", tmp_path / "log"
    with served(rows=10) as sandbox:
        asyncio.run(planned(sandbox, journal, RECIPIENTS))
        witness = Witness(sandbox)
        afflict(sandbox, chance)
        kills = 0
        for _ in range(KILLS):
            process = worker(sandbox, journal, **settings(log))
            kills += kill_after(sandbox, process, chance.randrange(0, 50), chance.random() * 0.01)
        while not finished(worker(sandbox, journal, **settings(log))):
            pass
        sandbox.clear_faults()
        doubtful = asyncio.run(sent_in_the_end(journal, witness, log))
    assert sorted(path.name for path in tmp_path.iterdir()) == [log.name, journal.name]
    record_property("kills", kills)
    record_property("in_doubt", len(witness.met(*DOUBTFUL) | under_way(log)))
    record_property("unknown_recipients", doubtful.unknown)


@pytest.mark.parametrize("seed", range(max(1, RUNS // 10)))
def test_two_workers_one_of_them_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    journal, log = tmp_path / "sale.journal", tmp_path / "log"
    with served(rows=10, rtt_ms=20) as sandbox:
        asyncio.run(planned(sandbox, journal, RECIPIENTS))
        witness = Witness(sandbox)
        afflict(sandbox, chance)
        first = worker(sandbox, journal, **settings(log))
        second = worker(sandbox, journal, **settings(log))
        killed = kill_after(sandbox, first, chance.randrange(20, 100), chance.random() * 0.01)
        while not finished(second):
            second = worker(sandbox, journal, **settings(log))
        sandbox.clear_faults()
        asyncio.run(sent_in_the_end(journal, witness, log))
    assert killed
