"""The table of calls: no operation, parameter, field, limit or enum member is missing."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, get_args

import pytest

from omnichat_async import InvalidRequest, OmnichatClient, models
from omnichat_async.events import AttemptStarted
from omnichat_async.models import (
    AgentMessage,
    Block,
    Broadcast,
    ContactUpdate,
    CustomerUpdate,
    DirectMessage,
    FlexTemplate,
    FlexTemplates,
    Notification,
    Product,
    Products,
    Text,
    WhatsAppTemplate,
    agent_messages,
)
from omnichat_async.models.rosters import IdField
from tests.contract.drives import Ids, drives
from tests.contract.support import (
    OPERATIONS,
    TABLE,
    Sent,
    answered,
    nodes,
    same_shape,
    sent_of,
)
from tests.support.calls import served
from tests.support.run import run

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable

    from omnichat_async.events import Event

DAY_MS = 86_400_000
SOURCES = {"collection": 31, "guide": 9, "conversions": 1}


@functools.cache
def driven() -> tuple[list[Sent], set[str]]:
    """All requests of all drives, and the operations as the client's own hooks name them."""
    labels: set[str] = set()

    def hook(event: Event) -> None:
        if isinstance(event, AttemptStarted):
            labels.add(event.call)

    async def main() -> list[Sent]:
        async with served(answered, hooks=[hook]) as (server, client):
            for calls in drives(Ids()).values():
                for call in calls:
                    await call(client)
            return sent_of(server.requests)

    return run(main()), labels


def sent_to(key: str) -> list[Sent]:
    return [each for each in driven()[0] if each.operation == key]


def values_at(body: Any, path: str) -> list[Any]:
    """The values at a path such as ``messages[].type``."""
    found = [body]
    for name in path.split("."):
        found = [each[name.removesuffix("[]")] for each in found if name.removesuffix("[]") in each]
        if name.endswith("[]"):
            found = [item for each in found for item in each]
    return found


# ---- operations, parameters, fields ------------------------------------------------------------


def test_the_table_is_complete() -> None:
    counts = dict.fromkeys(SOURCES, 0)
    for operation in OPERATIONS.values():
        counts[operation["source"]] += 1
    assert counts == SOURCES


def test_every_operation_is_there_and_no_other() -> None:
    _, labels = driven()
    assert set(drives(Ids())) == set(OPERATIONS)
    assert {same_shape(each) for each in labels} == {same_shape(each) for each in OPERATIONS}
    assert {each.operation for each in driven()[0]} == set(OPERATIONS)


@pytest.mark.parametrize("key", OPERATIONS)
def test_every_query_parameter_can_be_sent(key: str) -> None:
    names = {name for each in sent_to(key) for name, _ in each.query}
    assert names == set(OPERATIONS[key]["query"])


@pytest.mark.parametrize("key", [key for key, each in OPERATIONS.items() if "fields" in each])
def test_every_field_of_a_body_can_be_sent(key: str) -> None:
    found = {path for each in sent_to(key) for path, _ in nodes(each.body)}
    missing = {
        path
        for path in OPERATIONS[key]["fields"]
        if not any(
            each == path or (path.endswith(".*") and each.startswith(path[:-1])) for each in found
        )
    }
    assert missing == set()


# ---- limits ------------------------------------------------------------------------------------

TO: dict[str, Any] = {"track_id": "t", "platform": "line", "channel_id": "1", "to": "U"}
TEXT = Text("x")
PRODUCT = Product(name="n", image="https://a.b/c", url="https://a.b/c", button_label="b")


def direct(messages: Any = (TEXT,), **more: Any) -> DirectMessage:
    return DirectMessage(messages=messages, **TO, **more)


def broadcast(messages: Any = (TEXT,), to: int = 1) -> Broadcast:
    recipients = [f"U{number}" for number in range(to)]
    return Broadcast(subject="s", platform="line", channel_id="1", to=recipients, messages=messages)


def notes(count: int) -> list[Notification]:
    return [
        Notification(channel_id="1", to=str(886_900_000_000 + n), setting_id="s", value_map={})
        for n in range(count)
    ]


def attributes(make: Any) -> dict[str, Callable[[int], object]]:
    return {
        "customAttributes key": lambda n: make(custom_attributes={"k" * n: 1}),
        "customAttributes value": lambda n: make(custom_attributes={"k": "v" * n}),
    }


def contents(make: Any) -> dict[str, Callable[[int], object]]:
    return {
        "messages": lambda n: make([TEXT] * n),
        "messages of type block": lambda n: make([Block("b")] * n),
        "messages of type whatsappTemplate": lambda n: make([WhatsAppTemplate("t")] * n),
        "products": lambda n: make([Products([PRODUCT] * n)]),
    }


MADE: dict[str, dict[str, Callable[[int], object]]] = {
    "POST /agent-messages": {
        "messages": lambda n: AgentMessage(
            team="t", room_id="r", messages=[agent_messages.Text("x")] * n
        )
    },
    "POST /broadcast": {"to": lambda n: broadcast(to=n), **contents(broadcast)},
    "POST /direct-messages": {
        **contents(direct),
        "lineFlexMessageTemplates": lambda n: direct([FlexTemplates([FlexTemplate("i")] * n)]),
        **attributes(direct),
    },
    "PUT /contacts/{platform}": attributes(ContactUpdate),
    "PUT /customers": attributes(CustomerUpdate),
}
"""What is refused when it is made: the limit is fine, one more is not."""

