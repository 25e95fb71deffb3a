"""The listings and coroutines of the areas, over real HTTP against the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest

from omnichat_async import OmnichatClient
from omnichat_async.codec import structure
from omnichat_async.errors import (
    BadRequest,
    DecodeError,
    Incomplete,
    InvalidRequest,
    NotFound,
    ServerError,
    Unauthorized,
)
from omnichat_async.limits import RateLimiter
from omnichat_async.models import Contact, Message, Platform, ReferralOrder, TaggingLog
from omnichat_async.retries import RetryPolicy
from omnichat_async.sandbox import Fault, Sandbox
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.windows import Window
from tests.support.leftovers import leftovers
from tests.support.run import run
from tests.support.wire import HostileServer, reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from omnichat_async.paging import Listing
    from tests.support.wire import Reply, Request

DAY = 86_400_000
WEEK = 7 * DAY
END = 1_735_689_600_000  # 2025-01-01, so everything has happened
START = END - 20 * WEEK


def sandbox_of(rows: int = 3000, **overrides: Any) -> Sandbox:
    """20 weeks of data without a rate limit."""
    settings: dict[str, Any] = {"start_ms": START, "end_ms": END, "limit": None}
    return Sandbox(rows=rows, **(settings | overrides))


def client_of(url: str, token: str = "t", **options: Any) -> OmnichatClient:
    """A client without a rate limit that tries once."""
    settings: dict[str, Any] = {
        "limiter": RateLimiter(limit=None),
        "retry": RetryPolicy(max_attempts=1),
    }
    return OmnichatClient(token, base_url=url, **(settings | options))


@contextlib.asynccontextmanager
async def served(
    rows: int = 3000, **overrides: Any
) -> AsyncIterator[tuple[Sandbox, OmnichatClient]]:
    """A sandbox and its client."""
    async with (
        sandbox_of(rows, **overrides) as sandbox,
        client_of(sandbox.url, sandbox.token) as client,
    ):
        yield sandbox, client


async def gather(listing: Listing[Any], got: list[Any]) -> None:
    """Put the rows into `got`, where they stay if the walk fails."""
    async for row in listing:
        got.append(row)


async def all_of(listing: Listing[Any]) -> list[Any]:
    return [row async for row in listing]


def assert_no_walk_left() -> None:
    """The client's tasks are gone; those of the server in this loop may stay."""
    names = {getattr(task.get_coro(), "__qualname__", "") for task in leftovers()}
    assert not [name for name in names if name.startswith(("_Engine", "RateLimiter"))]


def messages(client: OmnichatClient, after: int, before: int, **options: Any) -> Listing[Message]:
    return client.messages.list(platform="line", after=after, before=before, **options)


async def message_ids(client: OmnichatClient, after: int, before: int, **options: Any) -> list[str]:
    return [row.id async for row in messages(client, after, before, **options)]


# ---- the rows, exactly -------------------------------------------------------------------------

LENGTHS = (1, 2, WEEK - 1, WEEK, WEEK + 1, 2 * WEEK, 3 * WEEK - 1)


@pytest.mark.parametrize("offset", [-1, 0, 1])
@pytest.mark.parametrize(("page_size", "concurrency"), [(1, 64), (7, 3), (100, 1), (100, 64)])
def test_messages_of_spans_around_every_border(
    offset: int, page_size: int, concurrency: int
) -> None:
    async def main() -> None:
        async with served(rows=1000) as (sandbox, client):
            seen = 0
            for length in LENGTHS:
                for slip in (-1, 0, 1):
                    after = START + 5 * WEEK + offset
                    before = after + max(1, length + slip)
                    expected = list(sandbox.message_ids("line", after, before))
                    options = {"page_size": page_size, "concurrency": concurrency}
                    assert await message_ids(client, after, before, **options) == expected
                    seen += len(expected)
            assert seen > 1000

    run(main())


def test_the_border_itself_belongs_to_the_later_window() -> None:
    async def main() -> None:
        async with served(rows=20_000) as (sandbox, client):
            borders = [START + week * WEEK for week in range(1, 20)]
            at_a_border = [n for n in borders if sandbox.count("messages", n, n + 1, "line")]
            beside_one = [n for n in borders if sandbox.count("messages", n - 1, n, "line")]
            assert at_a_border
            assert beside_one
            expected = list(sandbox.message_ids("line", START, END))
            assert await message_ids(client, START, END) == expected
            assert len(set(expected)) == 20_000

    run(main())


