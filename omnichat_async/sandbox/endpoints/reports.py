"""The two reports, the tagging log and the tracking info of a referral link."""

import re

from omnichat_async.sandbox.endpoints.base import listing
from omnichat_async.sandbox.params import Query
from omnichat_async.sandbox.wire import Call, Reply, json_reply, not_found
from omnichat_async.sandbox.world import Stream, World

_REPORT = frozenset({"page", "pageSize", "after", "before"})
_TAGGING = frozenset({"page", "pageSize", "taggedAfter", "taggedBefore"})
_INFO = frozenset({"ocsaid"})
_OCSAID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:LP:[0-9a-f]{24}")


def teammates_report(world: World, call: Call) -> Reply:
    """`GET /reports/messages`: messages sent per teammate in a range."""
    return _report(world, call, "teammates")


def orders_report(world: World, call: Call) -> Reply:
    """`GET /reports/product-referral-links/orders`: orders bought in a range."""
    return _report(world, call, "orders")


def tagging_records(world: World, call: Call) -> Reply:
    """`GET /tagging-logs/records`: tags given in a range. No longest range is documented."""
    query = Query.of(call, _TAGGING)
    window = query.window("taggedAfter", "taggedBefore", max_ms=None)
    rows = world.select("tagging_logs", *window, call.now_ms)
    return listing(world.config, rows, query.paging(world.config))


def referral_link_info(world: World, call: Call) -> Reply:
    """`GET /product-referral-links/info`: any code of the form the sample shows is known."""
    ocsaid = Query.of(call, _INFO).required("ocsaid")
    if _OCSAID.fullmatch(ocsaid) is None:
        raise not_found(f"no tracking code {ocsaid}")
    info = world.orders.link(ocsaid)
    if world.config.guide:  # the tables' form; the samples show one object
        return json_reply({"content": [info], "totalElements": 1})
    return json_reply({"content": info})


def _report(world: World, call: Call, stream: Stream) -> Reply:
    query = Query.of(call, _REPORT)
    rows = world.select(stream, *query.window("after", "before"), call.now_ms)
    return listing(world.config, rows, query.paging(world.config))
