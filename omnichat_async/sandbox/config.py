"""What the sandbox pretends to be. Every field has a default that follows the documents."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import attrs

from omnichat_async.sandbox.faults import Fault

DAY_MS = 86_400_000
# A fixed span, and not one that moves with the clock: the same rows tomorrow, so that what was
# begun today can be gone on with.
DATA_ENDS_MS = 2_240_611_200_000  # 2041-01-01
SPAN_DAYS = 7_305  # 20 years

Order = Literal["asc", "desc", "id"]
TotalKey = Literal["default", "totalElements", "totalElement", "none"]
Variants = Literal["collection", "guide"]
LoyaltyIdentifier = Literal["any", "phone", "email", "memberId"]

# The attributes of the computed contacts, and those that the documents' sample bodies set.
CUSTOM_ATTRIBUTES = {
    "MEMBER_TIER": "text",
    "POINTS": "number",
    "BIRTHDAY": "date",
    "LAST_VISIT": "datetime",
    "OPT_IN": "boolean",
    "MemberTier": "text",
    "Points": "number",
    "TotalSpending": "number",
    "AcceptedMarketingPromotion": "boolean",
    "LastPurchaseDate": "date",
    "RegisterDatetime": "datetime",
    "OPEN_API_ATTR_NAME": "text",
    "OPEN_API_ATTR_COUPON": "text",
}


def wall_clock_ms() -> int:
    """Now, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


_Validator = Callable[[Any, Any, Any], None]


def _at_least(lowest: int) -> _Validator:
    def check(_: object, field: "attrs.Attribute[Any]", value: float | None) -> None:
        if value is not None and value < lowest:
            raise ValueError(f"{field.name} is {value}: give {lowest} or more")

    return check


def _twenty_years_before_the_end(config: "SandboxConfig") -> int:
    return config.end_ms - SPAN_DAYS * DAY_MS


@attrs.frozen(kw_only=True)
class SandboxConfig:
    """Settings of one sandbox.

    rows           rows of messages and of contacts per platform over the whole span, and rows of
                   orders and of tagging logs (which know no platform filter). Nothing is stored:
                   millions cost no memory.
    start_ms, end_ms  the span of the data, epoch ms, half-open: 2021 to 2040. Rows of the future
                   do not exist yet.
    limit          requests per sliding second, None = no limit.
    penalise       True: refused requests fill the sliding second too.
    rtt_ms         round trip, half of it waited before the request is counted, half after.
    jitter_ms      up to this much more before the request is counted.
    max_page_size  a larger pageSize is refused with 400.
    page_cap       if set, larger pages are silently cut to this size, and page k then starts at
                   row (k - 1) * page_cap, as servers with a hidden cap do.
    total_key      name of the total in lists; "default" = what the documents show per endpoint.
    order          by time up, by time down, or by a hash of the id.
    variants       which source to follow where the two documented ones differ in form:
                   "collection" = content wrapper, `messageId`, `content.triggerId`, rich menus with
                   text ids and an array of areas, `agentBindTime` in ms, room errors like
                   NOT_ALLOWED_TO_CLOSE_ROOM; "guide" = bare broadcast send, broadcast detail,
                   customer and trigger id, `messageIds`, referral link info as an array, rich menus
                   with integer ids and an object, `agentBindTime` in ISO form, more paging fields.
    list_delay_ms  how long after it was sent a broadcast appears in the list of broadcasts.
    team_id        the `team` of the calls about AI rooms.
    custom_attributes  key and type (text, number, date, datetime, boolean) of those that exist.
    loyalty_identifier  the one field that may name somebody when points are adjusted.
    wall_ms        the clock that decides which rows exist already, epoch ms.
    monotonic_s    the clock of the limiter and of the statistics, seconds.
    """

    host: str = "127.0.0.1"
    port: int = attrs.field(default=0, validator=_at_least(0))
    token: str = "sandbox-token"  # noqa: S105  a public constant of a fake server
    seed: int = 1
    rows: int = attrs.field(default=800_000, validator=_at_least(0))
    end_ms: int = DATA_ENDS_MS
    start_ms: int = attrs.Factory(_twenty_years_before_the_end, takes_self=True)
    limit: int | None = attrs.field(default=40, validator=_at_least(1))
    penalise: bool = False
    rtt_ms: float = attrs.field(default=0, validator=_at_least(0))
    jitter_ms: float = attrs.field(default=0, validator=_at_least(0))
    list_delay_ms: float = attrs.field(default=0, validator=_at_least(0))
    max_page_size: int = attrs.field(default=100, validator=_at_least(1))
    page_cap: int | None = attrs.field(default=None, validator=_at_least(1))
    total_key: TotalKey = "default"
    order: Order = "asc"
    variants: Variants = "collection"
    team_id: str = "sandbox-team"
    custom_attributes: Mapping[str, str] = attrs.field(factory=CUSTOM_ATTRIBUTES.copy)
    loyalty_identifier: LoyaltyIdentifier = "any"
    faults: tuple[Fault, ...] = attrs.field(default=(), converter=tuple)
    wall_ms: Callable[[], int] = wall_clock_ms
    monotonic_s: Callable[[], float] = time.monotonic

    @property
    def guide(self) -> bool:
        """Whether answers take the forms of the guide."""
        return self.variants == "guide"

    def __attrs_post_init__(self) -> None:
        """Refuse what no type checker saw, and a span that is empty or begins before 1970."""
        for name, value, kind in (
            ("total_key", self.total_key, TotalKey),
            ("order", self.order, Order),
            ("variants", self.variants, Variants),
            ("loyalty_identifier", self.loyalty_identifier, LoyaltyIdentifier),
        ):
            if value not in get_args(kind):
                raise ValueError(f"{name} is {value!r}: give one of {', '.join(get_args(kind))}")
        if not 0 <= self.start_ms < self.end_ms:
            raise ValueError(
                f"start_ms is {self.start_ms}: give epoch ms before end_ms ({self.end_ms})"
            )
