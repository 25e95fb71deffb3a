"""A request that is not taken, and the status it is answered with."""

from __future__ import annotations

from omnichat_async.errors import OmnichatError

__all__ = ["WebhookRefused"]


class WebhookRefused(OmnichatError, ValueError):  # noqa: N818 - named as its siblings are
    """A webhook request that cannot be taken.

    Answer it with `status` and an empty body. `reason` says why and holds nothing of the request.
    """

    def __init__(self, reason: str, *, status: int = 400) -> None:
        super().__init__(f"answered with HTTP {status}: {reason}")
        self.status = status
        self.reason = reason
