"""Contacts: the people on each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from omnichat_async import checks
from omnichat_async.calls import NOTHING, Call, Safety, page_of
from omnichat_async.endpoints.base import Area, check_bsuid, user_ids, wire_of
from omnichat_async.errors import InvalidRequest, NotFound
from omnichat_async.models.common import Platform, platform_name
from omnichat_async.models.contacts import Contact, ContactUpdate
from omnichat_async.paging import ListQuery, RowKind
from omnichat_async.windows import whole_range

if TYPE_CHECKING:
    from datetime import datetime

    from omnichat_async.paging import Listing, WalkOptions

__all__ = ["Contacts"]


_NOBODY = frozenset({"USER_ID_NOT_FOUND", "CONTACT_NOT_FOUND"})
_WIRE_NAMES = {"user_id": "userId", "member_id": "memberId"}
_WEBSITE = "website"


class Contacts(Area):
    """The people a team talks to, one record for each channel they use."""

    @overload
    def list(
        self,
        *,
        platform: Platform | str,
        updated_after: datetime | int,
        updated_before: datetime | int,
        channel_id: str | None = None,
        raw: Literal[False] = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[Contact]: ...

    @overload
    def list(
        self,
        *,
        platform: Platform | str,
        updated_after: datetime | int,
        updated_before: datetime | int,
        channel_id: str | None = None,
        raw: Literal[True],
        **options: Unpack[WalkOptions],
    ) -> Listing[dict[str, Any]]: ...

    def list(
        self,
        *,
        platform: Platform | str,
        updated_after: datetime | int,
        updated_before: datetime | int,
        channel_id: str | None = None,
        raw: bool = False,
        **options: Unpack[WalkOptions],
    ) -> Listing[Any]:
        """All contacts of one platform updated in ``updated_after <= time < updated_before``.

        Times are aware datetimes or epoch ms; the span may be of any length and is read in
        windows of at most 7 days. A contact that is updated during the walk moves to the time of
        its update. `raw` gives the server's dicts; see WalkOptions for the rest.

        Raises InvalidRequest for a naive datetime or an empty span.

        Wraps ``GET /contacts``. Needs the CRM Open API module.
        """
        name = platform_name(platform)
        query: ListQuery[Contact] = ListQuery(
            path="/contacts",
            model=Contact,
            params={"platform": name, "channelId": _channel(name, channel_id)},
            window=whole_range(updated_after, updated_before, ("updated_after", "updated_before")),
            window_names=("updatedAfter", "updatedBefore"),
            kind=RowKind(key=("channel.channelId", "id"), time="updatedAt", moves=True, block=500),
        )
        return self._listing(query, raw, options)

    async def find(
        self,
        *,
        platform: Platform | str,
        channel_id: str | None = None,
        user_id: str | None = None,
        bsuid: str | None = None,
        member_id: str | None = None,
        phone: str | None = None,
        email: str | None = None,
    ) -> Contact | None:
        """The contact with one given id, or None if there is none.

        Exactly one of `user_id`, `bsuid`, `member_id`, `phone` and `email`; the first two are
        ids on a channel and need its `channel_id`. Where a member has contacts on several
        channels, the first that the API names is returned: give `channel_id` to choose.

        Raises InvalidRequest for none or several ids.

        Wraps ``GET /contacts``. Needs the CRM Open API module.
        """
        name, value = checks.exactly_one(
            user_id=user_id, bsuid=bsuid, member_id=member_id, phone=phone, email=email
        )
        if name in {"user_id", "bsuid"} and channel_id is None:
            raise InvalidRequest("channel_id", "is needed with user_id and bsuid", "none")
        where = platform_name(platform)
        check_bsuid(where, bsuid)
        call = Call(
            method="GET",
            path="/contacts",
            safety=Safety.READ,
            answer=page_of(Contact),
            params={
                "platform": where,
                "channelId": _channel(where, channel_id),
                _WIRE_NAMES.get(name, name): checks.text(name, value),
            },
        )
        try:
            page = await self._execute(call)
        except NotFound as error:
            if error.code not in _NOBODY:  # another thing is missing: the channel, the route
                raise
            return None
        for odd in page.rejected.values():
            raise odd
        return page.items[0] if page.items else None

    async def upsert(
        self,
        *,
        platform: Platform | str,
        channel_id: str,
        user_id: str | None = None,
        contact: ContactUpdate,
        bsuid: str | None = None,
    ) -> None:
        """Change the contact of a user on a channel, or make it if there is none.

        `user_id` is needed, but for WhatsApp where `bsuid` may take its place or go with it. On
        webchat contacts can only be changed. Safe to repeat.

        Raises InvalidRequest, NotFound for a webchat user that does not exist, and BadRequest for
        a channel, an agent or a custom attribute that does not.

        Wraps ``PUT /contacts/{platform}``. Needs the CRM Open API module.
        """
        name = platform_name(platform)
        channel = _channel(name, checks.text("channel_id", channel_id))
        await self._execute(
            Call(
                method="PUT",
                path="/contacts/{platform}",
                safety=Safety.REPEATABLE,
                answer=NOTHING,
                path_params={"platform": name},
                params={"channelId": channel, **user_ids(name, user_id, bsuid)},
                json=wire_of("contact", contact, ContactUpdate),
            )
        )

    async def delete(
        self,
        *,
        platform: Platform | str,
        channel_id: str,
        user_id: str | None = None,
        bsuid: str | None = None,
    ) -> None:
        """Erase a contact for good: the profile AND the whole chat history with it.

        `user_id` is needed, but for WhatsApp where `bsuid` may take its place or go with it. It
        is safe to repeat: a contact that an earlier attempt of this call erased is no error.

        Raises NotFound if there is no such contact.

        Wraps ``DELETE /contacts/{platform}``. Needs the CRM Open API module.
        """
        name = platform_name(platform)
        ids = user_ids(name, user_id, bsuid)
        channel = checks.text("channel_id", channel_id)
        if name == Platform.WEBCHAT:
            # This call alone knows webchat, and its channel, as "website".
            channel = _WEBSITE if channel == name else channel
            name = _WEBSITE
        await self._delete(
            Call(
                method="DELETE",
                path="/contacts/{platform}",
                safety=Safety.REPEATABLE,
                answer=NOTHING,
                path_params={"platform": name},
                params={"channelId": channel, **ids},
            )
        )


def _channel(platform: str, channel_id: str | None) -> str | None:
    """A channel as requests name it: that of webchat reads back as "website"."""
    known = checks.optional_text("channel_id", channel_id)
    return platform if platform == Platform.WEBCHAT and known == _WEBSITE else known
