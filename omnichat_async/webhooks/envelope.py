"""WhatsApp's envelope, flattened: entries, changes and their lists become single events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omnichat_async.webhooks.events import (
    CallEvent,
    ChangeEvent,
    Envelope,
    GroupEvent,
    InboundMessage,
    MessageEcho,
    MessageStatus,
    UnknownEvent,
)
from omnichat_async.webhooks.payload import fit
from omnichat_async.webhooks.refusal import WebhookRefused
from omnichat_async.webhooks.whatsapp import (
    Call,
    GroupUpdateData,
    Status,
    WhatsAppContact,
    WhatsAppMessage,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omnichat_async.webhooks.events import WebhookEvent
    from omnichat_async.webhooks.payload import Payload

__all__ = ["events_of"]

_LISTS: dict[str, tuple[type[Any], type[Payload]]] = {
    "messages": (InboundMessage, WhatsAppMessage),
    "statuses": (MessageStatus, Status),
    "calls": (CallEvent, Call),
    "message_echoes": (MessageEcho, WhatsAppMessage),
    "groups": (GroupEvent, GroupUpdateData),
}
"""The lists in a change's value, in the order in which their items are handled."""

_AROUND = frozenset({"messaging_product", "metadata", "contacts", "recipient"})
_WHO = ("from", "from_user_id", "to", "recipient_id", "recipient_user_id")


def events_of(root: dict[str, Any], max_events: int) -> list[WebhookEvent]:
    """The events of an envelope: of all its changes, messages first."""
    pieces = list(_pieces(root))
    if sum(_weight(piece) for piece in pieces) > max_events:
        raise WebhookRefused(f"more than {max_events} events in one request", status=413)
    events = [event for piece in pieces for event in _split(root, *piece)]
    # Stable: within a kind, and across the changes of one request, the order stays.
    return sorted(events, key=lambda event: isinstance(event, MessageStatus))


def _pieces(root: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each change with the entry around it. What is no change is given as it is."""
    entries = root.get("entry")
    if not isinstance(entries, list):
        if entries is not None:
            yield {}, {"entry": entries}
        return
    for entry in entries:
        changes = entry.get("changes") if isinstance(entry, dict) else None
        if isinstance(changes, list):
            around = {key: value for key, value in entry.items() if key != "changes"}
            yield from ((around, change) for change in changes)
        else:
            yield {}, {"entry": [entry]}


def _weight(piece: tuple[dict[str, Any], Any]) -> int:
    change = piece[1]
    value = change.get("value") if isinstance(change, dict) else None
    lists = [value.get(name) for name in _LISTS] if isinstance(value, dict) else []
    return sum(len(each) for each in lists if isinstance(each, list)) or 1


def _split(root: dict[str, Any], entry: dict[str, Any], change: Any) -> Iterator[WebhookEvent]:
    if isinstance(change, dict) and "entry" in change:
        yield UnknownEvent(raw=change["entry"], body={**_top(root), **change}, problems=_NO_CHANGES)
        return
    value = change.get("value") if isinstance(change, dict) else None
    if not isinstance(value, dict):
        body = _body(root, entry, change)
        yield UnknownEvent(raw=change, body=body, problems=("value: expected an object",))
        return
    single = {key: each for key, each in value.items() if key in _AROUND}
    found = [(name, item) for name in _LISTS for item in _items(value, name)]
    # Where there is nothing to mix up, all contacts belong to the one item.
    contacts = _contacts_by_id(value) if len(found) > 1 else None
    for name, item in found:
        around = single
        if contacts is not None:
            around = {**single, "contacts": _contacts_of(item, contacts)}
        changed = {**change, "value": {**around, name: [item]}}
        yield _item_event(name, item, _context(entry, changed), _body(root, entry, changed))
    rest = {key: each for key, each in value.items() if not _is_items(key, each)}
    if not rest.keys() <= _AROUND or rest.keys() == value.keys():
        changed = {**change, "value": rest}
        body = _body(root, entry, changed)
        yield ChangeEvent(raw=rest, body=body, context=_context(entry, changed))


_NO_CHANGES = ("changes: expected an array",)


def _is_items(name: str, value: Any) -> bool:
    return name in _LISTS and isinstance(value, list)


def _items(value: dict[str, Any], name: str) -> list[Any]:
    items = value.get(name)
    return items if isinstance(items, list) else []


def _item_event(name: str, item: Any, context: Envelope, body: dict[str, Any]) -> WebhookEvent:
    kind, model = _LISTS[name]
    if not isinstance(item, dict):
        return UnknownEvent(raw=item, body=body, problems=(f"{name}: expected objects",))
    data, problems = fit(model, item)
    event: WebhookEvent = kind(raw=item, body=body, problems=problems, context=context, data=data)
    return event


def _contacts_by_id(value: dict[str, Any]) -> dict[str, tuple[int, Any]] | None:
    """The contacts with their places, found by each of their ids in one step: a batch may have
    thousands. Of several with the same id, the first."""
    contacts = value.get("contacts")
    if not isinstance(contacts, list):
        return None
    found: dict[str, tuple[int, Any]] = {}
    for place, contact in enumerate(contacts):
        if isinstance(contact, dict):
            for each in (contact.get("wa_id"), contact.get("user_id")):
                if isinstance(each, str) and each.strip():
                    found.setdefault(each.strip(), (place, contact))
    return found


def _contacts_of(item: Any, contacts: dict[str, tuple[int, Any]]) -> list[Any]:
    """Those with an id of the item, in their order."""
    ids = (item.get(key) for key in _WHO) if isinstance(item, dict) else ()
    chosen = dict(contacts[each] for each in ids if isinstance(each, str) and each in contacts)
    return [chosen[place] for place in sorted(chosen)]


def _top(root: dict[str, Any]) -> dict[str, Any]:
    return {"object": root.get("object")}


def _body(root: dict[str, Any], entry: dict[str, Any], change: Any) -> dict[str, Any]:
    return {**_top(root), "entry": [{**entry, "changes": [change]}]}


def _context(entry: dict[str, Any], change: dict[str, Any]) -> Envelope:
    value = change["value"]
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        recipient = value.get("recipient")  # what messaging_handovers has instead
        metadata = recipient if isinstance(recipient, dict) else {}
    contacts = value.get("contacts")
    return Envelope(
        entry_id=_text(entry.get("id")),
        entry_time=entry.get("time") if type(entry.get("time")) in {int, str} else None,
        field=_text(change.get("field")),
        phone_number_id=_text(metadata.get("phone_number_id")),
        display_phone_number=_text(metadata.get("display_phone_number")),
        contacts=tuple(
            fit(WhatsAppContact, each)[0]
            for each in (contacts if isinstance(contacts, list) else [])
            if isinstance(each, dict)
        ),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
