"""Errors are data: they travel between processes, and they tell no secrets."""

from __future__ import annotations

import asyncio
import copy
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest

import omnichat_async
from omnichat_async import OmnichatClient, RateLimiter, errors
from omnichat_async.calls import Safety
from tests.support.builders import (
    SECRETS,
    every_error_class,
    make_call,
    make_error,
    secret_call,
)
from tests.support.wire import HostileServer, reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from omnichat_async.errors import OmnichatError

every_class = pytest.mark.parametrize("cls", every_error_class(), ids=lambda cls: cls.__name__)


def pickled(error: OmnichatError) -> OmnichatError:
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, errors.OmnichatError)
    return again


def test_every_class_is_public() -> None:
    names = {cls.__name__ for cls in every_error_class() if cls.__module__ == errors.__name__}
    assert names == set(errors.__all__)
    assert names <= set(omnichat_async.__all__)


@every_class
@pytest.mark.parametrize("duplicate", [pickled, copy.copy, copy.deepcopy])
def test_a_duplicate_is_equal(
    cls: type[OmnichatError], duplicate: Callable[[OmnichatError], OmnichatError]
) -> None:
    error = make_error(cls)
    error.add_note("seen by the job")
    again = duplicate(error)
    assert type(again) is cls
    assert again is not error
    assert vars(again) == vars(error)
    assert vars(again)["checkpoint"].page == 2
    assert (again.args, str(again), repr(again)) == (error.args, str(error), repr(error))


@every_class
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_pickles_in_every_protocol(cls: type[OmnichatError], protocol: int) -> None:
    error = make_error(cls)
    assert vars(pickle.loads(pickle.dumps(error, protocol))) == vars(error)


@every_class
def test_no_text_of_it_holds_a_secret(cls: type[OmnichatError]) -> None:
    error = make_error(cls)
    trace = "".join(traceback.format_exception(error))
    for shown in (str(error), repr(error), trace, f"{error}", str(error.args)):
        for secret in SECRETS.values():
            assert secret not in shown


@every_class
def test_it_can_be_raised_and_caught_as_what_it_is(cls: type[OmnichatError]) -> None:
    with pytest.raises(cls):
        raise make_error(cls)
    assert issubclass(cls, errors.OmnichatError)
    assert cls.__doc__


def test_a_repr_names_class_and_text() -> None:
    assert repr(errors.ConfigurationError("no token")) == "ConfigurationError('no token')"


def test_an_error_has_no_checkpoint_unless_a_walk_sets_one() -> None:
    assert errors.OmnichatError("x").checkpoint is None
    error = errors.NotSent("x")
    error.checkpoint = make_error(errors.NotSent).checkpoint
    assert errors.NotSent("x").checkpoint is None


@pytest.mark.parametrize("cls", [errors.InvalidRequest, errors.DecodeError])
def test_bad_values_are_value_errors(cls: type[OmnichatError]) -> None:
    assert issubclass(cls, ValueError)


def test_an_invalid_request_names_field_limit_and_what_was_given() -> None:
    error = errors.InvalidRequest("ids", "at most 100", "101")
    assert str(error) == "ids: at most 100; given: 101"
    assert (error.field, error.limit, error.given) == ("ids", "at most 100", "101")


def test_not_sent() -> None:
    bare = errors.NotSent("no route")
    assert str(bare) == "not sent: no route"
    assert (bare.reason, bare.call, bare.attempts) == ("no route", None, 0)
    error = errors.NotSent("no route", call=secret_call(), attempts=4)
    assert str(error) == "POST /people/{phone}: not sent: no route"
    assert (error.attempts, error.call) == (4, secret_call())