def test_three_sparse_years_are_one_request_a_window() -> None:
    async def main() -> None:
        start = END - 3 * 365 * DAY
        async with served(rows=60, start_ms=start) as (sandbox, client):
            expected = list(sandbox.message_ids("line", start, END))
            assert await message_ids(client, start, END) == expected
            assert len(expected) == 60
            assert sandbox.stats().requests == -(-(END - start) // WEEK)

    run(main())


@attrs.frozen
class Case:
    """A listing and how its rows are told apart."""

    stream: str
    model: type[Any]
    listing: Callable[[OmnichatClient, int, int, dict[str, Any]], Listing[Any]]
    by_platform: bool = False


CASES = {
    "messages": Case(
        "messages",
        Message,
        lambda client, a, b, o: client.messages.list(platform="webchat", after=a, before=b, **o),
        by_platform=True,
    ),
    "contacts": Case(
        "contacts",
        Contact,
        lambda client, a, b, o: client.contacts.list(
            platform=Platform.WEBCHAT, updated_after=a, updated_before=b, **o
        ),
        by_platform=True,
    ),
    "orders": Case(
        "orders",
        ReferralOrder,
        lambda client, a, b, o: client.reports.referral_orders(after=a, before=b, **o),
    ),
    "tagging_logs": Case(
        "tagging_logs",
        TaggingLog,
        lambda client, a, b, o: client.tagging_logs.list(tagged_after=a, tagged_before=b, **o),
    ),
}


@pytest.mark.parametrize("total_key", ["default", "totalElements", "totalElement", "none"])
@pytest.mark.parametrize("page_cap", [None, 6])
@pytest.mark.parametrize("name", CASES)
def test_each_listing_has_each_row_once(name: str, page_cap: int | None, total_key: str) -> None:
    case = CASES[name]

    async def main() -> None:
        async with served(rows=1500, total_key=total_key, page_cap=page_cap) as (sandbox, client):
            after, before = START + DAY + 1, START + 3 * WEEK + 1
            platform = "webchat" if case.by_platform else None
            truth = list(sandbox.rows(case.stream, after, before, platform))  # type: ignore[arg-type]
            expected = [structure(case.model, row, "$") for row in truth]
            assert len(truth) > 200
            for options in ({"page_size": 7, "concurrency": 3}, {}):
                rows = await all_of(case.listing(client, after, before, dict(options)))
                assert rows == expected
            raw = await all_of(case.listing(client, after, before, {"raw": True}))
            assert raw == truth

    run(main())


def test_equal_tagging_records_are_all_kept_one_a_page_and_without_totals() -> None:
    async def main() -> None:
        async with served(rows=1500, total_key="none") as (sandbox, client):
            before = START + 2 * WEEK
            listing = client.tagging_logs.list(
                tagged_after=START, tagged_before=before, page_size=1, raw=True
            )
            found = Counter(json.dumps(row) for row in await all_of(listing))
            truth = sandbox.rows("tagging_logs", START, before)
            assert found == Counter(json.dumps(row) for row in truth)
            assert max(found.values()) > 1

    run(main())


def test_a_channel_filter_narrows_messages_and_contacts() -> None:
    async def main() -> None:
        async with served() as (sandbox, client):
            for channel in PLATFORMS["line"].channels:
                expected = list(sandbox.message_ids("line", START, END, channel))
                assert await message_ids(client, START, END, channel_id=channel) == expected
                contacts = client.contacts.list(
                    platform="line", updated_after=START, updated_before=END, channel_id=channel
                )
                found = [contact.id async for contact in contacts]
                assert found == [
                    row["id"] for row in sandbox.rows("contacts", START, END, "line", channel)
                ]
                assert len(expected) == len(found) == 1500
            assert await message_ids(client, START, END, channel_id="elsewhere") == []

    run(main())


def test_times_may_be_aware_datetimes() -> None:
    async def main() -> None:
        async with served() as (sandbox, client):
            after, before = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (START, END))
            listing = client.messages.list(platform="line", after=after, before=before)
            assert listing.window == Window(START, END)
            assert len(await all_of(listing)) == sandbox.count("messages", START, END, "line")

    run(main())