START = 1_735_689_600_000
SPANS: dict[str, Any] = {"after": START, "before": START + 7 * DAY_MS}
PAGED: dict[str, Callable[[OmnichatClient, int], Any]] = {
    "GET /messages": lambda c, n: c.messages.list(platform="line", page_size=n, **SPANS),
    "GET /contacts": lambda c, n: c.contacts.list(
        platform="line", updated_after=START, updated_before=START + 1, page_size=n
    ),
    "GET /reports/messages": lambda c, n: c.reports.messages_sent(page_size=n, **SPANS),
    "GET /reports/product-referral-links/orders": lambda c, n: c.reports.referral_orders(
        page_size=n, **SPANS
    ),
    "GET /whatsapp-message-templates": lambda c, n: c.templates.list(
        phone="85291234567", page_size=n
    ),
    "GET /broadcast": lambda c, n: c.broadcasts.list(types=[1], page_size=n),
    "GET /broadcast/{id}/recipients": lambda c, n: c.broadcasts.recipients("b", page_size=n),
    "GET /tagging-logs/records": lambda c, n: c.tagging_logs.list(
        tagged_after=START, tagged_before=START + 1, page_size=n
    ),
}
WALKED: dict[str, Callable[[OmnichatClient, int], Any]] = {
    "GET /messages": lambda c, ms: c.messages.list(platform="line", after=START, before=START + ms),
    "GET /contacts": lambda c, ms: c.contacts.list(
        platform="line", updated_after=START, updated_before=START + ms
    ),
    "GET /reports/messages": lambda c, ms: c.reports.messages_sent(after=START, before=START + ms),
    "GET /reports/product-referral-links/orders": lambda c, ms: c.reports.referral_orders(
        after=START, before=START + ms
    ),
}
BATCHED: dict[tuple[str, str], Callable[[OmnichatClient, int], Any]] = {
    ("POST /identities/member-data", "ids"): lambda c, n: c.identities.member_data(
        platform="line", channel_id="1", ids=[f"U{number}" for number in range(n)]
    ),
    ("POST /notification-messages", "notifications"): lambda c, n: c.notifications.send(notes(n)),
}


def limits(*units: str) -> pytest.MarkDecorator:
    rows = [
        (each["operation"], each["field"], each["most"])
        for each in TABLE["limits"]
        if each["unit"] in units
    ]
    return pytest.mark.parametrize(("key", "field", "most"), rows)


def requests_of(make: Any) -> list[Sent]:
    async def main() -> list[Sent]:
        async with served(answered) as (server, client):
            await make(client)
            return sent_of(server.requests)

    return run(main())


@limits("items", "characters")
def test_a_limit_is_allowed_and_one_more_is_not(key: str, field: str, most: int) -> None:
    if (batched := BATCHED.get((key, field))) is not None:
        assert [len(each.body[field]) for each in requests_of(lambda c: batched(c, most))] == [most]
        sizes = [len(each.body[field]) for each in requests_of(lambda c: batched(c, most + 1))]
        assert sorted(sizes) == [1, most]
        return
    make = MADE[key][field]
    make(most)
    with pytest.raises(InvalidRequest):
        make(most + 1)


@limits("rows")
def test_a_page_has_at_most_so_many_rows(key: str, field: str, most: int) -> None:
    (sent,) = requests_of(lambda c: PAGED[key](c, most))
    assert sent.operation == key
    assert dict(sent.query)[field] == str(most)
    with pytest.raises(InvalidRequest, match="page_size"):
        requests_of(lambda c: PAGED[key](c, most + 1))


@limits("days")
def test_a_window_has_at_most_so_many_days(key: str, field: str, most: int) -> None:
    names = field.split("/")

    def windows(ms: int) -> set[tuple[int, int]]:
        async def walk(client: OmnichatClient) -> None:
            async for _ in WALKED[key](client, ms):
                pass

        queries = [dict(each.query) for each in requests_of(walk)]
        return {(int(each[names[0]]), int(each[names[1]])) for each in queries}

    longest = most * DAY_MS
    assert windows(longest) == {(START, START + longest)}
    more = windows(longest + 1)
    assert len(more) == 2
    assert all(before - after <= longest for after, before in more)
    assert sum(before - after for after, before in more) == longest + 1


# ---- enums -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLE["enums"])
def test_every_member_of_an_enum_is_known(name: str) -> None:
    documented = set(TABLE["enums"][name])
    if name == "IdField":
        assert set(get_args(IdField)) == documented
        return
    kind: type[enum.Enum] = getattr(models, name)
    assert {member.value for member in kind} == documented


@pytest.mark.parametrize("where", TABLE["sent"])
def test_every_documented_kind_can_be_sent(where: str) -> None:
    key, _, path = where.rpartition(" ")
    found = {value for each in sent_to(key) for value in values_at(each.body, path)}
    assert found == set(TABLE["sent"][where])
