"""A validator made of the documents' data finds nothing wrong with what the SDK sends."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace
from typing import Any

import aiohttp
import attrs
import pytest

from omnichat_async import APIError, OmnichatClient, RateLimiter
from omnichat_async.sandbox import PLATFORMS, Sandbox
from tests.contract.drives import Ids, drives
from tests.contract.support import COLLECTION, OPERATIONS, Sent, violations
from tests.contract.test_table import driven
from tests.support.run import run

START_MS = 1_735_689_600_000
END_MS = START_MS + 40 * 86_400_000
LINE, WHATSAPP = (PLATFORMS[name].channels[0] for name in ("line", "whatsapp"))


class Recorder:
    """Everything that an aiohttp session sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bytearray]] = []
        config = aiohttp.TraceConfig(trace_config_ctx_factory=SimpleNamespace)
        config.on_request_start.append(self._started)
        config.on_request_chunk_sent.append(self._chunk)
        self.session_options: dict[str, Any] = {"trace_configs": [config]}

    async def _started(self, _session: Any, context: Any, started: Any) -> None:
        context.body = bytearray()
        self.sent.append((started.method, started.url.raw_path_qs, context.body))

    async def _chunk(self, _session: Any, context: Any, chunk: Any) -> None:
        context.body.extend(chunk.chunk)

    def requests(self) -> list[Sent]:
        return [Sent.of(method, target, bytes(body)) for method, target, body in self.sent]


def test_what_all_calls_send_is_known() -> None:
    sent, _ = driven()
    assert len(sent) > 100
    assert [found for each in sent for found in violations(each)] == []


async def ids_of(sandbox: Sandbox, client: OmnichatClient) -> Ids:
    """What a sandbox has."""
    line: Any = next(
        row
        for row in sandbox.rows("contacts", START_MS, END_MS, "line", LINE)
        if row["memberId"] and row["phone"]
    )
    whatsapp: Any = next(
        row
        for row in sandbox.rows("contacts", START_MS, END_MS, "whatsapp", WHATSAPP)
        if row.get("bsuid")
    )
    seller = next(each for each in await client.system_users.list() if each.shops)
    chatbots = await client.chatbots.list()
    rooms = list(islice(sandbox.ai_rooms(), 20, 24))  # not that of the contact
    ids = Ids(
        start=START_MS,
        line=LINE,
        whatsapp=WHATSAPP,
        line_user=line["id"],
        whatsapp_user=whatsapp["id"] or "85291234567",
        bsuid=whatsapp["bsuid"],
        message=next(sandbox.message_ids("line", START_MS, END_MS)),
        chatbot=chatbots[0].id,
        block=(await client.chatbots.message_blocks(chatbots[0].id))[0].id,
        menu=(await client.rich_menus.list())[0].id,
        member=line["memberId"],
        omni=sandbox.omni_customer_id(line["memberId"]),
        phone=line["phone"],
        email=line["email"] or "ada@example.com",
        team=sandbox.config.team_id,
        ai_rooms=(rooms[0], rooms[1], rooms[2]),
        line_ai_room=rooms[3],
        webchat_ai_room=next(sandbox.ai_rooms("webchat")),
        agent_email=seller.email or "",
        agent_phone=seller.phone or "",
        code=seller.employee_code or "",
        shop=seller.shops[0].code or "",
    )
    calls = drives(ids)
    sent = await calls["POST /broadcast"][1](client)
    return attrs.evolve(ids, broadcast=sent.broadcast_id)


@pytest.mark.parametrize("variants", ["collection", "guide"])
def test_the_sandbox_takes_all_calls_and_none_violates_the_documents(variants: Any) -> None:
    recorder = Recorder()
    refused: list[str] = []

    async def main() -> None:
        async with (
            Sandbox(
                rows=3000, start_ms=START_MS, end_ms=END_MS, limit=None, variants=variants
            ) as sandbox,
            aiohttp.ClientSession(**recorder.session_options) as session,
            OmnichatClient(
                sandbox.token,
                base_url=sandbox.url,
                session=session,
                limiter=RateLimiter(10_000),
            ) as client,
        ):
            ids = await ids_of(sandbox, client)
            for key, calls in drives(ids).items():
                for place, call in enumerate(calls):
                    try:
                        await call(client)
                    except APIError as error:
                        refused.append(f"{key} #{place}: {error.status} {error.message}")

    run(main())
    sent = recorder.requests()
    assert {each.operation for each in sent} == set(OPERATIONS)
    assert [found for each in sent for found in violations(each)] == []
    if variants == "guide":  # it wants one kind of message in a broadcast
        mixed = "POST /broadcast #0: 400 more than one type in the list of messages"
        assert refused == [mixed]
    else:
        assert refused == []


# ---- the validator finds what is wrong ---------------------------------------------------------

SAMPLE = next(each["json"] for each in COLLECTION[4]["bodies"] if "(text" in each["of"])


def planted(**changes: Any) -> Sent:
    """A sound request with something changed."""
    sound = Sent("POST", "/direct-messages", [], {**SAMPLE})
    return attrs.evolve(sound, **changes)


PLANTED: dict[str, tuple[Sent, str]] = {
    "a path": (planted(path="/direct-message"), "unknown operation: POST /direct-message"),
    "a method": (planted(method="PUT"), "unknown operation: PUT /direct-messages"),
    "a deeper path": (
        planted(path="/direct-messages/1"),
        "unknown operation: POST /direct-messages/1",
    ),
    "a query name": (planted(query=[("dryRun", "1")]), "unknown query name: dryRun"),
    "a query name of another call": (
        Sent("GET", "/messages", [("updatedAfter", "1")], None),
        "unknown query name: updatedAfter",
    ),
    "an empty query value": (
        Sent("GET", "/messages", [("channelId", "")], None),
        "empty query value: channelId",
    ),
    "a field": (planted(body={**SAMPLE, "track_id": "t"}), "unknown field: track_id"),
    "a field inside": (
        planted(body={**SAMPLE, "messages": [{"type": "text", "body": "x"}]}),
        "unknown field: messages[].body",
    ),
    "a type": (planted(body={**SAMPLE, "to": 5}), "wrong type: to is integer"),
    "a type inside": (
        planted(body={**SAMPLE, "messages": [{"type": "text", "text": True}]}),
        "wrong type: messages[].text is boolean",
    ),
    "an object for a list": (
        planted(body={**SAMPLE, "messages": {"type": "text"}}),
        "wrong type: messages is object",
    ),
    "text for a number": (
        Sent("PUT", "/loyalty-points/action/adjust", [], {"points": "10", "phone": "1"}),
        "wrong type: points is string",
    ),
    "a fraction for a whole number": (
        Sent("PUT", "/loyalty-points/action/adjust", [], {"points": 1.5, "phone": "1"}),
        "wrong type: points is number",
    ),
    "a null": (planted(body={**SAMPLE, "tags": None}), "null: tags"),
    "no body": (planted(body=None), "missing body: "),
    "a body": (Sent("GET", "/channels", [], {}), "unexpected body: "),
    "a list for a body": (planted(body=[SAMPLE]), "wrong type:  is array"),
}


def test_a_sound_request_has_no_violation() -> None:
    assert violations(planted()) == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_violation_is_found(name: str) -> None:
    sent, found = PLANTED[name]
    assert found in violations(sent)