# ---- servers with a will of their own ----------------------------------------------------------


@attrs.frozen
class Odd:
    """Answers ``GET /messages`` over `count` rows in one week, in its own way."""

    count: int
    total: Callable[[int], object] = lambda true: {"totalElements": true}
    past_end: Callable[[list[Any]], Reply] | int = 200
    cap: int = 100
    odd: frozenset[int] = frozenset()

    def __call__(self, request: Request) -> Reply:
        query = dict(parse_qsl(urlsplit(request.target).query))
        number, size = int(query["page"]), min(self.cap, int(query["pageSize"]))
        every = [{"id": None if n in self.odd else f"m{n}"} for n in range(self.count)]
        rows = every[(number - 1) * size : number * size]
        if not rows and number > 1:
            if callable(self.past_end):
                return self.past_end(every[(self.count - 1) // size * size :])
            if self.past_end != 200:
                return reply(self.past_end, {"errorCode": "INVALID_REQUEST_PARAMETERS"})
        totals: Any = self.total(self.count)
        return reply(200, {"content": rows, **totals})


TOTALS: dict[str, Callable[[int], object]] = {
    "totalElements": lambda true: {"totalElements": true},
    "totalElement": lambda true: {"totalElement": true},
    "none": lambda _: {},
    "text": lambda true: {"totalElements": str(true)},
    "null": lambda _: {"totalElements": None},
    "negative": lambda _: {"totalElements": -1},
    "bool": lambda _: {"totalElements": True},
    "too small": lambda true: {"totalElements": true // 3},
    "too large": lambda true: {"totalElements": true + 330},
    "capped": lambda true: {"totalElements": min(true, 150)},
}


def last_page_again(rows: list[Any]) -> Reply:
    return reply(200, {"content": rows, "totalElements": 200})


async def walk(server: Odd) -> tuple[list[str], int]:
    """The ids of a week's messages, and how many requests it took."""
    async with HostileServer(server) as hostile, client_of(hostile.url) as client:
        return await message_ids(client, 0, WEEK, concurrency=5), len(hostile.requests)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 250])
@pytest.mark.parametrize("name", TOTALS)
def test_a_total_is_a_hint_under_whatever_name_it_comes(name: str, count: int) -> None:
    async def main() -> None:
        server = Odd(count, total=TOTALS[name])
        if name == "too large":  # what it counts and does not give may be lost
            with pytest.raises(Incomplete):
                await walk(server)
            return
        found, _ = await walk(server)
        assert found == [f"m{n}" for n in range(count)]

    run(main())


@pytest.mark.parametrize("past_end", [200, 400, 404, last_page_again])
@pytest.mark.parametrize("name", ["totalElements", "none", "too small"])
@pytest.mark.parametrize("count", [150, 200])
def test_a_page_past_the_end_is_no_row_and_no_error(past_end: Any, name: str, count: int) -> None:
    async def main() -> None:
        found, requests = await walk(Odd(count, total=TOTALS[name], past_end=past_end))
        assert found == [f"m{n}" for n in range(count)]
        assert requests <= 5

    run(main())


@pytest.mark.parametrize("name", ["totalElements", "none", "text"])
@pytest.mark.parametrize("past_end", [200, 400, last_page_again])
def test_a_silently_capped_page_size_is_learnt(name: str, past_end: Any) -> None:
    async def main() -> None:
        for count in (49, 50, 120, 150):
            found, _ = await walk(Odd(count, total=TOTALS[name], cap=50, past_end=past_end))
            assert found == [f"m{n}" for n in range(count)]

    run(main())


def test_a_count_capped_at_10_000_ends_nothing() -> None:
    async def main() -> None:
        server = Odd(10_120, total=lambda true: {"totalElements": min(true, 10_000)})
        found, _ = await walk(server)
        assert len(found) == 10_120

    run(main())


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, {}), (400, {"message": "OCE::BAD_REQUEST::Unauthenticated access token"})],
)
def test_a_token_that_expires_in_the_middle_is_an_error(status: int, body: Any) -> None:
    def server(request: Request) -> Reply:
        if "page=2" in request.target:
            return reply(status, body)
        return reply(200, {"content": [{"id": f"m{n}"} for n in range(100)]})

    async def main() -> None:
        async with HostileServer(server) as hostile, client_of(hostile.url) as client:
            listing = messages(client, 0, WEEK)
            with pytest.raises(Unauthorized) as caught:
                await all_of(listing)
            assert caught.value.checkpoint == listing.checkpoint
            assert listing.checkpoint.page == 2

    run(main())


