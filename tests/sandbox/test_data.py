"""The computed data: times, counts, ids, and the traps that must be in it."""

import base64
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest

from omnichat_async.sandbox import PLATFORMS, STREAMS, Sandbox, SandboxConfig
from omnichat_async.sandbox.config import wall_clock_ms
from omnichat_async.sandbox.data.ids import IdCodec, bsuids, message_ids, user_ids
from omnichat_async.sandbox.data.timeline import Timeline

from .support import DAY_MS, END_MS, START_MS, WEEK_MS, small

SPANS = {
    "from a midnight": Timeline(7, 5000, START_MS, END_MS),
    "from an odd moment": Timeline(7, 5000, START_MS + 12_345_678, END_MS),
    "few rows": Timeline(7, 30, START_MS, END_MS),
    "more rows than ms": Timeline(7, 3000, START_MS - 500, START_MS + 500),
    "one row": Timeline(7, 1, START_MS, END_MS),
    "millions of rows": Timeline(7, 3_000_000, START_MS, START_MS + 1825 * DAY_MS),
}


@pytest.mark.parametrize("line", SPANS.values(), ids=SPANS)
def test_times_never_decrease_and_stay_in_the_span(line: Timeline) -> None:
    times = [line.time(i) for i in range(min(line.rows, 20_000))]
    assert times == sorted(times)
    assert line.start_ms <= times[0]
    assert line.time(line.rows - 1) < line.end_ms


@pytest.mark.parametrize("start", [START_MS, START_MS + 12_345_678])
def test_rows_sit_on_borders_and_beside_them(start: int) -> None:
    line = Timeline(7, 5000, start, END_MS)
    times = Counter(line.time(i) for i in range(line.rows))
    for border in (START_MS + 9 * DAY_MS, start + WEEK_MS):
        assert all(times[border + beside] for beside in (-1, 0, 1))


def test_some_rows_share_one_millisecond() -> None:
    line = Timeline(7, 5000, START_MS, END_MS)
    runs = Counter(line.leader(i) for i in range(line.rows))
    sizes = set(runs.values())
    assert sizes == {1, 2, 3, 4, 5, 6, 7}
    assert all(line.time(head) == line.time(head + n - 1) for head, n in runs.items())


def test_no_rows_at_all() -> None:
    sandbox = small(rows=0)
    assert sandbox.count("messages", START_MS, END_MS) == 0
    assert list(sandbox.rows("orders", START_MS, END_MS)) == []


def test_the_whole_span_holds_all_rows() -> None:
    sandbox = small(rows=321)
    assert sandbox.count("messages", START_MS, END_MS) == 321 * 6
    assert sandbox.count("contacts", START_MS, END_MS, "line") == 321
    assert sandbox.count("tagging_logs", START_MS, END_MS) == 321
    assert sandbox.count("orders", 0, 2**63 - 1) == 321


def test_rows_of_the_future_do_not_exist_yet() -> None:
    border = START_MS + 3 * DAY_MS
    now = [border - 1]
    sandbox = small(wall_ms=lambda: now[0])
    before = sandbox.count("messages", START_MS, END_MS, "line")
    assert before == sandbox.count("messages", START_MS, border, "line")
    now[0] = border  # the rows of this very millisecond exist now
    assert sandbox.count("messages", START_MS, END_MS, "line") > before


@pytest.mark.parametrize("stream", ["messages", "contacts"])
def test_channels_split_a_platform(stream: Any) -> None:
    sandbox = small()
    window = (START_MS + 5, START_MS + WEEK_MS + 77)
    for name, platform in PLATFORMS.items():
        parts = [sandbox.count(stream, *window, name, channel) for channel in platform.channels]
        assert min(parts) > 0
        assert sum(parts) == sandbox.count(stream, *window, name)
        for channel in platform.channels:
            rows = list(sandbox.rows(stream, *window, name, channel))
            assert len(rows) == sandbox.count(stream, *window, name, channel)
            spelled = {row["channel"]["channelId"] for row in rows}  # type: ignore[index]
            assert len(spelled) == 1
    assert sandbox.count(stream, *window, "line", "no such channel") == 0


def test_message_ids_are_the_ids_of_the_rows() -> None:
    sandbox = small(order="desc")
    window = (START_MS, START_MS + DAY_MS)
    ids = list(sandbox.message_ids("wechat", *window))
    assert ids == [row["id"] for row in sandbox.rows("messages", *window, "wechat")]
    assert len(ids) == len(set(ids)) > 50


