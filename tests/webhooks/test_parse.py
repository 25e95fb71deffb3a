"""Bodies become single events, and nothing that is odd costs anything but itself."""

from __future__ import annotations

import copy
import json
import random
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from omnichat_async.testing import builders
from omnichat_async.testing.builders import event_data, to_bytes, whatsapp_body, whatsapp_message
from omnichat_async.webhooks import (
    TOPICS,
    AgentEvent,
    CallEvent,
    ChangeEvent,
    GroupEvent,
    InboundMessage,
    MessageEcho,
    MessageStatus,
    OmnichatEvent,
    UnknownEvent,
    WebhookRefused,
    parse,
    parse_ai_agent,
    parse_event,
    parse_whatsapp,
)
from omnichat_async.webhooks.events import digest
from omnichat_async.webhooks.payload import UnknownData
from omnichat_async.webhooks.topics import Customer, Ticket, TicketStatus
from omnichat_async.webhooks.whatsapp import StatusName, Text, UnknownContent, time_of
from tests.webhooks.samples import AGENT, BEYOND, PUBLISHED, SAMPLES, Sample

if TYPE_CHECKING:
    from omnichat_async.webhooks import WebhookEvent

every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)


def one(body: dict[str, Any]) -> Any:
    (event,) = parse_whatsapp(to_bytes(body))
    return event


# ---- what the samples become -------------------------------------------------------------------


@every_sample
def test_a_sample_fits_its_class_and_keeps_its_raw_form(sample: Sample) -> None:
    events = sample.parse()
    assert len(events) == (3 if sample.body is AGENT else 1)
    for event in events:
        assert event.problems == ()
        assert not isinstance(event, UnknownEvent)
        assert json.dumps(event.raw, ensure_ascii=False) in json.dumps(
            sample.body, ensure_ascii=False
        )


@every_sample
def test_the_body_of_an_event_parses_to_the_same_event(sample: Sample) -> None:
    for event in sample.parse():
        (again,) = parse(to_bytes(event.body), event.headers)
        assert again == event
        assert digest(*again.identity) == digest(*event.identity)


def test_there_are_all_the_samples() -> None:
    assert len(PUBLISHED) == 16
    assert set(builders.TOPICS) == set(TOPICS)
    assert len(TOPICS) == 13


@pytest.mark.parametrize("topic", TOPICS)
def test_every_field_of_a_topic_has_a_place(topic: str) -> None:
    (event,) = parse_event(to_bytes(event_data(topic)), {"x-omnichat-topic": topic})
    assert isinstance(event, OmnichatEvent)
    assert type(event.data) is TOPICS[topic]
    nested = [event.data, *getattr(event.data, "agent_logs", [])]
    assert [each.extra for each in nested] == [{}] * len(nested)


def test_a_customer() -> None:
    headers = {
        "X-Omnichat-Topic": "customer/update",
        "X-Omnichat-Event-Id": "654c7ab5e4b0a1a2b3c4d5e6",
        "X-Omnichat-Timestamp": "1699510197511",
        "X-Omnichat-Team": "Shop",
    }
    body = event_data("customer/update", customAttributes=None, email="kim@example.com\n", new=1)
    (event,) = parse_event(to_bytes(body), headers)
    assert isinstance(event, OmnichatEvent)
    assert isinstance(event.data, Customer)
    assert event.occurred_at == datetime(2023, 11, 9, 6, 9, 57, 511000, UTC)
    assert (event.topic, event.event_id, event.team) == (
        "customer/update",
        "654c7ab5e4b0a1a2b3c4d5e6",
        "Shop",
    )
    assert event.data.custom_attributes == []
    assert event.data.email == "kim@example.com\n"
    assert event.data.extra == {"new": 1}
    assert str(event.data.created_at) == "2026-03-09 14:09:57.511000+08:00"
    assert event.headers == headers


def test_a_ticket_of_a_status_nobody_knows() -> None:
    for given, expected in (("InProgress", TicketStatus.IN_PROGRESS), ("Paused", "Paused")):
        body = to_bytes(event_data("ticket/update", status=given))
        (event,) = parse_event(body, {"X-OMNICHAT-TOPIC": "ticket/update"})
        assert isinstance(event, OmnichatEvent)
        assert isinstance(event.data, Ticket)
        assert event.data.status == expected