def test_unreadable_rows_over_http() -> None:
    async def main() -> None:
        server = Odd(12, odd=frozenset({5}))
        async with HostileServer(server) as hostile, client_of(hostile.url) as client:
            got: list[Message] = []
            with pytest.raises(DecodeError) as caught:
                await gather(messages(client, 0, WEEK, page_size=4), got)
            assert caught.value.raw == {"id": None}
            rest = messages(client, 0, WEEK, page_size=4, resume_from=caught.value.checkpoint)
            await gather(rest, got)
            assert [row.id for row in got] == [f"m{n}" for n in range(12) if n != 5]
            pages = [page async for page in messages(client, 0, WEEK, page_size=4).pages()]
            assert [list(page.rejected) for page in pages] == [[], [1], []]
            raw = await all_of(messages(client, 0, WEEK, page_size=4, raw=True))
            assert len(raw) == 12

    run(main())


# ---- failing, stopping, going on ---------------------------------------------------------------


def test_a_failed_page_fails_the_walk_and_resume_goes_on_exactly_there() -> None:
    async def main() -> None:
        for at in (1, 2, 5, 17, 30):
            async with served(faults=(Fault(kind="json500", at=at),)) as (sandbox, client):
                got: list[Message] = []
                with pytest.raises(ServerError) as caught:
                    await gather(messages(client, START, END), got)
                assert_no_walk_left()
                rest = messages(client, START, END, resume_from=str(caught.value.checkpoint))
                await gather(rest, got)
                assert [row.id for row in got] == list(sandbox.message_ids("line", START, END))

    run(main())


def test_leaving_a_walk_leaves_no_request_behind() -> None:
    async def main() -> None:
        async with served(rtt_ms=30) as (_, client):
            async for _row in messages(client, START, END, concurrency=16):
                break
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert_no_walk_left()

            walk = asyncio.create_task(all_of(messages(client, START, END)))
            await asyncio.sleep(0.1)
            walk.cancel()
            with pytest.raises(asyncio.CancelledError):
                await walk
            assert_no_walk_left()

    run(main())


def test_cancelling_anext_again_and_again_loses_nothing() -> None:
    async def main() -> None:
        # Every third request is slower than anybody waits.
        fault = Fault(kind="slow", every=3, delay_ms=500)
        async with served(faults=(fault,)) as (sandbox, client):
            rows, got, timeouts = aiter(messages(client, START, END, concurrency=2)), [], 0
            while True:
                try:
                    got.append((await asyncio.wait_for(anext(rows), 0.25)).id)
                except TimeoutError:
                    timeouts += 1
                except StopAsyncIteration:
                    break
            assert timeouts >= 5
            assert got == list(sandbox.message_ids("line", START, END))

    run(main())


def test_the_default_concurrency_follows_rate_and_latency() -> None:
    async def main() -> None:
        async with sandbox_of(rtt_ms=150) as sandbox:
            limiter = RateLimiter(limit=None)
            async with client_of(sandbox.url, sandbox.token, limiter=limiter) as client:
                source = messages(client, START, END)._plan.source
                assert source.concurrency() == 4
                await messages(client, START, END)
                assert source.concurrency() == 16
            async with client_of(sandbox.url, sandbox.token, limiter=RateLimiter(40)) as client:
                source = messages(client, START, END)._plan.source
                await messages(client, START, END)
                assert source.concurrency() >= 7  # 38 requests/s x 0.15 s, and one
                queue = [asyncio.create_task(client._session.limiter.acquire()) for _ in range(60)]
                await asyncio.sleep(0)
                assert source.concurrency() == 1  # many wait: asking ahead would only push in
                for each in queue:
                    each.cancel()
                await asyncio.wait(queue)

    run(main())


