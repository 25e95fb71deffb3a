"""What the listings are compared by: the SDK, and aiohttp by hand.

python -m benchmarks.clients CASE URL PAGES
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.support.child import (
    Read,
    answer,
    importing,
    keeping,
    reading,
    repeating,
)
from benchmarks.support.rows import END_MS, SECRET, contact, message, signature, webhook_bytes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import aiohttp

    from omnichat_async import OmnichatClient
    from omnichat_async.paging import Listing

WEEK_MS = 7 * 86_400_000
AT_ONCE = 20


# ---- aiohttp by hand ---------------------------------------------------------------------------


def query(page: int) -> dict[str, str]:
    """The parameters of one page."""
    span = {"after": str(END_MS - WEEK_MS), "before": str(END_MS)}
    return {"platform": "whatsapp", **span, "page": str(page), "pageSize": "100"}


async def by_hand(
    url: str, pages: int, at_once: int, parse: Callable[[Any], Awaitable[list[Any]]]
) -> int:
    """Read pages with plain aiohttp, `at_once` at a time."""
    import aiohttp

    numbers = iter(range(1, pages + 1))
    rows = 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal rows
        for number in numbers:
            async with session.get(f"{url}/messages", params=query(number)) as response:
                response.raise_for_status()
                for _ in await parse(response):
                    rows += 1

    async with aiohttp.ClientSession(headers={"Authorization": "Bearer t"}) as session:
        await asyncio.gather(*(work(session) for _ in range(at_once)))
    return rows


async def floor(url: str, pages: int) -> int:
    """aiohttp and orjson, dicts: what anything over aiohttp costs at least."""
    import orjson

    async def parse(response: aiohttp.ClientResponse) -> list[Any]:
        rows: list[Any] = orjson.loads(await response.read())["content"]
        return rows

    return await by_hand(url, pages, AT_ONCE, parse)


async def loop_of_dicts(url: str, pages: int) -> int:
    """The loop that one writes by hand, page after page."""

    async def parse(response: aiohttp.ClientResponse) -> list[Any]:
        rows: list[Any] = (await response.json())["content"]
        return rows

    return await by_hand(url, pages, 1, parse)


# ---- the SDK -----------------------------------------------------------------------------------


def client(url: str) -> OmnichatClient:
    """The SDK with its defaults, but a limit that is never reached."""
    from omnichat_async import OmnichatClient, RateLimiter

    return OmnichatClient("token", base_url=url, limiter=RateLimiter(limit=1e6))


def listing(sdk: OmnichatClient, **options: Any) -> Listing[Any]:
    """All the messages there are."""
    options.setdefault("concurrency", AT_ONCE)
    span: dict[str, Any] = {"after": END_MS - WEEK_MS, "before": END_MS}
    return sdk.messages.list(platform="whatsapp", **span, **options)


async def typed_rows(url: str, pages: int, **options: Any) -> int:
    """``async for row in listing``."""
    rows = 0
    async with client(url) as sdk:
        async for _ in listing(sdk, **options):
            rows += 1
    return rows


async def typed_rows_in_turn(url: str, pages: int) -> int:
    """The same, page after page."""
    return await typed_rows(url, pages, concurrency=1)


async def typed_pages(url: str, pages: int, **options: Any) -> int:
    """``async for page in listing.pages()`` and a plain loop over its rows."""
    rows = 0
    async with client(url) as sdk:
        async for page in listing(sdk, **options).pages():
            for _ in page:
                rows += 1
    return rows


async def raw_pages(url: str, pages: int) -> int:
    """The server's dicts, by page."""
    return await typed_pages(url, pages, raw=True)


# ---- long walks and far servers ----------------------------------------------------------------


def walk(root: str, pages: str) -> dict[str, float]:
    """A whole walk over typed rows: CPU per row, and the most memory that the process took."""
    import resource

    figures = reading(typed_rows)(root, pages)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**figures, "peak_mb": peak / (2**20 if sys.platform == "darwin" else 2**10)}


async def typed_rows_40(url: str, pages: int) -> int:
    """Typed rows, 40 pages in flight."""
    return await typed_rows(url, pages, concurrency=40)


async def typed_rows_paced(url: str, pages: int) -> int:
    """Typed rows with nothing but defaults: the rate limit, and pages in flight as it needs."""
    from omnichat_async import OmnichatClient

    rows = 0
    async with OmnichatClient("token", base_url=url) as sdk:
        async for _ in listing(sdk, concurrency=None):
            rows += 1
    return rows


def far(read: Read, pages_first: int = 1) -> Callable[..., dict[str, float]]:
    """A case over a slow way: rows per second, after a page that warms up."""

    async def run(root: str, pages: int) -> dict[str, float]:
        await read(f"{root}/{pages_first}/v1", pages_first)
        await asyncio.sleep(1.1)  # the rate limit's window forgets the page
        start = time.perf_counter()
        rows = await read(f"{root}/{pages}/v1", pages)
        return {"rows_per_s": rows / (time.perf_counter() - start)}

    return lambda root, pages: asyncio.run(run(root, int(pages)))


