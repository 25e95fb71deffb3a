"""Loyalty points, by the identifier they were adjusted with."""

from collections.abc import Iterable

import attrs


@attrs.define
class _Account:
    balance: int = 0
    collected: int = 0


class Points:
    """What was given to and taken from each phone, email or member id since the start."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    def adjust(self, identifier: str, points: int) -> None:
        """Give points, or take them."""
        account = self._accounts.setdefault(identifier, _Account())
        account.balance += points
        account.collected += max(points, 0)

    def balance(self, identifiers: Iterable[str]) -> int:
        """The balance of somebody known under these identifiers."""
        return sum(account.balance for account in self._of(identifiers))

    def collected(self, identifiers: Iterable[str]) -> int:
        """What was ever given."""
        return sum(account.collected for account in self._of(identifiers))

    def _of(self, identifiers: Iterable[str]) -> Iterable[_Account]:
        return (self._accounts[name] for name in set(identifiers) if name in self._accounts)