def test_walks_go_in_the_bulk_lane_and_first_pages_in_the_interactive_one() -> None:
    async def main() -> None:
        lanes: list[str] = []

        class Spy(RateLimiter):
            """Notes the lanes."""

            async def acquire(self, **options: Any) -> Any:
                lanes.append(options["lane"])
                return await super().acquire(**options)

        async with sandbox_of(rows=10) as sandbox:
            limiter = Spy(limit=None)
            async with client_of(sandbox.url, sandbox.token, limiter=limiter) as client:
                await messages(client, START, START + WEEK)
                await all_of(messages(client, START, START + WEEK))
                urgent = client.with_options(lane="interactive")
                await all_of(messages(urgent, START, START + WEEK))
        assert lanes == ["interactive", "bulk", "interactive"]

    run(main())


# ---- reports -----------------------------------------------------------------------------------


def test_report_rows_carry_their_window() -> None:
    async def main() -> None:
        async with served() as (sandbox, client):
            listing = client.reports.messages_sent(after=START, before=START + 10 * DAY)
            rows = await all_of(listing)
            cuts = [Window(START, START + WEEK), Window(START + WEEK, START + 10 * DAY)]
            assert [row.window for row in rows] == [cut for cut in cuts for _ in range(62)]
            pages = [page async for page in listing.pages()]
            assert [page.window for page in pages] == cuts
            raw = await all_of(
                client.reports.messages_sent(after=START, before=START + 10 * DAY, raw=True)
            )
            truth = [list(sandbox.rows("teammates", cut.after, cut.before)) for cut in cuts]
            assert raw == truth[0] + truth[1]

    run(main())


def wire_sums(rows: list[dict[str, Any]], count: str) -> dict[Any, dict[str, int]]:
    """Counts per teammate and platform, added up from rows as the server shows them."""
    sums: dict[Any, dict[str, int]] = {}
    for row in rows:
        mine = sums.setdefault((row["employeeCode"], row["name"]), {})
        for each in row["messageCount"]:
            platform = "webchat" if each["platform"] == "website" else str(each["platform"])
            mine[platform] = mine.get(platform, 0) + each[count]
    return sums


def test_totals_over_60_days_are_the_sums_over_the_whole_span() -> None:
    async def main() -> None:
        after, before = START + 3 * DAY + 1, START + 63 * DAY + 1
        async with served() as (sandbox, client):
            totals = await client.reports.messages_sent_totals(after=after, before=before)
            whole: list[dict[str, Any]] = list(sandbox.rows("teammates", after, before))
            found = {(each.employee_code, each.name): each for each in totals}
            assert len(found) == len(totals) == 62
            sent = {who: each.messages for who, each in found.items()}
            links = {who: each.product_referral_links for who, each in found.items()}
            assert sent == wire_sums(whole, "messages")
            assert links == wire_sums(whole, "productReferralLinks")
            last = wire_sums(list(sandbox.rows("teammates", after + 8 * WEEK, before)), "messages")
            assert last.keys() == sent.keys()
            assert last != sent

    run(main())


def test_totals_keep_teammates_without_a_code_apart() -> None:
    content = [
        {
            "name": "Ada",
            "employeeCode": None,
            "messageCount": [{"platform": "line", "messages": 1}],
        },
        {"name": "Mei", "messageCount": [{"platform": "line", "messages": 10}]},
        {"name": "Ada", "employeeCode": "S1", "messageCount": [{"messages": 5}]},
        {"name": "Ada", "messageCount": [{"platform": "line", "messages": 100}, {}]},
    ]

    async def main() -> None:
        async with (
            HostileServer([reply(200, {"content": content})]) as hostile,
            client_of(hostile.url) as client,
        ):
            hostile.script = lambda request: reply(
                200, {"content": content if "page=1" in request.target else []}
            )
            totals = await client.reports.messages_sent_totals(after=0, before=WEEK)
            found = [(each.name, each.employee_code, each.messages) for each in totals]
            assert found == [
                ("Ada", None, {"line": 101, "": 0}),
                ("Mei", None, {"line": 10}),
                ("Ada", "S1", {"": 5}),
            ]

    run(main())


# ---- single things -----------------------------------------------------------------------------


def contact_with(sandbox: Sandbox, field: str) -> dict[str, Any]:
    """The first WhatsApp contact that has this field."""
    rows: Any = sandbox.rows("contacts", START, END, "whatsapp")
    return next(row for row in rows if row.get(field))


