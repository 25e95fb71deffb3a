"""Faults the sandbox injects: what to break, and at which request.

A fault counts the API requests which the limiter let in, from the moment the fault was added, and
only those under its `path`. So `at=1` is the next request, and no fault is lost to a 429 of the
limiter.
"""

import re
from collections.abc import Collection
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl

import attrs

from omnichat_async.sandbox.wire import HTML, Reply, json_reply

FaultKind = Literal[
    "html500",
    "json500",
    "html502",
    "503",
    "429",
    "reset_before",
    "reset_after",
    "truncated",
    "slow",
    "html200",
    "empty200",
]

# KIND[:VALUE][@N|%N][xTIMES][/PATH]
_GRAMMAR = re.compile(
    r"(?P<kind>[a-z0-9_]+?)"
    r"(?::(?P<value>[^@%/]*?))?"
    r"(?:@(?P<at>\d+)|%(?P<every>\d+))?"
    r"(?:x(?P<times>\d+))?"
    r"(?P<path>/\S*)?",
    re.ASCII,
)
_HELP = (
    "write KIND[:VALUE][@N|%N][xTIMES][/PATH], for example html500@12, reset_before%50, "
    "slow:250%10, 429:2@5x10 or 503:1x3/messages"
)


@attrs.frozen(kw_only=True)
class Fault:
    """One fault.

    at           the n-th request (from 1), and the `times - 1` after it (times None = just one).
    every        every n-th request, `times` of them at most (None = for ever).
    (neither)    the first `times` requests (None = every one).
    path         only requests whose path starts so, without the `/v1`; "" = all. Parameters behind
                 a `?` must be among those of the request: `/messages?page=3`, `?after=0`.
    code         error code in the body of json500.
    retry_after  sent verbatim as `Retry-After` of 429 and 503; None = no such header.
    delay_ms     how long `slow` waits before the request is answered.
    """

    kind: FaultKind
    at: int | None = None
    every: int | None = None
    times: int | None = None
    path: str = ""
    code: str = "UNEXPECTED_ERROR"
    retry_after: str | None = None
    delay_ms: float = 0

    def __attrs_post_init__(self) -> None:
        """Refuse a fault that cannot fire or whose meaning would be unclear."""
        if self.kind not in get_args(FaultKind):
            kinds = ", ".join(get_args(FaultKind))
            raise ValueError(f"kind is {self.kind!r}: give one of {kinds}")
        for name, value in (("at", self.at), ("every", self.every), ("times", self.times)):
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}: give 1 or more, or leave it out")
        if self.at is not None and self.every is not None:
            raise ValueError("at and every exclude each other: give one of them")
        if self.delay_ms < 0:
            raise ValueError(f"delay_ms is {self.delay_ms}: give 0 or more milliseconds")
        _parts(self.path)

    def watches(self, path: str, params: Collection[tuple[str, str]] = ()) -> bool:
        """Whether a request to `path` (without `/v1`) with these parameters is one that counts."""
        start, wanted = _parts(self.path)
        return path.startswith(start) and all(pair in params for pair in wanted)

    def fires(self, n: int, fired: int) -> bool:
        """Whether the n-th matching request (from 1) is hit, after `fired` hits before it."""
        if self.at is not None:
            return self.at <= n < self.at + (self.times or 1)
        if self.times is not None and fired >= self.times:
            return False
        return self.every is None or n % self.every == 0


def _parts(path: str) -> tuple[str, list[tuple[str, str]]]:
    """What a path starts with, and the parameters behind its `?`."""
    start, mark, query = path.partition("?")
    try:
        return start, parse_qsl(query, keep_blank_values=True, strict_parsing=bool(mark))
    except ValueError:
        raise ValueError(f"path is {path!r}: give parameters as ?page=3&pageSize=100") from None


def parse_fault(text: str) -> Fault:
    """Read a fault from the command line: `KIND[:VALUE][@N|%N][xTIMES][/PATH]`.

    VALUE is the `Retry-After` of 429 and 503, the milliseconds of slow, the error code of json500.
    It may hold anything but `@`, `%` and `/`. `@N` = the n-th request, `%N` = every n-th,
    `xTIMES` = how many, `/PATH` = only under this path (without `/v1`), which may end in
    parameters, as `/messages?page=3`.
    """
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        raise ValueError(f"fault {text!r} is not understood: {_HELP}")
    fields: dict[str, Any] = {"kind": match["kind"], "path": match["path"] or ""}
    fields |= {name: int(match[name]) for name in ("at", "every", "times") if match[name]}
    try:
        return Fault(**fields, **_value_fields(match["kind"], match["value"]))
    except ValueError as error:
        raise ValueError(f"fault {text!r}: {error}; {_HELP}") from None


def _value_fields(kind: str, value: str | None) -> dict[str, Any]:
    if value is None:
        return {}
    if kind in {"429", "503"}:
        return {"retry_after": value}
    if kind == "json500":
        return {"code": value}
    if kind == "slow":
        try:
            return {"delay_ms": float(value)}
        except ValueError:
            raise ValueError(f"{value!r} is no number of milliseconds") from None
    raise ValueError(f"{kind} takes no value, leave out ':{value}'")


_HTML = "<!doctype html><html><body><h1>{}</h1></body></html>"
_PAGES = {  # what a proxy in front of the API says
    "html500": Reply(500, _HTML.format("Internal Server Error").encode(), HTML),
    "html502": Reply(502, _HTML.format("Bad Gateway").encode(), HTML),
    "html200": Reply(200, _HTML.format("Please log in").encode(), HTML),
    "empty200": Reply(200, b""),
}


def forged_reply(fault: Fault) -> Reply | None:
    """The answer given in place of the endpoint's; None for faults that break the connection."""
    page = _PAGES.get(fault.kind)
    if page is not None:
        return page
    if fault.kind == "json500":
        return json_reply({"errorCode": fault.code, "message": "injected fault"}, 500)
    if fault.kind not in {"429", "503"}:
        return None
    wait = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return json_reply({"message": "injected fault"}, int(fault.kind), wait)


class FaultBook:
    """All faults of a sandbox, each with its own count of the requests it has seen."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._entries: list[_Entry] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Watch for this fault from the next request on."""
        self._entries.append(_Entry(fault))

    def clear(self) -> None:
        """Forget all faults."""
        self._entries.clear()

    def strike(self, path: str, params: Collection[tuple[str, str]] = ()) -> Fault | None:
        """Count a request to `path` (without `/v1`); the first fault that hits it, if any."""
        hit: Fault | None = None
        for entry in self._entries:
            if not entry.fault.watches(path, params):
                continue
            entry.seen += 1
            if hit is None and entry.fault.fires(entry.seen, entry.fired):
                entry.fired += 1
                hit = entry.fault
        return hit


@attrs.define
class _Entry:
    fault: Fault
    seen: int = 0
    fired: int = 0
