"""What an export tells while it runs and when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from omnichat_async.jobs.ledger import certificates
from omnichat_async.windows import Window, split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from omnichat_async.jobs.ledger import Done, Job
    from omnichat_async.limits import LimiterStats
    from omnichat_async.walk import WalkStats

__all__ = ["ExportReport", "Progress", "report_of"]


@attrs.frozen(kw_only=True)
class Progress:
    """How far an export is.

    `rows` are safe or about to be, `done` is the part of the range that is read, from 0 to 1,
    `rate` the rows per second of this run, `eta` the seconds that are left if it goes on like
    this (None while nobody knows), `window` the range that was read last.
    """

    rows: int
    done: float
    rate: float
    eta: float | None
    window: Window | None


@attrs.frozen(kw_only=True)
class ExportReport:
    """What an export did.

    `rows`, `ranges` (of time, each with a certificate), `certificates` (how many ranges each
    kind proves), `weak` and `incomplete` (ranges that are proved less than fully, or not at all)
    count all runs of it, the rest this one. Every row before `watermark` is there; `clamped`
    says that it lies before the end asked for, because the last minute is never read. `windows`
    are the 7-day windows of the range.

    Of the `requests`, sent in `seconds`, `useful` brought rows, `proofs` only proved them,
    `probes` showed that a range must be cut, and `repairs` were spent on proofs that failed
    because rows had left (`departures`); `retries` followed a failure, and the server refused
    `throttled` ones (429). `requests`, `retries` and `throttled` count everything that shared the
    client's rate limiter meanwhile. No more than `peak_rows` rows were in memory at once.
    """

    path: Path
    stream: str
    window: Window
    watermark: int
    clamped: bool
    rows: int
    fresh_rows: int
    bytes: int
    windows: int
    ranges: int
    certificates: dict[str, int]
    weak: list[Window]
    incomplete: list[Window]
    requests: int
    useful: int
    proofs: int
    probes: int
    repairs: int
    retries: int
    throttled: int
    departures: int
    peak_rows: int
    seconds: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON has it; a range is a list of its two ends in epoch ms."""
        flat = attrs.asdict(self, recurse=False)
        flat |= {"path": str(self.path), "rate": round(self.rate, 2)}
        flat |= {"seconds": round(self.seconds, 3), "window": list(attrs.astuple(self.window))}
        for name in ("weak", "incomplete"):
            flat[name] = [list(attrs.astuple(each)) for each in flat[name]]
        return flat


def report_of(
    job: Job,
    done: Sequence[Done],
    path: Path,
    *,
    fresh_rows: int,
    walk: WalkStats,
    before: LimiterStats,
    after: LimiterStats,
    peak_rows: int,
    seconds: float,
) -> ExportReport:
    """The report of a run that wrote `fresh_rows` of the rows of `job`, whose ranges are `done`."""
    requests, throttled = after.granted - before.granted, after.refused - before.refused
    kinds = certificates(done)
    return ExportReport(
        path=path,
        stream=job.stream,
        window=job.window,
        watermark=job.horizon,
        clamped=job.clamped,
        rows=sum(each.rows for each in done),
        fresh_rows=fresh_rows,
        bytes=size_of(path),
        windows=sum(1 for _ in split(Window(job.window.after, job.horizon))),
        ranges=sum(kinds.values()),
        certificates=kinds,
        weak=[each.window for each in done if "weak" in each.certificates],
        incomplete=[each.window for each in done if not each.proved],
        requests=requests,
        useful=walk.useful,
        proofs=walk.certificates,
        probes=walk.probes,
        repairs=walk.repairs,
        retries=max(0, requests - throttled - walk.requests),
        throttled=throttled,
        departures=walk.departures,
        peak_rows=peak_rows,
        seconds=seconds,
    )


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(each.stat().st_size for each in path.iterdir())
    return path.stat().st_size if path.exists() else 0