def test_an_unknown_topic_keeps_everything() -> None:
    (event,) = parse_event(b'{"a":{"b":1}}', {"X-Omnichat-Topic": "message/create"})
    assert isinstance(event, OmnichatEvent)
    assert (event.topic, event.data) == ("message/create", UnknownData(extra={"a": {"b": 1}}))


def test_published_messages() -> None:
    image = one(PUBLISHED["Received Media Message with Image"])
    assert isinstance(image, InboundMessage)
    assert image.data.image is not None
    assert image.data.content is image.data.image
    assert image.data.image.caption == "This is a caption"
    assert image.data.sent_at == datetime(2020, 10, 18, 22, 13, 21, tzinfo=UTC)
    advert = one(PUBLISHED["Received Message Triggered by Click to WhatsApp Ads"])
    assert advert.data.referral.ctwa_clid == "<CTWA_CLID>"
    enquiry = one(PUBLISHED["Received Product Enquiry Message"])
    assert enquiry.data.context.referred_product.product_retailer_id == "PRODUCT_ID"
    deleted = one(PUBLISHED["Status: Message Deleted"])
    assert [error.code for error in deleted.data.errors] == [131051]
    assert deleted.data.content == UnknownContent("unsupported", None)


def test_published_statuses() -> None:
    names = ("Sent", "Delivered", "Read", "Failed")
    events = [one(PUBLISHED[f"Status: Message {name}"]) for name in names]
    assert all(isinstance(event, MessageStatus) for event in events)
    assert [event.data.status for event in events] == [*list(StatusName)[:3], StatusName.FAILED]
    assert sorted(event.data.rank for event in events) == [1, 2, 3, 5]
    assert len({digest(*event.identity) for event in events}) == 4
    assert len(events[0].context.contacts) == 1
    assert events[0].data.recipient == "{{RECIPIENT-PHONE-NUMBER}}"


def test_what_meta_sends_beyond_the_samples() -> None:
    kinds = {name: type(one(body)) for name, body in BEYOND.items()}
    assert kinds["call"] is CallEvent
    assert kinds["call status"] is MessageStatus
    assert kinds["echo"] is MessageEcho
    assert kinds["group"] is GroupEvent
    assert kinds["edit"] is kinds["system"] is kinds["voice"] is InboundMessage
    changes = ("template status", "preferences", "handover")
    assert {kinds[name] for name in changes} == {ChangeEvent}
    assert one(BEYOND["template status"]).raw["message_template_id"] == 12
    assert one(BEYOND["handover"]).context.phone_number_id == "1089"
    assert one(BEYOND["list reply"]).data.interactive.reply.id == "r1"
    assert one(BEYOND["flow reply"]).data.interactive.reply.response_json == "{}"
    assert one(BEYOND["audio"]).data.audio.voice is True
    assert one(BEYOND["edit"]).data.edit.message["text"] == {"body": "Hello!"}


@pytest.mark.parametrize("name", builders.MESSAGE_TYPES)
def test_each_type_of_message_has_its_content(name: str) -> None:
    data = one(BEYOND[name]).data
    assert data.content == getattr(data, name)
    assert data.extra == {}
    assert "85290000001" not in repr(data)


def test_a_message_of_a_user_without_a_number() -> None:
    message = whatsapp_message(**{"from": builders.OMIT})
    contacts = [{"user_id": "HK.1"}, {"user_id": "HK.13491208655302741918", "wa_id": None}]
    first, _ = parse_whatsapp(
        to_bytes(whatsapp_body(message, whatsapp_message(id="w2"), contacts=contacts))
    )
    assert isinstance(first, InboundMessage)
    assert first.data.sender == "HK.13491208655302741918"
    assert [contact.user_id for contact in first.context.contacts] == ["HK.13491208655302741918"]