@pytest.mark.parametrize(
    ("safety", "safe", "advice"),
    [
        (Safety.READ, True, "it is safe to repeat"),
        (Safety.REPEATABLE, True, "it is safe to repeat"),
        (
            Safety.ONCE,
            False,
            "it may have been processed, so it was not repeated: check before sending again",
        ),
    ],
)
def test_an_unknown_outcome_gives_advice(safety: Safety, safe: bool, advice: str) -> None:
    call = make_call(safety)
    error = errors.OutcomeUnknown("a reset", call=call)
    assert str(error) == f"{call.label}: outcome unknown after a reset; {advice}"
    assert error.safe_to_repeat is safe
    assert (error.attempts, error.status, error.body) == (1, None, b"")


def test_an_api_error_with_nothing_but_a_status() -> None:
    error = errors.APIError(status=500)
    assert str(error) == "HTTP 500 (attempt 1)"
    assert (error.code, error.message, error.trace_id, error.body) == ("", "", None, b"")
    assert (error.headers, error.call, error.retry_after) == ({}, None, None)


def test_an_api_error_says_what_support_asks_for() -> None:
    assert str(make_error(errors.BadRequest)) == (
        "POST /people/{phone}: HTTP 418 A_CODE (attempt 3, retry after 1.5 s, trace id trace-1)"
    )


def test_a_wait_of_zero_is_a_wait() -> None:
    assert str(errors.RateLimited(status=429, retry_after=0.0)) == (
        "HTTP 429 (attempt 1, retry after 0 s)"
    )


@pytest.mark.parametrize(
    "code", ["CONTACT_NOT_FOUND", "OCE::BAD_REQUEST", "X2", "131047", "1", "A" * 64]
)
def test_a_code_is_shown(code: str) -> None:
    assert str(errors.APIError(status=400, code=code)) == f"HTTP 400 {code} (attempt 1)"


@pytest.mark.parametrize(
    "code", [*SECRETS.values(), "85291234", "U2bd582c37356d37cb6d46a823de3a908", "A" * 65, "A\nB"]
)
def test_free_text_in_place_of_a_code_is_kept_but_not_shown(code: str) -> None:
    error = errors.APIError(status=400, code=code)
    assert str(error) == "HTTP 400 (attempt 1)"
    assert error.code == code


def test_headers_are_a_copy() -> None:
    headers = {"x": "1"}
    error = errors.APIError(status=400, headers=headers)
    headers["x"] = "2"
    assert error.headers == {"x": "1"}


def test_a_decode_error_leads_to_the_place() -> None:
    bare = errors.DecodeError("content[1].id", "a string", "null")
    assert str(bare) == "content[1].id: expected a string, found null"
    assert (bare.call, bare.status, bare.body, bare.raw) == (None, None, b"", None)
    error = make_error(errors.DecodeError)
    assert str(error) == "POST /people/{phone}: content[3].time: expected a time, found a string"


@pytest.mark.parametrize(
    ("cls", "parent"),
    [
        (errors.ContactUnsubscribed, errors.BadRequest),
        (errors.ContactNotReachable, errors.BadRequest),
        (errors.MarketingMessagesLiteNotEnabled, errors.PermissionDenied),
        (errors.RateLimited, errors.APIError),
        (errors.ServerError, errors.APIError),
        (errors.NotFound, errors.APIError),
        (errors.Unauthorized, errors.APIError),
    ],
)
def test_business_errors_are_caught_by_their_kind(
    cls: type[OmnichatError], parent: type[OmnichatError]
) -> None:
    assert cls.__bases__ == (parent,)


@pytest.mark.parametrize("duplicate", [pickled, copy.copy, copy.deepcopy])
def test_an_error_of_a_listing_travels_too(
    duplicate: Callable[[OmnichatError], OmnichatError],
) -> None:
    async def main() -> OmnichatError:
        refusal = reply(400, body={"code": "INVALID_PLATFORM", "message": "no"})
        async with (
            HostileServer([refusal]) as server,
            OmnichatClient("t", base_url=server.url, limiter=RateLimiter(None)) as client,
        ):
            with pytest.raises(errors.BadRequest) as caught:
                await anext(aiter(client.messages.list(platform="line", after=0, before=1000)))
            return caught.value

    error = asyncio.run(main())
    assert error.checkpoint is not None
    assert vars(duplicate(error)) == vars(error)
