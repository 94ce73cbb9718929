"""Numbers and dates as a reader wants them; every text that data brings is escaped here."""

from collections.abc import Sequence
from datetime import date
from html import escape
from math import isfinite

MINUS, NOTHING = "\u2212", "\u2013"
SIGNS = {"USD": "$", "EUR": "\u20ac", "GBP": "\u00a3"}


def text(value: object) -> str:
    """Return `value` safe to stand in a page; nothing for None."""
    return "" if value is None else escape(str(value), quote=True)


def known(value: object) -> bool:
    """Return whether `value` is a finite number."""
    return isinstance(value, int | float) and isfinite(value)


def number(value: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """Return `value` with thousands set apart and a true minus; a dash where there is none."""
    if value is None or not isfinite(value):
        return NOTHING
    rounded = f"{abs(value):,.{digits}f}"
    if not rounded.strip("0.,"):
        return rounded
    return f"{MINUS if value < 0 else '+' if signed else ''}{rounded}"


def percent(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """Return a fraction as a percentage."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"{number(100 * value, digits, signed=signed)}%"


def basis_points(value: float | None, *, signed: bool = False) -> str:
    """Return a fraction in basis points."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"{number(1e4 * value, 1, signed=signed)} bps"


def money(value: float | None, currency: str, digits: int = 0, *, signed: bool = False) -> str:
    """Return an amount with its currency in front."""
    if value is None or not isfinite(value):
        return NOTHING
    plain = number(abs(value), digits)
    sign = "" if not plain.strip("0.,") else MINUS if value < 0 else "+" if signed else ""
    return f"{sign}{SIGNS.get(currency, f'{text(currency)} ')}{plain}"


def with_error(value: float | None, error: float | None, digits: int = 3) -> str:
    """Return a figure and its standard error."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"{number(value, digits)} \u00b1 {number(error, digits)}"


def day(value: date) -> str:
    """Return a date as `Thursday 30 June 2016`."""
    return f"{value:%A} {value.day} {value:%B %Y}"


def short_day(value: date) -> str:
    """Return a date as `30 Jun 2016`."""
    return f"{value.day} {value:%b %Y}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return `1 order`, `2 orders`."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return names in a row, escaped, the tail counted."""
    shown = ", ".join(text(name) for name in names[:most])
    rest = len(names) - most
    return f"{shown} and {rest:,} more" if rest > 0 else shown
