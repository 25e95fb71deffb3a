"""A local fake of the Omnichat Open API: all its endpoints, a strict rate limit, faults on demand.

The data are computed from a seed; what requests change is kept in memory on top of them. `magic`
lists the recipients that provoke business errors. Where it is simpler than the API: a deleted
contact's chat history stays, and broadcasts are not in the chat history.
"""

from omnichat_async.sandbox.config import SandboxConfig
from omnichat_async.sandbox.data.platforms import PLATFORMS
from omnichat_async.sandbox.faults import Fault, FaultKind, parse_fault
from omnichat_async.sandbox.sandbox import Sandbox
from omnichat_async.sandbox.server import create_app
from omnichat_async.sandbox.state.outbox import Sent
from omnichat_async.sandbox.state.rooms import Room, RoomStatus
from omnichat_async.sandbox.stats import Stats
from omnichat_async.sandbox.world import STREAMS, Stream

__all__ = [
    "PLATFORMS",
    "STREAMS",
    "Fault",
    "FaultKind",
    "Room",
    "RoomStatus",
    "Sandbox",
    "SandboxConfig",
    "Sent",
    "Stats",
    "Stream",
    "create_app",
    "parse_fault",
]
