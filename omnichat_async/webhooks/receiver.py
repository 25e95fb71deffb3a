"""The receiver: request in, answer out, events safe and handled. It knows no framework."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from omnichat_async.errors import ConfigurationError
from omnichat_async.webhooks.at_once import AtOnce
from omnichat_async.webhooks.claims import Claims
from omnichat_async.webhooks.dedupe import DedupeUnavailable, MemoryDedupe
from omnichat_async.webhooks.dispatch import Delivery, Handlers, HandlersFailed, RejectWebhook
from omnichat_async.webhooks.events import digest
from omnichat_async.webhooks.handshake import answer_handshake
from omnichat_async.webhooks.http import WebhookResponse
from omnichat_async.webhooks.inbox import InboxFull, Record
from omnichat_async.webhooks.inboxes import MemoryInbox
from omnichat_async.webhooks.intake import Intake, Limits
from omnichat_async.webhooks.lanes import Lanes
from omnichat_async.webhooks.parse import parse
from omnichat_async.webhooks.records import records_of
from omnichat_async.webhooks.refusal import WebhookRefused
from omnichat_async.webhooks.verify import Secret, SecretLike
from omnichat_async.webhooks.watch import Answered, Watch
from omnichat_async.webhooks.worker import NotNow, Outcome, Worker, WorkPolicy

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from omnichat_async.client import OmnichatClient
    from omnichat_async.webhooks.auth import Auth
    from omnichat_async.webhooks.dedupe import DedupeStore
    from omnichat_async.webhooks.events import WebhookEvent
    from omnichat_async.webhooks.health import Health
    from omnichat_async.webhooks.http import WebhookRequest
    from omnichat_async.webhooks.inbox import Inbox, Job
    from omnichat_async.webhooks.watch import Observed

__all__ = ["Ack", "Receiver"]

_log = logging.getLogger("omnichat_async.webhooks")

Ack: TypeAlias = Literal["stored", "queued", "handled"]

_DAY_S = 86_400.0
_REMEMBER_S = 7 * _DAY_S
_PATIENCE_S = 5.0
"""How long a body waits for an equal one that is just being taken: the sender waits for 15 s."""
_QUEUE_TRIES = 4


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

    `dedupe` claims each event before it is handled, for inboxes that are not shared: see
    ``integrations.redis``. The receiver closes it, as it does the inbox. ``replay_guard="body"``
    takes an equal body within 24 h for a replay, which is answered and not handled; equal bodies
    may be genuine, as two clicks are. `scope` names the subscription where several share an inbox
    or a store: one receiver, path and secret for each. What an inbox holds is handled only by
    receivers of its own scope, so a scope keeps its name. `limits` bound what is read. `client` is
    handed on to handlers. `on_error` is called with the event and the error of a handler, `hooks`
    with what happens, for figures.

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
        replay_guard: Literal["body"] | None = None,
        scope: str = "",
        limits: Limits | None = None,
        work: WorkPolicy | None = None,
        client: OmnichatClient | None = None,
        on_error: Callable[[WebhookEvent, Exception], None] | None = None,
        hooks: tuple[Callable[[Observed], None], ...] = (),
    ) -> None:
        work = work or (WorkPolicy(max_tries=_QUEUE_TRIES) if inbox is None else WorkPolicy())
        super().__init__(work.concurrency)
        self.ack: Ack = ack or ("stored" if inbox is not None else "queued")
        if self.ack not in {"stored", "queued", "handled"}:
            raise ConfigurationError('ack must be "stored", "queued" or "handled"')
        if (self.ack == "stored") is not (inbox is not None):
            raise ConfigurationError('ack="stored" and an inbox go together: give both or none')
        if replay_guard not in {None, "body"}:
            raise ConfigurationError('replay_guard must be None or "body"')
        if any(map(inspect.iscoroutinefunction, (on_error, *hooks))):
            raise ConfigurationError("on_error and hooks are called and not awaited: no async ones")
        self.client = client
        self._auth = auth
        self._token = None if verify_token is None else Secret(verify_token)
        self._scope = scope
        self._limits = limits or Limits()
        self._intake = Intake(self._limits)
        self._work = work
        self._inbox: Inbox | None = MemoryInbox() if self.ack == "queued" else inbox
        self._watch = Watch(hooks)
        events = MemoryDedupe() if self.ack == "handled" and dedupe is None else dedupe
        self._claims = Claims(events, work.lease, self._watch.tell)
        self._bodies: Claims | None = None
        if replay_guard == "body":
            self._bodies = Claims(dedupe or MemoryDedupe(), work.lease, self._watch.tell)
        self._lanes = Lanes(work.concurrency)
        self._at_once = AtOnce(self._limits.max_buffered)
        self._on_error = on_error
        self._forgeries = 0
        self._worker: Worker | None = None

    # ---- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to work off events. Once; ``async with receiver`` does it too.

        Raises ConfigurationError if it runs already, or if the inbox cannot be opened.
        """
        if self._worker is not None:
            raise ConfigurationError("the receiver runs already")
        if not self._auth.ready:
            _log.warning("pairing: handshakes are answered, events refused until there is a secret")
        self._lanes = Lanes(self._work.concurrency)  # its locks belong to the loop of now
        if self._inbox is None:
            return
        try:
            await self._inbox.next_due()  # so that a wrong path is no surprise of the first event
        except BaseException:
            await self._inbox.aclose()
            raise
        self._worker = Worker(
            self._inbox, self._attend, self._work, self._watch.tell, scope=self._scope
        )
        self._worker.start()

    async def aclose(self) -> None:
        """Finish the handlers that run, for ``work.drain`` seconds at most, and stop.

        Under ``ack="queued"`` the events that wait are handled too, as far as there is time. What
        is left is lost, and an ERROR says how many they were.
        """
        worker, self._worker = self._worker, None
        async with contextlib.AsyncExitStack() as closing:  # the last first, whatever fails
            if self._inbox is not None:
                closing.push_async_callback(self._inbox.aclose)
            for claims in (self._claims, self._bodies):
                if claims is not None:
                    closing.push_async_callback(claims.aclose)
            closing.callback(self._end_threads)
            closing.push_async_callback(self._at_once.stop, self._work.drain)
            if worker is not None:
                if self.ack == "queued":
                    closing.push_async_callback(self._count_lost)
                closing.push_async_callback(worker.stop, finish=self.ack == "queued")

    async def _count_lost(self) -> None:
        assert isinstance(self._inbox, MemoryInbox)
        if lost := (await self._inbox.counts())["open"]:
            _log.error("%d events that waited in memory are lost", lost)

    async def idle(self) -> None:
        """Wait until the handlers are through with every event that is due; tests want to know.

        One that waits for its next try is not due. Returns at once if the receiver does not run.
        """
        if self._worker is not None:
            await self._worker.idle()
        await self._at_once.idle()

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
        return self._watch.health

    # ---- requests ------------------------------------------------------------------------------

    async def handle(self, request: WebhookRequest) -> WebhookResponse:
        """Answer a request. Send the answer exactly as it is: only status 200 is a success.

        Raises ConfigurationError if the receiver was not started, and nothing else.
        """
        if self._inbox is not None and self._worker is None:
            raise ConfigurationError("start the receiver first: async with receiver: ...")
        started, genuine = time.monotonic(), False
        began = asyncio.get_running_loop().time()
        status, events, new, reason = 200, 0, 0, None
        answer: WebhookResponse | None = None
        try:
            if request.method == "GET":
                answer = answer_handshake(request, self._token)
            elif request.method != "POST":
                raise WebhookRefused("only GET and POST are answered", status=405)
            else:
                async with self._intake.body_of(request) as body:
                    self._check_sender(request, body)
                    genuine = True
                    events, new = await self._take(request, body, began)
        except WebhookRefused as refusal:
            status, reason = refusal.status, refusal.reason
            if genuine:
                _log.warning("a webhook was refused: %s", refusal)
        seconds = time.monotonic() - started
        answered = Answered(status=status, seconds=seconds, events=events, new=new, reason=reason)
        self._watch.answered(answered, genuine=genuine)
        return answer or _response(status)

    async def _take(self, request: WebhookRequest, body: bytes, began: float) -> tuple[int, int]:
        """Read a genuine request and keep or handle it; the number of events and of new ones."""
        kind = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise WebhookRefused("the content type is not application/json", status=415)
        headers = dict(reversed(request.headers))  # the first of a repeated one
        try:
            events = parse(body, headers, max_events=self._limits.max_events)
            records = records_of(events, self._scope, self._limits.max_body)
        except WebhookRefused as refusal:
            await self._bury(body, refusal)
            raise
        try:
            if self._bodies is None:
                return len(events), await self._accept(events, records, began)
            known = digest(self._scope, "body", hashlib.sha256(body).hexdigest())
            async with self._bodies.hold(known, _DAY_S, patience=_PATIENCE_S) as claim:
                if claim.state == "busy":
                    raise WebhookRefused("the same body is just being taken", status=503)
                new = 0
                if claim.state == "new":
                    new = await self._accept(events, records, began)
                return len(events), new
        except DedupeUnavailable:
            raise WebhookRefused("the dedupe store does not answer", status=503) from None

    async def _accept(self, events: list[WebhookEvent], records: list[Record], began: float) -> int:
        if self.ack == "handled":
            return await self._at_once.run(self._handle_all(events, records), records, began)
        return await self._keep(records)

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
        key = digest(self._scope, "unreadable", hashlib.sha256(body).hexdigest())
        record = Record(
            key=key,
            lane=key,
            name="unreadable",
            headers={},
            body=body,
            received=time.time(),
            scope=self._scope,
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
        try:
            (event,) = parse(record.body, record.headers)
        except ValueError as error:  # kept by another version, or damaged
            raise HandlersFailed(type(error).__name__, final=True) from None
        # What a dedupe store knows to be done may be wanted again all the same.
        claim = digest(record.key, "replay", job.replays) if job.replays else record.key
        try:
            if await self._once(event, record, job.attempt, claim) == "busy":
                raise NotNow
        except DedupeUnavailable:
            raise NotNow from None

    async def _once(self, event: WebhookEvent, record: Record, attempt: int, key: str) -> str:
        """Handle an event if the claim on `key` is "new"; the state of the claim."""
        async with self._claims.hold(key, _REMEMBER_S) as claim:
            if claim.state == "new":
                await self._handle(event, record, attempt)
            return claim.state

    async def _handle(self, event: WebhookEvent, record: Record, attempt: int) -> None:
        """Call the handlers. Raises HandlersFailed, or RejectWebhook if that came first."""
        delivery = Delivery(
            key=record.key,
            attempt=attempt,
            received_at=datetime.fromtimestamp(record.received, UTC),
            client=self.client,
        )
        errors = await self.dispatch(event, delivery)
        for error in errors:
            self._report(event, error)
        for error in errors:
            if isinstance(error, RejectWebhook | HandlersFailed):
                raise error
            raise HandlersFailed(type(error).__name__)

    def _report(self, event: WebhookEvent, error: Exception) -> None:
        if self._on_error is None:
            return
        try:
            self._on_error(event, error)
        except Exception as second:  # noqa: BLE001 - it must not cost an event
            _log.error("on_error failed: %s", type(second).__name__)

    async def _handle_all(self, events: list[WebhookEvent], records: list[Record]) -> int:
        new = 0
        rejected: WebhookRefused | None = None
        for event, record in zip(events, records, strict=True):
            try:
                new += await self._handle_now(event, record)
            except WebhookRefused as refusal:
                rejected = refusal
        if rejected is not None:
            raise rejected
        return new

    async def _handle_now(self, event: WebhookEvent, record: Record) -> bool:
        """Handle an event in its turn, and tell what became of it; whether it was new.

        Raises WebhookRefused if its request is to be refused.
        """

        def tell(state: str, error: str | None = None) -> None:
            self._watch.tell(Outcome(name=event.name, attempt=1, state=state, error=error))

        try:
            async with self._lanes.turn(record.lane), asyncio.timeout(self._work.timeout):
                state = await self._once(event, record, 1, record.key)
        except RejectWebhook as reject:
            tell("dead", type(reject).__name__)
            raise WebhookRefused("a handler rejected it", status=reject.status) from None
        except DedupeUnavailable:
            tell("later")
            raise WebhookRefused("the dedupe store does not answer", status=503) from None
        except HandlersFailed as failed:  # as it was logged
            tell("dead", failed.kind)
        except TimeoutError as error:
            _log.error("the handlers of %s took too long, and were cancelled", event.name)
            tell("dead", type(error).__name__)
        else:
            if state == "new":  # if not, somebody else has it, and there was no attempt
                tell("done")
                return True
        return False


def _response(status: int) -> WebhookResponse:
    """The answer to a POST, and to what is neither a POST nor a GET. A refusal has no body."""
    answer = WebhookResponse(status=status, body=b"ok" if status == 200 else b"")
    if status == 405:
        answer.headers["Allow"] = "GET, POST"
    return answer
