"""Export a stream to a sink, so that it can be interrupted at any moment and gone on with."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

from omnichat_async import checks
from omnichat_async.client import DEFAULT_BASE_URL, is_loopback
from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.grouping import Group
from omnichat_async.jobs.ledger import remaining
from omnichat_async.jobs.report import ExportReport, Progress, report_of
from omnichat_async.jobs.sinks import Sink, sink_for
from omnichat_async.jobs.starting import Wish
from omnichat_async.jobs.store import Store, replaces
from omnichat_async.jobs.streams import STREAMS, Stream
from omnichat_async.windows import Window, to_ms, whole_range

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from omnichat_async.client import OmnichatClient
    from omnichat_async.jobs.starting import Start
    from omnichat_async.paging import WalkOptions
    from omnichat_async.walk import CertifiedWalk

__all__ = ["Export", "query_params"]

T = TypeVar("T")

DEFAULT_HOST = urlsplit(DEFAULT_BASE_URL).hostname

COMMIT_ROWS = 5_000
COMMIT_S = 2.0
"""Work that a crash may cost: what comes first."""

ROW_BUDGET = 8_000
"""Rows that may wait behind the range that is next: enough for 36 requests/s answered after 2 s."""

SKEW_MS = 600_000
"""How wrong this machine's clock may be without making a later run read more than it must."""