def test_a_contact_is_matched_by_id_and_not_by_place() -> None:
    contacts = [{"wa_id": "2 ", "profile": {"name": "Two"}}, {"wa_id": "1"}]
    messages = [whatsapp_message(id=f"w{n}", **{"from": n}) for n in ("1", "2", "3")]
    events = parse_whatsapp(to_bytes(whatsapp_body(*messages, contacts=contacts)))
    found = [
        [contact.wa_id for contact in event.context.contacts]
        for event in events
        if isinstance(event, InboundMessage)
    ]
    assert found == [["1"], ["2 "], []]


def test_the_cost_of_a_batch_grows_with_its_size_and_not_faster() -> None:
    """Counted in calls, with as many contacts as messages."""

    def cost(size: int) -> int:
        calls = 0

        def count(*_: Any) -> None:
            nonlocal calls
            calls += 1

        senders = list(map(str, range(size)))
        contacts = [{"wa_id": each, "user_id": f"HK.{each}"} for each in senders]
        messages = [whatsapp_message(id=each, **{"from": each}) for each in senders]
        body = to_bytes(whatsapp_body(*messages, contacts=contacts))
        sys.setprofile(count)
        events = parse_whatsapp(body)
        sys.setprofile(None)
        assert len(events) == size
        return calls

    cost(10)  # generates and caches what reads them
    assert cost(400) < 10 * cost(50)


def test_of_contacts_with_one_id_the_first_belongs_to_a_message() -> None:
    contacts = [{"wa_id": "1", "profile": {"name": each}} for each in ("One", "Two")]
    messages = [whatsapp_message(id=f"w{n}", **{"from": n}) for n in ("1", "2")]
    first, _ = parse_whatsapp(to_bytes(whatsapp_body(*messages, contacts=contacts)))
    assert isinstance(first, InboundMessage)
    assert [each.profile.name for each in first.context.contacts if each.profile] == ["One"]


def test_events_for_an_ai_agent() -> None:
    events = parse_ai_agent(to_bytes(AGENT))
    assert all(isinstance(event, AgentEvent) for event in events)
    opened, message, _ = events
    assert isinstance(opened, AgentEvent)
    assert isinstance(message, AgentEvent)
    assert opened.data.payload is not None
    assert opened.data.payload.message is None
    assert message.data.payload is not None
    assert message.data.payload.message is not None
    assert message.data.payload.message.content is not None
    assert message.data.payload.message.content.text == "Hello"
    assert message.team.id == "TEAM-1"
    assert message.sequence == ("room", "R-1")


def test_the_table_of_the_guide_calls_the_list_event() -> None:
    body = {"team": {"id": "T"}, "event": [builders.agent_event()]}
    assert parse_ai_agent(to_bytes(body)) == parse_ai_agent(
        to_bytes({"team": {"id": "T"}, "events": [builders.agent_event()]})
    )


@pytest.mark.parametrize("key", ["object", "team"])
@pytest.mark.parametrize("value", [builders.OMIT, None, 3, "x", []])
def test_what_stands_around_the_items_may_be_odd_and_they_are_still_themselves(
    key: str, value: Any
) -> None:
    """The receiver has nothing else to tell the three families by."""
    whole: dict[str, Any] = AGENT
    if key == "object":
        whole = whatsapp_body(whatsapp_message(id="a"), builders.whatsapp_status(id="b"))
    body = {name: each for name, each in ({**whole, key: value}).items() if each != builders.OMIT}
    events, expected = parse(to_bytes(body), {}), parse(to_bytes(whole), {})
    assert [type(each) for each in events] == [type(each) for each in expected]
    assert [each.raw for each in events] == [each.raw for each in expected]
    assert [each.identity for each in events] == [each.identity for each in expected]
    for event in events:
        assert parse(to_bytes(event.body), event.headers) == [event]


def test_the_receiver_knows_the_list_under_both_of_its_names() -> None:
    body = {"team": {"id": "T"}, "event": [builders.agent_event()]}
    assert parse(to_bytes(body), {}) == parse_ai_agent(to_bytes(body))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1603059201", datetime(2020, 10, 18, 22, 13, 21, tzinfo=UTC)),
        (1603059201, datetime(2020, 10, 18, 22, 13, 21, tzinfo=UTC)),
        *((junk, None) for junk in ("asdf", "", None, "{{TIMESTAMP}}", -1, "1.5", "٣", 10**18)),
    ],
)
def test_times_of_whatsapp(value: Any, expected: datetime | None) -> None:
    assert time_of(value) == expected


