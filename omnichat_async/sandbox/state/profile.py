"""Changes to a person's profile: what contacts and customers have in common."""

from collections.abc import Iterable, Mapping
from typing import cast

import attrs

from omnichat_async.sandbox.data.people import Teammate
from omnichat_async.sandbox.wire import Row

AttributeValue = str | int | float | bool


@attrs.frozen
class Changes:
    """One change. `tags` replaces all; `attributes` are (key, type, value)."""

    fields: Mapping[str, object] = attrs.field(factory=dict)
    tags: tuple[str, ...] | None = None
    tags_to_add: tuple[str, ...] = ()
    tags_to_remove: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str, AttributeValue], ...] = ()

    def apply(self, row: Row) -> tuple[str, ...]:
        """Change this row; the tags it has gained."""
        row.update(self.fields)
        before = tags_of(row)
        kept = before if self.tags is None else ()
        wanted = unique((*kept, *(self.tags or ()), *self.tags_to_add))
        row["tags"] = [tag for tag in wanted if tag not in self.tags_to_remove]
        row["customAttributes"] = self._attributes(attributes_of(row))
        return tuple(tag for tag in tags_of(row) if tag not in before)

    def _attributes(self, before: Iterable[Row]) -> list[Row]:
        merged = {attribute["key"]: attribute for attribute in before}
        for key, kind, value in self.attributes:
            shown = key.replace("_", " ").capitalize()
            merged[key] = {
                "key": key,
                "value": "1970-01-01" if value == "" and kind in {"date", "datetime"} else value,
                "type": kind,
                "displayName": merged.get(key, {}).get("displayName", shown),
            }
        return list(merged.values())


def unique(tags: Iterable[str]) -> tuple[str, ...]:
    """Each once, in the order of the first."""
    return tuple(dict.fromkeys(tags))


def tags_of(row: Row) -> list[str]:
    """The tags of a contact or customer."""
    return cast("list[str]", row["tags"])


def attributes_of(row: Row) -> list[Row]:
    """The custom attributes of a contact or customer."""
    return cast("list[Row]", row["customAttributes"])


UNBOUND: Row = {
    "agentName": None,
    "agentEmployeeCode": None,
    "agentBindTime": None,
    "agentLocationName": None,
    "agentLocationCode": None,
}


def binding(agent: Teammate, location_code: str | None, now_ms: int) -> Row:
    """The fields of a contact that is bound to an agent at one of the agent's shops."""
    shop = next((shop for shop in agent.shops if shop[1] == location_code), (None, None))
    return {
        "agentName": agent.name,
        "agentEmployeeCode": agent.employee_code,
        "agentBindTime": now_ms,
        "agentLocationName": shop[0],
        "agentLocationCode": shop[1],
    }