@pytest.mark.parametrize(
    ("name", "field", "needs_channel"),
    [
        ("user_id", "id", True),
        ("bsuid", "bsuid", True),
        ("member_id", "memberId", False),
        ("phone", "phone", False),
        ("email", "email", False),
    ],
)
def test_contacts_are_found_by_each_kind_of_id(name: str, field: str, needs_channel: bool) -> None:
    async def main() -> None:
        async with served() as (sandbox, client):
            row = contact_with(sandbox, field)
            options: dict[str, Any] = {name: row[field]}
            if needs_channel:
                with pytest.raises(InvalidRequest, match="channel_id"):
                    await client.contacts.find(platform="whatsapp", **options)
                assert sandbox.stats().requests == 0
                options["channel_id"] = row["channel"]["channelId"]
            found = await client.contacts.find(platform="whatsapp", **options)
            assert found == structure(Contact, row, "$")
            options |= {"channel_id": "85290000001", name: "nobody"}
            assert await client.contacts.find(platform="whatsapp", **options) is None

    run(main())


def test_a_platform_is_written_as_requests_have_it() -> None:
    spellings = ("website", "web", "WebChat", "webchat", Platform.WEBCHAT)

    async def main() -> None:
        async with HostileServer([reply(200, {"content": []})]) as hostile:
            async with client_of(hostile.url) as client:
                for platform in spellings:
                    await client.messages.list(platform=platform, after=1, before=2)
                    await client.contacts.list(
                        platform=platform, updated_after=1, updated_before=2, channel_id="website"
                    )
                    await client.contacts.find(platform=platform, phone="1")
                    await client.broadcasts.list(types=[1], platform=platform)
            for request in hostile.requests:
                query = dict(parse_qsl(urlsplit(request.target).query))
                assert query["platform"] == "webchat"
                assert query.get("channelId", "webchat") == "webchat"
            assert len(hostile.requests) == 4 * len(spellings)

    run(main())


@pytest.mark.parametrize("platform", ["line", "facebook", "webchat"])
def test_only_whatsapp_contacts_are_found_by_bsuid(platform: str) -> None:
    async def main() -> None:
        async with served(rows=10) as (sandbox, client):
            with pytest.raises(InvalidRequest) as caught:
                await client.contacts.find(platform=platform, channel_id="1", bsuid="HK.1")
            assert (caught.value.field, sandbox.stats().requests) == ("bsuid", 0)

    run(main())


def test_what_finding_nobody_looks_like_on_the_wire() -> None:
    async def main() -> None:
        async with HostileServer() as hostile, client_of(hostile.url) as client:

            async def found(status: int, body: object) -> Contact | None:
                hostile.script = [reply(status, body)]
                return await client.contacts.find(platform="line", phone="1")

            assert await found(200, {"content": []}) is None
            assert await found(404, {"errorCode": "USER_ID_NOT_FOUND"}) is None
            assert await found(400, {"errorCode": "USER_ID_NOT_FOUND"}) is None
            with pytest.raises(NotFound):  # a proxy, or a wrong base URL
                await found(404, b"<h1>Not Found</h1>")
            with pytest.raises(BadRequest):
                await found(400, {"errorCode": "INVALID_REQUEST_PARAMETERS"})
            with pytest.raises(DecodeError) as caught:
                await found(200, {"content": [{"id": 5}]})
            assert caught.value.raw == {"id": 5}

    run(main())


NASTY = ("wamid.HBgM/+==", "a/../b?c=d&e#f", "..", "%2F", "你好 🌸", "a b")


def test_messages_are_got_by_ids_that_hold_anything() -> None:
    async def main() -> None:
        async with served(rows=300) as (sandbox, client):
            for name in PLATFORMS:
                row: Any = next(sandbox.rows("messages", START, END, name))
                message = await client.messages.get(row["id"])
                assert message == structure(Message, row, "$")
            for nasty in NASTY:
                with pytest.raises(NotFound):
                    await client.messages.get(nasty)
            routes = dict(sandbox.stats().by_route)
            assert routes == {"GET /messages/{message_id}": len(PLATFORMS) + len(NASTY)}

    run(main())


# ---- refused before anything is sent -----------------------------------------------------------

NAIVE = datetime(2024, 5, 1)  # noqa: DTZ001
SPAN: dict[str, Any] = {"after": START, "before": END}
UPDATED: dict[str, Any] = {"updated_after": START, "updated_before": END}
TAGGED: dict[str, Any] = {"tagged_after": START, "tagged_before": END}

