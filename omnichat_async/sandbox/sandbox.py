"""The sandbox as a context manager: a fake of the API on a loopback socket."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import attrs
from aiohttp import web

from omnichat_async.sandbox.config import SandboxConfig
from omnichat_async.sandbox.endpoints.base import API_ROOT, CONVERSIONS_ROOT
from omnichat_async.sandbox.faults import Fault
from omnichat_async.sandbox.server import Gateway, app_of
from omnichat_async.sandbox.state.outbox import Sent
from omnichat_async.sandbox.state.rooms import Room
from omnichat_async.sandbox.stats import Stats
from omnichat_async.sandbox.wire import Row
from omnichat_async.sandbox.world import Stream, World

_SHUTDOWN_S = 1.0  # answers under way may finish; a slow fault is cut off
_BACKLOG = 1024


class Sandbox:
    """A running sandbox.

        async with Sandbox(rows=1000, limit=None) as sandbox:
            ...  # sandbox.url, sandbox.token

    `overrides` are fields of `SandboxConfig`. The truth (`count`, `rows`, `message_ids`) comes
    straight from the data and needs no running server.
    """

    def __init__(self, config: SandboxConfig | None = None, **overrides: Any) -> None:
        if config is None:
            self.config = SandboxConfig(**overrides)
        else:
            self.config = attrs.evolve(config, **overrides)
        self._gateway = Gateway(self.config)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The base URL, as `http://127.0.0.1:12345/v1`."""
        return self._root() + API_ROOT

    @property
    def conversions_url(self) -> str:
        """The base URL of the Conversion API, as `http://127.0.0.1:12345/restapi/v1`."""
        return self._root() + CONVERSIONS_ROOT

    def _root(self) -> str:
        if self._runner is None:
            raise RuntimeError("url is known once the sandbox runs: await start() first")
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    @property
    def token(self) -> str:
        """The token the sandbox accepts."""
        return self.config.token

    async def start(self) -> None:
        """Listen."""
        if self._runner is not None:
            raise RuntimeError("the sandbox runs already: aclose() it first")
        runner = web.AppRunner(app_of(self._gateway), access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.config.host, self.config.port, backlog=_BACKLOG)
            await site.start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner

    async def aclose(self) -> None:
        """Stop listening and close every connection. A second call does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def stats(self) -> Stats:
        """A snapshot of the statistics."""
        return self._gateway.stats()

    def reset_stats(self) -> None:
        """Start the statistics anew; the rate limit and the faults go on undisturbed."""
        self._gateway.reset_stats()

    def add_fault(self, fault: Fault) -> None:
        """Inject this fault as well; it counts requests from now on."""
        self._gateway.faults.add(fault)

    def clear_faults(self) -> None:
        """Inject no fault any more."""
        self._gateway.faults.clear()

    @property
    def sent(self) -> list[Sent]:
        """Everything that was sent, in order, once for each accepted request."""
        return list(self._world.sent)

    @property
    def conversions(self) -> list[Row]:
        """The events of the Conversion API, in order."""
        return list(self._world.conversions)

    @property
    def shop_orders(self) -> dict[str, Row]:
        """The third-party orders by `orderId`."""
        return dict(self._world.shop_orders)

    @property
    def rosters(self) -> dict[tuple[str, str, str], Row]:
        """The accepted roster records by month, id and locationCode."""
        return dict(self._world.rosters)

    @property
    def public_keys(self) -> dict[str, str]:
        """The public keys by WhatsApp business phone number."""
        return dict(self._world.public_keys)

    def points(self, identifier: str) -> int:
        """The points given to and taken from this phone, email or member id since the start."""
        return self._world.points.balance([identifier])

    def omni_customer_id(self, member_id: str) -> str:
        """The `omniCustomerId` of a member, which only webhooks deliver."""
        return self._world.customers.omni_id(member_id)

    def customer(self, omni_customer_id: str) -> Row | None:
        """A customer as the API shows it, also one without a member id."""
        return self._world.customers.view(omni_customer_id, self.config.wall_ms())

    def room(self, platform: str, user_id: str) -> Room:
        """The room of a contact: id, status, agent, collaborators."""
        return self._world.rooms.of(self._world.contacts[platform], user_id)

    def ai_rooms(self, platform: str = "line") -> Iterator[str]:
        """The ids of the rooms in AI chat."""
        return self._world.rooms.in_ai_chat(platform, self.config.wall_ms())

    @property
    def _world(self) -> World:
        return self._gateway.world

    def message_ids(
        self, platform: str, after_ms: int, before_ms: int, channel_id: str | None = None
    ) -> Iterator[str]:
        """The ids of the messages in [after_ms, before_ms), in server order."""
        chosen = self._world.select(
            "messages", after_ms, before_ms, self.config.wall_ms(), platform, channel_id
        )
        encode = self._world.chats[platform].computed.ids.encode
        return map(encode, chosen.numbers)

    def count(
        self,
        stream: Stream,
        after_ms: int,
        before_ms: int,
        platform: str | None = None,
        channel_id: str | None = None,
    ) -> int:
        """How many rows the API has in [after_ms, before_ms); without a platform, of all."""
        now_ms = self.config.wall_ms()
        parts = self._world.parts(stream, after_ms, before_ms, now_ms, platform, channel_id)
        return sum(len(part.numbers) for part in parts)

    def rows(
        self,
        stream: Stream,
        after_ms: int,
        before_ms: int,
        platform: str | None = None,
        channel_id: str | None = None,
    ) -> Iterator[Row]:
        """The rows in [after_ms, before_ms) as the API shows them, in server order.

        Without a platform, messages and contacts come platform by platform.
        """
        now_ms = self.config.wall_ms()
        parts = self._world.parts(stream, after_ms, before_ms, now_ms, platform, channel_id)
        for part in parts:
            yield from map(part.build, part.numbers)
