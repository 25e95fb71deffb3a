"""Query parameters, read strictly: what the API would have to guess about is refused."""

import re
from collections.abc import Iterable, Mapping
from typing import Self

import attrs

from omnichat_async.sandbox.config import SandboxConfig
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.wire import ApiError, Call, Refuse, bad_body, bad_parameters

_WEEK_MS = 7 * 86_400_000
_INTEGER = re.compile(r"-?[0-9]{1,19}")
INT_MAX = 2**31 - 1
_LONG_MAX = 2**63 - 1


@attrs.frozen
class Query:
    """The parameters of one request, each at most once; those with an empty value are left out."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, call: Call, allowed: frozenset[str]) -> Self:
        """The parameters of a request that takes no body."""
        if call.body:
            raise bad_body("this method takes no body")
        return cls.parse(call.query, allowed)

    @classmethod
    def parse(
        cls,
        pairs: Iterable[tuple[str, str]],
        allowed: frozenset[str],
        refuse: Refuse = bad_parameters,
    ) -> Self:
        """Refuse unknown and repeated names.

        The documents' own URLs send `channelId` with an empty or no value and mean "not given".
        """
        values: dict[str, str] = {}
        for name, value in pairs:
            if name not in allowed:
                known = ", ".join(sorted(allowed)) or "none"
                raise refuse(f"unknown parameter {name}; known here: {known}")
            if name in values:
                raise refuse(f"{name} is given twice")
            values[name] = value
        return cls({name: value for name, value in values.items() if value})

    def text(self, name: str) -> str | None:
        """A text, or None."""
        return self.values.get(name)

    def required(self, name: str) -> str:
        """A text that must be there."""
        value = self.values.get(name)
        if value is None:
            raise ApiError(400, "MISSING_URL_PARAMETER", f"{name} is required")
        return value

    def integer(self, name: str, default: int) -> int:
        """An Integer of 32 bits."""
        value = self.values.get(name)
        return default if value is None else _number(name, value, INT_MAX)

    def long(self, name: str) -> int:
        """A Long of 64 bits that must be there."""
        return _number(name, self.required(name), _LONG_MAX)

    def platform(self) -> str:
        """The platform, as requests spell it."""
        platform = self.required("platform")
        if platform not in PLATFORMS:
            raise bad_parameters(f"platform {platform} is none of {', '.join(PLATFORMS)}")
        return platform

    def window(self, after: str, before: str, max_ms: int | None = _WEEK_MS) -> tuple[int, int]:
        """The half-open range [after, before) in epoch ms, at most `max_ms` long."""
        first, last = self.long(after), self.long(before)
        if first >= last:
            raise bad_parameters(f"{after} must be earlier than {before}")
        if max_ms is not None and last - first > max_ms:
            raise bad_parameters(
                f"The date range between {after} and {before} cannot exceed 7 days."
            )
        return first, last

    def paging(self, config: SandboxConfig, default: int = 20) -> tuple[int, int]:
        """Page number (from 1) and rows per page."""
        page = self.integer("page", 1)
        size = self.integer("pageSize", default)
        if page < 1:
            raise bad_parameters(f"page is {page}, the first is 1")
        if not 1 <= size <= config.max_page_size:
            raise bad_parameters(f"pageSize is {size}, allowed is 1 to {config.max_page_size}")
        return page, size if config.page_cap is None else min(size, config.page_cap)


def _number(name: str, value: str, largest: int) -> int:
    if _INTEGER.fullmatch(value) is None or not -largest - 1 <= int(value) <= largest:
        raise ApiError(400, "MISMATCH_TYPE", f"{name} must be an integer")
    return int(value)
