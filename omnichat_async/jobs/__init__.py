"""Jobs that run for minutes or hours: exports."""

from omnichat_async.jobs.export import Export
from omnichat_async.jobs.report import ExportReport, Progress
from omnichat_async.jobs.sinks import Batch, CallbackSink, Receipt, Sink, sink_for
from omnichat_async.jobs.streams import STREAMS, Stream

__all__ = [
    "STREAMS",
    "Batch",
    "CallbackSink",
    "Export",
    "ExportReport",
    "Progress",
    "Receipt",
    "Sink",
    "Stream",
    "sink_for",
]
