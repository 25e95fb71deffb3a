"""Loyalty points."""

from omnichat_async.sandbox.body import Fields
from omnichat_async.sandbox.wire import EMPTY_OK, Call, Reply, bad_body
from omnichat_async.sandbox.world import World

_IDENTIFIERS = ("phone", "email", "memberId")


def adjust_points(world: World, call: Call) -> Reply:
    """`PUT /loyalty-points/action/adjust`: a PUT that adds."""
    body = Fields.of(call, ("points", *_IDENTIFIERS))
    points = body.integer("points")
    given = [name for name in _IDENTIFIERS if body.text_or_none(name)]
    if len(given) != 1:
        raise bad_body("give exactly one of phone, email and memberId")
    wanted = world.config.loyalty_identifier
    if wanted not in {"any", given[0]}:
        raise bad_body(f"points are kept by {wanted} in this team, not by {given[0]}")
    identifier = body.text(given[0])
    if given[0] == "phone" and not (identifier.isascii() and identifier.isdecimal()):
        raise bad_body("phone number must be numeric")
    world.points.adjust(identifier, points)
    return EMPTY_OK