def test_orders_of_rows() -> None:
    window = (START_MS, START_MS + 2 * DAY_MS)
    rising, falling, hashed = (
        list(small(order=order).message_ids("line", *window)) for order in ("asc", "desc", "id")
    )
    assert falling == rising[::-1]
    assert sorted(hashed) == sorted(rising)
    assert hashed not in (rising, falling)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("family", [message_ids, user_ids])
def test_ids_are_read_back(family: Callable[[str, int], IdCodec], platform: str) -> None:
    codec = family(platform, 99)
    assert [codec.decode(codec.encode(i)) for i in (0, 1, 4711, 9_999_999)] == [0, 1, 4711, 9999999]
    strange = ("", "x", "wamid.", "wamid.%%", "m_é", "Uzz", "-1", "1" * 5000, codec.encode(3) + "x")
    assert [codec.decode(text) for text in strange] == [None] * len(strange)


def test_whatsapp_ids_look_like_metas() -> None:
    ids = list(small().message_ids("whatsapp", START_MS, END_MS))
    assert all(text.startswith("wamid.HBgL") and text.endswith("==") for text in ids)
    assert all(base64.b64decode(text.removeprefix("wamid."), validate=True) for text in ids)
    assert any("/" in text for text in ids)
    assert any("+" in text for text in ids)


def test_bsuids() -> None:
    codec = bsuids(5)
    assert codec.encode(4).startswith("US.134910000000000")
    assert codec.decode(codec.encode(4)) == 4


def test_messages_have_every_documented_value() -> None:
    rows = list(small().rows("messages", START_MS, START_MS + WEEK_MS))

    def seen(field: str) -> set[object]:
        return {row[field] for row in rows}

    assert seen("senderType") == {"customer", "agent", "bot", "ai-chat"}
    assert seen("messageType") == {"text", "photo", "audio", "video", "document", "chatbot"}
    assert seen("messageStatus") == {"sent", "delivered", "read", "error"}
    assert None in seen("message")
    assert None in seen("mediaUrl")
    assert None in seen("customerUserId")
    text = "".join(str(row["message"]) for row in rows)
    assert "請問" in text
    assert "👍" in text
    channels = [row["channel"] for row in rows]
    assert {channel["platform"] for channel in channels} == {  # type: ignore[index]
        *("line", "facebook", "instagram", "wechat", "whatsapp", "website")
    }


def test_only_whatsapp_has_a_bsuid() -> None:
    sandbox = small(rows=500)
    for platform in PLATFORMS:
        rows = list(sandbox.rows("messages", START_MS, END_MS, platform))
        assert any("bsuid" in row for row in rows) is (platform == "whatsapp")


def test_customers_of_messages_are_contacts_of_the_same_channel() -> None:
    sandbox = small(rows=7)
    contacts = {
        (row["channel"]["channelId"], row["id"])  # type: ignore[index]
        for row in sandbox.rows("contacts", START_MS, END_MS, "line")
    }
    for row in sandbox.rows("messages", START_MS, END_MS, "line"):
        assert (row["channel"]["channelId"], row["customerUserId"]) in contacts  # type: ignore[index]


def test_contacts_show_all_the_documents_allow() -> None:
    rows = list(small().rows("contacts", START_MS, END_MS, "webchat"))
    assert any("updatedAt" not in row and "customAttributes" not in row for row in rows)
    assert "" in {row["memberId"] for row in rows}
    types = {
        attribute["type"]
        for row in rows
        for attribute in row.get("customAttributes", [])  # type: ignore[attr-defined]
    }
    assert types == {"text", "number", "date", "datetime", "boolean"}
    assert {row["status"] for row in rows} == {True, False}


def test_tagging_log_has_twins_and_nulls() -> None:
    rows = list(small().rows("tagging_logs", START_MS, END_MS))
    times = Counter(tuple(row.items()) for row in rows)
    assert max(times.values()) > 1
    assert {"Bot", "bot"} <= {row["source"] for row in rows}
    assert None in {row["userId"] for row in rows}
    assert None in {row["messageId"] for row in rows}
    assert all(len(str(row["time"])) == len("2023-01-03T12:32:12") for row in rows)
    # Eight hours ahead of UTC, like the webhooks.
    assert str(rows[0]["time"]).startswith("2025-01-01T08:")