# ---- odd ones ----------------------------------------------------------------------------------


def test_a_field_of_another_type_costs_that_field_alone() -> None:
    body = event_data("ticket/update", ticketId=[1], status=3, agentLogs=[7, {"agentId": "A"}])
    (event,) = parse_event(to_bytes(body), {"X-Omnichat-Topic": "ticket/update"})
    assert isinstance(event, OmnichatEvent)
    assert isinstance(event.data, Ticket)
    assert event.data.ticket_id is None
    assert event.data.status is None
    assert [log.agent_id for log in event.data.agent_logs] == ["A"]
    assert event.data.customer_name == "Kim"
    assert event.raw == body
    assert len(event.problems) == 3
    assert event.problems[0].startswith("$.ticketId: expected")


def test_very_many_odd_fields_are_given_up_together() -> None:
    body = event_data("ticket/update", agentLogs=[1] * 50_000)
    (event,) = parse_event(to_bytes(body), {"X-Omnichat-Topic": "ticket/update"})
    assert isinstance(event, OmnichatEvent)
    assert isinstance(event.data, Ticket)
    assert event.data.agent_logs == []
    assert event.data.customer_name == "Kim"
    assert len(event.problems) == 5


def test_a_bad_item_stands_between_good_ones() -> None:
    good = [whatsapp_message(id="a"), whatsapp_message(id="b")]
    body = whatsapp_body(good[0])
    value = body["entry"][0]["changes"][0]["value"]
    value["messages"] += ["junk", None, good[1]]
    body["entry"][0]["changes"] += [None, {"value": 3}]
    body["entry"] += [7, {"changes": "x"}]
    events = parse_whatsapp(to_bytes(body))
    messages = [event for event in events if isinstance(event, InboundMessage)]
    assert [event.raw for event in messages] == good
    unknown = [event.raw for event in events if isinstance(event, UnknownEvent)]
    assert unknown == ["junk", None, None, {"value": 3}, [7], [{"changes": "x"}]]
    for event in events:
        assert [again.raw for again in parse_whatsapp(to_bytes(event.body))] == [event.raw]


def test_a_list_that_is_none_is_kept_beside_a_good_one() -> None:
    body = whatsapp_body(whatsapp_message(), statuses="x")
    message, change = parse_whatsapp(to_bytes(body))
    assert isinstance(message, InboundMessage)
    assert isinstance(change, ChangeEvent)
    assert change.raw["statuses"] == "x"
    assert "messages" not in change.raw


@pytest.mark.parametrize("body", [b"{}", b'{"object":"whatsapp_business_account","entry":[]}'])
def test_an_empty_body_holds_no_event(body: bytes) -> None:
    assert parse(body, {}) == []
    assert parse_whatsapp(body) == []


def test_messages_come_before_statuses() -> None:
    body = whatsapp_body(builders.whatsapp_status(), whatsapp_message())
    names = [type(event) for event in parse_whatsapp(to_bytes(body))]
    assert names == [InboundMessage, MessageStatus]


