"""The web server: the way of one request from the socket to an endpoint's rule and back."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from aiohttp import web

from omnichat_async.sandbox.breakage import reset, truncate
from omnichat_async.sandbox.config import SandboxConfig
from omnichat_async.sandbox.control import control_routes
from omnichat_async.sandbox.data.mixing import key_of, mix
from omnichat_async.sandbox.endpoints import ENDPOINTS, Endpoint
from omnichat_async.sandbox.endpoints.base import API_ROOT
from omnichat_async.sandbox.faults import Fault, FaultBook, forged_reply
from omnichat_async.sandbox.limiter import RETRY_AFTER, Limiter
from omnichat_async.sandbox.stats import Meter, Stats
from omnichat_async.sandbox.wire import ApiError, Call, Reply, json_reply
from omnichat_async.sandbox.world import World

TRACE_HEADER = "X-Omnichat-Arkham-Trace-Id"

_LARGEST_BODY = 64 * 2**20

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gateway:
    """What stands before every endpoint: distance, token, rate limit, faults and statistics."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.world = World(config)
        self.faults = FaultBook(config.faults)
        self._limiter = Limiter(config.limit, penalise=config.penalise)
        self._meter = Meter()
        self._jitter_key = key_of(config.seed, "jitter")
        self._trace_key = key_of(config.seed, "trace")
        self._traces = count()
        self._arrivals = count()
        self._slow: set[asyncio.Task[Any]] = set()

    def stats(self) -> Stats:
        """A snapshot of the statistics."""
        return self._meter.snapshot()

    def reset_stats(self) -> None:
        """Start the statistics anew; the rate limit and the faults go on undisturbed."""
        self._meter = Meter()

    async def give_up_slow_answers(self, _: web.Application) -> None:
        """Have no slow fault outlive the server: its client is gone, or is about to be."""
        for task in self._slow:
            task.cancel()

    def handler(self, endpoint: Endpoint) -> _Handler:
        """The web handler of an endpoint.

        aiohttp lets a handler run to its end when the client hangs up, so a request once counted
        stays processed, as on a real server.
        """

        async def handle(request: web.Request) -> web.StreamResponse:
            await self._way_in()
            try:
                body = await request.read()
            except ConnectionError:  # gone half-way: nothing has arrived, nothing counts
                return web.Response()
            response = await self._answer(endpoint, request, body)
            await _pause(self.config.rtt_ms / 2)
            return response

        return handle

    async def _answer(
        self, endpoint: Endpoint, request: web.Request, body: bytes
    ) -> web.StreamResponse:
        """Everything at the server: no wait between counting and processing but a slow fault."""
        allowed = [f"{scheme} {self.config.token}" for scheme in endpoint.schemes]
        if request.headers.get("Authorization") not in allowed:
            self._meter.unauthorized += 1
            return _response(endpoint.unauthorized.reply())
        if not self._count(endpoint):
            payload = {"message": "Too Many Requests"}
            return _response(json_reply(payload, 429, {"Retry-After": RETRY_AFTER}))
        fault = self.faults.strike(request.path.removeprefix(API_ROOT), request.query.items())
        if fault is None:
            return _response(self._process(endpoint, request, body))
        self._meter.faults += 1
        return await self._misbehave(fault, endpoint, request, body)

    async def _misbehave(
        self, fault: Fault, endpoint: Endpoint, request: web.Request, body: bytes
    ) -> web.StreamResponse:
        forged = forged_reply(fault)
        if forged is not None:
            return _response(forged)
        if fault.kind == "reset_before":
            return reset(request)
        if fault.kind == "slow":
            await self._be_slow(fault.delay_ms)
        reply = self._process(endpoint, request, body)
        if fault.kind == "reset_after":
            return reset(request)
        if fault.kind == "truncated":
            return await truncate(request, reply)
        return _response(reply)

    async def _be_slow(self, delay_ms: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._slow.add(task)
        try:
            await _pause(delay_ms)
        finally:
            self._slow.discard(task)

    def _count(self, endpoint: Endpoint) -> bool:
        """Count the request at this instant; False = the rate limit refuses it."""
        now_s = self.config.monotonic_s()
        accepted = self._limiter.admit(now_s)
        self._meter.count(f"{endpoint.method} {endpoint.path}", now_s, accepted=accepted)
        return accepted

    def _process(self, endpoint: Endpoint, request: web.Request, body: bytes) -> Reply:
        call = Call(
            query=tuple(request.query.items()),
            path_args=request.match_info,
            now_ms=self.config.wall_ms(),
            body=body,
            content_type=request.content_type if "Content-Type" in request.headers else "",
        )
        self.world.settle(call.now_ms)
        try:
            return endpoint.handle(self.world, call)
        except ApiError as error:
            return error.reply()

    async def _way_in(self) -> None:
        share = mix(self._jitter_key + next(self._arrivals)) / 2**64
        await _pause(self.config.rtt_ms / 2 + self.config.jitter_ms * share)

    async def sign(self, _: web.Request, response: web.StreamResponse) -> None:
        """Put a trace id on every answer."""
        response.headers[TRACE_HEADER] = f"{mix(self._trace_key + next(self._traces)):016x}"


def create_app(config: SandboxConfig) -> web.Application:
    """The sandbox as an aiohttp application."""
    return app_of(Gateway(config))


def app_of(gateway: Gateway) -> web.Application:
    """The application around a gateway."""
    app = web.Application(client_max_size=_LARGEST_BODY)
    for endpoint in (*ENDPOINTS, Endpoint("*", "/{unknown:.*}", _no_such_endpoint)):
        path = endpoint.root + endpoint.path
        app.router.add_route(endpoint.method, path, gateway.handler(endpoint))
    app.add_routes(control_routes(gateway))
    app.on_response_prepare.append(gateway.sign)
    app.on_shutdown.append(gateway.give_up_slow_answers)
    return app


def _no_such_endpoint(_: World, call: Call) -> Reply:
    raise ApiError(404, "NOT_FOUND", f"no endpoint {API_ROOT}/{call.path_args['unknown']}")


def _response(reply: Reply) -> web.Response:
    return web.Response(
        status=reply.status,
        body=reply.body,
        headers=reply.headers,
        content_type=reply.content_type,
        charset="utf-8",
    )


async def _pause(delay_ms: float) -> None:
    if delay_ms > 0:
        await asyncio.sleep(delay_ms / 1000)
