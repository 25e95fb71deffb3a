"""The published collection as data, and what is checked with it: answers, leaves, violations."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import attrs

from omnichat_async.models import Model
from tests.support.wire import Reply, Request, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DATA = Path(__file__).parent / "data"
COLLECTION: list[dict[str, Any]] = json.loads(
    (DATA / "collection.json").read_text(encoding="utf-8")
)
"""The 50 REST requests: method, path, query, bodies and answers; `repaired` marks samples that
were no valid JSON."""
TABLE: dict[str, Any] = json.loads((DATA / "table.json").read_text(encoding="utf-8"))
"""All operations with the query and body fields they know, limits, and the members of enums."""

BY_NUMBER = {entry["number"]: entry for entry in COLLECTION}
OPERATIONS = {f"{each['method']} {each['path']}": each for each in TABLE["operations"]}


def key_of(entry: Mapping[str, Any]) -> str:
    """Method and path template, as OPERATIONS has them."""
    return f"{entry['method']} {entry['path']}"


def same_shape(label: str) -> str:
    """Method and path template with nameless parameters, for templates of different origin."""
    return re.sub(r"\{[^}]*\}", "{}", label)


_PATTERNS = [
    (
        each["method"],
        re.compile("/".join("[^/]+" if "{" in part else part for part in each["path"].split("/"))),
        key,
    )
    for key, each in sorted(OPERATIONS.items(), key=lambda item: "{" in item[0])
]


def operation_of(method: str, path: str) -> str | None:
    """The operation that a request is, by its path below the base URL; None if there is none."""
    found = (key for verb, pattern, key in _PATTERNS if verb == method and pattern.fullmatch(path))
    return next(found, None)


# ---- what was sent -----------------------------------------------------------------------------


@attrs.frozen
class Sent:
    """One request as it went over the wire."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Any

    @classmethod
    def of(cls, method: str, target: str, body: bytes) -> Sent:
        """From a request line's method and target, and the body's bytes."""
        parts = urlsplit(target)
        path = parts.path.removeprefix("/restapi").removeprefix("/v1")
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        return cls(method, path, query, json.loads(body) if body else None)

    @property
    def operation(self) -> str | None:
        """The operation this is, None if it is no documented one."""
        return operation_of(self.method, self.path)


def sent_of(requests: list[Request]) -> list[Sent]:
    """What a hostile server has read."""
    return [Sent.of(each.method, each.target, each.body) for each in requests]


# ---- the validator -----------------------------------------------------------------------------

Schema = dict[str, set[str]]


def kind_of(value: Any) -> str:
    """The JSON type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    kinds = {str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return kinds[type(value)]


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and JSON type of every value inside a body; all items of a list have one path."""
    yield path, kind_of(value)
    if isinstance(value, dict):
        for name, each in value.items():
            yield from nodes(each, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for each in value:
            yield from nodes(each, f"{path}[]")


def _containers(path: str) -> Iterator[tuple[str, str]]:
    """The objects and arrays that a field lies in."""
    yield "", "object"
    for match in re.finditer(r"\[\]|\.", path):
        yield path[: match.start()], "array" if match[0] == "[]" else "object"


def _schemas() -> dict[str, Schema]:
    """Types by path for every body: those of the samples, and of the documents' tables."""
    schemas: dict[str, Schema] = {}
    for key, operation in OPERATIONS.items():
        schema: Schema = {}
        for path, kinds in operation.get("fields", {}).items():
            schema.setdefault(path, set()).update(kinds)
            for outer, kind in _containers(path):
                schema.setdefault(outer, set()).add(kind)
        for entry in COLLECTION:
            for sample in entry["bodies"] if key_of(entry) == key else []:
                for path, kind in nodes(sample["json"]):
                    schema.setdefault(path, set()).add(kind)
        schemas[key] = schema
    return schemas


SCHEMAS = _schemas()


def violations(sent: Sent) -> list[str]:
    """What a request has that the documents do not know: ``what: where``. Nulls count, too."""
    key = sent.operation
    if key is None:
        return [f"unknown operation: {sent.method} {sent.path}"]
    known = OPERATIONS[key]["query"]
    found = [f"unknown query name: {name}" for name, _ in sent.query if name not in known]
    found += [f"empty query value: {name}" for name, value in sent.query if not value]
    schema = SCHEMAS[key]
    if sent.body is None:
        return found + (["missing body: "] if schema else [])
    if not schema:
        return [*found, "unexpected body: "]
    return found + list(_body_violations(sent.body, schema))


def _body_violations(body: Any, schema: Schema) -> Iterator[str]:
    for path, kind in nodes(body):
        head, dot, _ = path.rpartition(".")
        allowed = schema.get(path) or schema.get(f"{head}{dot}*")
        if allowed is None:
            yield f"unknown field: {path}"
        elif kind == "null":
            yield f"null: {path}"
        elif kind not in allowed and not (kind == "integer" and "number" in allowed):
            yield f"wrong type: {path} is {kind}"


# ---- answers -----------------------------------------------------------------------------------

ANSWERS: dict[str, Any] = {
    "POST /agent-messages": {"messageIds": ["461230966842064897"]},
    "POST /notification-messages": {"triggerId": "65eeb7e89282985332c3a3df"},
    "PUT /third-party-orders": {
        "content": {"matchedCount": 1, "modifiedCount": 1, "insertedCount": 0}
    },
    "GET /rich-menus": {"content": [{"id": "12", "name": "Menu", "status": "PUBLISHED"}]},
    "GET /rich-menus/{menu_id}": {
        "content": [
            {
                "area": "A",
                "actionType": "url",
                "actionContent": "https://example.com",
                "clickedCount": 3,
                "clickedPercentage": "23.45%",
            }
        ]
    },
    "GET /broadcast/{broadcast_id}/buttons": {
        "content": [
            {
                "messageIndex": 0,
                "cardIndex": 0,
                "buttonIndex": 1,
                "clickedCount": 5,
                "clickedPercentage": "62.50%",
            }
        ]
    },
}
"""A good answer of each operation that has one: of the guide here, of the collection added."""
for _entry in reversed(COLLECTION):
    for _answer in _entry["responses"]:
        if _answer["json"] is not None and (_answer["status"] or 200) < 400:
            ANSWERS[key_of(_entry)] = _answer["json"]


def answered(request: Request) -> Reply:
    """The documented answer to a request; a 204 where that is empty."""
    (sent,) = sent_of([request])
    answer = ANSWERS.get(sent.operation or "")
    if isinstance(answer, dict) and isinstance(answer.get("content"), list):
        # The samples show a few rows of many; a walk would rightly miss the others.
        counted = {key: len(answer["content"]) for key in answer if key.startswith("total")}
        answer = {**answer, **counted}
    return reply(204) if answer is None else reply(200, answer)


# ---- models ----------------------------------------------------------------------------------


def walk_models(value: Any, visit: Callable[[Model], None]) -> None:
    """Call `visit` with every model inside `value`."""
    if isinstance(value, Model):
        visit(value)
        for field in attrs.fields(type(value)):
            walk_models(getattr(value, field.name), visit)
    elif isinstance(value, list):
        for each in value:
            walk_models(each, visit)