def test_orders_with_and_without_91app() -> None:
    rows = list(small().rows("orders", START_MS, END_MS))
    assert {"91appOrderId" in row for row in rows} == {True, False}
    for row in rows:
        waited = row["date"] - row["linkSentTime"]  # type: ignore[operator]
        assert row["considerationTime"] == round(waited / 60_000, 2)


def test_teammate_counts_add_up_over_any_partition() -> None:
    sandbox = small()
    cuts = [START_MS - 9, START_MS + 1, START_MS + 4_000_007, START_MS + DAY_MS, END_MS + 5]

    def counts(after: int, before: int) -> list[int]:
        return [
            number
            for row in sandbox.rows("teammates", after, before)
            for count in row["messageCount"]  # type: ignore[attr-defined]
            for number in (count["messages"], count["productReferralLinks"])
        ]

    whole = counts(cuts[0], cuts[-1])
    parts = [counts(a, b) for a, b in pairwise(cuts)]
    assert [sum(numbers) for numbers in zip(*parts, strict=True)] == whole
    assert sum(whole) > 1000


def test_the_team() -> None:
    rows = list(small().rows("teammates", START_MS, END_MS))
    assert len(rows) == small().count("teammates", START_MS, END_MS) == 62
    codeless = [row["name"] for row in rows if row["employeeCode"] is None]
    assert len(codeless) == len(set(codeless)) == 2
    assert len({row["name"] for row in rows}) == 61  # two namesakes with different codes


def test_nobody_sends_in_the_future() -> None:
    sandbox = small(wall_ms=lambda: START_MS)
    rows = sandbox.rows("teammates", START_MS + DAY_MS, END_MS)
    assert all(
        count["messages"] == 0
        for row in rows
        for count in row["messageCount"]  # type: ignore[attr-defined]
    )


_PROGRAM = """
from hashlib import blake2b
from omnichat_async.sandbox import STREAMS, Sandbox
sandbox = Sandbox(rows=400, start_ms=1735689600000, end_ms=1739145600000, seed=int("{seed}"))
rows = [repr(row) for s in STREAMS for row in sandbox.rows(s, 1735689600000, 1736294400000)]
print(len(rows), blake2b("".join(rows).encode()).hexdigest())
"""


def test_the_same_seed_is_the_same_data_in_every_process() -> None:
    def digest(seed: int, hash_seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", _PROGRAM.format(seed=seed)],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONIOENCODING": "utf-8"},
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    first = digest(1, "1")
    assert first == digest(1, "2")
    assert first != digest(2, "1")


def test_filters_that_do_not_exist_are_refused() -> None:
    sandbox = small()
    with pytest.raises(ValueError, match="orders cannot be filtered"):
        sandbox.count("orders", START_MS, END_MS, "line")
    with pytest.raises(ValueError, match="channel_id needs a platform"):
        sandbox.count("messages", START_MS, END_MS, channel_id="1650000000")
    with pytest.raises(ValueError, match="platform is 'telegram'"):
        list(sandbox.message_ids("telegram", START_MS, END_MS))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": -1}, "rows is -1"),
        ({"limit": 0}, "limit is 0"),
        ({"page_cap": 0}, "page_cap is 0"),
        ({"order": "random"}, "order is 'random'"),
        ({"total_key": "total"}, "total_key is 'total'"),
        ({"end_ms": 10, "start_ms": 10}, "start_ms is 10"),
    ],
)
def test_bad_settings_name_the_field(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SandboxConfig(**fields)


def test_the_default_span_is_fixed_so_that_rows_stay_what_they_were() -> None:
    today = SandboxConfig()
    assert (today.start_ms, today.end_ms) == (1_609_459_200_000, 2_240_611_200_000)
    later = attrs.evolve(today, wall_ms=lambda: wall_clock_ms() + DAY_MS)
    week = ("line", today.start_ms, today.start_ms + 7 * DAY_MS)
    ids = list(Sandbox(today).message_ids(*week))
    assert ids
    assert list(Sandbox(later).message_ids(*week)) == ids


def test_overrides_change_a_given_configuration() -> None:
    config = SandboxConfig(rows=5, seed=3)
    assert Sandbox(config, rows=6).config.rows == 6
    assert Sandbox(config, rows=6).config.seed == 3
    assert STREAMS == ("messages", "contacts", "orders", "tagging_logs", "teammates")
