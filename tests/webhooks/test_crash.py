"""Killed between the answer and the handling: no event lost, none handled again once done."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.exports import ROOT
from tests.support.loops import rounds

if TYPE_CHECKING:
    from pathlib import Path

BATCH = 20


class Victim:
    """The process."""

    def __init__(self, inbox: Path, log: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.webhooks.killed_receiver", str(inbox), str(log)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, what: list[str] | str) -> None:
        """Post one request with these events, or "hold", or "go"; return when it has."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ack\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL
        self._close()

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self._close()

    def _close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def ids_in(inbox: Path, state: str) -> set[str]:
    """The ids of the messages of a state, read past the package."""
    with sqlite3.connect(inbox) as database:
        rows = database.execute("SELECT body FROM events WHERE state = ?", (state,)).fetchall()
    database.close()
    bodies: list[Any] = [json.loads(row[0]) for row in rows]
    return {body["entry"][0]["changes"][0]["value"]["messages"][0]["id"] for body in bodies}


def handled(log: Path) -> Counter[str]:
    return Counter(log.read_text().split()) if log.exists() else Counter()


@pytest.mark.slow
@pytest.mark.timeout(600)  # each kill costs the start of a process
@pytest.mark.parametrize(("workers", "kills"), [(1, rounds(50, 200)), (2, rounds(20, 100))])
def test_killed_after_the_answer_no_event_is_lost_and_none_done_is_handled_again(
    tmp_path: Path, workers: int, kills: int
) -> None:
    """One of the workers of an inbox is killed and started again, at any moment."""
    inbox, log = tmp_path / "inbox.db", tmp_path / "handled.log"
    draw = random.Random(3)
    posted: set[str] = set()
    done_before: Counter[str] = Counter()
    victims = [Victim(inbox, log) for _ in range(workers)]
    for kill in range(kills):
        ids = [f"{kill}-{n}" for n in range(BATCH)]
        held = kill % 3 == 0  # a machine may be fast enough to have handled all others
        for victim in victims if held else ():
            victim.say("hold")
        draw.choice(victims).say(ids)
        posted |= set(ids)
        time.sleep(draw.uniform(0, 0.06))
        which = draw.randrange(workers)
        victims[which].kill()
        done = ids_in(inbox, "done")  # before the rest, for the others work on
        assert ids_in(inbox, "open") | ids_in(inbox, "done") == posted
        assert not held or done.isdisjoint(ids)
        # What was recorded as done is not handled again, whoever starts or works on.
        assert {each: handled(log)[each] for each in done_before} == dict(done_before)
        done_before = Counter({each: handled(log)[each] for each in done})
        victims[which] = Victim(inbox, log)
        for victim in victims if held else ():
            victim.say("go")
    for _ in range(600):
        if not ids_in(inbox, "open"):
            break
        time.sleep(0.1)
    for victim in victims:
        victim.end()
    assert set(handled(log)) == posted
    assert ids_in(inbox, "done") == posted
    assert {each: handled(log)[each] for each in done_before} == dict(done_before)
