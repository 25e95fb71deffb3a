"""The one place where an export changes anything: lock, ledger and sink, a batch at a time.

All of it runs in a worker thread. A commit is one transaction of the ledger: the sink makes the
rows durable inside it, and the range counts once it has ended.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.ledger import (
    Done,
    Job,
    Ledger,
    database_errors,
    query_name,
    remaining,
)
from omnichat_async.jobs.lock import FileLock
from omnichat_async.jobs.sinks.base import Batch, Checking, about, beside
from omnichat_async.jobs.starting import kept_behind, meant, start_of
from omnichat_async.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from omnichat_async.jobs.sinks import Sink
    from omnichat_async.jobs.starting import Start, Wish
    from omnichat_async.jobs.streams import Stream

__all__ = ["Store", "peek", "replaces"]


class Store:
    """What an export has on the disk, from ``open`` to ``close``."""

    def __init__(self, sink: Sink, wish: Wish) -> None:
        self._sink, self._wish = sink, wish
        # Of the file itself: a link to it is in another place, and no other file.
        self._lock = FileLock(beside(sink.path.resolve(), ".lock"))
        self._ledger: Ledger | None = None
        self._opened = False
        self.job: Job | None = None
        self.done: list[Done] = []
        self.rows = 0
        self.fresh_rows = 0
        self.intent: Window | None = None
        self.again: list[Window] = []

    def open(self) -> Start:
        """Take the lock, and find out where to begin. Nothing is changed."""
        with about(self._sink.path):
            self._lock.acquire()
        self._ledger = self._read_ledger()
        self._start = start = start_of(
            self._wish,
            self._ledger.jobs(),
            shared=self._sink.shared,
            exists=self._sink.path.exists() and self._sink.path != self._sink.checkpoint,
        )
        if start.job is not None:
            self.done = self._ledger.done(start.job)
            self.intent = self._ledger.intent(start.job)
            self._check_sink(start.job)
            if start.extended:
                self.done = kept_behind(start.job, self.done, self._wish.stream.lookback)
            else:
                self.job = start.job
                self.again = self._unproved(start.job)
                self._open_sink()
            self.rows = sum(done.rows for done in self.done)
        return start

    def _unproved(self, job: Job) -> list[Window]:
        """The ranges to read again: once nothing else is left, where the sink can replace them."""
        if not (self._wish.resume and replaces(self._sink)):
            return []
        if remaining(Window(job.window.after, job.horizon), [done.window for done in self.done]):
            return []
        return [done.window for done in self.done if not done.proved]

    def settled(self) -> list[Window]:
        """The ranges that are done and are not read again."""
        again = frozenset(self.again)
        return [done.window for done in self.done if done.window not in again]

    def begin(self, horizon: int, *, clamped: bool) -> None:
        """Keep the job, now that its horizon is known. One that is kept already is under way."""
        assert self._ledger is not None
        if self.job is not None:
            if self.job.finished:
                self._ledger.reopen(self.job)
                self.job = attrs.evolve(self.job, finished=False)
            return
        start = self._start
        job = Job(
            stream=self._wish.stream.name,
            params=self._wish.params,
            window=start.window,
            horizon=horizon,
            clamped=clamped,
        )
        if start.job is not None:
            self._ledger.extend(start.job, job, self.done)
        else:
            self._ledger.start(job, instead_of=start.replaces)
        self.job = job
        self._open_sink()

    def commit(
        self, window: Window, rows: list[Any], requests: int, certificates: Mapping[str, int]
    ) -> None:
        """Make all rows of a range durable, and note that they are."""
        assert self._ledger is not None
        assert self.job is not None
        batch = Batch(job=self.job.id, stream=self._wish.stream, window=window, rows=rows)
        if self._sink.delivers:
            self._ledger.intend(self.job, window)
        with self._ledger.transaction():
            receipt = self._sink.write(batch)
            done = Done(
                window=window,
                rows=len(rows),
                requests=requests,
                certificates=certificates,
                **attrs.asdict(receipt),
            )
            self._ledger.add(self.job, done)
        self._count(done)

    def _count(self, done: Done) -> None:
        """Take a range into `done`, which is in order, or in the place of what it replaces."""
        place = bisect_left(self.done, done.window, key=lambda each: each.window)
        replaced = [each for each in self.done[place : place + 1] if each.window == done.window]
        self.done[place : place + len(replaced)] = [done]
        self.rows += done.rows - sum(each.rows for each in replaced)
        self.fresh_rows += done.rows

    def finish(self, horizon: int) -> None:
        """Nothing is left to do for this job up to `horizon`: a server whose clock is behind
        allows less than the one the job began at, and what is beyond is left to a later run."""
        assert self._ledger is not None
        assert self.job is not None
        reached = max(horizon, self.done[-1].window.before if self.done else 0)
        if reached < self.job.horizon:
            self.job = attrs.evolve(self.job, horizon=reached, clamped=True)
        with self._ledger.transaction():
            self._ledger.finish(self.job)  # so that the sink finds it like this
            self._sink.finish()

    def close(self) -> None:
        """Let go of everything; what is committed stays."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._lock.release)
            if self._ledger is not None:
                stack.callback(self._ledger.close)
            if self._opened:
                stack.callback(self._sink.close)

    def _read_ledger(self) -> Ledger:
        path = self._sink.checkpoint
        try:
            return Ledger(path)
        except InvalidRequest:
            # Only a file named after ours is ours whatever it holds: a checkpoint that somebody has
            # named may be a database of theirs.
            named = path != beside(self._sink.path, ".checkpoint")
            if named or not self._wish.force:
                raise
        for suffix in ("", "-wal", "-shm"):  # of no account for an export that starts over
            beside(path, suffix).unlink(missing_ok=True)
        return Ledger(path)

    def _check_sink(self, job: Job) -> None:
        assert self._ledger is not None
        if isinstance(self._sink, Checking):
            with database_errors(self._ledger.path):
                self._sink.check_resume(job, self._wish.stream, self.done, self._ledger.database)

    def _open_sink(self) -> None:
        assert self._ledger is not None
        assert self.job is not None
        self._opened = True
        with database_errors(self._ledger.path):
            self._sink.open(self.job, self._wish.stream, self.done, self._ledger.database)


def replaces(sink: Sink) -> bool:
    """Whether a batch takes the place of an earlier one of its range: few sinks need to say."""
    return bool(getattr(sink, "replaces", False))


def peek(
    sink: Sink,
    stream: Stream,
    params: Mapping[str, str],
    fits: Callable[[Window], bool],
    *,
    since_last: bool,
) -> Job | None:
    """The run of this query that an export over a range that `fits` would go on with."""
    if not sink.checkpoint.exists():
        return None
    with contextlib.closing(Ledger(sink.checkpoint)) as ledger:
        query = query_name(stream.name, params)
        mine = [job for job in ledger.jobs() if job.query == query]
    return meant(mine, fits, since_last=since_last)
