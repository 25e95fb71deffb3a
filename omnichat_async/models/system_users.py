"""Objects of system users: the team."""

from typing import Any

import attrs

from omnichat_async.models.base import Model

__all__ = ["Shop", "SystemUser"]


@attrs.define(kw_only=True)
class Shop(Model):
    """A shop that a system user belongs to."""

    id: str
    code: str | None = None
    name: str | None = None
    categories: list[Any] = attrs.field(factory=list)


@attrs.define(kw_only=True)
class SystemUser(Model):
    """A teammate with a login. `team` is the team's name; what the numbers of `status` and `role`
    mean is not documented."""

    username: str | None = None
    team: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    profile_picture: str | None = None
    available: bool | None = None
    status: int | None = None
    role: int | None = None
    employee_code: str | None = None
    shops: list[Shop] = attrs.field(factory=list)
