"""What answers and failures mean, as tables."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnichat_async.calls import Call, Safety
from omnichat_async.classify import (
    BUSINESS_CODES,
    Failure,
    Phase,
    Reply,
    classify,
    parse_retry_after,
    read_error,
    to_error,
    trace_id,
)
from omnichat_async.errors import (
    APIError,
    BadRequest,
    ContactNotReachable,
    ContactUnsubscribed,
    MarketingMessagesLiteNotEnabled,
    NotFound,
    NotSent,
    OmnichatError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    ServerError,
    Unauthorized,
)
from omnichat_async.retries import may_repeat
from tests.support.builders import SECRETS, make_call, make_failure, make_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

READ, REPEATABLE, ONCE = Safety.READ, Safety.REPEATABLE, Safety.ONCE


def failure_of(call: Call[Any], reply: Reply) -> Failure:
    failure = classify(call, reply)
    assert failure is not None
    assert failure.reply is reply
    return failure


def error_of(reply: Reply, safety: Safety = READ) -> OmnichatError:
    call = make_call(safety)
    return to_error(call, failure_of(call, reply), 1)


# ---- replies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "is_json", "parsed"),
    [
        (b"", False, None),
        (b"{}", True, {}),
        (b"null", True, None),
        (b"<html>", False, None),
        (b"NaN", False, None),
        (b"\xff", False, None),
        (b"[" * 100_000, False, None),
    ],
)
def test_a_reply_knows_whether_it_is_json(body: bytes, is_json: bool, parsed: Any) -> None:
    reply = Reply(200, {}, body)
    assert (reply.json, reply.whole) == ((is_json, parsed), True)


def test_a_reply_and_a_failure_say_how_long_to_wait() -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    reply = make_reply(429, headers={"retry-after": date, "date": date.replace("37", "30")})
    assert reply.retry_after == 7
    assert Failure(Phase.REJECTED, "r", reply=reply).retry_after == 7
    assert Failure(Phase.UNKNOWN, "r").retry_after is None
    assert make_reply(429).retry_after is None


def test_a_failure_is_throttled_by_429_alone() -> None:
    assert make_failure(status=429).throttled is True
    assert make_failure(status=503, retry_after="1").throttled is False
    assert make_failure(Phase.NOT_SENT).throttled is False


def test_nobody_has_decided_about_a_new_failure() -> None:
    failure = Failure(Phase.NOT_SENT, "no route")
    assert (failure.wait, failure.transient, failure.reply) == (None, True, None)
    assert (str(failure), failure.reason) == ("no route", "no route")


# ---- Retry-After -------------------------------------------------------------------------------

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.fixture(params=["UTC", "Asia/Taipei", "America/Los_Angeles"])
def time_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The local zone of the machine, which no header may depend on."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system has no tzset")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        ("120", 120.0),
        ("0.25", 0.25),
        (" 3 ", 3.0),
        ("1e3", 1000.0),
        ("99999999999", 99_999_999_999.0),
        (None, None),
        ("", None),
        (" ", None),
        ("-1", None),
        ("-0.1", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("Infinity", None),
        ("9" * 400, None),
        ("soon", None),
        ("1s", None),
        ("5, 5", None),
        ("2024", 2024.0),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +9999999", None),
    ],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, DATE) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:50:07 GMT",
        "Sunday, 06-Nov-94 08:50:07 GMT",
        "Sun Nov  6 08:50:07 1994",
        "Sun, 06 Nov 1994 08:50:07 -0000",
        "Sun, 06 Nov 1994 16:50:07 +0800",
    ],
)
@pytest.mark.parametrize(
    "date", [DATE, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
@pytest.mark.usefixtures("time_zone")
def test_retry_after_as_a_date_is_compared_with_the_answers_own(value: str, date: str) -> None:
    assert parse_retry_after(value, date) == 30


def test_a_date_that_has_passed_means_now() -> None:
    assert parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", DATE) == 0
    assert parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT") == 0


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_date_without_a_date_to_compare_uses_the_clock(
    date: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnichat_async.classify.time.time", lambda: 1000.0)
    assert parse_retry_after(formatdate(1060, usegmt=True), date) == 60


@given(st.none() | st.text(), st.none() | st.text())
def test_no_header_can_break_it(value: str | None, date: str | None) -> None:
    seconds = parse_retry_after(value, date)
    assert seconds is None or seconds >= 0


# ---- error bodies ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"errorCode": "A", "message": "m"}, "A", "m"),
        ({"errorCode": "", "message": ""}, "", ""),
        ({"errorCode": None, "message": None}, "", ""),
        ({"errorCode": None, "code": "B"}, "B", ""),
        ({"message": "OCE::BAD_REQUEST::no userId"}, "OCE::BAD_REQUEST", "no userId"),
        ({"errorCode": "", "message": "OCE::BAD_REQUEST::x"}, "OCE::BAD_REQUEST", "x"),
        ({"message": "OCE::INTERNAL_SERVER_ERROR::a\nb"}, "OCE::INTERNAL_SERVER_ERROR", "a\nb"),
        ({"errorCode": "A", "message": "OCE::BAD_REQUEST::x"}, "A", "OCE::BAD_REQUEST::x"),
        ({"message": "see OCE::BAD_REQUEST::x"}, "", "see OCE::BAD_REQUEST::x"),
        ({"content": {"code": "C", "message": "m", "status": 500}}, "C", "m"),
        ({"error": {"message": "m", "type": "OAuthException", "code": 131047}}, "131047", "m"),
        ({"content": "x", "error": {"code": 5}}, "5", ""),
        ({"error": "Bad Gateway", "message": "m"}, "", "m"),
        ({"errorCode": ["A"], "message": ["m"]}, "", ""),
        ({"errorCode": 1.5, "message": 5}, "", ""),
        ({}, "", ""),
        ([], "", ""),
        ([{"errorCode": "A"}], "", ""),
        ("A", "", ""),
        (None, "", ""),
        (5, "", ""),
    ],
)  # fmt: skip
def test_every_shape_of_an_error_body(body: Any, code: str, message: str) -> None:
    assert read_error(body) == (code, message)


@pytest.mark.parametrize(
    "body", [b"", b"<html><h1>502 Bad Gateway</h1></html>", b"[]", b'"x"', b"{", b"\xff\xfe"]
)
@pytest.mark.parametrize(("status", "cls"), [(400, BadRequest), (502, ServerError)])
def test_a_body_that_says_nothing_leaves_the_status(
    body: bytes, status: int, cls: type[APIError]
) -> None:
    error = error_of(make_reply(status, body))
    assert type(error) is cls
    assert (error.code, error.message, error.body) == ("", "", body)


# ---- what an error is raised as ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (300, APIError),
        (301, APIError),
        (304, APIError),
        (399, APIError),
        (400, BadRequest),
        (401, Unauthorized),
        (403, PermissionDenied),
        (404, NotFound),
        (405, BadRequest),
        (408, BadRequest),
        (409, BadRequest),
        (424, BadRequest),
        (429, RateLimited),
        (499, BadRequest),
        (500, ServerError),
        (501, ServerError),
        (503, ServerError),
        (599, ServerError),
        (600, ServerError),
    ],
)
def test_a_status_alone(status: int, cls: type[APIError]) -> None:
    assert type(error_of(make_reply(status))) is cls


CODES: list[tuple[int, str, str, type[APIError]]] = [
    (400, "INVALID_REQUEST_PARAMETERS", "", BadRequest),
    (400, "INVALID_REQUEST_PARAMETER", "", BadRequest),
    (400, "INVALID_REQUEST_BODY", "", BadRequest),
    (400, "INVALID_FORMAT", "", BadRequest),
    (400, "MISMATCH_TYPE", "", BadRequest),
    (400, "MISSING_URL_PARAMETER", "", BadRequest),
    (400, "INVALID_PLATFORM", "", BadRequest),
    (400, "INVALID_CUSTOM_ATTRIBUTE", "", BadRequest),
    (400, "INVALID_BROADCAST_MESSAGE", "more than one type in the list", BadRequest),
    (400, "CHANNEL_ID_NOT_FOUND", "", BadRequest),
    (400, "AGENT_NOT_FOUND", "", BadRequest),
    (400, "USER_ID_NOT_FOUND", "", NotFound),
    (400, "WEBCHAT_USER_NOT_FOUND", "", NotFound),
    (400, "CONTACT_NOT_FOUND", "", NotFound),
    (500, "CONTACT_NOT_FOUND", "", NotFound),
    (400, "CHATBOT_NOT_FOUND", "", NotFound),
    (404, "BROADCAST_NOT_FOUND", "", NotFound),
    (404, "ROOM_NOT_FOUND", "", NotFound),
    (404, "NOT_FOUND", "Can't find the Room=r in team=t", NotFound),
    (400, "CONTACT_UNSUBSCRIBED", "", ContactUnsubscribed),
    (400, "CONTACT_NOT_REACHABLE", "", ContactNotReachable),
    (500, "CONTACT_UNSUBSCRIBED", "", ContactUnsubscribed),
    (500, "MARKETING_MESSAGES_LITE_NOT_ENABLED", "", MarketingMessagesLiteNotEnabled),
    (400, "NOT_ALLOWED_ASSIGN_TO_HUMAN", "", BadRequest),
    (400, "NOT_ALLOWED_TO_CLOSE_ROOM", "Not allowed to close room", BadRequest),
    (400, "INVALID_REQUEST_BODY", "roomId not found", NotFound),
    (400, "INVALID_REQUEST_BODY", "roomId is required", BadRequest),
    (400, "INVALID_REQUEST_BODY", "The room status is not supported, RoomStatus=1", BadRequest),
    (400, "INVALID_REQUEST_BODY", "trigger rule not available", BadRequest),
    (424, "LINE_API_EXCEPTION", "Invalid reply token", BadRequest),
    (500, "INVALID_REQUEST_BODY", "", BadRequest),
    (500, "INTERNAL_SERVER_ERROR", "", ServerError),
    (500, "UNEXPECTED_ERROR", "thing not found", ServerError),
    (400, "UNEXPECTED_ERROR", "", BadRequest),
    (400, "A_NEW_CODE", "thing not found", BadRequest),
    (503, "A_NEW_CODE", "", ServerError),
    (302, "A_NEW_CODE", "", APIError),
    (401, "INVALID_REQUEST_BODY", "", Unauthorized),
    (403, "INVALID_REQUEST_BODY", "not found", PermissionDenied),
]
OCE_TEXTS: list[tuple[str, type[APIError]]] = [
    ("userId is required", BadRequest),
    ("channelId is required", BadRequest),
    ("platform is required", BadRequest),
    ("platform (wechat) is not supported yet", BadRequest),
    ("Platform not found: x", NotFound),
    ("Channel not found: 852", NotFound),
    ("WhatsappAccUserDoc not found: 852", NotFound),
    ("No valid agent identifier provided", BadRequest),
    ("At least one of agentEmail, agentPhone, or agentEmployeeCode must be provided", BadRequest),
    ("agentShopLocationCode is required when agentEmployeeCode is provided", BadRequest),
    ("team (t) is not supported to use Open API Customer Service", PermissionDenied),
    ("Missing arkhamApiToken in systemSetting", PermissionDenied),
    ("Unauthenticated access token", Unauthorized),
    ("UNAUTHENTICATED ACCESS TOKEN", Unauthorized),
    ("something new", BadRequest),
]


@pytest.mark.parametrize(("status", "code", "message", "cls"), CODES)
def test_a_code_is_raised_as_what_it_means(
    status: int, code: str, message: str, cls: type[APIError]
) -> None:
    for body in (
        {"errorCode": code, "message": message},
        {"content": {"code": code, "message": message, "status": status}},
    ):
        error = error_of(make_reply(status, body))
        assert type(error) is cls
        assert isinstance(error, APIError)
        assert (error.status, error.code, error.message) == (status, code, message)


@pytest.mark.parametrize(("message", "cls"), OCE_TEXTS)
def test_a_text_without_a_code_is_raised_as_what_it_means(
    message: str, cls: type[APIError]
) -> None:
    error = error_of(make_reply(400, {"message": f"OCE::BAD_REQUEST::{message}"}))
    assert type(error) is cls
    assert isinstance(error, APIError)
    assert (error.code, error.message) == ("OCE::BAD_REQUEST", message)


def test_a_failed_room_call_is_a_server_error() -> None:
    reply = make_reply(500, {"message": "OCE::INTERNAL_SERVER_ERROR::boom"})
    assert type(error_of(reply, REPEATABLE)) is ServerError
    assert failure_of(make_call(REPEATABLE), reply).transient is True


def test_every_code_that_has_a_class_is_a_final_refusal() -> None:
    classes = (NotFound, ContactUnsubscribed, ContactNotReachable, MarketingMessagesLiteNotEnabled)
    for cls in classes:
        assert cls.codes <= BUSINESS_CODES


# ---- phases ------------------------------------------------------------------------------------

R, U = Phase.REJECTED, Phase.UNKNOWN

STATUSES: list[tuple[int, Phase, Phase, bool]] = [
    # status, phase if it may be repeated, phase if not, transient
    (199, R, R, False),
    (300, R, R, False),
    (302, R, R, False),
    (400, R, R, False),
    (401, R, R, False),
    (403, R, R, False),
    (404, R, R, False),
    (408, R, U, True),
    (409, R, R, False),
    (424, R, R, False),
    (429, R, R, True),
    (500, R, U, True),
    (501, R, R, False),
    (502, R, U, True),
    (503, R, U, True),
    (504, R, U, True),
    (505, R, R, False),
    (520, R, U, True),
]


@pytest.mark.parametrize(("status", "repeatable", "once", "transient"), STATUSES)
@pytest.mark.parametrize("safety", Safety)
@pytest.mark.parametrize("whole", [True, False])
def test_how_far_a_request_got(
    status: int, repeatable: Phase, once: Phase, transient: bool, safety: Safety, whole: bool
) -> None:
    call = make_call(safety)
    failure = failure_of(call, make_reply(status, whole=whole))
    assert failure.phase is (once if safety is ONCE else repeatable)
    assert failure.transient is transient
    assert failure.reason == f"HTTP {status}"
    repeat = transient and (safety is not ONCE or status == 429)
    assert may_repeat(call, failure) is repeat


@pytest.mark.parametrize("safety", Safety)
@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_whole_answer_is_good_and_a_truncated_one_settles_nothing(
    status: int, safety: Safety
) -> None:
    call = make_call(safety)
    assert classify(call, make_reply(status, b"not even JSON")) is None
    failure = failure_of(call, make_reply(status, b'{"a', whole=False))
    assert (failure.phase, failure.transient) == (Phase.UNKNOWN, True)
    assert failure.reason == f"HTTP {status} with a truncated body"
    error = to_error(call, failure, 2)
    assert type(error) is OutcomeUnknown
    assert (error.status, error.body, error.attempts, error.__cause__) == (status, b'{"a', 2, None)


@pytest.mark.parametrize("safety", Safety)
@pytest.mark.parametrize("code", sorted(BUSINESS_CODES - {"OCE::BAD_REQUEST"}))
def test_a_refusal_on_business_grounds_is_never_repeated_even_as_a_500(
    code: str, safety: Safety
) -> None:
    call = make_call(safety)
    for body in ({"errorCode": code}, {"content": {"code": code, "status": 500}}):
        failure = failure_of(call, make_reply(500, body))
        assert (failure.phase, failure.transient) == (Phase.REJECTED, False)
        assert may_repeat(call, failure) is False
        assert isinstance(to_error(call, failure, 1), APIError)


# ---- the error a caller sees -------------------------------------------------------------------


def test_an_answer_is_handed_on_whole() -> None:
    call = make_call(REPEATABLE)
    headers = {"retry-after": "2.5", "x-omnichat-arkham-trace-id": "t1", "x": "y"}
    reply = make_reply(503, {"errorCode": "X", "message": "m"}, headers)
    error = to_error(call, failure_of(call, reply), 4)
    assert isinstance(error, ServerError)
    assert (error.status, error.code, error.message) == (503, "X", "m")
    assert (error.trace_id, error.headers, error.body) == ("t1", headers, reply.body)
    assert (error.call, error.attempts, error.retry_after) == (call, 4, 2.5)
    assert error.__cause__ is None


def test_a_server_error_about_a_call_with_an_effect_is_an_unknown_outcome() -> None:
    call = make_call(ONCE)
    reply = make_reply(502, {"errorCode": "X"}, {"x-omnichat-trace-id": "t"})
    error = to_error(call, failure_of(call, reply), 1)
    assert isinstance(error, OutcomeUnknown)
    assert (error.status, error.body, error.call) == (502, reply.body, call)
    assert error.safe_to_repeat is False
    cause = error.__cause__
    assert isinstance(cause, ServerError)
    assert (cause.code, cause.trace_id) == ("X", "t")


@pytest.mark.parametrize("safety", Safety)
def test_what_never_left_is_not_sent(safety: Safety) -> None:
    error = to_error(make_call(safety), Failure(Phase.NOT_SENT, "no route"), 3)
    assert isinstance(error, NotSent)
    assert (error.reason, error.attempts, error.call) == ("no route", 3, make_call(safety))


@pytest.mark.parametrize("phase", [Phase.UNKNOWN, Phase.REJECTED])
def test_without_an_answer_the_outcome_is_unknown(phase: Phase) -> None:
    error = to_error(make_call(ONCE), Failure(phase, "a reset"), 1)
    assert isinstance(error, OutcomeUnknown)
    assert (error.reason, error.status, error.body, error.__cause__) == ("a reset", None, b"", None)


@pytest.mark.parametrize("status", [400, 429, 500])
@pytest.mark.parametrize("safety", Safety)
def test_what_the_server_said_is_not_in_the_text(status: int, safety: Safety) -> None:
    said = " ".join(SECRETS.values())
    for body in ({"errorCode": said, "message": said}, {"message": f"OCE::BAD_REQUEST::{said}"}):
        error = error_of(make_reply(status, body), safety)
        for secret in SECRETS.values():
            assert secret not in f"{error} {error!r} {error.__cause__} {error.__cause__!r}"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"x-omnichat-arkham-trace-id": "a"}, "a"),
        ({"x-omnichat-trace-id": "b"}, "b"),
        ({"date": "d", "x-omnichat-new-thing-trace-id": "c", "x-omnichat-z-trace-id": "d"}, "c"),
        ({"x-omnichat-trace-name": "n", "x-trace-id": "t", "my-x-omnichat-trace-id": "m"}, None),
        ({"x-omnichat-trace-id-2": "n"}, None),
    ],
)
def test_trace_ids(headers: dict[str, str], expected: str | None) -> None:
    assert trace_id(headers) == expected
