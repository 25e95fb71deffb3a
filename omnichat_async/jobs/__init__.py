"""Jobs that run for minutes or hours: exports."""

from omnichat_async.jobs.export import Export, ExportReport, Progress
from omnichat_async.jobs.streams import STREAMS, Stream

__all__ = ["STREAMS", "Export", "ExportReport", "Progress", "Stream"]
