"""Listings: async iterators over numbered pages and windows of time."""

from omnichat_async.paging.engine import Position
from omnichat_async.paging.iterators import Pages, Rows
from omnichat_async.paging.listing import Listing
from omnichat_async.paging.query import ListQuery, RowKind, Source, Unread, WalkOptions
from omnichat_async.paging.rules import suggested_concurrency

__all__ = [
    "ListQuery",
    "Listing",
    "Pages",
    "Position",
    "RowKind",
    "Rows",
    "Source",
    "Unread",
    "WalkOptions",
    "suggested_concurrency",
]
