"""Fan-out: one message to any number of recipients, journaled, so that any crash is survivable."""

from omnichat_async.jobs.fanout.job import SETTLE_S, FanOut, read_status
from omnichat_async.jobs.fanout.message import Message
from omnichat_async.jobs.fanout.plan import Plan
from omnichat_async.jobs.fanout.reconcile import Reconciled
from omnichat_async.jobs.fanout.records import Outcome, Progress, State, Status
from omnichat_async.jobs.fanout.report import Button, Report

__all__ = [
    "SETTLE_S",
    "Button",
    "FanOut",
    "Message",
    "Outcome",
    "Plan",
    "Progress",
    "Reconciled",
    "Report",
    "State",
    "Status",
    "read_status",
]
