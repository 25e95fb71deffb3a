"""WhatsApp message templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from omnichat_async import checks
from omnichat_async.endpoints.base import Area
from omnichat_async.models.templates import MessageTemplate
from omnichat_async.paging import ListQuery, RowKind

if TYPE_CHECKING:
    from omnichat_async.paging import Listing, WalkOptions

__all__ = ["Templates"]


class Templates(Area):
    """The templates of a WhatsApp business number."""

    @overload
    def list(
        self, *, phone: str, raw: Literal[False] = False, **options: Unpack[WalkOptions]
    ) -> Listing[MessageTemplate]: ...

    @overload
    def list(
        self, *, phone: str, raw: Literal[True], **options: Unpack[WalkOptions]
    ) -> Listing[dict[str, Any]]: ...

    def list(
        self, *, phone: str, raw: bool = False, **options: Unpack[WalkOptions]
    ) -> Listing[Any]:
        """All message templates of the WhatsApp business number `phone` (digits).

        ``WhatsAppTemplate.of(template, ...)`` makes a message of one. `raw` gives the server's
        dicts; see WalkOptions for the rest.

        Wraps ``GET /whatsapp-message-templates``. Needs the Marketing Open API module.
        """
        query: ListQuery[MessageTemplate] = ListQuery(
            path="/whatsapp-message-templates",
            model=MessageTemplate,
            params={"phone": checks.phone("phone", phone)},
            kind=RowKind(key=("id",)),
        )
        return self._listing(query, raw, options)
