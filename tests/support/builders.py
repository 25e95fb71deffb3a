"""Values that several tests build: calls, answers and errors."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnichat_async.calls import RAW, Answer, Call, Safety
from omnichat_async.classify import Failure, Phase, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from omnichat_async.errors import OmnichatError

__all__ = [
    "CHANGES",
    "DATA",
    "SECRETS",
    "every_error_class",
    "load",
    "make_call",
    "make_error",
    "make_failure",
    "make_reply",
    "secret_call",
]

DATA = Path(__file__).parent.parent / "data"

CHANGES: dict[str, Any] = {
    "name": "Peter Chan",
    "email": "example@example.com",
    "phone": "85298765432",
    "tags_to_add": ["VVIP", "Sporty"],
    "tags_to_remove": ["VIP"],
    "custom_attributes": {
        "MemberTier": "GOLD",
        "Points": 2031,
        "TotalSpending": 900.0,
        "AcceptedMarketingPromotion": True,
        "LastPurchaseDate": date(2022, 11, 1),
        "RegisterDatetime": datetime(2022, 11, 1, 14, 16),  # noqa: DTZ001 - the API takes no zone
    },
}
"""What the collection's examples change on a contact and on a customer."""

SECRETS = {
    "token": "tok-5f3a9c1e77",
    "phone": "85291234567",
    "email": "ada.wong@example.com",
    "name": "Ada Wong 王小明",
    "text": "my parcel is lost",
}
"""Values that must be in no error's text."""


def load(name: str) -> Any:
    """A documented answer of the API, from ``tests/data``."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def make_call(
    safety: Safety = Safety.READ,
    *,
    path: str = "/messages",
    path_params: Mapping[str, str] | None = None,
    query: str = "",
    params: Mapping[str, str | int | None] | None = None,
    answer: Answer[Any] = RAW,
    body: Any = None,
    shown: str | None = None,
) -> Call[Any]:
    """A call; READ is sent as GET, all others as POST."""
    return Call(
        method="GET" if safety is Safety.READ else "POST",
        path=path,
        safety=safety,
        answer=answer,
        path_params=path_params or {},
        query=query,
        params=params or {},
        json=body,
        shown=shown,
    )


def secret_call() -> Call[Any]:
    """A call with a secret wherever a call can hold one."""
    return make_call(
        Safety.ONCE,
        path="/people/{phone}",
        path_params={"phone": SECRETS["phone"]},
        params={"email": SECRETS["email"]},
        body={"token": SECRETS["token"], "name": SECRETS["name"], "text": SECRETS["text"]},
    )


def make_reply(
    status: int = 200,
    body: Any = b"",
    headers: Mapping[str, str] | None = None,
    *,
    whole: bool = True,
) -> Reply:
    """An answer; a body that is not bytes goes as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, headers or {}, content, whole)


def make_failure(
    phase: Phase = Phase.REJECTED,
    status: int | None = None,
    *,
    retry_after: str | None = None,
    transient: bool = True,
) -> Failure:
    """A failed attempt, with an answer if there is a status."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    reply = None if status is None else make_reply(status, headers=headers)
    return Failure(phase, "a reason", reply=reply, transient=transient)


def every_error_class() -> list[type[OmnichatError]]:
    """OmnichatError and all classes below it in the package, in a fixed order."""
    from omnichat_async import errors
    from omnichat_async.webhooks import refusal as _refusal

    del _refusal  # imported for its class
    found: list[type[OmnichatError]] = [errors.OmnichatError]
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub not in found)
    return [cls for cls in found if cls.__module__.startswith("omnichat_async.")]


def make_error(cls: type[OmnichatError]) -> OmnichatError:
    """An error of this class with all its arguments, and a secret in each that may hold one."""
    from omnichat_async import errors
    from omnichat_async.windows import Checkpoint

    secret_text = " ".join(SECRETS.values())
    call, body = secret_call(), secret_text.encode()
    error: OmnichatError
    if issubclass(cls, errors.APIError):
        error = cls(
            status=418,
            code="A_CODE",
            message=secret_text,
            trace_id="trace-1",
            body=body,
            headers={"set-cookie": SECRETS["token"]},
            call=call,
            attempts=3,
            retry_after=1.5,
        )
    elif issubclass(cls, errors.InvalidRequest):
        error = cls("phone", "must be digits", "5 characters")
    elif issubclass(cls, errors.NotSent):
        error = cls("no connection", call=call, attempts=2)
    elif issubclass(cls, errors.OutcomeUnknown):
        error = cls("a lost connection", call=call, attempts=2, status=502, body=body)
    elif issubclass(cls, errors.DecodeError):
        raw = {"message": secret_text}
        error = cls(
            "content[3].time", "a time", "a string", call=call, status=200, body=body, raw=raw
        )
    elif issubclass(cls, errors.PartialFailure):
        error = cls([{"message": secret_text}])  # an error among them would be equal to itself only
    else:
        error = cls("a sentence")
    error.checkpoint = Checkpoint(query="q", window=0, page=2, row=3, page_size=100, size=50)
    return error
