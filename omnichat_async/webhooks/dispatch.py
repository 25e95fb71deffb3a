"""Which handlers an event goes to, by decorators that know its type."""

from __future__ import annotations

import asyncio
import inspect
import logging
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, overload

import attrs

from omnichat_async.errors import ConfigurationError
from omnichat_async.webhooks.events import (
    AgentEvent,
    InboundMessage,
    MessageStatus,
    OmnichatEvent,
    UnknownEvent,
    WebhookEvent,
)
from omnichat_async.webhooks.payload import UnknownData
from omnichat_async.webhooks.topics import TOPICS
from omnichat_async.webhooks.whatsapp import UnknownContent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from datetime import datetime

    from omnichat_async.client import OmnichatClient
    from omnichat_async.webhooks.topics import (
        BroadcastStatus,
        ChannelSubscription,
        Customer,
        DirectMessageStatus,
        FlowResponse,
        OmoBinding,
        PhoneBinding,
        SmsFallback,
        Ticket,
        TicketDeleted,
    )

__all__ = ["Delivery", "Handlers", "HandlersFailed", "RejectWebhook", "StopDispatch"]

E = TypeVar("E", bound=WebhookEvent)
H = TypeVar("H", bound="Callable[[Any, Delivery], Any]")
A = TypeVar("A", bound="Callable[[WebhookEvent, Delivery], Awaitable[None] | None]")
AsyncHandler: TypeAlias = "Callable[[E, Delivery], Coroutine[Any, Any, None]]"
Handler: TypeAlias = "Callable[[E, Delivery], Awaitable[None] | None]"


class Decorator(Protocol[E]):
    """Takes a handler of such events, and gives it back as what it is, for tests to call."""

    @overload
    def __call__(self, handler: AsyncHandler[E], /) -> AsyncHandler[E]: ...
    @overload
    def __call__(
        self, handler: Callable[[E, Delivery], None], /
    ) -> Callable[[E, Delivery], None]: ...
    @overload
    def __call__(self, handler: Handler[E], /) -> Handler[E]: ...


_log = logging.getLogger("omnichat_async.webhooks")


class StopDispatch(Exception):  # noqa: N818 - a signal, not an error
    """Raised by a handler: the event is handled, and goes to no further handler."""


class RejectWebhook(Exception):  # noqa: N818 - a signal, not an error
    """Raised by a handler under ``ack="handled"``: answer with `status` instead of 200.

    Omnichat counts it as a failed delivery, and is not known to deliver again. Raises ValueError
    for a status that is not from 400 to 599.
    """

    def __init__(self, status: int = 503) -> None:
        if status not in range(400, 600):
            raise ValueError(f"status must be from 400 to 599; given: {status}")
        super().__init__(status)
        self.status = status


class HandlersFailed(Exception):  # noqa: N818 - a signal inside this room
    """An event was not handled: `kind` is the class of the first error. If it is `final`, another
    try could not end otherwise."""

    def __init__(self, kind: str, *, final: bool = False) -> None:
        super().__init__(kind)
        self.kind, self.final = kind, final


@attrs.frozen(kw_only=True)
class Delivery:
    """How an event came: `attempt` counts the tries to handle it from 1, `key` names it in the
    inbox, `received_at` is when the request came (aware, UTC)."""

    key: str
    attempt: int
    received_at: datetime
    _client: OmnichatClient | None = attrs.field(default=None, repr=False, alias="client")

    @property
    def client(self) -> OmnichatClient:
        """The client that the receiver was given, to answer with."""
        if self._client is None:
            raise ConfigurationError("the receiver has no client: give it one with client=")
        return self._client


@attrs.frozen
class _Entry:
    handler: Callable[[Any, Delivery], Any]
    fits: Callable[[WebhookEvent], bool]
    what: tuple[Any, ...]


def _is_unknown(event: WebhookEvent) -> bool:
    if isinstance(event, OmnichatEvent):
        return isinstance(event.data, UnknownData)
    if isinstance(event, InboundMessage):
        return isinstance(event.data.content, UnknownContent)
    return isinstance(event, UnknownEvent)


