"""Nightly runs: what is new since the last one, and what has changed behind its watermark."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest

from omnichat_async import OmnichatClient, RateLimiter
from omnichat_async.errors import InvalidRequest, MarketingMessagesLiteNotEnabled
from omnichat_async.jobs import STREAMS, Export, ExportReport
from omnichat_async.sandbox import Fault
from omnichat_async.windows import Window
from tests.sandbox.support import DAY_MS, START_MS, small
from tests.support.exports import read_csv, read_rows, read_sqlite, same
from tests.support.run import run
from tests.support.wire import HostileServer, Request, reply

if TYPE_CHECKING:
    from pathlib import Path

    from omnichat_async.sandbox import Sandbox

SINKS = ["jsonl", "jsonl.gz", "parquet", "sqlite"]
PERMANENT = Fault(kind="json500", at=1, code="MARKETING_MESSAGES_LITE_NOT_ENABLED")
NIGHTS = [START_MS + days * DAY_MS for days in (10, 11, 12, 30)]


def night(sandbox: Sandbox, out: Path, before: int, stream: str, **options: Any) -> ExportReport:
    """One nightly run."""
    by_platform = {"platform": "whatsapp"} if STREAMS[stream].by_platform else {}
    fixed: dict[str, Any] = {"after": START_MS, "since_last": True} | by_platform

    async def main() -> ExportReport:
        async with (
            sandbox,
            OmnichatClient(
                sandbox.token, base_url=sandbox.url, limiter=RateLimiter(None)
            ) as client,
        ):
            return await Export(client, stream, out, before=before, **fixed | options).run()

    return run(main())


def all_rows(sandbox: Sandbox, stream: str, before: int) -> list[Any]:
    """What there is from the start of the data."""
    names: dict[str, Any] = {"report-orders": "orders", "tagging-logs": "tagging_logs"}
    platform = "whatsapp" if STREAMS[stream].by_platform else None
    return list(sandbox.rows(names.get(stream, stream), START_MS, before, platform))


@pytest.mark.parametrize(
    ("suffix", "stream"),
    [
        *((suffix, "messages") for suffix in SINKS),
        *(("jsonl", "report-orders"), ("sqlite", "report-orders")),
        *(("parquet", "tagging-logs"), ("sqlite", "tagging-logs")),
    ],
)
def test_each_night_ends_with_all_there_is(tmp_path: Path, suffix: str, stream: str) -> None:
    sandbox, out = small(rows=2000), tmp_path / f"rows.{suffix}"
    for before in NIGHTS[1:]:
        report = night(sandbox, out, before, stream)
        assert same(read_rows(out, stream), all_rows(sandbox, stream, before))
        assert report.watermark == before
        assert report.window.before == before
        assert report.rows == len(all_rows(sandbox, stream, before))
        assert report.fresh_rows > 0
        assert (report.fresh_rows < report.rows) == (before != NIGHTS[1])


@pytest.mark.parametrize("suffix", ["jsonl", "sqlite", "parquet"])
def test_reports_go_on_with_whole_new_windows(tmp_path: Path, suffix: str) -> None:
    sandbox, out = small(rows=2000), tmp_path / f"rows.{suffix}"
    for before in NIGHTS:
        night(sandbox, out, before, "report-messages")
    rows = read_rows(out, "report-messages")
    spans = sorted({(row["window"]["after"], row["window"]["before"]) for row in rows})
    assert (spans[0][0], spans[-1][1]) == (START_MS, NIGHTS[-1])
    assert [after for after, _ in spans[1:]] == [before for _, before in spans[:-1]]
    assert count(rows) == sum(
        count(list(sandbox.rows("teammates", after, before))) for after, before in spans
    )


def count(rows: list[Any]) -> int:
    """The messages of some report rows, which may be added up."""
    return sum(each["messages"] for row in rows for each in row["messageCount"])


def test_csv_goes_on_too(tmp_path: Path) -> None:
    sandbox, out = small(rows=2000), tmp_path / "rows.csv.gz"
    for before in NIGHTS[:2]:
        night(sandbox, out, before, "messages")
    ids = [row["id"] for row in read_csv(out)]
    assert sorted(ids) == sorted(sandbox.message_ids("whatsapp", START_MS, NIGHTS[1]))


def test_a_status_that_changed_within_the_look_back_is_read_again(tmp_path: Path) -> None:
    """Messages of the last 72 hours before the watermark; older ones stay as they were."""
    status = "sent"
    times = [NIGHTS[0] - hours * 3_600_000 for hours in (100, 71, 1)]

    def server(request: Request) -> Any:
        query = parse_qs(urlsplit(request.target).query)
        after, before = int(query["after"][0]), int(query["before"][0])
        rows = [
            {"id": str(t), "time": t, "messageStatus": status} for t in times if after <= t < before
        ]
        first = query["page"] == ["1"]
        return reply(body={"content": rows if first else [], "totalElement": len(rows)})

    async def main() -> None:
        nonlocal status
        async with (
            HostileServer(server) as running,
            OmnichatClient("t", base_url=running.url, limiter=RateLimiter(None)) as client,
        ):
            options: dict[str, Any] = {"platform": "line", "since_last": True, "after": START_MS}
            for out in outs:
                await Export(client, "messages", out, before=NIGHTS[0], **options).run()
            status = "read"
            for out in outs:
                await Export(client, "messages", out, before=NIGHTS[1], **options).run()

    outs = [tmp_path / "a.jsonl", tmp_path / "b.sqlite", tmp_path / "c.parquet"]
    run(main())
    for out in outs:
        found = {row["id"]: row["messageStatus"] for row in read_rows(out)}
        assert [found[str(t)] for t in times] == ["sent", "read", "read"]
        assert len(read_rows(out)) == 3


def test_contacts_are_kept_once_in_their_newest_version(tmp_path: Path) -> None:
    out = tmp_path / "contacts.sqlite"
    contacts = {"a": NIGHTS[0] - 5, "b": NIGHTS[0] - 4}

    def server(request: Request) -> Any:
        query = parse_qs(urlsplit(request.target).query)
        after, before = int(query["updatedAfter"][0]), int(query["updatedBefore"][0])
        channel = {"platform": "line", "channelId": "1"}
        rows = [
            {"id": name, "updatedAt": t, "channel": channel}
            for name, t in contacts.items()
            if after <= t < before
        ]
        first = query["page"] == ["1"]
        return reply(body={"content": rows if first else [], "totalElements": len(rows)})

    async def main() -> list[ExportReport]:
        async with (
            HostileServer(server) as running,
            OmnichatClient("t", base_url=running.url, limiter=RateLimiter(None)) as client,
        ):
            reports = []
            for before in NIGHTS[:2]:
                export = Export(
                    client,
                    "contacts",
                    out,
                    platform="line",
                    since_last=True,
                    after=NIGHTS[0] - DAY_MS,
                    before=before,
                )
                reports.append(await export.run())
                contacts["a"] = NIGHTS[0] + 7
            return reports

    reports = run(main())
    assert [report.fresh_rows for report in reports] == [2, 1]
    found = {row["id"]: row["updatedAt"] for row in read_sqlite(out, "contacts")}
    assert found == {"a": NIGHTS[0] + 7, "b": NIGHTS[0] - 4}


@pytest.mark.parametrize("suffix", SINKS)
def test_a_night_that_failed_is_ended_first(tmp_path: Path, suffix: str) -> None:
    sandbox, out = small(rows=4000), tmp_path / f"rows.{suffix}"
    night(sandbox, out, NIGHTS[0], "messages")
    before = read_rows(out)
    sandbox.add_fault(attrs.evolve(PERMANENT, at=4))
    with pytest.raises(MarketingMessagesLiteNotEnabled):
        night(sandbox, out, NIGHTS[3], "messages")
    assert len(read_rows(out)) >= len(before)
    report = night(sandbox, out, NIGHTS[3], "messages")
    assert report.watermark == NIGHTS[3]
    assert same(read_rows(out), all_rows(sandbox, "messages", NIGHTS[3]))


def test_a_failure_at_once_leaves_last_nights_file(tmp_path: Path) -> None:
    sandbox, out = small(rows=2000), tmp_path / "rows.jsonl"
    night(sandbox, out, NIGHTS[0], "messages")
    before = out.read_bytes()
    sandbox.add_fault(PERMANENT)
    with pytest.raises(MarketingMessagesLiteNotEnabled):
        night(sandbox, out, NIGHTS[1], "messages")
    assert out.read_bytes() == before


def test_nothing_new_asks_nothing(tmp_path: Path) -> None:
    sandbox, out = small(rows=2000), tmp_path / "rows.jsonl"
    night(sandbox, out, NIGHTS[1], "messages")
    sandbox.reset_stats()
    report = night(sandbox, out, NIGHTS[0], "messages")
    assert (report.watermark, report.fresh_rows, sandbox.stats().requests) == (NIGHTS[1], 0, 0)


def test_another_start_is_refused(tmp_path: Path) -> None:
    sandbox, out = small(rows=500), tmp_path / "rows.jsonl"
    night(sandbox, out, NIGHTS[0], "messages")
    with pytest.raises(InvalidRequest, match="after, before: must be left out, or be those"):
        night(sandbox, out, NIGHTS[1], "messages", after=START_MS + 1)


# ---- several queries in one database -----------------------------------------------------------


def test_one_database_takes_several_streams_platforms_and_ranges(tmp_path: Path) -> None:
    sandbox, out = small(rows=2000), tmp_path / "all.db"
    once: dict[str, Any] = {"since_last": False}
    night(sandbox, out, NIGHTS[0], "messages", **once)
    night(sandbox, out, NIGHTS[0], "messages", platform="line", **once)
    night(sandbox, out, NIGHTS[1], "messages", after=NIGHTS[0], **once)
    night(sandbox, out, NIGHTS[0], "contacts", **once)
    night(sandbox, out, NIGHTS[0], "tagging-logs", **once)
    expected = [
        *sandbox.rows("messages", START_MS, NIGHTS[1], "whatsapp"),
        *sandbox.rows("messages", START_MS, NIGHTS[0], "line"),
    ]
    assert same(read_sqlite(out), json.loads(json.dumps(expected)))
    assert same(read_sqlite(out, "contacts"), all_rows(sandbox, "contacts", NIGHTS[0]))
    assert same(read_sqlite(out, "tagging_logs"), all_rows(sandbox, "tagging-logs", NIGHTS[0]))
    with pytest.raises(InvalidRequest, match="must not overlap a range of tagging-logs"):
        night(sandbox, out, NIGHTS[1], "tagging-logs", after=NIGHTS[0] - 1, **once)
    with pytest.raises(InvalidRequest, match="out: must not exist yet"):
        night(sandbox, out, NIGHTS[0], "contacts", **once)


def test_a_night_goes_on_beside_other_ranges_of_its_stream(tmp_path: Path) -> None:
    """A backfill that was interrupted is not what goes on, nor is one that got further."""
    sandbox, out = small(rows=4000), tmp_path / "all.db"
    once: dict[str, Any] = {"since_last": False}
    night(sandbox, out, NIGHTS[0], "messages")
    night(sandbox, out, NIGHTS[2], "messages", after=NIGHTS[1], **once)
    report = night(sandbox, out, NIGHTS[1], "messages")
    assert report.window == Window(START_MS, NIGHTS[1])
    sandbox.add_fault(attrs.evolve(PERMANENT, at=12))
    with pytest.raises(MarketingMessagesLiteNotEnabled):
        night(sandbox, out, NIGHTS[3], "messages", after=NIGHTS[2], **once)
    report = night(sandbox, out, NIGHTS[2], "messages")
    assert (report.window, report.watermark) == (Window(START_MS, NIGHTS[2]), NIGHTS[2])
    assert same(
        [row for row in read_sqlite(out) if row["time"] < NIGHTS[2]],
        all_rows(sandbox, "messages", NIGHTS[2]),
    )


def test_a_night_does_not_run_into_another_range_of_rows_without_an_id(tmp_path: Path) -> None:
    sandbox, out = small(rows=2000), tmp_path / "all.db"
    night(sandbox, out, NIGHTS[0], "tagging-logs")
    night(sandbox, out, NIGHTS[2], "tagging-logs", after=NIGHTS[1], since_last=False)
    before = read_sqlite(out, "tagging_logs")
    with pytest.raises(InvalidRequest, match="must not overlap a range of tagging-logs"):
        night(sandbox, out, NIGHTS[2] - 1, "tagging-logs")
    assert read_sqlite(out, "tagging_logs") == before
    night(sandbox, out, NIGHTS[1], "tagging-logs")
    expected = all_rows(sandbox, "tagging-logs", NIGHTS[2])
    assert same(read_sqlite(out, "tagging_logs"), expected)


@pytest.mark.parametrize("stream", ["messages", "tagging-logs"])
def test_starting_over_in_a_database_doubles_nothing(tmp_path: Path, stream: str) -> None:
    sandbox, out = small(rows=2000), tmp_path / "all.sqlite"
    for _ in range(2):
        night(sandbox, out, NIGHTS[0], stream, since_last=False, force=True)
    assert same(read_sqlite(out, stream), all_rows(sandbox, stream, NIGHTS[0]))
