"""The endpoints over HTTP: shapes, paging, borders, refusals."""

from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from yarl import URL

from omnichat_async.sandbox import PLATFORMS, Sandbox, SandboxConfig, create_app

from .support import DAY_MS, END_MS, START_MS, WEEK_MS, Answer, Client, refusal, small, visit

# The keys of the samples in the documents.
MESSAGE = {
    *("channel", "id", "time", "senderName", "senderUserId", "senderPhone", "senderEmail"),
    *("senderType", "messageType", "messageStatus", "message", "mediaUrl", "roomId"),
    "customerUserId",
}
CONTACT_BRIEF = {
    *("channel", "id", "name", "lastMessageTime", "tags", "status", "note", "email", "phone"),
    *("memberId", "agentName", "agentEmployeeCode", "agentBindTime", "agentLocationName"),
    "agentLocationCode",
}
CONTACT = CONTACT_BRIEF | {"subscribedAt", "unsubscribedAt", "updatedAt", "customAttributes"}
ORDER = {
    *("orderId", "currency", "total", "date", "memberId", "linkSentTime", "linkClickedTime"),
    *("considerationTime", "agentName", "agentEmployeeCode", "agentLocationName"),
    "agentLocationCode",
}
TAGGING = {"time", "platform", "channelId", "userId", "tag", "source", "messageId"}
TEAMMATE = {"name", "employeeCode", "shopLocations", "messageCount"}

LISTS: dict[str, tuple[str, str, str, str, dict[str, str]]] = {
    # stream: path, after, before, total key, other parameters
    "messages": ("/messages", "after", "before", "totalElement", {"platform": "whatsapp"}),
    "contacts": (
        *("/contacts", "updatedAfter", "updatedBefore", "totalElements"),
        {"platform": "webchat"},
    ),
    "orders": (
        *("/reports/product-referral-links/orders", "after", "before", "totalElements"),
        {},
    ),
    "tagging_logs": (
        *("/tagging-logs/records", "taggedAfter", "taggedBefore", "totalElements"),
        {},
    ),
    "teammates": ("/reports/messages", "after", "before", "totalElements", {}),
}


async def _list(client: Client, stream: str, after: int, before: int, **more: object) -> Answer:
    path, after_key, before_key, _, params = LISTS[stream]
    return await client.get(path, **{after_key: after, before_key: before, **params, **more})


def _one_list(sandbox: Sandbox, stream: str, after: int, before: int, **more: object) -> Answer:
    return visit(sandbox, lambda client: _list(client, stream, after, before, **more))


def _get(path: str, **params: object) -> Answer:
    return visit(small(), lambda client: client.get(path, **params))


@pytest.mark.parametrize("stream", LISTS)
def test_list_shape(stream: str) -> None:
    answer = _one_list(small(), stream, START_MS, START_MS + WEEK_MS, pageSize=100)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Date" in answer.headers
    assert "X-Omnichat-Arkham-Trace-Id" in answer.headers
    assert set(answer.json) == {"content", LISTS[stream][3]}


def test_row_shapes() -> None:
    sandbox = small(rows=1000)
    window = (START_MS, END_MS)
    for row in sandbox.rows("messages", *window, "facebook"):
        assert set(row) == MESSAGE
        assert set(row["channel"]) == {"platform", "channelId"}  # type: ignore[call-overload]
    for row in sandbox.rows("messages", *window, "whatsapp"):
        assert set(row) - {"bsuid"} == MESSAGE
    shapes = {frozenset(row) for row in sandbox.rows("contacts", *window, "line")}
    assert shapes == {frozenset(CONTACT), frozenset(CONTACT_BRIEF)}
    shapes = {frozenset(row) for row in sandbox.rows("orders", *window)}
    assert shapes == {frozenset(ORDER), frozenset(ORDER | {"91appOrderId"})}
    assert all(set(row) == TAGGING for row in sandbox.rows("tagging_logs", *window))
    for row in sandbox.rows("teammates", *window):
        assert set(row) == TEAMMATE
        for count in row["messageCount"]:  # type: ignore[attr-defined]
            assert set(count) == {"platform", "messages", "productReferralLinks"}