# ---- mutations ---------------------------------------------------------------------------------


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all keys and all leaves."""
    found: list[tuple[Any, ...]] = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in pairs:
        found.append((*path, key))
        if isinstance(each, dict | list):
            found += places(each, (*path, key))
    return found


def mutated(body: Any, path: tuple[Any, ...], change: str) -> Any:
    body = copy.deepcopy(body)
    *way, last = path
    inside = body
    for step in way:
        inside = inside[step]
    if change == "drop":
        del inside[last]
    else:
        inside[last] = json.loads(change)
    return body


def fields_of(data: Any) -> dict[str, Any]:
    return attrs.asdict(data, recurse=False) if data is not None else {}


@pytest.mark.parametrize("mutations", [600, pytest.param(8000, marks=pytest.mark.slow)])
def test_a_mutation_never_costs_more_than_its_place(mutations: int) -> None:
    """Beside the mutated event stands an untouched one, and in it untouched fields."""
    draw = random.Random(7)
    changes = ["drop", "null", "7", "-1.5", '"x"', "true", "[]", '["x", 3, null]', "{}"]
    cases = [
        (sample, path, change)
        for sample in SAMPLES
        for path in places(sample.body)
        for change in changes
    ]
    assert len(cases) >= 8000
    chosen = draw.sample(cases, mutations)
    seen_problems = 0
    for sample, path, change in chosen:
        body = mutated(sample.body, path, change)
        before, after = sample.parse(), sample.parse(body)
        seen_problems += sum(bool(event.problems) for event in after)
        if sample.topic:
            assert_fields_unmoved(before[0], after[0], path[0])
        for event in after:
            assert [again.raw for again in parse(to_bytes(event.body), event.headers)] == [
                event.raw
            ]
    assert seen_problems > mutations / 10


def assert_fields_unmoved(before: Any, after: Any, touched: str) -> None:
    old, new = fields_of(before.data), fields_of(after.data)
    wire = "".join(word.capitalize() for word in touched.split("_")).lower()
    for name in old.keys() - {"extra"}:
        if name.replace("_", "").lower() != wire.lower():
            assert new[name] == old[name], f"{name} moved with {touched}"


@pytest.mark.parametrize("mutations", [300, pytest.param(3000, marks=pytest.mark.slow)])
def test_a_mutated_item_leaves_its_siblings_identical(mutations: int) -> None:
    draw = random.Random(11)
    bystanders = [whatsapp_message(id="s1"), builders.whatsapp_status(id="s2")]
    alone = parse_whatsapp(to_bytes(whatsapp_body(*bystanders)))
    for _ in range(mutations):
        item = whatsapp_message(draw.choice(list(builders.MESSAGE_TYPES)), id="mutant")
        change = draw.choice(["drop", "null", "7", '"x"', '["x"]', "{}"])
        mutant = mutated(item, draw.choice(places(item)), change)
        if "status" in mutant:
            continue
        body = whatsapp_body(mutant, *bystanders)
        events = parse_whatsapp(to_bytes(body))
        assert len(events) == 3
        siblings = [event for event in events if event.raw in bystanders]
        assert [event.raw for event in siblings] == [event.raw for event in alone]
        assert [fields_of(getattr(event, "data", None)) for event in siblings] == [
            fields_of(getattr(event, "data", None)) for event in alone
        ]


def test_batches_of_random_samples_give_the_union_of_their_events() -> None:
    draw = random.Random(13)
    bodies = [*PUBLISHED.values(), *BEYOND.values()]
    for _ in range(50):
        chosen = draw.choices(bodies, k=draw.randint(2, 30))
        together: list[dict[str, Any]] = [entry for body in chosen for entry in body["entry"]]
        if draw.random() < 0.5:  # all changes in one entry
            changes = [change for entry in together for change in entry["changes"]]
            together = [{"id": together[0]["id"], "changes": changes}]
        merged = {"object": "whatsapp_business_account", "entry": together}
        union = [event for body in chosen for event in parse_whatsapp(to_bytes(body))]
        assert sorted(map(_plain, parse_whatsapp(to_bytes(merged)))) == sorted(map(_plain, union))


def _plain(event: WebhookEvent) -> tuple[str, str, str]:
    return type(event).__name__, json.dumps(event.raw), repr(getattr(event, "data", None))


def test_too_many_items_are_refused_before_they_are_read() -> None:
    body = to_bytes(whatsapp_body(*[whatsapp_message()] * 11))
    with pytest.raises(WebhookRefused) as caught:
        parse_whatsapp(body, max_events=10)
    assert caught.value.status == 413
    with pytest.raises(WebhookRefused) as caught:
        parse_ai_agent(to_bytes({"team": {}, "events": [None] * 11}), max_events=10)
    assert caught.value.status == 413


def test_the_text_of_a_message_is_typed() -> None:
    assert one(BEYOND["text"]).data.content == Text(body="Hello")