# ---- the model layer alone ---------------------------------------------------------------------


def structuring(make: Callable[[int], dict[str, Any]], *, odd: bool = False) -> dict[str, float]:
    """Parsed dicts in, objects out, by page; with `odd` one row of each page does not fit."""

    def prepare() -> tuple[Callable[[], Any], int]:
        from omnichat_async.codec import decode_page
        from omnichat_async.models import Contact, Message

        model = Message if make is message else Contact
        pages = [[make(n + 100 * page) for n in range(100)] for page in range(10)]
        if odd:
            for page in pages:
                page[42]["senderName"] = 5

        def work() -> None:
            for page in pages:
                found = decode_page(model, page)
                assert len(found.rejected) == odd

        return work, 1000

    return repeating(prepare)


# ---- windows of time ---------------------------------------------------------------------------

YEARS = 10
WINDOWS = YEARS * 365 * 86_400_000 // WEEK_MS + 1


def splitting(split: Callable[[], list[Any]]) -> dict[str, float]:
    """Cut ten years into windows of 7 days."""
    assert len(split()) == WINDOWS
    return repeating(lambda: (split, WINDOWS))


def sdk_windows() -> dict[str, float]:
    """As a listing does."""
    from omnichat_async.windows import Window, split

    whole = Window(END_MS - YEARS * 365 * 86_400_000, END_MS)
    return splitting(lambda: list(split(whole)))


def hand_windows() -> dict[str, float]:
    """As one writes it by hand: datetimes, and epoch milliseconds of them for the query."""
    from datetime import UTC, datetime, timedelta

    end = datetime.fromtimestamp(END_MS / 1000, UTC)

    def split() -> list[Any]:
        windows, after = [], end - timedelta(days=365 * YEARS)
        while after < end:
            before = min(after + timedelta(days=7), end)
            windows.append((int(after.timestamp() * 1000), int(before.timestamp() * 1000)))
            after = before
        return windows

    return splitting(split)


# ---- webhooks ----------------------------------------------------------------------------------


def webhook(events: str) -> dict[str, float]:
    """A request verified and parsed into its events."""

    def prepare() -> tuple[Callable[[], Any], int]:
        from omnichat_async.webhooks import parse_whatsapp, verify_signature

        count = int(events)
        body = webhook_bytes(count)
        signed = signature(body)

        def work() -> None:
            assert verify_signature(body, signed, SECRET)
            assert len(parse_whatsapp(body)) == count

        return work, count

    return repeating(prepare)


# ---- rows that are kept ------------------------------------------------------------------------


def kept_dicts(bodies: list[bytes]) -> list[Any]:
    """Messages as orjson's dicts."""
    import orjson

    return [row for body in bodies for row in orjson.loads(body)["content"]]


def kept_models(bodies: list[bytes]) -> list[Any]:
    """Messages as the SDK's objects."""
    from omnichat_async.codec import decode_page, loads
    from omnichat_async.models import Message

    return [row for body in bodies for row in decode_page(Message, loads(body))]


# ---- imports -----------------------------------------------------------------------------------


def sdk_client() -> None:
    """Import the SDK and make its client."""
    client("http://127.0.0.1:9/v1")


def sdk_first_page(root: str) -> None:
    """From nothing to a page of typed rows."""

    async def first_page() -> int:
        async with client(f"{root}/1/v1") as sdk:
            return len(await listing(sdk))

    assert asyncio.run(first_page()) == 100


def aiohttp_first_page(root: str) -> None:
    """From nothing to a page of dicts, with aiohttp by hand."""
    assert asyncio.run(loop_of_dicts(f"{root}/1/v1", 1)) == 100


READS: tuple[Read, ...] = (
    floor,
    loop_of_dicts,
    typed_rows,
    typed_rows_in_turn,
    typed_pages,
    raw_pages,
)
CASES: dict[str, Callable[..., dict[str, float]]] = {
    **{each.__name__: reading(each) for each in READS},
    "walk": walk,
    "far_in_turn": far(loop_of_dicts),
    "far_at_once": far(typed_rows_40),
    "far_paced": far(typed_rows_paced),
    "sdk_message": lambda: structuring(message),
    "sdk_message_odd": lambda: structuring(message, odd=True),
    "sdk_contact": lambda: structuring(contact),
    "sdk_windows": sdk_windows,
    "hand_windows": hand_windows,
    "webhook": webhook,
    "kept_dicts": keeping(kept_dicts),
    "kept_models": keeping(kept_models),
    "sdk_client": importing(sdk_client),
    "sdk_first_page": importing(sdk_first_page),
    "aiohttp_first_page": importing(aiohttp_first_page),
}

if __name__ == "__main__":
    answer(CASES)