def test_webchat_is_spelled_as_the_documents_do() -> None:
    sandbox = small(rows=50)
    message = next(sandbox.rows("messages", START_MS, END_MS, "webchat"))
    contact = next(sandbox.rows("contacts", START_MS, END_MS, "webchat"))
    assert message["channel"] == {"platform": "website", "channelId": "website"}
    assert contact["channel"] == {"platform": "webchat", "channelId": "webchat"}


WINDOWS = [
    (START_MS, START_MS + WEEK_MS),
    (START_MS + 1, START_MS + DAY_MS),
    (START_MS + DAY_MS - 1, START_MS + DAY_MS),
    (START_MS + DAY_MS, START_MS + DAY_MS + 1),
    (START_MS + WEEK_MS + 1, START_MS + WEEK_MS + DAY_MS - 1),
    (START_MS - 5, START_MS + 12_345_677),
    (END_MS - 777_777, END_MS + 5),
]


@pytest.mark.parametrize("order", ["asc", "desc", "id"])
@pytest.mark.parametrize("stream", LISTS)
def test_pages_together_are_the_truth(stream: Any, order: Any) -> None:
    sandbox = small(rows=2000, order=order)
    platform = LISTS[stream][4].get("platform")

    async def steps(client: Client) -> None:
        for after, before in WINDOWS:
            rows: list[object] = []
            page = 0
            while True:
                page += 1
                answer = await _list(client, stream, after, before, page=page, pageSize=33)
                assert answer.json[LISTS[stream][3]] == sandbox.count(
                    stream, after, before, platform
                )
                rows += answer.json["content"]
                if not answer.json["content"]:  # past the end: empty, the same total
                    break
            assert rows == list(sandbox.rows(stream, after, before, platform))

    visit(sandbox, steps)


def test_ranges_are_half_open() -> None:
    sandbox = small()
    border = START_MS + 2 * DAY_MS
    for beside in (border - 1, border, border + 1):
        inside = list(sandbox.rows("messages", beside, beside + 1, "line"))
        assert inside
        assert all(row["time"] == beside for row in inside)
        longer = sandbox.count("messages", START_MS, beside + 1, "line")
        assert longer == sandbox.count("messages", START_MS, beside, "line") + len(inside)


@pytest.mark.parametrize("stream", LISTS)
def test_seven_days_to_the_millisecond(stream: str) -> None:
    assert _one_list(small(), stream, START_MS, START_MS + WEEK_MS).status == 200
    answer = _one_list(small(), stream, START_MS, START_MS + WEEK_MS + 1)
    if stream == "tagging_logs":  # no longest range is documented
        assert answer.status == 200
    else:
        assert refusal(answer) == (400, "INVALID_REQUEST_PARAMETERS")
        after, before = LISTS[stream][1:3]
        sentence = f"The date range between {after} and {before} cannot exceed 7 days."
        assert answer.json["message"] == sentence


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"pageSize": 0}, "INVALID_REQUEST_PARAMETERS"),
        ({"pageSize": 101}, "INVALID_REQUEST_PARAMETERS"),
        ({"page": 0}, "INVALID_REQUEST_PARAMETERS"),
        ({"page": "one"}, "MISMATCH_TYPE"),
        ({"page": 2**31}, "MISMATCH_TYPE"),
        ({"after": 2**63}, "MISMATCH_TYPE"),
        ({"after": "1.5"}, "MISMATCH_TYPE"),
        ({"after": "١"}, "MISMATCH_TYPE"),
        ({"after": ""}, "MISSING_URL_PARAMETER"),
        ({"platform": ""}, "MISSING_URL_PARAMETER"),
        ({"platform": "telegram"}, "INVALID_REQUEST_PARAMETERS"),
        ({"before": START_MS}, "INVALID_REQUEST_PARAMETERS"),
        ({"limit": 5}, "INVALID_REQUEST_PARAMETERS"),
    ],
)
def test_bad_parameters(changes: dict[str, object], code: str) -> None:
    query = {"after": START_MS, "before": START_MS + 9, "platform": "line"} | changes
    assert refusal(_get("/messages", **query)) == (400, code)


def test_a_parameter_twice() -> None:
    query = f"?after={START_MS}&after={START_MS}&before={START_MS + 9}&platform=line"
    answer = _get("/messages" + query)
    assert refusal(answer) == (400, "INVALID_REQUEST_PARAMETERS")
    assert "after is given twice" in answer.json["message"]


