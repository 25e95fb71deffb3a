"""What hooks are told: fixed values of known, harmless fields."""

from __future__ import annotations

import pickle
from typing import get_args

import attrs
import pytest

from omnichat_async import events

FIELDS = {
    events.AttemptStarted: {"call": "str", "attempt": "int", "waited": "float"},
    events.Throttled: {"call": "str", "attempt": "int", "wait": "float"},
    events.Retrying: {"call": "str", "attempt": "int", "wait": "float", "reason": "str"},
    events.Finished: {
        "call": "str",
        "attempts": "int",
        "seconds": "float",
        "status": "int | None",
        "error": "str | None",
    },
}


def test_every_event_is_listed() -> None:
    assert set(get_args(events.Event)) == set(FIELDS)


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__name__)
def test_an_event_holds_these_fields_and_no_other(kind: type[attrs.AttrsInstance]) -> None:
    """A new field needs a thought: hooks write events to logs and metrics."""
    assert {field.name: field.type for field in attrs.fields(kind)} == FIELDS[kind]


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__name__)
def test_an_event_is_a_fixed_value(kind: type[attrs.AttrsInstance]) -> None:
    event = kind(**dict.fromkeys(FIELDS[kind], 1))
    assert pickle.loads(pickle.dumps(event)) == event
    assert len({event, event}) == 1
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.call = "x"  # type: ignore[attr-defined]
