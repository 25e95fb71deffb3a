"""Customers: one person with the contacts on all channels."""

from __future__ import annotations

from omnichat_async import checks
from omnichat_async.calls import NOTHING, Call, Safety, one
from omnichat_async.endpoints.base import Area, wire_of
from omnichat_async.models.customers import Customer, CustomerUpdate

__all__ = ["Customers"]

_PATH = "/customers"


class Customers(Area):
    """The people behind the contacts, known by their member id."""

    async def get(self, member_id: str) -> Customer:
        """The customer with this member id, with all linked contacts.

        Raises NotFound if there is none.

        Wraps ``GET /customers``. Needs the CRM Open API module.
        """
        return await self._execute(
            Call(
                method="GET",
                path=_PATH,
                safety=Safety.READ,
                answer=one(Customer),
                params={"memberId": checks.text("member_id", member_id)},
            )
        )

    async def upsert(
        self,
        customer: CustomerUpdate,
        *,
        member_id: str | None = None,
        omni_customer_id: str | None = None,
    ) -> None:
        """Change a customer and the linked contacts, or make one if there is none.

        Exactly one of `member_id` and `omni_customer_id`, which customer webhooks deliver. Safe
        to repeat.

        Raises InvalidRequest for none or both ids.

        Wraps ``PUT /customers``. Needs the CRM Open API module.
        """
        name, value = checks.exactly_one(member_id=member_id, omni_customer_id=omni_customer_id)
        wire = "memberId" if name == "member_id" else "omniCustomerId"
        await self._execute(
            Call(
                method="PUT",
                path=_PATH,
                safety=Safety.REPEATABLE,
                answer=NOTHING,
                params={wire: checks.text(name, value)},
                json=wire_of("customer", customer, CustomerUpdate),
            )
        )

    async def delete(self, member_id: str) -> None:
        """Erase a customer for good: the member profile AND the whole chat history with it.

        It is safe to repeat: a customer that an earlier attempt of this call erased is no error.

        Raises NotFound if there is no such customer.

        Wraps ``DELETE /customers``. Needs the CRM Open API module.
        """
        await self._delete(
            Call(
                method="DELETE",
                path=_PATH,
                safety=Safety.REPEATABLE,
                answer=NOTHING,
                params={"memberId": checks.text("member_id", member_id)},
            )
        )
