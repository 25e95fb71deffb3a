"""Asyncio SDK for the Omnichat Open API.

::

    from omnichat_async import OmnichatClient

    async with OmnichatClient() as client:  # token= or $OMNICHAT_API_TOKEN
        async for message in client.messages.list(platform="whatsapp", after=..., before=...):
            print(message.time, message.sender_name, message.message)
"""

from typing import TYPE_CHECKING, Any

from omnichat_async._version import __version__
from omnichat_async.calls import Page
from omnichat_async.client import OmnichatClient
from omnichat_async.errors import (
    APIError,
    BadRequest,
    ConfigurationError,
    ContactNotReachable,
    ContactUnsubscribed,
    DecodeError,
    Incomplete,
    InvalidRequest,
    MarketingMessagesLiteNotEnabled,
    NotFound,
    NotSent,
    OmnichatError,
    OutcomeUnknown,
    PartialFailure,
    PermissionDenied,
    RateLimited,
    ServerError,
    Unauthorized,
)
from omnichat_async.limits import RateLimiter
from omnichat_async.retries import RetryPolicy
from omnichat_async.windows import Checkpoint, Window

if TYPE_CHECKING:
    from omnichat_async.paging import Listing

__all__ = [
    "APIError",
    "BadRequest",
    "Checkpoint",
    "ConfigurationError",
    "ContactNotReachable",
    "ContactUnsubscribed",
    "DecodeError",
    "Incomplete",
    "InvalidRequest",
    "Listing",
    "MarketingMessagesLiteNotEnabled",
    "NotFound",
    "NotSent",
    "OmnichatClient",
    "OmnichatError",
    "OutcomeUnknown",
    "Page",
    "PartialFailure",
    "PermissionDenied",
    "RateLimited",
    "RateLimiter",
    "RetryPolicy",
    "ServerError",
    "Unauthorized",
    "Window",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "Listing":  # a program names it for its types, if at all
        from omnichat_async.paging import Listing  # noqa: PLC0415

        return Listing
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
