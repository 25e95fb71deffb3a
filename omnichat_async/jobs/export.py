"""Export a stream to a file, so that it can be interrupted at any moment and gone on with."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.errors import InvalidRequest
from omnichat_async.jobs.files import (
    CsvFormat,
    GrowingFile,
    JsonlFormat,
    Note,
    RowFormat,
    note_path,
    read_note,
    write_note,
)
from omnichat_async.jobs.streams import STREAMS, Stream, flat_columns, flatten, with_window
from omnichat_async.windows import split, whole_range

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from datetime import datetime

    from omnichat_async.calls import Page
    from omnichat_async.client import OmnichatClient
    from omnichat_async.paging import Listing, WalkOptions
    from omnichat_async.windows import Checkpoint, Window

__all__ = ["Export", "ExportReport", "Progress"]

COMMIT_S = 2.0
"""Work that a crash may cost, in seconds."""


@attrs.frozen(kw_only=True)
class Progress:
    """How far an export is: `rows` written, and the part `done` of the range, from 0 to 1."""

    rows: int
    done: float


@attrs.frozen(kw_only=True)
class ExportReport:
    """What an export did. `rows` counts all of the file, `fresh_rows` those of this run;
    `requests` were sent in `seconds`, and the server refused `throttled` of them (429). These
    two count everything that shared the client's rate limiter meanwhile."""

    path: Path
    stream: str
    window: Window
    rows: int
    fresh_rows: int
    bytes: int
    windows: int
    requests: int
    throttled: int
    seconds: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds else 0.0


class Export:
    """One stream, over one range of time, into one ``.jsonl`` or ``.csv`` file.

    `stream` is messages, contacts, tagging-logs, report-messages or report-orders; `platform`
    (needed) and `channel_id` filter the first two. `after` and `before` are aware datetimes or
    epoch ms. An existing file is never touched unless `force` (start over) or `resume` (go on
    after the last checkpoint, or start if there is nothing yet) says so; a checkpoint's own range
    counts when `after` or `before` is None. Raises InvalidRequest for what does not fit, OSError
    where no file can be.

    Rows are the server's own objects, with every field it sent.
    """

    def __init__(
        self,
        client: OmnichatClient,
        stream: str,
        out: str | os.PathLike[str],
        *,
        after: datetime | int | None = None,
        before: datetime | int | None = None,
        platform: str | None = None,
        channel_id: str | None = None,
        force: bool = False,
        resume: bool = False,
        options: WalkOptions | None = None,
    ) -> None:
        if stream not in STREAMS:
            raise InvalidRequest("stream", f"must be one of {', '.join(STREAMS)}", repr(stream))
        self.stream: Stream = STREAMS[stream]
        self.path = Path(out)
        self._client = client
        self._format = _format_of(self.path, self.stream)
        note = _existing(self.path, self.stream, force=force, resume=resume)
        if note is not None:
            after = note.window.after if after is None else after
            before = note.window.before if before is None else before
        if after is None or before is None:
            raise InvalidRequest("after, before", "are needed to start an export", "none")
        self.window = whole_range(after, before)
        open_listing = partial(self.stream.listing, client, self.window, platform, channel_id)
        self._listing: Listing[Any] = open_listing(options or {})
        if note is not None:
            _check_same(note, self.window, self._listing.checkpoint)
            size = note.checkpoint.page_size
            self._listing = open_listing(
                {"page_size": size, **(options or {}), "resume_from": note.checkpoint}
            )
        self._note = note or Note(
            stream=self.stream.name,
            window=self.window,
            bytes=0,
            rows=0,
            checkpoint=self._listing.checkpoint,
        )
        self._done = 0.0

    async def run(self, on_progress: Callable[[Progress], None] | None = None) -> ExportReport:
        """Write all rows. `on_progress` is called after every page, and at the end.

        On an error, a cancel or Ctrl-C, what is written stays and can be gone on with. Raises
        OSError when the file cannot be written, and what the client's calls raise.
        """
        loop = asyncio.get_running_loop()
        start, before = loop.time(), self._client.limiter.stats()
        # Noted before the file is touched, so that an export killed at once can be resumed.
        await _in_thread(partial(write_note, self.path, self._note))
        with contextlib.closing(GrowingFile(self.path, self._format, self._note)) as file:
            try:
                await self._copy(file, on_progress or _ignore)
                await _in_thread(file.finish)
            except BaseException:
                if not file.note.bytes and self.path.exists():
                    # The file that was to be replaced is untouched: a resume must not cut it off.
                    note_path(self.path).unlink(missing_ok=True)
                raise
        after = self._client.limiter.stats()
        return ExportReport(
            path=self.path,
            stream=self.stream.name,
            window=self.window,
            rows=file.note.rows,
            fresh_rows=file.note.rows - self._note.rows,
            bytes=file.note.bytes,
            windows=sum(1 for _ in split(self.window)),
            requests=after.granted - before.granted,
            throttled=after.refused - before.refused,
            seconds=loop.time() - start,
        )

    async def _copy(self, file: GrowingFile, on_progress: Callable[[Progress], None]) -> None:
        loop = asyncio.get_running_loop()
        committed = loop.time()
        async with contextlib.aclosing(self._listing.pages()) as pages:
            try:
                async for page in pages:
                    rows = page.items
                    if self.stream.per_window:
                        rows = [with_window(row, page.window) for row in rows]
                    file.write(rows, self._listing.checkpoint)
                    self._done = max(self._done, self._reached(page, file.note.checkpoint))
                    on_progress(Progress(rows=file.note.rows, done=self._done))
                    if loop.time() - committed >= COMMIT_S:
                        await _in_thread(file.commit)
                        committed = loop.time()
            except (Exception, asyncio.CancelledError):
                with contextlib.suppress(OSError):
                    await _in_thread(file.commit)
                raise
        on_progress(Progress(rows=file.note.rows, done=1.0))

    def _reached(self, page: Page[Any], at: Checkpoint) -> float:
        """The part of the range before `at`, taking rows as evenly spread in a window."""
        if at.done or at.window is None or page.window is None:
            return 1.0
        reached = float(at.window)
        if at.window == page.window.after and page.total:
            part = min(1.0, page.number * at.size / page.total)
            reached += part * (page.window.before - page.window.after)
        return (reached - self.window.after) / (self.window.before - self.window.after)


