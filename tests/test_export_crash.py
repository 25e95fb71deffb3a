"""Exports killed with SIGKILL, in real processes: what they wrote is exact in the end.

With OMNICHAT_TESTS_FULL=1, 40 jobs for each kind of file.
"""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async.jobs.ledger import Ledger
from tests.sandbox.support import END_MS, START_MS
from tests.support.exports import ROOT, SINKS, environment, read_csv, read_rows, served
from tests.support.loops import rounds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from omnichat_async.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

JOBS = rounds(1, 40)
KILLS = 3
SLOWLY = {"rtt_ms": 20, "rows": 3000}
"""A server whose answers take so long that a job can be killed in the middle of each range."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with served(**SLOWLY) as running:
        yield running


def started(sandbox: Sandbox, out: Path, step: int = 0) -> subprocess.Popen[bytes]:
    """An export in a process of its own, which kills itself before this step on the disk."""
    words = [sandbox.url, sandbox.token, str(out), str(START_MS), str(END_MS), str(step)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.killed_export", *words],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[bytes]) -> bool:
    """Wait for an export; whether it got to its end."""
    with process:
        _, stderr = process.communicate(timeout=120)
    assert process.returncode in {0, -signal.SIGKILL}, stderr.decode()
    return process.returncode == 0


def assert_exact(sandbox: Sandbox, out: Path) -> None:
    """Every row once, and no file in the folder that should not be there."""
    rows: list[Any] = read_csv(out) if ".csv" in out.name else read_rows(out)
    found = sorted(str(row["id"]) for row in rows)
    assert found == sorted(sandbox.message_ids("whatsapp", START_MS, END_MS))
    left = {path.name.removeprefix(out.name) for path in out.parent.iterdir()}
    assert left <= {"", ".checkpoint", ".manifest.json"}


def with_half_a_row(out: Path, length: int) -> None:
    """What the disk may hold behind the last commit after a crash of the machine."""
    if out.is_dir():
        (out / "part-000000000000001.parquet").write_bytes(b"PAR1 half a part"[:length])
        out.with_name(out.name + ".new").write_bytes(b"PAR1"[:length])
    elif out.exists() and out.suffix != ".sqlite":
        with out.open("ab") as file:
            file.write(b'{"id":"\xff\x00'[: length % 10])


@pytest.mark.parametrize("suffix", SINKS if JOBS > 1 else ["csv.gz", "sqlite"])
def test_killed_before_a_step_on_the_disk(tmp_path: Path, sandbox: Sandbox, suffix: str) -> None:
    """Kill, and go on to the end: before some step, and a later one, and a later one still."""
    step, done = 1, False
    while not done:
        out = tmp_path / str(step) / f"rows.{suffix}"
        out.parent.mkdir()
        done = ended(started(sandbox, out, step))
        if not done:
            ended(started(sandbox, out))
        assert_exact(sandbox, out)
        step += 1 if JOBS > 1 else 41
    assert step > 40


@pytest.mark.parametrize("suffix", SINKS)
def test_killed_at_random_moments(tmp_path: Path, sandbox: Sandbox, suffix: str) -> None:
    """Some jobs, each killed three times at any instruction, then left to end."""
    chance = random.Random(suffix)
    for job in range(JOBS):
        out = killed_job(sandbox, tmp_path / str(job), f"rows.{suffix}", chance)
        assert_exact(sandbox, out)


def killed_job(sandbox: Sandbox, folder: Path, name: str, chance: random.Random) -> Path:
    """One job to its end, after KILLS kills. One that gets there with fewer does not count."""
    for attempt in count():
        out = folder / str(attempt) / name
        out.parent.mkdir(parents=True)
        kills = 0
        while kills < KILLS and not ended(killed(sandbox, out, chance)):
            kills += 1
            if not is_finished(out):
                with_half_a_row(out, kills)
        if kills == KILLS:
            assert ended(started(sandbox, out))
            return out
    raise AssertionError


def killed(sandbox: Sandbox, out: Path, chance: random.Random) -> subprocess.Popen[bytes]:
    """A run that is killed, at a step on the disk or some time after its first request, unless
    it ends before that."""
    if chance.random() < 0.5:
        return started(sandbox, out, step=chance.randrange(5, 90))
    process = started(sandbox, out)
    seen = sandbox.stats().requests
    while process.poll() is None and sandbox.stats().requests == seen:
        time.sleep(0.001)
    time.sleep(chance.random() * 0.4)
    process.kill()
    return process


def is_finished(out: Path) -> bool:
    """Whether a run was killed behind its last step: nothing is written after that."""
    path = out if out.suffix == ".sqlite" else out.with_name(out.name + ".checkpoint")
    if not path.exists():
        return False
    with contextlib.closing(Ledger(path)) as ledger:
        return any(job.finished for job in ledger.jobs())
