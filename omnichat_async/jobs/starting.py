"""Where an export begins: anew, where an earlier run of it stopped, or at its watermark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.ledger import Job, query_name
from omnichat_async.windows import Window, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from omnichat_async.jobs.ledger import Done
    from omnichat_async.jobs.streams import Stream

__all__ = ["Start", "Wish", "kept_behind", "meant", "start_of"]


@attrs.frozen(kw_only=True)
class Wish:
    """What an export is asked for. A time that is None is that of the run it goes on with."""

    stream: Stream
    params: Mapping[str, str]
    after: int | None
    before: int | None
    force: bool = False
    resume: bool = False
    since_last: bool = False

    @property
    def query(self) -> str:
        """The name of stream and filters."""
        return query_name(self.stream.name, self.params)

    def window(self) -> Window:
        """The range asked for, where one is needed."""
        if self.after is None or self.before is None:
            raise InvalidRequest("after, before", "are needed to start an export", "none")
        return in_order(Window(self.after, self.before))

    def fits(self, window: Window) -> bool:
        """Whether the times that are given are those of `window`, whose end since_last may move."""
        same_end = self.since_last or self.before in {None, window.before}
        return same_end and self.after in {None, window.after}


@attrs.frozen(kw_only=True)
class Start:
    """How to begin: the range, the earlier `job` to go on with, whether it is to be `extended`
    to a later end, and the jobs a new one `replaces`."""

    window: Window
    job: Job | None = None
    extended: bool = False
    replaces: Sequence[Job] = ()

    @property
    def horizon(self) -> int | None:
        """The kept one of a run that goes on; a run with a new end takes its own."""
        return None if self.job is None or self.extended else self.job.horizon


def start_of(wish: Wish, jobs: Sequence[Job], *, shared: bool, exists: bool) -> Start:
    """How to begin, given the jobs of the ledger, the latest last.

    `shared` says that other queries may be in the same place, `exists` that there is something
    in it. Raises InvalidRequest where a wish does not fit what is there.
    """
    mine = [job for job in jobs if job.query == wish.query]
    if wish.force:
        return _anew(wish, jobs, shared=shared)
    if jobs and not mine and not shared:
        raise InvalidRequest(
            "out",
            "must be of this query: stream, platform, channel_id, host of the API (it is an export "
            f"of {_named(jobs[-1])}; force starts over)",
            "an export of another one",
        )
    job = meant(mine, wish.fits, since_last=wish.since_last)
    if job is None and mine and (wish.since_last or not shared):
        raise _other_range(wish, mine[-1])
    if job is not None and wish.since_last:
        return _since(wish, job, jobs, shared=shared)
    if job is not None:
        if job.finished and not wish.resume:
            raise _exists("a finished export" if exists or shared else "one whose file is gone")
        return Start(window=job.window, job=job)
    if exists and not shared:
        if wish.resume or wish.since_last:
            raise InvalidRequest(
                "resume" if wish.resume else "since_last",
                "needs the file's .checkpoint (force starts over)",
                "a file without one",
            )
        raise _exists("another file, or one without its .checkpoint")
    return _anew(wish, jobs, shared=shared)


def _anew(wish: Wish, jobs: Sequence[Job], *, shared: bool) -> Start:
    window = wish.window()
    replaces = [job for job in jobs if not shared or _is_same(job, wish, window)]
    if shared:
        _refuse_overlap(wish, window, [job for job in jobs if job not in replaces])
    return Start(window=window, replaces=replaces)


def _refuse_overlap(wish: Wish, window: Window, others: Sequence[Job]) -> None:
    """Raise InvalidRequest where rows without an id would be in two ranges of a database."""
    for job in others if not wish.stream.key else ():
        overlap = job.window.after < window.before and window.after < job.window.before
        if job.stream == wish.stream.name and overlap:
            raise InvalidRequest(
                "after, before",
                f"must not overlap a range of {job.stream} that is in this database already, "
                "or rows without an id would be there twice (use since_last, or another file)",
                f"{window.start} to {window.end}",
            )


def _is_same(job: Job, wish: Wish, window: Window) -> bool:
    return job.query == wish.query and job.window == window


def meant(mine: Sequence[Job], fits: Callable[[Window], bool], *, since_last: bool) -> Job | None:
    """The run that is meant of those of a query, the latest last: `since_last` goes on with what
    got furthest, anything else with what was interrupted, if something was."""
    fitting = [job for job in mine if fits(job.window)]
    interrupted = [job for job in fitting if not (job.finished or since_last)]
    found = interrupted or fitting
    return found[-1] if found else None


def _since(wish: Wish, job: Job, jobs: Sequence[Job], *, shared: bool) -> Start:
    """Go on from the watermark; a run that was interrupted is ended first."""
    if not job.finished or wish.before is None or wish.before <= job.horizon:
        return Start(window=job.window, job=job)
    window = in_order(Window(job.window.after, wish.before))
    if shared:
        _refuse_overlap(wish, window, [other for other in jobs if other.id != job.id])
    return Start(window=window, job=job, extended=True)


def kept_behind(job: Job, done: Sequence[Done], lookback: int) -> list[Done]:
    """The done ranges that still count for a run that goes on `lookback` ms before the watermark
    of `job`: whole ranges, up to the first that reaches beyond."""
    point = job.horizon - lookback
    kept = []
    for each in done:
        if each.window.before > point:
            break
        kept.append(each)
    return kept


def _named(job: Job) -> str:
    """A job's query in words."""
    return ", ".join([job.stream, *(f"{name} {value}" for name, value in job.params.items())])


def _exists(given: str) -> InvalidRequest:
    return InvalidRequest(
        "out",
        "must not exist yet (since_last adds what is new to a finished export, force starts over)",
        given,
    )


def _other_range(wish: Wish, job: Job) -> InvalidRequest:
    given = " to ".join("none" if t is None else str(t) for t in (wish.after, wish.before))
    return InvalidRequest(
        "after, before",
        f"must be left out, or be those of the export that is there ({job.window.start} to "
        f"{job.window.end}, epoch ms {job.window.after} to {job.window.before}; force starts over)",
        given,
    )
