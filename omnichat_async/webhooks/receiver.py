"""The receiver: request in, answer out, events safe and handled. It knows no framework."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import attrs

from omnichat_async.errors import ConfigurationError
from omnichat_async.webhooks.dedupe import Claim, MemoryDedupe
from omnichat_async.webhooks.dispatch import Delivery, Handlers, RejectWebhook
from omnichat_async.webhooks.events import digest
from omnichat_async.webhooks.handshake import answer_handshake
from omnichat_async.webhooks.health import ANSWER_WITHIN_S, Health, HealthMeter
from omnichat_async.webhooks.http import WebhookResponse
from omnichat_async.webhooks.inbox import InboxFull, MemoryInbox, Record
from omnichat_async.webhooks.intake import Intake, Limits
from omnichat_async.webhooks.lanes import Lanes
from omnichat_async.webhooks.parse import parse
from omnichat_async.webhooks.records import records_of
from omnichat_async.webhooks.refusal import WebhookRefused
from omnichat_async.webhooks.verify import Secret, SecretLike
from omnichat_async.webhooks.worker import Outcome, Worker, WorkPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from omnichat_async.client import OmnichatClient
    from omnichat_async.webhooks.auth import Auth
    from omnichat_async.webhooks.dedupe import DedupeStore
    from omnichat_async.webhooks.events import WebhookEvent
    from omnichat_async.webhooks.http import WebhookRequest
    from omnichat_async.webhooks.inbox import Inbox, Job

__all__ = ["Ack", "Answered", "Receiver"]

_log = logging.getLogger("omnichat_async.webhooks")

Ack: TypeAlias = Literal["stored", "queued", "handled"]

_HANDLED_WITHIN_S = 10.0
_REMEMBER_S = 7 * 86_400.0
_QUEUE_TRIES = 4


@attrs.frozen(kw_only=True)
class Answered:
    """A request was answered: with `status`, after `seconds`; of its `events`, `new` were new.
    `reason` says why it was refused."""

    status: int
    seconds: float
    events: int = 0
    new: int = 0
    reason: str | None = None


Observed: TypeAlias = "Answered | Outcome"


class _HandlersFailed(Exception):  # noqa: N818 - a signal inside this room
    """At least one handler failed."""


class Receiver(Handlers):
    """Receives webhooks: ``await receiver.handle(request)`` gives the answer to send.

    ::

        receiver = Receiver(OmnichatSignature(secret), verify_token=token, inbox=SqliteInbox(path))

        @receiver.on_message("text")
        async def greet(event, delivery):
            print(event.data.text.body)

        async with receiver:
            ...  # serve: see omnichat_async.integrations

    `auth` says how requests are known to be genuine; there is no default. `verify_token` is what
    you entered in the Admin Panel for the handshake. `ack` is when a request is answered with
    200: ``"stored"`` once its events are safe in the `inbox` (the default with one);
    ``"queued"`` once they are in memory, and **lost if the process dies** (the default without);
    ``"handled"`` after the handlers, or after 10 s while they go on. Handlers that fail are tried
    again as `work` says, and a failure never changes the answer.

    `dedupe` claims each event before it is handled, for inboxes that are not shared. `scope`
    names the subscription where several share an inbox or a store: one receiver, path and
    secret for each. `limits` bound what is read. `client` is handed on to handlers. `on_error`
    is called with the event and the error of a handler, `hooks` with what happens, for figures.

    Raises ConfigurationError for what cannot work.
    """

    def __init__(
        self,
        auth: Auth,
        *,
        verify_token: SecretLike | None = None,
        inbox: Inbox | None = None,
        ack: Ack | None = None,
        dedupe: DedupeStore | None = None,
        scope: str = "",
        limits: Limits | None = None,
        work: WorkPolicy | None = None,
        client: OmnichatClient | None = None,
        on_error: Callable[[WebhookEvent, Exception], None] | None = None,
        hooks: tuple[Callable[[Observed], None], ...] = (),
    ) -> None:
        super().__init__()
        self.ack: Ack = ack or ("stored" if inbox is not None else "queued")
        if self.ack not in {"stored", "queued", "handled"}:
            raise ConfigurationError('ack must be "stored", "queued" or "handled"')
        if (self.ack == "stored") is not (inbox is not None):
            raise ConfigurationError('ack="stored" and an inbox go together: give both or none')
        self.client = client
        self._auth = auth
        self._token = None if verify_token is None else Secret(verify_token)
        self._scope = scope
        self._limits = limits or Limits()
        self._intake = Intake(self._limits)
        self._work = work or WorkPolicy(max_tries=_QUEUE_TRIES if self.ack == "queued" else 12)
        self._inbox: Inbox | None = MemoryInbox() if self.ack == "queued" else inbox
        self._dedupe = MemoryDedupe() if self.ack == "handled" and dedupe is None else dedupe
        self._lanes = Lanes(self._work.concurrency)
        self._on_error = on_error
        self._hooks = hooks
        self._meter = HealthMeter()
        self._forgeries = 0
        self._worker: Worker | None = None
        self._background: set[asyncio.Task[Any]] = set()

    # ---- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to work off events. Once; ``async with receiver`` does it too."""
        if self._worker is not None:
            raise ConfigurationError("the receiver runs already")
        if not self._auth.ready:
            _log.warning("pairing: handshakes are answered, events refused until there is a secret")
        if self._inbox is not None:
            self._worker = Worker(self._inbox, self._attend, self._work, self._tell)
            self._worker.start()

    async def aclose(self) -> None:
        """Finish the handlers that run, for ``work.drain`` seconds at most, and stop."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()
        if self._background:
            await asyncio.wait(self._background, timeout=self._work.drain)
        left = list(self._background)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if self._inbox is not None:
            await self._inbox.aclose()

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

    @property
    def health(self) -> Health:
        """How near the subscription is to being switched off by Omnichat."""
        return self._meter.read(time.monotonic())

    # ---- requests ------------------------------------------------------------------------------

    async def handle(self, request: WebhookRequest) -> WebhookResponse:
        """Answer a request. Send the answer exactly as it is: only status 200 is a success.

        Raises ConfigurationError if the receiver was not started, and nothing else.
        """
        started = time.monotonic()
        if self._inbox is not None and self._worker is None:
            raise ConfigurationError("start the receiver first: async with receiver: ...")
        genuine = False
        try:
            if request.method == "GET":
                return answer_handshake(request, self._token)
            if request.method != "POST":
                raise WebhookRefused("only GET and POST are answered", status=405)
            async with self._intake.body_of(request) as body:
                self._check_sender(request, body)
                genuine = True
                events, new = await self._take(request, body)
        except WebhookRefused as refusal:
            return self._refuse(refusal, started, genuine=genuine)
        self._answered(
            Answered(status=200, seconds=time.monotonic() - started, events=events, new=new)
        )
        return WebhookResponse(status=200, body=b"ok")

    def _refuse(self, refusal: WebhookRefused, started: float, *, genuine: bool) -> WebhookResponse:
        status, reason = refusal.status, refusal.reason
        seconds = time.monotonic() - started
        if genuine:
            _log.warning("a webhook was refused: %s", refusal)
            self._answered(Answered(status=status, seconds=seconds, reason=reason))
        else:  # whoever sent it, it is no delivery that Omnichat counts
            self._tell(Answered(status=status, seconds=seconds, reason=reason))
        answer = WebhookResponse(status=status)
        if status == 405:
            answer.headers["Allow"] = "GET, POST"
        return answer

    def _answered(self, answered: Answered) -> None:
        now = time.monotonic()
        before = self._meter.read(now).in_danger
        self._meter.count(now, ok=answered.status == 200 and answered.seconds < ANSWER_WITHIN_S)
        health = self._meter.read(now)
        if health.in_danger and not before:
            _log.error(
                "deliveries fail: %d in a row, %.0f %% of the last hour; Omnichat switches the"
                " subscription off at more than 20, or 10 %%",
                health.failures_in_a_row,
                100 * health.failure_rate,
            )
        self._tell(answered)

    async def _take(self, request: WebhookRequest, body: bytes) -> tuple[int, int]:
        """Read a genuine request and keep or handle it; the number of events and of new ones."""
        kind = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise WebhookRefused("the content type is not application/json", status=415)
        headers = dict(reversed(request.headers))  # the first of a repeated one
        try:
            events = parse(body, headers, max_events=self._limits.max_events)
        except WebhookRefused as refusal:
            await self._bury(body, refusal)
            raise
        records = records_of(events, self._scope, self._limits.max_body)
        if self.ack == "handled":
            return len(events), await self._handle_now(events, records)
        return len(events), await self._keep(records)

    def _check_sender(self, request: WebhookRequest, body: bytes) -> None:
        if not self._auth.ready:
            raise WebhookRefused("pairing: there is no signature secret yet", status=503)
        if self._auth.accepts(request, body):
            self._forgeries = 0
            return
        self._forgeries += 1
        if self._forgeries == 3:
            _log.error(
                "3 requests in a row were not genuine: if Omnichat sent them, the signature"
                " secret is wrong or the body was changed on its way"
            )
        raise WebhookRefused("the request is not genuine", status=401)

    async def _bury(self, body: bytes, refusal: WebhookRefused) -> None:
        """Keep a genuine body that cannot be read, for a person to look at."""
        if self._inbox is None:
            return
        key = digest(self._scope, "unreadable", body.decode("latin-1"))
        record = Record(
            key=key,
            lane=key,
            name="unreadable",
            headers={},
            body=body,
            received=time.time(),
        )
        with contextlib.suppress(Exception):  # it is refused whether it can be kept or not
            await self._inbox.put([record], dead=type(refusal).__name__)

    async def _keep(self, records: list[Record]) -> int:
        if not records:
            return 0
        assert self._inbox is not None
        try:
            new = await self._inbox.put(records)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being safe
            known = str(error) if isinstance(error, InboxFull) else type(error).__name__
            reason = f"the events could not be kept: {known}"
            raise WebhookRefused(reason, status=503) from None
        if self._worker is not None:
            self._worker.wake()
        return new

    # ---- events --------------------------------------------------------------------------------

    async def _attend(self, job: Job) -> None:
        """Handle an event of the inbox; raise if it failed."""
        record = job.record
        (event,) = parse(record.body, record.headers)
        await self._once(event, record, job.attempt)

    async def _once(self, event: WebhookEvent, record: Record, attempt: int) -> bool:
        """Handle an event if nobody did and nobody does; whether it was handled here."""
        claim = await self._claim(record.key)
        if claim.state != "new":
            if claim.state == "busy" and self._inbox is not None:
                raise _HandlersFailed  # another process has it: look again later
            return False
        delivery = Delivery(
            key=record.key,
            attempt=attempt,
            received_at=datetime.fromtimestamp(record.received, UTC),
            client=self.client,
        )
        errors: list[Exception] = []
        try:
            errors = await self.dispatch(event, delivery)
        except BaseException:
            await self._settle(record.key, claim, handled=False)
            raise
        await self._settle(record.key, claim, handled=not errors)
        for error in errors:
            self._report(event, error)
        for error in errors:
            raise error if isinstance(error, RejectWebhook) else _HandlersFailed from None
        return True

    def _report(self, event: WebhookEvent, error: Exception) -> None:
        if self._on_error is None:
            return
        try:
            self._on_error(event, error)
        except Exception as second:  # noqa: BLE001 - it must not cost an event
            _log.error("on_error failed: %s", type(second).__name__)

    async def _claim(self, key: str) -> Claim:
        if self._dedupe is None:
            return Claim("new")
        try:
            return await self._dedupe.claim(key, self._work.lease)
        except Exception as error:  # noqa: BLE001 - rather twice than never
            _log.error("the dedupe store fails: %s", type(error).__name__)
            return Claim("new")

    async def _settle(self, key: str, claim: Claim, *, handled: bool) -> None:
        if self._dedupe is None or not claim.token:
            return
        with contextlib.suppress(Exception):  # the claim ends by itself
            if handled:
                await self._dedupe.done(key, claim.token, _REMEMBER_S)
            else:
                await self._dedupe.release(key, claim.token)

    async def _handle_now(self, events: list[WebhookEvent], records: list[Record]) -> int:
        work = self._spawn(self._handle_all(events, records))
        done, _ = await asyncio.wait({work}, timeout=_HANDLED_WITHIN_S)
        return work.result() if done else len(events)

    def _spawn(self, work: Awaitable[int]) -> asyncio.Task[int]:
        async def run() -> int:
            return await work

        task = asyncio.create_task(run(), name="webhooks: request")
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # a refusal that came after its request was answered

    async def _handle_all(self, events: list[WebhookEvent], records: list[Record]) -> int:
        new = 0
        rejected: int | None = None
        for event, record in zip(events, records, strict=True):
            try:
                async with self._lanes.turn(record.lane):
                    new += await self._once(event, record, 1)
            except RejectWebhook as reject:
                rejected = reject.status
            except _HandlersFailed:
                pass
        if rejected is not None:
            raise WebhookRefused("a handler rejected it", status=rejected)
        return new

    def _tell(self, observed: Observed) -> None:
        for hook in self._hooks:
            try:
                hook(observed)
            except Exception as error:  # noqa: BLE001 - figures must not cost an event
                _log.error("a hook failed: %s", type(error).__name__)