class Export:
    """One stream, over one range of time, into one place.

    `stream` is messages, contacts, tagging-logs, report-messages or report-orders; `platform`
    (needed) and `channel_id` filter the first two. `out` is a file, whose suffix says what it
    is (.jsonl, .jsonl.gz, .csv, .csv.gz, .parquet, .sqlite or .db), or a Sink. `after` and
    `before` are aware datetimes or epoch ms.

    An export that was interrupted goes on with the same arguments, as if nothing had happened; a
    time that is None is that of the interrupted run. What is finished is never touched unless
    told: `resume` lets it be, but for ranges that could not be proved complete, which it reads
    again where the sink can replace them; `since_last` adds what is new since its watermark, and
    `force` starts over. `on_incomplete` says whether such a range ends the export with Incomplete
    ("raise"), or is written as it is and reported ("record").

    Raises InvalidRequest for what does not fit, OSError where no file can be. Rows are the
    server's own objects, with every field it sent.
    """

    def __init__(
        self,
        client: OmnichatClient,
        stream: str,
        out: str | os.PathLike[str] | Sink,
        *,
        after: datetime | int | None = None,
        before: datetime | int | None = None,
        platform: str | None = None,
        channel_id: str | None = None,
        force: bool = False,
        resume: bool = False,
        since_last: bool = False,
        on_incomplete: Literal["raise", "record"] = "raise",
        options: WalkOptions | None = None,
    ) -> None:
        if not isinstance(stream, str) or stream not in STREAMS:
            raise InvalidRequest("stream", f"must be one of {', '.join(STREAMS)}", repr(stream))
        self.stream: Stream = STREAMS[stream]
        self.stream.check_filters(platform, channel_id)
        flags = {"force": force, "resume": resume, "since_last": since_last}
        if sum(checks.flag(name, value) for name, value in flags.items()) > 1:
            raise InvalidRequest("force, resume, since_last", "exclude each other", "several")
        if on_incomplete not in ("raise", "record"):
            raise InvalidRequest("on_incomplete", "must be raise or record", repr(on_incomplete))
        self._sink = _sink_of(out)
        if since_last and self.stream.moves and not self._sink.upserts:
            raise InvalidRequest(
                "since_last",
                f"needs a .sqlite file for {stream}: a row that has changed comes again, and only "
                "there takes the place of its former version",
                "a file that is appended to",
            )
        if after is not None and before is not None:
            whole_range(after, before)
        self._wish = Wish(
            stream=self.stream,
            params=query_params(client, platform, channel_id),
            after=None if after is None else to_ms("after", after),
            before=None if before is None else to_ms("before", before),
            force=force,
            resume=resume,
            since_last=since_last,
        )
        self._client = client
        self._on_incomplete: Literal["raise", "record"] = on_incomplete
        self._open_listing = partial(
            self.stream.listing,
            client,
            platform=platform,
            channel_id=channel_id,
            options=options or {},
        )
        self._open_listing(Window(0, 1))  # so that wrong options are refused here
        self._run: _Run | None = None

    @property
    def path(self) -> Path:
        """The file, or what the sink calls its place."""
        return self._sink.path

    @property
    def window(self) -> Window | None:
        """The range; None while nobody knows, which ``run`` finds out."""
        if self._run is not None:
            return self._run.start.window
        if self._wish.after is None or self._wish.before is None:
            return None
        return self._wish.window()

    @property
    def safe_rows(self) -> int:
        """How many rows a run that ended early has made safe, with those of earlier runs."""
        return 0 if self._run is None else self._run.rows

    @property
    def replaces(self) -> bool:
        """Whether a range can be replaced in this place, and so be read again by ``resume``."""
        return replaces(self._sink)

    @property
    def shared(self) -> bool:
        """Whether other ranges may be in this place too."""
        return self._sink.shared

    def _as_text(self) -> bool:
        """Whether the sink gets the text of rows. Not of those that get something added first, nor
        of those without a key, which are told apart by all they hold."""
        has_key = bool(self.stream.key) and not self.stream.per_window
        return has_key and getattr(self._sink, "as_text", False)

    async def run(self, on_progress: Callable[[Progress], None] | None = None) -> ExportReport:
        """Write all rows. `on_progress` is called as soon as the range is known, after every
        range that was read, and at the end.

        On an error, a cancel or Ctrl-C, what is written stays and can be gone on with. Raises
        InvalidRequest if another query or version wrote what is there, Incomplete for a range
        that cannot be proved complete, OSError when the disk fails, and what the client's calls
        raise.
        """
        if inspect.iscoroutinefunction(on_progress):
            limit = "must be a plain function: it is called and not awaited"
            raise InvalidRequest("on_progress", limit, "a coroutine function")
        with ThreadPoolExecutor(1, "omnichat-export") as thread:
            store = Store(self._sink, self._wish)
            self._run = None
            try:
                start = await _in_thread(thread, store.open)
                whole = store.again or ([] if store.intent is None else [store.intent])
                borders = _borders(start, whole, self.stream.lookback)
                walk = self._open_listing(start.window).walk(
                    ranges=remaining(start.window, store.settled(), borders),
                    horizon=start.horizon,
                    row_budget=ROW_BUDGET,
                    on_incomplete="record" if store.again else self._on_incomplete,
                    as_text=self._as_text(),
                )
                self._run = run = _Run(
                    thread=thread,
                    store=store,
                    start=start,
                    walk=walk,
                    client=self._client,
                    group=Group(stream=self.stream, borders=borders, whole=whole),
                    on_progress=on_progress or _ignore,
                )
                if store.again or store.job is None or not store.job.finished:
                    await run.copy()
            finally:
                await _in_thread(thread, store.close)
        return run.report(self.path)  # now that the files have their size