def test_an_empty_channel_is_no_filter() -> None:
    query = f"?after={START_MS}&before={START_MS + DAY_MS}&platform=whatsapp&channelId"
    count = small().count("messages", START_MS, START_MS + DAY_MS, "whatsapp")
    assert _get("/messages" + query).json["totalElement"] == count > 0


def test_default_page_size() -> None:
    for stream in LISTS:
        answer = _one_list(small(), stream, START_MS, START_MS + WEEK_MS)
        assert len(answer.json["content"]) == 20


def test_channel_filter_over_http() -> None:
    sandbox = small()
    for channel in ("webchat-2", "website-2"):
        more = {"platform": "webchat", "channelId": channel, "pageSize": 100}
        answer = _one_list(sandbox, "messages", START_MS, START_MS + DAY_MS, **more)
        channels = {row["channel"]["channelId"] for row in answer.json["content"]}
        assert channels == {"website-2"}


@pytest.mark.parametrize(
    ("total_key", "keys"),
    [
        ("totalElements", {"totalElements"}),
        ("totalElement", {"totalElement"}),
        ("none", set()),
    ],
)
def test_total_key_is_forced(total_key: Any, keys: set[str]) -> None:
    for stream in ("messages", "orders"):
        answer = _one_list(small(total_key=total_key), stream, START_MS, START_MS + DAY_MS)
        assert set(answer.json) == {"content"} | keys


def test_page_cap_cuts_silently_and_loses_nothing() -> None:
    sandbox = small(page_cap=30)

    async def steps(client: Client) -> list[str]:
        ids: list[str] = []
        for page in range(1, 6):
            answer = await _list(
                client, "messages", START_MS, START_MS + DAY_MS, page=page, pageSize=100
            )
            assert len(answer.json["content"]) <= 30
            ids += [row["id"] for row in answer.json["content"]]
        return ids

    truth = list(sandbox.message_ids("whatsapp", START_MS, START_MS + DAY_MS))
    assert visit(sandbox, steps) == truth
    assert len(truth) > 100


def test_every_message_is_found_by_its_id() -> None:
    sandbox = small()

    async def steps(client: Client) -> None:
        for platform in PLATFORMS:
            for row in sandbox.rows("messages", START_MS, START_MS + 5_000_000, platform):
                path = "/messages/" + quote(str(row["id"]), safe="")
                url = URL(sandbox.url + path, encoded=True)
                async with client.session.get(url) as response:
                    assert (await response.json()) == {"content": row}

    visit(sandbox, steps)
    ids = "".join(sandbox.message_ids("whatsapp", START_MS, START_MS + 5_000_000))
    assert "/" in ids


def test_unknown_and_future_messages() -> None:
    sandbox = small(wall_ms=lambda: START_MS + DAY_MS)
    later = next(small().message_ids("line", START_MS + 2 * DAY_MS, END_MS))
    for wanted in ("invented", later):
        answer = visit(sandbox, lambda client, wanted=wanted: client.get(f"/messages/{wanted}"))  # type: ignore[misc]
        assert refusal(answer) == (404, "NOT_FOUND")
    assert _get(f"/messages/{later}").status == 200


@pytest.mark.parametrize("platform", PLATFORMS)
def test_contacts_are_found_by_each_id(platform: str) -> None:
    sandbox = small(rows=200)
    rows = list(sandbox.rows("contacts", START_MS, END_MS, platform))

    async def steps(client: Client) -> set[str]:
        used: set[str] = set()
        for row in rows[:40]:
            channel = row["channel"]["channelId"]  # type: ignore[index]
            lookups = {"userId": "id"} | {
                name: name for name in ("bsuid", "memberId", "phone", "email") if row.get(name)
            }
            for parameter, field in lookups.items():
                answer = await client.get(
                    "/contacts",
                    **{"platform": platform, "channelId": channel, parameter: row[field]},
                )
                assert answer.json == {"content": [row], "totalElements": 1}, parameter
            used |= set(lookups)
        return used

    expected = {"userId", "memberId", "phone", "email"}
    assert visit(sandbox, steps) == expected | ({"bsuid"} if platform == "whatsapp" else set())


