"""One test, or more, for each point of the receiver's security, numbered as the docs list them."""

from __future__ import annotations

import ast
import asyncio
import gzip
import hashlib
import hmac
import json
import logging
import pickle
import tracemalloc
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import omnichat_async.webhooks as room
from omnichat_async import ConfigurationError
from omnichat_async.testing import (
    OMIT,
    agent_body,
    event_data,
    handshake_request,
    to_bytes,
    whatsapp_body,
    whatsapp_message,
)
from omnichat_async.webhooks import (
    AllowNetworks,
    Limits,
    MemoryInbox,
    MetaSignature,
    OmnichatSignature,
    Receiver,
    Secret,
    SecretPath,
    SharedSecretHeader,
    SqliteInbox,
    Unauthenticated,
    WebhookRequest,
    all_of,
    parse_event,
    parse_whatsapp,
    sign,
    verify_signature,
)
from omnichat_async.webhooks.inbox import Job, Record, Stored
from omnichat_async.webhooks.intake import Intake
from omnichat_async.webhooks.records import records_of
from tests.support.clock import run_virtual
from tests.support.run import run
from tests.webhooks.samples import SAMPLES
from tests.webhooks.support import SECRET, TOKEN, Seen, chunked, make, post, signed, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ROOM = Path(room.__file__).parent
DOCS = Path(__file__).parents[2] / "docs" / "pages" / "webhooks.md"
BODY = to_bytes(event_data("ticket/update"))
PHONE, EMAIL, NAME, TEXT = "85290000001", "kim@example.com", "Kim", "secret words"


def answer_of(request: WebhookRequest, **options: Any) -> int:
    async def main() -> int:
        async with make(**options) as receiver:
            return (await post(receiver, request))[0]

    return run_virtual(main())


# ---- 1 to 5: who sent it -----------------------------------------------------------------------