class _Run:
    """One run of an export: leaves in, batches out."""

    def __init__(
        self,
        *,
        thread: ThreadPoolExecutor,
        store: Store,
        start: Start,
        walk: CertifiedWalk,
        client: OmnichatClient,
        group: Group,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.start = start
        self._thread, self._store, self._walk = thread, store, walk
        self._limiter = client.limiter
        self._group = group
        self._on_progress = on_progress
        self._again = frozenset(store.again)
        self._peak_rows = 0
        self._done = 0.0
        self._limits_before = self._limiter.stats()
        self._began = self._committed = time.monotonic()

    @property
    def rows(self) -> int:
        """The rows that are safe."""
        return self._store.rows

    async def copy(self) -> None:
        """Write all that is left."""
        self._tell(None)
        async with contextlib.aclosing(self._walk.leaves()) as leaves:
            try:
                async for leaf in leaves:
                    if not self._group.takes(leaf, COMMIT_ROWS):
                        await self._commit()
                    self._group.add(leaf)
                    self._tell(leaf.window)
                    overdue = time.monotonic() - self._committed >= COMMIT_S
                    if self._group.is_full(COMMIT_ROWS, overdue=overdue):
                        await self._commit()
            except (Exception, asyncio.CancelledError):
                if not self._group.is_part():
                    with contextlib.suppress(OSError):
                        await self._commit()
                raise
        await self._commit()
        await _in_thread(self._thread, self._finish)
        self._done = 1.0
        self._tell(None)

    async def _commit(self) -> None:
        """Make the group durable. It is given up first: what failed once is not tried again."""
        group, self._group = self._group, self._group.emptied()
        self._committed = time.monotonic()
        if group.window is None or not self._is_better(group):
            return
        held = len(group.rows) + self._walk.stats.peak_rows
        self._peak_rows = max(self._peak_rows, held)
        await _in_thread(self._thread, partial(self._write, group))

    def _is_better(self, group: Group) -> bool:
        """Not what is no more proved than what it would replace."""
        if not self._again:
            return True
        return group.window in self._again and "none" not in group.certificates

    def _write(self, group: Group) -> None:
        assert group.window is not None
        self._begin()
        self._store.commit(group.window, group.rows, group.requests, group.certificates)

    def _begin(self) -> None:
        self._store.begin(self._horizon(), clamped=self._walk.clamped)

    def _finish(self) -> None:
        self._begin()
        self._store.finish(self._horizon())

    def _horizon(self) -> int:
        horizon = self._walk.horizon
        assert horizon is not None  # it is known before the first leaf
        return max(horizon, self.start.window.after)

    def _tell(self, window: Window | None) -> None:
        """Call the caller back with how far this is."""
        held = 0 if self._again else len(self._group.rows)
        rows = self.rows + held
        seconds = time.monotonic() - self._began
        rate = (self._store.fresh_rows + held) / seconds if seconds else 0.0
        left = self._walk.stats.rows_left
        if window is not None and self._done < 1:
            whole = self.start.window
            end = max(window.before, self._walk.horizon or whole.before)
            part = (window.before - whole.after) / (end - whole.after)
            if left:
                part = rows / (rows + left)
            self._done = max(self._done, min(part, 1.0))
        eta = left / rate if left and rate else None
        self._on_progress(Progress(rows=rows, done=self._done, rate=rate, eta=eta, window=window))

    def report(self, path: Path) -> ExportReport:
        """What was done."""
        store = self._store
        assert store.job is not None
        return report_of(
            store.job,
            store.done,
            path,
            fresh_rows=store.fresh_rows,
            walk=self._walk.stats,
            before=self._limits_before,
            after=self._limiter.stats(),
            peak_rows=self._peak_rows,
            seconds=time.monotonic() - self._began,
        )


async def _in_thread(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """Do `work` beside the event loop, and see it ended however often this is cancelled meanwhile.

    An error of `work` goes before the cancel.
    """
    # A future and not a task: a loop that is shut down cancels all tasks.
    future = asyncio.get_running_loop().run_in_executor(thread, work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
    result = future.result()
    if cancelled is not None:
        raise cancelled
    return result


def _borders(start: Start, whole: Sequence[Window], lookback: int) -> frozenset[int]:
    """Where a range of the ledger must end: where a later run will begin to read again, and
    around what is committed whole."""
    found = {border for each in whole for border in (each.after, each.before)}
    if lookback:
        horizon = start.horizon
        if horizon is None:
            horizon = min(start.window.before, time.time_ns() // 1_000_000 - SKEW_MS)
        found.add(horizon - lookback)
    return frozenset(found)


def _sink_of(out: Any) -> Sink:
    """`out` itself if it has what a sink has, otherwise the sink of that file."""
    if hasattr(out, "write") and hasattr(out, "checkpoint"):  # an open file has no checkpoint
        sink: Sink = out
        return sink
    return sink_for(out)


def query_params(
    client: OmnichatClient, platform: str | None, channel_id: str | None
) -> dict[str, str]:
    """What a stream is asked for, and where: made-up rows of a sandbox are none of the API's."""
    host = urlsplit(client.base_url).hostname or ""
    params = {
        "platform": platform,
        "channel_id": channel_id,
        "host": None if host == DEFAULT_HOST else "this machine" if is_loopback(host) else host,
    }
    return {name: value for name, value in params.items() if value is not None}


def _ignore(_: Progress) -> None:
    """Nobody wants to know."""