REFUSED: dict[str, tuple[str, Callable[[OmnichatClient], Any]]] = {
    "naive after": (
        "after: needs a time zone",
        lambda c: c.messages.list(platform="line", after=NAIVE, before=END),
    ),
    "naive before": (
        "before: needs a time zone",
        lambda c: c.reports.messages_sent(after=START, before=NAIVE),
    ),
    "naive totals": (
        "before: needs a time zone",
        lambda c: c.reports.messages_sent_totals(after=START, before=NAIVE),
    ),
    "naive updated": (
        "updated_after: needs a time zone",
        lambda c: c.contacts.list(platform="line", updated_after=NAIVE, updated_before=END),
    ),
    "naive tagged": (
        "tagged_before: needs a time zone",
        lambda c: c.tagging_logs.list(tagged_after=START, tagged_before=NAIVE),
    ),
    "turned round": (
        "after: must be earlier than before",
        lambda c: c.reports.referral_orders(after=END, before=START),
    ),
    "empty span": (
        "tagged_after: must be earlier",
        lambda c: c.tagging_logs.list(tagged_after=END, tagged_before=END),
    ),
    "page size 0": (
        "page_size: must be 1 to 100",
        lambda c: c.messages.list(platform="line", **SPAN, page_size=0),
    ),
    "page size 101": (
        "page_size: must be 1 to 100",
        lambda c: c.contacts.list(platform="line", **UPDATED, page_size=101),
    ),
    "page size True": (
        "page_size: must be 1 to 100",
        lambda c: c.tagging_logs.list(**TAGGED, page_size=True),
    ),
    "concurrency 0": (
        "concurrency: must be 1 to 64",
        lambda c: c.reports.messages_sent(**SPAN, concurrency=0),
    ),
    "concurrency 65": (
        "concurrency: must be 1 to 64",
        lambda c: c.reports.referral_orders(**SPAN, concurrency=65),
    ),
    "empty platform": (
        "platform: must be a non-empty string",
        lambda c: c.messages.list(platform="", **SPAN),
    ),
    "no platform": (
        "platform: must be a non-empty string; given: NoneType",
        lambda c: c.contacts.list(platform=cast("str", None), **UPDATED),
    ),
    "empty channel": (
        "channel_id: must be a non-empty string",
        lambda c: c.messages.list(platform="line", channel_id="", **SPAN),
    ),
    "empty channel of contacts": (
        "channel_id: must be a non-empty string",
        lambda c: c.contacts.list(platform="line", channel_id="", **UPDATED),
    ),
    "no id": (
        "user_id, bsuid, member_id, phone, email: exactly one is needed; given: 0",
        lambda c: c.contacts.find(platform="line"),
    ),
    "two ids": (
        "exactly one is needed; given: 2",
        lambda c: c.contacts.find(platform="line", phone="1", email="2"),
    ),
    "empty id": (
        "member_id: must be a non-empty string",
        lambda c: c.contacts.find(platform="line", member_id=""),
    ),
    "find on an empty channel": (
        "channel_id: must be a non-empty string",
        lambda c: c.contacts.find(platform="line", user_id="u", channel_id=""),
    ),
    "find without a platform": (
        "platform: must be a non-empty string",
        lambda c: c.contacts.find(platform="", phone="1"),
    ),
    "empty message id": (
        "message_id: must be a non-empty string",
        lambda c: c.messages.get(""),
    ),
    "rubbish": (
        "resume_from: must be a checkpoint",
        lambda c: c.messages.list(platform="line", **SPAN, resume_from="rubbish"),
    ),
    "checkpoint of another query": (
        "resume_from: must come from the same query",
        lambda c: c.messages.list(
            platform="line",
            **SPAN,
            resume_from=c.messages.list(platform="facebook", **SPAN).checkpoint,
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_never_leaves_the_machine(name: str) -> None:
    sentence, attempt = REFUSED[name]

    async def main() -> None:
        async with served(rows=10) as (sandbox, client):

            async def call() -> None:
                await attempt(client)

            with pytest.raises(InvalidRequest) as caught:
                await call()
            assert sentence in str(caught.value)
            assert sandbox.stats().requests == 0

    run(main())