async def _in_thread(work: Callable[[], None]) -> None:
    """Do `work` beside the event loop, and see it ended however often this is cancelled meanwhile.

    An error of `work` goes before the cancel.
    """
    # A future and not a task: a loop that is shut down cancels all tasks.
    future = asyncio.get_running_loop().run_in_executor(None, work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
    future.result()
    if cancelled is not None:
        raise cancelled


def _ignore(_: Progress) -> None:
    """Nobody wants to know."""


def _format_of(path: Path, stream: Stream) -> RowFormat:
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        return JsonlFormat()
    if suffix == ".csv":
        return CsvFormat(flat_columns(stream), flatten)
    raise InvalidRequest("out", "must end in .jsonl or .csv", repr(path.suffix))


def _existing(path: Path, stream: Stream, *, force: bool, resume: bool) -> Note | None:
    """The note to go on from, None to start; refused where a file would be overwritten."""
    if force and resume:
        raise InvalidRequest("force, resume", "exclude each other", "both")
    if not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "no such folder", str(path.parent))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a file", str(path))
    if force or not (path.exists() or (resume and note_path(path).exists())):
        return None
    if not resume:
        raise InvalidRequest(
            "out",
            "must not exist yet (resume goes on with an interrupted export, force starts over)",
            "an existing file",
        )
    note = read_note(path)
    if note is None:
        raise InvalidRequest(
            "resume",
            "needs the file's .checkpoint; without one it is finished (force starts over)",
            "none",
        )
    if note.stream != stream.name:
        raise InvalidRequest("resume", f"must be an export of {stream.name}", repr(note.stream))
    length = path.stat().st_size if path.exists() else 0
    if length < note.bytes:
        raise InvalidRequest(
            "resume",
            f"{path.name} must hold the {note.bytes} bytes that its .checkpoint speaks of "
            "(force starts over)",
            f"{length} bytes",
        )
    return note


def _check_same(note: Note, window: Window, start: Checkpoint) -> None:
    """Refuse to go on with an export of something else."""
    if note.window != window:
        raise InvalidRequest(
            "after, before",
            f"must be left out, or be those of the export that is resumed ({note.window.start} to "
            f"{note.window.end})",
            f"{window.start} to {window.end}",
        )
    if note.checkpoint.query != start.query:
        raise InvalidRequest(
            "platform, channel_id", "must be those of the export that is resumed", "others"
        )
