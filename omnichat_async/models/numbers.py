"""Numbers that the API sends as text."""

import re
from decimal import Decimal, InvalidOperation

__all__ = ["parse_money", "parse_percent"]

_NUMBER = re.compile(r"\d[\d,]*(\.\d+)?|\.\d+")


def parse_percent(text: str | None) -> Decimal | None:
    """``"76.78%"`` as ``Decimal("76.78")``; None for None, an empty string or no number."""
    return _decimal(text.strip().removesuffix("%")) if text else None


def parse_money(text: str | None) -> Decimal | None:
    """``"HK$ 34,707.40"`` as ``Decimal("34707.40")``, whatever the currency; None if there is no
    number, or more than one."""
    if not text:
        return None
    numbers = list(_NUMBER.finditer(text))
    if len(numbers) != 1:
        return None
    sign = "-" if "-" in text[: numbers[0].start()] else ""
    return _decimal(sign + numbers[0][0])


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