def test_01_secrets_are_compared_in_constant_time_on_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[Any, Any]] = []
    real = hmac.compare_digest

    def spy(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    request = signed(headers={"x-hub-signature-256": f"sha256={sign(BODY, SECRET)}", "x-key": "k"})
    for auth in (
        OmnichatSignature(SECRET),
        MetaSignature(SECRET),
        SharedSecretHeader("X-Key", "k"),
        SecretPath("a-secret-of-length"),
    ):
        compared.clear()
        auth.accepts(request, BODY)
        assert len(compared) == 1
        assert {type(each) for pair in compared for each in pair} == {bytes}
        assert {len(each) for pair in compared for each in pair} == {32}
    compared.clear()
    assert verify_signature(BODY, sign(BODY, "first"), ["first", "second", "third"])
    assert len(compared) == 3  # the time does not tell which one fitted
    compared.clear()
    assert answer_of(handshake_request(TOKEN)) == 200
    assert [len(each) for pair in compared for each in pair] == [32, 32]


@pytest.mark.parametrize(
    "header",
    [
        *("", "é", "\udcff", "abc", "0" * 63, "zz" * 32, " ", "sha256=" + "0" * 64),
        *("0" * 10_000_000, sign(BODY, SECRET).upper(), f"sha256={sign(BODY, SECRET)}"),
        *(sign(BODY, SECRET) + "\n", sign(BODY, SECRET)[:32], "\N{FULLWIDTH DIGIT ZERO}" * 64),
    ],
    ids=range(14),
)
def test_02_odd_signature_headers_are_401_and_never_500(header: str) -> None:
    assert answer_of(signed(headers={"x-omnichat-signature": header})) == 401
    assert verify_signature(BODY, header, SECRET) is False


@pytest.mark.parametrize("value", ["é", "\udcff", chr(0xD800), ""])
def test_02_other_odd_values_are_refused_and_never_500(value: str) -> None:
    query = [("verify_token", value), ("challenge", "1")]
    assert answer_of(WebhookRequest(method="GET", query=query)) == 403
    headers = {"x-key": value, "x-hub-signature-256": value, "x-forwarded-for": value}
    for auth in (
        SharedSecretHeader("X-Key", "k"),
        MetaSignature(SECRET),
        SecretPath("a-secret-of-length"),
        AllowNetworks(["203.0.113.0/24"], trusted_proxies=1),
    ):
        request = WebhookRequest(method="POST", path=f"/{value}", headers=headers, body=BODY)
        assert answer_of(request, auth=auth) == 401
    more = {"x-omnichat-event-id": value, "x-omnichat-team": value, "x-omnichat-topic": value}
    assert answer_of(signed(headers=more | {"x-omnichat-timestamp": value})) == 200


def test_02_a_repeated_or_missing_signature_is_401() -> None:
    good = signed()
    twice = WebhookRequest(
        method="POST", headers=(*good.headers, *good.headers[-1:], *good.headers), body=good.body
    )
    assert answer_of(twice) == 401
    rest = [pair for pair in good.headers if pair[0] != "x-omnichat-signature"]
    assert answer_of(WebhookRequest(method="POST", headers=rest, body=good.body)) == 401


def test_03_nothing_is_read_into_a_body_before_it_is_verified(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    for body in (b"[" * 100_000, b"\xff\xfe", b"3", b"{}"):
        request = WebhookRequest.to("/", headers={"content-type": "text/html"}, body=body)
        assert answer_of(request) == 401
    monkeypatch.setattr("omnichat_async.webhooks.receiver.parse", pytest.fail)
    assert answer_of(signed(headers={"x-omnichat-signature": "0" * 64})) == 401
    assert "text/html" not in caplog.text


@pytest.mark.parametrize("none", ["", b"", [], [""], ["good", ""]])
def test_04_without_a_secret_nothing_starts(none: Any) -> None:
    makers: list[Callable[[], Any]] = [
        lambda: OmnichatSignature(none),
        lambda: MetaSignature(none),
        lambda: SharedSecretHeader("X", ""),
        lambda: SecretPath("short"),
        all_of,
    ]
    for make_one in makers:
        with pytest.raises(ConfigurationError):
            make_one()


def test_04_pairing_takes_no_event_and_nobody_is_taken_for_granted() -> None:
    assert answer_of(signed(), auth=OmnichatSignature(None)) == 503
    assert not OmnichatSignature(None).accepts(signed(), BODY)
    with pytest.raises(TypeError, match="auth"):
        Receiver()  # type: ignore[call-arg]
    assert answer_of(signed(), auth=all_of(OmnichatSignature(None), OmnichatSignature("s"))) == 503
    with pytest.warns(RuntimeWarning, match="from anybody: a test"):
        anybody = Unauthenticated(reason="a test")
    assert answer_of(signed(), auth=anybody) == 200
    with pytest.raises(ConfigurationError):
        Unauthenticated(reason=" ")


def test_05_several_secrets_serve_a_rotation() -> None:
    both = OmnichatSignature(["new-secret", SECRET])
    assert answer_of(signed(), auth=both) == 200
    assert answer_of(signed(), auth=OmnichatSignature(["new-secret"])) == 401


# ---- 6 to 10: what is read ---------------------------------------------------------------------


async def endless(counted: list[int]) -> AsyncIterator[bytes]:
    while True:
        counted.append(1)
        yield b"x" * 1000


@pytest.mark.parametrize("length", [None, "5", "99999999999999999999", "-1", "x", "20000"])
def test_06_the_body_is_capped_while_it_streams(length: str | None) -> None:
    counted: list[int] = []
    headers = {} if length is None else {"Content-Length": length}
    request = WebhookRequest(method="POST", headers=headers, body=endless(counted))
    assert answer_of(request, limits=Limits(max_body=10_000)) == 413
    assert len(counted) <= 11
    assert bool(counted) is (length not in {"99999999999999999999", "20000"})


def test_06_a_slow_body_is_cut_off() -> None:
    slow = chunked(*[b"x"] * 100, pause=1)
    assert answer_of(WebhookRequest(method="POST", body=slow)) == 408


def test_06_a_body_of_three_megabytes_is_taken() -> None:
    big = whatsapp_body(whatsapp_message(text={"body": "x" * 3_000_000}))
    assert answer_of(signed(big)) == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity", "GZIP"])
def test_07_compressed_bodies_are_refused(encoding: str) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    assert answer_of(signed(bomb, headers={"content-encoding": encoding})) == 415
    assert answer_of(signed(headers={"content-encoding": "identity"})) == 200


@pytest.mark.parametrize(
    "body",
    [
        *(b"[" * 100_000, b'{"a":' * 65 + b"1" + b"}" * 65, b'{"a":NaN}', b'{"a":1e999}'),
        *(b'{"a":' + b"9" * 5000 + b"}", b'{"a":1,"a":2}', b'\xef\xbb\xbf{"a":1}'),
        *('{"a":1}'.encode("utf-16"), b'{"a":"\xff"}', b'{"a":"\\ud800"}', b""),
    ],
    ids=range(11),
)
def test_08_what_is_not_strict_json_is_400(body: bytes) -> None:
    assert answer_of(signed(body, topic="ticket/update")) == 400


def test_08_a_body_that_is_too_deep_for_the_parser_is_400(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnichat_async.webhooks.body.MAX_DEPTH", 10**9)
    assert answer_of(signed(b'{"a":' + b"[" * 100_000, topic="ticket/update")) == 400


@pytest.mark.parametrize("kind", ["", "text/plain", "application/jsonp", "multipart/form-data"])
def test_09_a_wrong_content_type_is_415(kind: str) -> None:
    assert answer_of(signed(headers={"content-type": kind})) == 415


def test_10_odd_envelopes_do_no_harm_and_items_are_capped() -> None:
    entries: list[Any] = [None, "x", 3, [None], [{}], [{"changes": None}], [{"changes": ["x"]}]]
    for entry in entries:
        assert answer_of(signed({"object": "whatsapp_business_account", "entry": entry})) == 200
    assert answer_of(signed([1])) == 400
    many = to_bytes(whatsapp_body(*[{"id": "1"}] * 100_000))
    assert len(many) < Limits().max_body
    assert answer_of(signed(many)) == 413
    assert answer_of(signed(agent_body(*[{}] * 5001))) == 413
    assert len(parse_whatsapp(to_bytes(whatsapp_body(*[whatsapp_message()] * 1000)))) == 1000


def test_10_what_is_stored_is_bounded_too() -> None:
    wide = {"phone_number_id": "1", "padding": "x" * 90_000}
    body = whatsapp_body(*[whatsapp_message(id=str(n)) for n in range(50)], metadata=wide)
    assert answer_of(signed(body), limits=Limits(max_body=200_000)) == 413
    assert answer_of(signed(body)) == 200


# ---- 11 to 16: what is said --------------------------------------------------------------------


def test_11_the_challenge_comes_back_as_plain_text_only() -> None:
    async def main() -> None:
        async with make() as receiver:
            answer = await receiver.handle(handshake_request(TOKEN, "<script>"))
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            for challenge in ("", "x" * 257, "a\nb", "王", "\x00"):
                refused = await receiver.handle(handshake_request(TOKEN, challenge))
                assert (refused.status, refused.body) == (400, b"")
            assert (await receiver.handle(handshake_request(TOKEN, "x" * 256))).status == 200

    run_virtual(main())


def test_12_x_forwarded_for_is_believed_only_from_trusted_proxies() -> None:
    def accepts(auth: AllowNetworks, peer: str | None, *lines: str) -> bool:
        headers = [("X-Forwarded-For", line) for line in lines]
        return auth.accepts(WebhookRequest(method="POST", headers=headers, peer=peer), b"")

    direct = AllowNetworks(["203.0.113.0/24", "2001:db8::/32"])
    assert accepts(direct, "203.0.113.7")
    assert accepts(direct, "2001:db8::1")
    assert not accepts(direct, "198.51.100.1", "203.0.113.7")
    assert not accepts(direct, None)
    assert not accepts(direct, "unix:")
    assert accepts(direct, "::ffff:203.0.113.7")
    assert not accepts(direct, "::ffff:198.51.100.1")
    behind = AllowNetworks(["203.0.113.0/24"], trusted_proxies=1)
    assert accepts(behind, "10.0.0.1", "198.51.100.1, 203.0.113.7")
    assert not accepts(behind, "10.0.0.1", "203.0.113.7, 198.51.100.1")
    assert not accepts(behind, "10.0.0.1", "203.0.113.7", "198.51.100.1")
    assert not accepts(behind, "203.0.113.7")
    for networks in ([], ["nonsense"]):
        with pytest.raises(ConfigurationError):
            AllowNetworks(networks)


def test_13_headers_are_checked_before_they_name_anything() -> None:
    headers = {"X-Omnichat-Topic": "ticket/\nFORGED LINE", "X-Omnichat-Event-Id": "a b\n" * 99}
    (event,) = parse_event(BODY, headers)
    assert event.name == "unknown topic"
    assert event.headers["X-Omnichat-Event-Id"] == (
        hashlib.sha256(("a b\n" * 99).encode()).hexdigest()
    )
    long = parse_event(BODY, {"X-Omnichat-Topic": f"a/{'b' * 1000}"})[0]
    assert long.name == "unknown topic"
    (agent,) = room.parse_ai_agent(to_bytes(agent_body({"type": "x\nFORGED", "id": "1"})))
    assert agent.name == "unknown"


def test_14_logs_and_reprs_hold_no_personal_data_and_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    hidden = [PHONE, EMAIL, NAME, TEXT, SECRET, TOKEN, sign(BODY, SECRET)]

    async def main() -> None:
        receiver = make(ack="handled", limits=Limits(max_body=50_000))

        @receiver.on_any
        async def fails(event: Any, _: Any) -> None:
            raise ValueError(f"{PHONE} {EMAIL} {TEXT}")

        async with receiver:
            for sample in SAMPLES:
                await receiver.handle(signed(sample.body, topic=sample.topic or None))
            for request in (
                signed(headers={"x-omnichat-signature": "0" * 64}),
                signed(f'{{"a":"{PHONE}"'.encode(), topic="ticket/update"),
                handshake_request(TOKEN, "\n"),
                handshake_request(f"{TOKEN}x"),
            ):
                for _ in range(4):
                    await receiver.handle(request)
                caplog.records[-1:]
                logging.getLogger().info("%r", request)
            logging.getLogger().info("%r %r", receiver, Secret(SECRET))

    run_virtual(main())
    assert "ValueError at test_security.py:" in caplog.text
    assert "not genuine" in caplog.text
    events = [event for sample in SAMPLES for event in sample.parse()]
    new = whatsapp_message(type="hologram", hologram={"body": TEXT}, text=OMIT)
    events += parse_whatsapp(to_bytes(whatsapp_body(new)))
    records = records_of(events, "", 10**9)
    jobs = [Job(id=1, token="t", attempt=1, record=each) for each in records]
    stored = [Stored(record=each, state="dead", attempts=1, error=None) for each in records]
    shown = f"{caplog.text} {events} {records} {jobs} {stored}"
    for event in events:
        data, context = getattr(event, "data", None), getattr(event, "context", None)
        shown += f"{data!r} {context!r} {getattr(data, 'content', None)!r}"
        shown += f"{getattr(context, 'contacts', None)!r} {event.problems}"
    assert [each for each in hidden if each in shown] == []


def test_15_the_inbox_is_private_encrypted_if_asked_and_forgets(tmp_path: Path) -> None:
    def turned(body: bytes) -> bytes:
        return bytes(255 - each for each in body)

    async def main() -> None:
        path = tmp_path / "inbox.db"
        now = 1e9
        inbox = SqliteInbox(path, encrypt=turned, decrypt=turned, clock=lambda: now)
        seen = Seen()
        async with make(seen, inbox=inbox) as receiver:
            await post(
                receiver, signed(event_data("ticket/update", subject=TEXT), topic="ticket/update")
            )
            await until(lambda: seen.events)
            assert seen.events[0].raw["subject"] == TEXT
            files = list(tmp_path.iterdir())  # noqa: ASYNC240
            modes = {each.name: each.stat().st_mode & 0o777 for each in files}
            assert set(modes) >= {"inbox.db", "inbox.db-wal"}
            assert set(modes.values()) == {0o600}
            kept = b"".join(each.read_bytes() for each in files)
            assert b"ticket/update" in kept
            assert TEXT.encode() not in kept
            assert PHONE.encode() not in kept

    run(main())
    with pytest.raises(ValueError, match="both or none"):
        SqliteInbox(tmp_path / "x.db", encrypt=turned)

    async def forgets() -> None:
        clock = {"now": 1e9}
        inbox = SqliteInbox(tmp_path / "old.db", clock=lambda: clock["now"])
        await inbox.put([_record(TEXT.encode())], dead="ValueError")
        clock["now"] += 13 * 86_400
        assert await inbox.prune() == 0
        clock["now"] += 2 * 86_400
        assert await inbox.prune() == 1
        await inbox.aclose()
        assert TEXT.encode() not in (tmp_path / "old.db").read_bytes()

    run(forgets())


def test_15_a_receiver_forgets_what_is_old_by_itself() -> None:
    async def main() -> None:
        inbox = MemoryInbox(retention=86_400, clock=lambda: asyncio.get_running_loop().time())
        await inbox.put([attrs.evolve(_record(b"{}"), received=0.0)], dead="ValueError")
        async with make(inbox=inbox):
            await asyncio.sleep(80_000)
            assert (await inbox.counts())["dead"] == 1
            await asyncio.sleep(10_000)
            assert (await inbox.counts())["dead"] == 0

    run_virtual(main(), limit_s=100_000)


def _record(body: bytes) -> Any:
    return Record(key="k", lane="k", name="n", headers={}, body=body, received=1e9)


def test_16_refusals_have_no_body_and_no_version() -> None:
    async def main() -> None:
        async with make() as receiver:
            for request in (
                signed(headers={"x-omnichat-signature": ""}),
                signed(b"{", topic="ticket/update"),
                handshake_request("wrong"),
                WebhookRequest.to("/", "DELETE"),
            ):
                answer = await receiver.handle(request)
                assert answer.status >= 400
                assert answer.body == b""
                assert "omnichat" not in json.dumps(answer.headers).lower()

    run_virtual(main())


# ---- 17 to 22 ----------------------------------------------------------------------------------


def test_17_addresses_in_payloads_are_never_fetched() -> None:
    """The room could not if it wanted to: it has no way to speak to anybody."""
    speaking = {"aiohttp", "socket", "urllib.request", "http.client", "ssl", "requests", "httpx"}
    imported: set[str] = set()
    for file in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module)
    assert "json" in imported
    assert imported & speaking == set()
    assert not any(name.startswith("omnichat_async.transport") for name in imported)


def test_17_an_image_at_a_local_server_is_left_alone() -> None:
    async def main() -> None:
        calls: list[int] = []
        server = await asyncio.start_server(lambda *_: calls.append(1), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x.png"
        seen = Seen()
        async with make(seen, ack="handled") as receiver:
            image = {"id": "1", "url": url}
            await post(receiver, signed(whatsapp_body(whatsapp_message("image", image=image))))
            photo = event_data("customer/channel_omo_binding", agentPhotoUrl=url)
            await post(receiver, signed(photo, topic="customer/channel_omo_binding"))
        server.close()
        await server.wait_closed()
        assert len(seen.events) == 2
        assert calls == []

    run(main())


def test_18_the_team_header_separates_nothing_but_scope_does() -> None:
    async def main() -> None:
        seen = Seen()
        inbox = MemoryInbox()
        async with make(seen, inbox=inbox, scope="one") as receiver:
            for team in ("Shop A", "Shop B"):
                await post(receiver, signed(event_id="e", headers={"x-omnichat-team": team}))
            assert sum((await inbox.counts()).values()) == 1
            receiver._scope = "two"
            await post(receiver, signed(event_id="e"))
            assert sum((await inbox.counts()).values()) == 2

    run(main())


def test_18_a_sender_of_one_scope_does_not_wait_for_the_same_of_another() -> None:
    (event,) = parse_event(BODY, {"X-Omnichat-Topic": "ticket/update"})
    (one,), (two,) = (records_of([event], scope, 10**6) for scope in ("one", "two"))
    assert one.lane != two.lane
    assert one.key != two.key


def test_19_keys_are_hashes_of_one_length() -> None:
    async def main() -> None:
        keys: list[str] = []

        class Store(room.MemoryDedupe):
            async def claim(self, key: str, lease: float) -> Any:
                keys.append(key)
                return await super().claim(key, lease)

        async with make(ack="handled", dedupe=Store()) as receiver:
            long = whatsapp_message(id="w" * 100_000, **{"from": PHONE})
            await post(receiver, signed(whatsapp_body(long)))
            await post(receiver, signed())
        assert [len(key) for key in keys] == [64, 64]
        assert all(set(key) <= set("0123456789abcdef") for key in keys)

    run_virtual(main())


def test_20_a_flood_does_not_grow_memory() -> None:
    async def main() -> tuple[int, set[int]]:
        receiver = make(limits=Limits(max_buffered=1_000_000, max_body=100_000))
        receiver._inbox = MemoryInbox(max_open=10, keep=10)
        gate = asyncio.Event()

        async def stuck(_: Any, __: Any) -> None:
            await gate.wait()

        receiver.on_any(stuck)

        async def slow(size: int) -> AsyncIterator[bytes]:
            yield b"x" * size
            await asyncio.sleep(0.05)

        async with receiver:
            tracemalloc.start()
            statuses: set[int] = set()
            for _ in range(4):
                junk = [
                    receiver.handle(WebhookRequest(method="POST", body=slow(90_000)))
                    for _ in range(100)
                ]
                statuses |= {each.status for each in await asyncio.gather(*junk)}
                for _ in range(20):
                    statuses.add((await receiver.handle(signed())).status)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            gate.set()
        return peak, statuses

    peak, statuses = run(main())
    assert statuses == {200, 401, 503}
    assert peak < 15_000_000  # 100 bodies at once would be 9 MB of chunks and 9 MB joined


def test_20_what_waits_is_bounded() -> None:
    async def main() -> None:
        receiver = make()
        receiver._inbox = MemoryInbox(max_open=10, keep=10)
        gate = asyncio.Event()

        @receiver.on_any
        async def stuck(_: Any, __: Any) -> None:
            await gate.wait()

        async with receiver:
            statuses = [(await post(receiver, signed()))[0] for _ in range(40)]
            assert statuses == [200] * 10 + [503] * 30
            gate.set()

    run(main())


def test_20_the_room_for_bodies_is_given_back() -> None:
    async def main() -> None:
        intake = Intake(Limits(max_buffered=100))
        for body in (b"x" * 90, b"x" * 90):
            async with intake.body_of(WebhookRequest(method="POST", body=body)) as read:
                assert read == body
                with pytest.raises(room.WebhookRefused) as caught:
                    async with intake.body_of(WebhookRequest(method="POST", body=b"x" * 11)):
                        pass
                assert caught.value.status == 503

    run_virtual(main())


def test_21_the_docs_say_what_is_the_proxys_work() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert "mTLS" in text
    assert "allow list" in text
    assert "reverse proxy" in text


def test_22_secrets_are_masked_and_survive_pickling() -> None:
    secret = Secret(SECRET)
    assert pickle.loads(pickle.dumps(secret)) == secret
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schemes = [OmnichatSignature(SECRET), MetaSignature(SECRET), SecretPath(SECRET)]
    shown = f"{secret!r} {secret} {[secret]} {schemes!r} {make()!r} {vars(schemes[0])}"
    assert SECRET not in shown
    assert TOKEN not in shown
    again = pickle.loads(pickle.dumps(schemes[0]))
    assert again.accepts(signed(), BODY)