class Handlers:
    """A register of handlers: ``handler(event, delivery)``, async or not.

    All that fit an event are called, in the order in which they were registered. One that fails
    keeps no other from its turn. A function that is not async runs in one of `most_threads`.
    """

    def __init__(self, most_threads: int = 16) -> None:
        self._entries: list[_Entry] = []
        self._most_threads = most_threads
        self._threads: ThreadPoolExecutor | None = None

    @overload
    def on(
        self, what: Literal["customer/create", "customer/update"]
    ) -> Decorator[OmnichatEvent[Customer]]: ...
    @overload
    def on(
        self, what: Literal["customer/channel_subscribe", "customer/channel_unsubscribe"]
    ) -> Decorator[OmnichatEvent[ChannelSubscription]]: ...
    @overload
    def on(
        self, what: Literal["customer/channel_phone_binding"]
    ) -> Decorator[OmnichatEvent[PhoneBinding]]: ...
    @overload
    def on(
        self, what: Literal["customer/channel_omo_binding"]
    ) -> Decorator[OmnichatEvent[OmoBinding]]: ...
    @overload
    def on(
        self, what: Literal["direct_msg/status"]
    ) -> Decorator[OmnichatEvent[DirectMessageStatus]]: ...
    @overload
    def on(
        self, what: Literal["broadcast_msg/status"]
    ) -> Decorator[OmnichatEvent[BroadcastStatus]]: ...
    @overload
    def on(
        self, what: Literal["whatsapp_flow/flow_create"]
    ) -> Decorator[OmnichatEvent[FlowResponse]]: ...
    @overload
    def on(self, what: Literal["lon/send_sms"]) -> Decorator[OmnichatEvent[SmsFallback]]: ...
    @overload
    def on(
        self, what: Literal["ticket/create", "ticket/update"]
    ) -> Decorator[OmnichatEvent[Ticket]]: ...
    @overload
    def on(self, what: Literal["ticket/delete"]) -> Decorator[OmnichatEvent[TicketDeleted]]: ...
    @overload
    def on(self, what: str) -> Decorator[OmnichatEvent[Any]]: ...
    @overload
    def on(self, what: type[E]) -> Decorator[E]: ...
    def on(self, what: str | type[WebhookEvent]) -> Any:
        """Handle the events of a topic, or of a class. A topic nobody knows is warned of.

        Raises ConfigurationError for what is neither.
        """
        if isinstance(what, str):
            if what not in TOPICS:
                _log.warning("no documented topic is called %r", what)
            return self._add(("topic", what), lambda event: _topic_of(event) == what)
        if not (isinstance(what, type) and issubclass(what, WebhookEvent)):
            # Nothing would ever fit it, and every event would be done without its handler.
            raise ConfigurationError(
                'on() takes a topic or a class of events, as on("ticket/update") or'
                f" on(InboundMessage); given: {_name(what)}"
            )
        return self._add(("class", what), lambda event: isinstance(event, what))

    def on_message(self, *types: str) -> Decorator[InboundMessage]:
        """Handle WhatsApp messages of these types, as ``"text"``; without any, all."""
        return self._add(
            ("message", *_names("on_message", types)),
            lambda event: (
                isinstance(event, InboundMessage) and (not types or event.data.type in types)
            ),
        )

    def on_status(self, *statuses: str) -> Decorator[MessageStatus]:
        """Handle WhatsApp statuses, as ``"failed"``; without any, all."""
        return self._add(
            ("status", *_names("on_status", statuses)),
            lambda event: (
                isinstance(event, MessageStatus) and (not statuses or event.data.status in statuses)
            ),
        )

    def on_agent(self, *types: str) -> Decorator[AgentEvent]:
        """Handle events for an AI agent, as ``"message:new"``; without any, all."""
        return self._add(
            ("agent", *_names("on_agent", types)),
            lambda event: isinstance(event, AgentEvent) and (not types or event.data.type in types),
        )

    def on_unknown(self, handler: A) -> A:
        """Handle what this version has no class for: topics, types of messages, odd items."""
        return self._add(("unknown",), _is_unknown)(handler)

    def on_any(self, handler: A) -> A:
        """Handle every event."""
        return self._add(("any",), lambda _: True)(handler)

    def _add(self, what: tuple[Any, ...], fits: Callable[[WebhookEvent], bool]) -> Callable[[H], H]:
        def register(handler: H) -> H:
            if any(each.handler == handler and each.what == what for each in self._entries):
                raise ConfigurationError(f"{_name(handler)} is registered for that already")
            self._entries.append(_Entry(handler, fits, what))
            return handler

        return register

    async def dispatch(self, event: WebhookEvent, delivery: Delivery) -> list[Exception]:
        """Call every handler that fits; the errors of those that failed."""
        errors: list[Exception] = []
        for entry in list(self._entries):
            if not entry.fits(event):
                continue
            try:
                await self._call(entry.handler, event, delivery)
            except StopDispatch:
                break
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is its own affair
                if not isinstance(error, RejectWebhook):
                    _log_failure(entry, event, error)
                errors.append(error)
            except (KeyboardInterrupt, SystemExit, GeneratorExit):
                raise
            except BaseException as error:  # as the outcomes of pytest are
                if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                    raise
                # Or not this event was cancelled, but something that its handler awaited.
                _log_failure(entry, event, error)
                errors.append(HandlersFailed(type(error).__name__))
        return errors

    async def _call(
        self, handler: Callable[[Any, Delivery], Any], event: Any, delivery: Delivery
    ) -> None:
        if inspect.iscoroutinefunction(handler):
            await handler(event, delivery)
            return
        if self._threads is None:
            # Not the loop's own, which resolve names too: one that hangs keeps its thread.
            self._threads = ThreadPoolExecutor(self._most_threads, "omnichat-handler")
        context = copy_context()
        result = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: context.run(_in_thread, handler, event, delivery)
        )
        if inspect.isawaitable(result):  # a callable object or a partial
            await result

    def _end_threads(self) -> None:
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)


def _names(decorator: str, given: tuple[Any, ...]) -> tuple[str, ...]:
    """What was given, if it is names. A handler without parentheses would never be called."""
    if not all(isinstance(each, str) for each in given):
        raise ConfigurationError(f"{decorator}() takes names: write @receiver.{decorator}()")
    return given


def _topic_of(event: WebhookEvent) -> str | None:
    return event.topic if isinstance(event, OmnichatEvent) else None


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _log_failure(entry: _Entry, event: WebhookEvent, error: BaseException) -> None:
    # Its text may hold anything of the event, so only its class and place.
    place = (_name(entry.handler), event.name, type(error).__name__, _line(error))
    _log.error("handler %s failed on %s: %s at %s", *place)


def _in_thread(handler: Callable[[Any, Delivery], Any], event: Any, delivery: Delivery) -> Any:
    try:
        return handler(event, delivery)
    except StopIteration as error:  # no future takes one, so nobody would ever hear of it
        raise RuntimeError("the handler raised StopIteration") from error


def _name(handler: object) -> str:
    return str(getattr(handler, "__qualname__", type(handler).__name__))


def _line(error: BaseException) -> str:
    trace, last = error.__traceback__, None
    while trace is not None:
        last, trace = trace, trace.tb_next
    if last is None:
        return "an unknown place"
    return f"{Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}"
