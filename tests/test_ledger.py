"""The ledger of an export, its lock, and where a run begins."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async.database import APPLICATION_ID
from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.grouping import Group
from omnichat_async.jobs.ledger import FORMAT, Done, Job, Ledger, remaining
from omnichat_async.jobs.lock import FileLock
from omnichat_async.jobs.starting import Wish, kept_behind, start_of
from omnichat_async.jobs.streams import STREAMS
from omnichat_async.walk import Leaf
from omnichat_async.windows import Window

if TYPE_CHECKING:
    from pathlib import Path

JOB = Job(stream="messages", params={"platform": "line"}, window=Window(0, 100), horizon=90)


def done(a: int, b: int, rows: int = 1) -> Done:
    return Done(window=Window(a, b), rows=rows, requests=1, certificates={"count": 1}, bytes=b)


# ---- what is left ------------------------------------------------------------------------------

points = st.integers(0, 60)
ranges = st.lists(st.tuples(points, points).filter(lambda p: p[0] < p[1]), max_size=8)


@given(ranges, st.lists(points, max_size=3))
def test_what_is_left_and_what_is_done_are_all_there_is(
    taken: list[tuple[int, int]], cuts: list[int]
) -> None:
    whole = Window(10, 50)
    left = remaining(whole, [Window(*each) for each in taken], cuts)
    covered = {t for a, b in taken for t in range(a, b)}
    assert [t for each in left for t in range(each.after, each.before)] == [
        t for t in range(10, 50) if t not in covered
    ]
    assert all(each.after < each.before for each in left)
    assert not [cut for cut in cuts for each in left if each.after < cut < each.before]


# ---- jobs and done ranges ----------------------------------------------------------------------


def test_a_ledger_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "x.checkpoint"
    ledger = Ledger(path)
    assert (ledger.jobs(), ledger.done(JOB), ledger.intent(JOB)) == ([], [], None)
    assert not path.exists()  # nothing is made before there is something to keep
    ledger.start(JOB)
    for each in (done(0, 10), done(10, 30)):
        with ledger.transaction():
            ledger.add(JOB, each)
    ledger.close()
    ledger = Ledger(path)
    assert ledger.jobs() == [JOB]
    assert ledger.done(JOB) == [done(0, 10), done(10, 30)]
    with ledger.transaction():
        ledger.finish(JOB)
    assert ledger.jobs() == [attrs.evolve(JOB, finished=True)]
    ledger.close()
    assert [each.name for each in tmp_path.iterdir()] == ["x.checkpoint"]


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "x")
    ledger.start(JOB)

    def fails() -> None:
        with ledger.transaction():
            ledger.add(JOB, done(0, 10))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert ledger.done(JOB) == []
    ledger.close()


def test_a_job_that_is_extended_keeps_what_still_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "x")
    ledger.start(JOB)
    with ledger.transaction():
        for a in range(0, 90, 10):
            ledger.add(JOB, done(a, a + 10))
    longer = attrs.evolve(JOB, window=Window(0, 200), horizon=180)
    kept = kept_behind(JOB, ledger.done(JOB), lookback=25)
    ledger.extend(JOB, longer, kept)
    assert [each.window.before for each in ledger.done(longer)] == [10, 20, 30, 40, 50, 60]
    assert (ledger.jobs(), ledger.done(JOB)) == ([longer], [])
    ledger.close()


def test_an_extended_job_takes_the_place_of_one_with_its_end(tmp_path: Path) -> None:
    """One that was clamped, before another one went further."""
    ledger = Ledger(tmp_path / "x")
    longer = attrs.evolve(JOB, window=Window(0, 200), horizon=180)
    clamped = attrs.evolve(longer, horizon=50, clamped=True)
    for each in (clamped, JOB):
        ledger.start(each)
        with ledger.transaction():
            ledger.add(each, done(0, 40))
    ledger.extend(JOB, longer, ledger.done(JOB))
    assert (ledger.jobs(), ledger.done(longer)) == ([longer], [done(0, 40)])
    ledger.close()


def test_a_commit_is_durable_and_an_intent_is_gone_with_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "x")
    ledger.start(JOB)
    ledger.intend(JOB, Window(0, 10))
    assert ledger.intent(JOB) == Window(0, 10)
    with ledger.transaction():
        ledger.add(JOB, done(0, 10))
    assert ledger.intent(JOB) is None
    assert ledger.database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ledger.database.execute("PRAGMA synchronous").fetchone() == (2,)
    ledger.close()


def foreign(path: Path, *statements: str) -> None:
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (("CREATE TABLE mine (x)",), "be one that this package made; given: another database"),
        (("PRAGMA application_id = 7",), "be one that this package made; given: another"),
        (
            (f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {FORMAT + 1}"),
            f"be of format {FORMAT} (a newer version of this package made it); given: format 3",
        ),
    ],
)
def test_what_is_no_ledger_of_this_version_is_refused(
    tmp_path: Path, statements: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "x.sqlite"
    foreign(path, *statements)
    before = path.read_bytes()
    with pytest.raises(InvalidRequest) as caught:
        Ledger(path)
    assert str(caught.value).startswith(f"out: the database x.sqlite must {message}")
    assert path.read_bytes() == before


def test_rubbish_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("rubbish " * 1000)
    with pytest.raises(InvalidRequest, match="must be one that this package made"):
        Ledger(tmp_path / "x")


# ---- where a run begins ------------------------------------------------------------------------


def wish(after: int | None = 0, before: int | None = 100, **more: Any) -> Wish:
    fixed: dict[str, Any] = {"stream": STREAMS["messages"], "params": {"platform": "line"}}
    fixed |= {"after": after, "before": before} | more
    return Wish(**fixed)


FINISHED = attrs.evolve(JOB, finished=True)


@pytest.mark.parametrize(
    ("asked", "jobs", "window", "horizon"),
    [
        (wish(), [], Window(0, 100), None),
        (wish(), [JOB], Window(0, 100), 90),
        (wish(None, None), [JOB], Window(0, 100), 90),
        (wish(force=True), [JOB], Window(0, 100), None),
        (wish(resume=True), [FINISHED], Window(0, 100), 90),
        (wish(before=300, since_last=True), [FINISHED], Window(0, 300), None),
        (wish(before=300, since_last=True), [JOB], Window(0, 100), 90),
        (wish(before=80, since_last=True), [FINISHED], Window(0, 100), 90),
        (wish(None, 300, since_last=True), [FINISHED], Window(0, 300), None),
    ],
)
def test_where_a_run_begins(
    asked: Wish, jobs: list[Job], window: Window, horizon: int | None
) -> None:
    start = start_of(asked, jobs, shared=False, exists=False)
    assert (start.window, start.horizon) == (window, horizon)
    assert start.extended == (window.before == 300)
    assert list(start.replaces) == ([JOB] if asked.force else [])


@pytest.mark.parametrize(
    ("asked", "jobs", "message"),
    [
        (wish(), [FINISHED], "out: must not exist yet"),
        (wish(before=99), [JOB], "after, before: must be left out"),
        (wish(after=1, before=300, since_last=True), [FINISHED], "after, before: must be left"),
        (wish(params={}), [JOB], "out: must be of this query"),
        (wish(None), [], "after, before: are needed to start an export"),
    ],
)
def test_where_no_run_begins(asked: Wish, jobs: list[Job], message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        start_of(asked, jobs, shared=False, exists=False)
    assert str(caught.value).startswith(message)


# ---- leaves put together -----------------------------------------------------------------------


def leaf(a: int, b: int, certificate: Any = "count", rows: int = 1) -> Leaf:
    return Leaf(window=Window(a, b), rows=[{}] * rows, certificate=certificate, requests=2)


def test_a_group_takes_adjacent_leaves_up_to_a_border() -> None:
    group = Group(stream=STREAMS["messages"], borders=frozenset({20}))
    assert group.takes(leaf(0, 10), 99)
    group.add(leaf(0, 10))
    assert [group.takes(leaf(10, 20), most) for most in (1, 2)] == [False, True]
    group.add(leaf(10, 20))
    assert (group.window, len(group.rows), group.requests) == (Window(0, 20), 2, 4)
    assert not group.takes(leaf(20, 30), 99)  # a border
    assert not group.takes(leaf(21, 30), 99)  # a gap
    assert [group.is_full(n, overdue=False) for n in (2, 3)] == [True, False]
    assert group.is_full(99, overdue=True)
    assert not group.emptied().is_full(0, overdue=True)


@pytest.mark.parametrize("certificate", ["weak", "none"])
def test_a_leaf_without_full_proof_stands_alone(certificate: str) -> None:
    group = Group(stream=STREAMS["messages"])
    group.add(leaf(0, 10))
    assert not group.takes(leaf(10, 20, certificate), 99)
    group = group.emptied()
    group.add(leaf(10, 20, certificate))
    assert not group.takes(leaf(20, 30), 99)


def test_what_may_have_been_delivered_is_delivered_as_it_was() -> None:
    group = Group(stream=STREAMS["messages"], borders=frozenset({0, 30}), whole=[Window(0, 30)])
    group.add(leaf(0, 10, rows=9))
    assert group.takes(leaf(10, 30), 1)
    assert not group.is_full(1, overdue=True)
    group.add(leaf(10, 30))
    assert group.is_full(99, overdue=False)


# ---- one process at a time ---------------------------------------------------------------------


def test_a_lock_keeps_others_away_and_says_who_has_it(tmp_path: Path) -> None:
    lock, other = FileLock(tmp_path / "x.lock"), FileLock(tmp_path / "x.lock")
    lock.acquire()
    with pytest.raises(InvalidRequest, match=rf"another process.*process {os.getpid()} on "):
        other.acquire()
    lock.release()
    assert not list(tmp_path.iterdir())
    other.acquire()
    other.release()
    other.release()


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib\n"
        "from omnichat_async.jobs.lock import FileLock\n"
        "lock = FileLock(pathlib.Path(sys.argv[1]))\n"
        "lock.acquire()\n"
        "print('held', flush=True)\n"
        "time.sleep(600)\n"
    )
    path = tmp_path / "x.lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InvalidRequest, match=f"process {process.pid} on "):
            FileLock(path).acquire()
        process.send_signal(signal.SIGKILL)
    lock = FileLock(path)
    lock.acquire()
    lock.release()
