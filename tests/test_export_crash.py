"""Exports killed with SIGKILL, in real processes: the file is exact in the end."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from omnichat_async.jobs.files import note_path, read_note
from tests.support.exports import (
    AFTER,
    BEFORE,
    RANGE,
    ROOT,
    arguments,
    complete,
    environment,
    in_process,
    read_csv,
    read_jsonl,
    served,
    truth,
)
from tests.support.loops import rounds

if TYPE_CHECKING:
    from pathlib import Path

    from omnichat_async.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = rounds(6, 25)
EAGER = (
    "import omnichat_async.jobs.export as export\n"
    "from omnichat_async.cli import main\n"
    "export.COMMIT_S = 0.02\n"
    "main()\n"
)
"""The command line, which notes more often what it has, so that short runs get on."""


def assert_exact(sandbox: Sandbox, out: Path) -> None:
    """Every row once, in order, and nothing else in the folder."""
    expected = truth(sandbox, "messages")
    if out.suffix == ".jsonl":
        assert read_jsonl(out) == expected
    else:
        assert [row["id"] for row in read_csv(out)] == [row["id"] for row in expected]
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def killed_at(sandbox: Sandbox, out: Path, step: int) -> bool:
    """Run an export that is killed before this step; False if it was done before."""
    words = [sandbox.url, sandbox.token, str(out), str(AFTER), str(BEFORE), str(step)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_export", *words],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_killed_before_every_step_on_the_disk(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str
) -> None:
    """Kill, check what is left, go on to the end: for the first step, the second, the third …"""
    step, out = 1, tmp_path / "1" / f"rows.{suffix}"
    out.parent.mkdir()
    with served(rows=600) as sandbox:
        while killed_at(sandbox, out, step):
            note = read_note(out)
            if out.exists() and note is not None:
                assert out.stat().st_size >= note.bytes
            if out.exists() and note is None:  # only the last steps of all leave no note
                assert_exact(sandbox, out)
            else:
                with_half_a_row(out, step)
                argv = arguments(sandbox, "messages", out, *RANGE, "--resume")
                assert in_process(capsys, *argv)[0] == 0
            assert_exact(sandbox, out)
            step, out = step + 1, tmp_path / str(step + 1) / out.name
            out.parent.mkdir()
    assert step > 25
    assert_exact(sandbox, out)


def with_half_a_row(out: Path, length: int) -> None:
    """What the disk may hold behind the last commit after a crash of the machine."""
    if out.exists():
        with out.open("ab") as file:
            file.write(b'{"id":"\xff\x00'[: length % 10])


def test_killed_again_and_again_within_one_export(tmp_path: Path) -> None:
    """Every run takes a few steps more than it needs to begin, and is killed."""
    out = tmp_path / "rows.jsonl"
    with served(rows=6000) as sandbox:
        runs = 0
        while killed_at(sandbox, out, 20 + runs % 7):
            runs += 1
            assert runs < 60
            if out.exists() and read_note(out) is None:
                break  # killed after the last step that counts
            with_half_a_row(out, runs)
    assert runs > 3
    assert_exact(sandbox, out)


@pytest.mark.parametrize(("suffix", "seed"), [("jsonl", 1), ("csv", 2)])
def test_killed_at_random_moments(tmp_path: Path, suffix: str, seed: int) -> None:
    """The command line itself, at any instruction, until the bound on kills lets it finish."""
    out = tmp_path / f"rows.{suffix}"
    chance = random.Random(seed)
    with served(rows=20_000, rtt_ms=20, order="id") as sandbox:
        argv = arguments(sandbox, "messages", out, *RANGE, "--resume")
        kills = 0
        while kills < KILLS:
            process = subprocess.Popen(
                [sys.executable, "-c", EAGER, *argv],
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            seen = sandbox.stats().requests
            goal = seen + chance.randrange(1, 40)
            with process:
                while process.poll() is None and sandbox.stats().requests < goal:
                    time.sleep(0.001)
                process.kill()
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL
            kills += 1
            with_half_a_row(out, kills)
        if note_path(out).exists():
            assert complete(*argv).returncode == 0
    expected = truth(sandbox, "messages")
    rows = read_jsonl(out) if suffix == "jsonl" else read_csv(out)
    assert sorted(str(row["id"]) for row in rows) == sorted(str(row["id"]) for row in expected)
    assert kills > 3
