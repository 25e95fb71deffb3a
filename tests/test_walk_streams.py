"""Certified listings of every endpoint, over HTTP against the sandbox."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from omnichat_async import OmnichatClient, Window
from tests.sandbox.support import DAY_MS, START_MS, small
from tests.support.run import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.paging import Listing

AFTER, BEFORE = START_MS + DAY_MS // 3, START_MS + 17 * DAY_MS

STREAMS: dict[str, Callable[..., Listing[Any]]] = {
    "messages": lambda client, **kw: client.messages.list(
        platform="line", after=AFTER, before=BEFORE, **kw
    ),
    "contacts": lambda client, **kw: client.contacts.list(
        platform="line", updated_after=AFTER, updated_before=BEFORE, **kw
    ),
    "tagging logs": lambda client, **kw: client.tagging_logs.list(
        tagged_after=AFTER, tagged_before=BEFORE, **kw
    ),
    "orders": lambda client, **kw: client.reports.referral_orders(after=AFTER, before=BEFORE, **kw),
    "report": lambda client, **kw: client.reports.messages_sent(after=AFTER, before=BEFORE, **kw),
    "templates": lambda client, **kw: client.templates.list(phone="85290000001", **kw),
    "broadcasts": lambda client, **kw: client.broadcasts.list(types=[1], platform="line", **kw),
}


@pytest.mark.parametrize("name", STREAMS)
def test_an_exact_listing_gives_the_same_objects(name: str) -> None:
    """Nothing moves here, so both ways to read see the same: whole objects, each once."""

    async def main() -> None:
        async with (
            small() as sandbox,
            OmnichatClient(sandbox.token, base_url=sandbox.url) as client,
        ):
            plain = Counter([repr(row) async for row in STREAMS[name](client)])
            exact = Counter([repr(row) async for row in STREAMS[name](client, exact=True)])
            assert exact == plain
            assert plain or name == "broadcasts"

    run(main())


def test_rows_of_a_report_carry_their_window() -> None:
    async def main() -> None:
        async with (
            small() as sandbox,
            OmnichatClient(sandbox.token, base_url=sandbox.url) as client,
        ):
            listing = client.reports.messages_sent(after=AFTER, before=BEFORE, exact=True)
            windows = {row.window async for row in listing}
            assert Window(AFTER, AFTER + 7 * DAY_MS) in windows
            assert len(windows) == 3

    run(main())


def test_contacts_updated_during_the_walk_leave_nothing_behind() -> None:
    """The sandbox's own contacts, changed through the API while they are read."""
    from omnichat_async.models import ContactUpdate

    async def main() -> None:
        async with (
            small() as sandbox,
            OmnichatClient(sandbox.token, base_url=sandbox.url) as client,
        ):
            before = [row async for row in STREAMS["contacts"](client)]
            moved: set[str] = set()
            got: Counter[str] = Counter()
            async for row in STREAMS["contacts"](client, exact=True):
                got[row.id] += 1
                if sum(got.values()) % 40 == 0:
                    other = before[(7 * sum(got.values())) % len(before)]
                    assert other.channel is not None
                    moved.add(other.id)
                    await client.contacts.upsert(
                        platform="line",
                        channel_id=str(other.channel.channel_id),
                        user_id=other.id,
                        contact=ContactUpdate(note="moved"),
                    )
            stable = {row.id for row in before} - moved
            assert moved
            assert all(got[each] == 1 for each in stable)

    run(main())
