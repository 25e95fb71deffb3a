"""A sandbox at rest in time, and the questions that the tests of its state ask."""

from typing import Any

from omnichat_async.sandbox import PLATFORMS, Sandbox

from .support import END_MS, WEEK_MS, Client, small

NOON = END_MS + WEEK_MS  # where the clock stands; all computed rows lie before


def noon(**overrides: Any) -> Sandbox:
    return small(wall_ms=lambda: NOON, **overrides)


async def find(client: Client, user_id: object, platform: str = "line") -> Any:
    channel = PLATFORMS[platform].channels[0]
    answer = await client.get("/contacts", platform=platform, channelId=channel, userId=user_id)
    return answer.json["content"][0]


async def upsert(client: Client, user_id: object, platform: str = "line", **body: object) -> None:
    channel = PLATFORMS[platform].channels[0]
    path = f"/contacts/{platform}"
    answer = await client.send("PUT", path, body, channelId=channel, userId=user_id)
    assert (answer.status, answer.raw) == (204, b"")


async def _today(client: Client, path: str, after: str, before: str, **more: object) -> list[Any]:
    """The rows of the moment in which everything happens."""
    answer = await client.get(path, **{after: NOON, before: NOON + 1, "pageSize": 100, **more})
    total = answer.json.get("totalElements", answer.json.get("totalElement"))
    assert total == len(answer.json["content"])
    return list(answer.json["content"])


async def changed_contacts(client: Client, **more: object) -> list[Any]:
    more = {"platform": "line", **more}
    return await _today(client, "/contacts", "updatedAfter", "updatedBefore", **more)


async def tag_log(client: Client) -> list[Any]:
    return await _today(client, "/tagging-logs/records", "taggedAfter", "taggedBefore")


async def chat(client: Client, platform: str = "line") -> list[Any]:
    return await _today(client, "/messages", "after", "before", platform=platform)


async def customer(client: Client, member_id: str) -> Any:
    return (await client.get("/customers", memberId=member_id)).json["content"]


async def post(client: Client, path: str, body: dict[str, Any]) -> int:
    return (await client.send("POST", path, body)).status