def test_contacts_not_found() -> None:
    sandbox = small(rows=200)
    rows = list(sandbox.rows("contacts", START_MS, END_MS, "line"))
    own, other = PLATFORMS["line"].channels
    lookups: list[dict[str, object]] = [
        {"userId": "nobody", "channelId": own},
        {"userId": rows[0]["id"], "channelId": other},  # known, but in the other channel
        {"userId": rows[0]["id"], "channelId": own, "phone": "1"},  # one of two does not fit
        {"email": "user999999@example.com"},
        {"email": "someone@example.com"},
        {"memberId": "M1"},
    ]

    async def steps(client: Client) -> list[Answer]:
        return [await client.get("/contacts", platform="line", **lookup) for lookup in lookups]

    for answer in visit(sandbox, steps):
        assert refusal(answer) == (404, "USER_ID_NOT_FOUND")


def test_contacts_need_a_range_or_an_id() -> None:
    assert refusal(_get("/contacts", platform="line")) == (400, "INVALID_REQUEST_PARAMETERS")
    assert refusal(_get("/contacts", platform="line", updatedAfter=5))[0] == 400
    answer = _get("/contacts", platform="line", userId="U1")
    assert refusal(answer) == (400, "INVALID_REQUEST_PARAMETERS")
    assert answer.json["message"] == "userId needs channelId"


def test_a_wrong_token_is_refused_first_and_belongs_to_no_team() -> None:
    sandbox = small(limit=1)

    async def steps(client: Client) -> list[Answer]:
        return [await client.get("/messages", nonsense=1) for _ in range(3)]

    for answer in visit(sandbox, steps, token="wrong"):
        assert refusal(answer) == (401, "UNAUTHORIZED")
    assert (sandbox.stats().requests, sandbox.stats().unauthorized) == (0, 3)


def test_unknown_endpoints_are_404_and_count() -> None:
    sandbox = small()

    async def steps(client: Client) -> None:
        assert refusal(await client.get("/nowhere/at/all")) == (404, "NOT_FOUND")
        posted = await client.request("POST", client.sandbox.url + "/messages")
        assert refusal(posted) == (404, "NOT_FOUND")

    visit(sandbox, steps)
    assert sandbox.stats().requests == 2


def test_control_routes() -> None:
    sandbox = small(limit=1, monotonic_s=lambda: 5.0)
    window = {"after": START_MS, "before": END_MS}

    async def steps(client: Client) -> None:
        await client.get("/nowhere")
        stats = (await client.control("GET", "stats")).json
        assert stats["requests"] == stats["worst_second"] == 1
        assert (await client.control("POST", "reset")).status == 204
        assert (await client.control("GET", "stats")).json["requests"] == 0
        more = {"stream": "messages", "platform": "line", "channelId": "1650000002"}
        answer = await client.control("GET", "count", **window, **more)
        truth = sandbox.count("messages", START_MS, END_MS, "line", "1650000002")
        assert answer.json == {"count": truth}
        for bad in (
            {"stream": "mails"},
            {"stream": "orders", "platform": "line"},
            {"stream": "messages", "platform": "telegram"},
        ):
            answer = await client.control("GET", "count", **window, **bad)
            assert refusal(answer) == (400, "INVALID_REQUEST_PARAMETERS")

    visit(sandbox, steps)


def test_distance_and_jitter_lose_nothing() -> None:
    answer = _one_list(small(rtt_ms=2, jitter_ms=1), "orders", START_MS, START_MS + DAY_MS)
    assert answer.status == 200


def test_life_cycle() -> None:
    sandbox = small()
    with pytest.raises(RuntimeError, match="start"):
        _ = sandbox.url

    async def steps(client: Client) -> None:
        with pytest.raises(RuntimeError, match="runs already"):
            await sandbox.start()
        port = int(sandbox.url.rsplit(":", 1)[1].removesuffix("/v1"))
        second = small(port=port)
        with pytest.raises(OSError, match="address already in use"):
            await second.start()
        await second.aclose()

    visit(sandbox, steps)
    visit(sandbox, lambda client: client.get("/nowhere"))  # it can be started again


def test_create_app() -> None:
    app = create_app(SandboxConfig(rows=1))
    assert isinstance(app, web.Application)
