"""Jobs that run for minutes or hours: exports and fan-outs.

A fan-out's names are imported when the first of them is used: an export needs no journal.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from omnichat_async.jobs.export import Export
from omnichat_async.jobs.report import ExportReport, Progress
from omnichat_async.jobs.sinks import Batch, CallbackSink, Receipt, Sink, sink_for
from omnichat_async.jobs.streams import STREAMS, Stream

if TYPE_CHECKING:
    from omnichat_async.jobs.fanout import FanOut, Message, Plan, Reconciled, Report, State, Status

__all__ = [
    "STREAMS",
    "Batch",
    "CallbackSink",
    "Export",
    "ExportReport",
    "FanOut",
    "Message",
    "Plan",
    "Progress",
    "Receipt",
    "Reconciled",
    "Report",
    "Sink",
    "State",
    "Status",
    "Stream",
    "sink_for",
]

if not TYPE_CHECKING:  # it would let a type checker believe in any name

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("omnichat_async.jobs.fanout"), name)
