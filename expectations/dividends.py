"""Given dividends against the adjusted close that should carry them, and against the price.

The adjustment of a row is adj_close / close over that of the row before; a dividend of d a share
takes it from 1 to 1 - d / p, with p the close before the ex session (some vendors: the close of
the ex session plus d). Its size is known to seven figures, so it is compared exactly; the price's
own fall is noisy, so it only speaks in standard deviations of the name.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from expectations.levels import BIG
from expectations.price_history import (
    FLOOR,
    Action,
    Array,
    Finding,
    History,
    Mask,
    Rows,
    moves,
    noise,
)

SAME = 2e-5  # share of a price: five of ten million is float32, and no dividend is as small
ALIKE = 0.02  # of a dividend: vendors round cash to three or four figures
SURE = 5.0  # deviations: where a fall is missing or too much; one name-day in a million if normal
WINDOW = 3  # rows in which a dividend must show: its own, and two for a date that is late
SMALL = 0.005  # share of a price: one that is given at 1/100 is below this, or above half the price
LOUD = 8.0  # deviations: a fall that is no noise
TICK = 0.005  # log: floor of the deviation where the fall itself is measured against 1/100
TWIN_ROWS = 2  # rows between two dividends that are one, dated twice
TWIN_SIZE = 0.1  # share by which their sizes may differ: paid in another currency, converted twice
DIGITS = range(2, 6)  # decimals an adjusted close may be printed with; more are taken as exact
_SPLIT_SHARE = 0.1  # of a split's log ratio: how near an adjustment must be to be that split's


class Carried(NamedTuple):
    """What the adjusted close says, row by row."""

    share_T: Array  # of the price before that the row's adjustment takes off; NaN where unknown
    rounding_T: Array  # what the printed digits leave open of it


def wrong_dividends(told: History) -> list[Finding]:
    """Return dividends that prices or adjusted closes contradict, and adjustments of nothing."""
    carried = _carried(told)
    merged = _merged(told.dividends())
    explained_T = np.zeros(told.close_T.size, dtype=bool)
    found: list[Finding] = []
    for dividend in merged:
        found += _against_adjustment(told, carried, dividend, explained_T)
        found += _against_fall(told, dividend)
    found += _against_falls(told, merged)
    found += _twice(told, merged)
    found += _of_nothing(told, carried, explained_T)
    return found


def _carried(told: History) -> Carried:
    ratio_T = np.where(np.isfinite(told.adjusted_T), told.adjusted_T, np.nan) / told.close_T
    before_T = np.roll(ratio_T, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share_T = 1.0 - before_T / ratio_T
        rounding_T = _rounding(told.adjusted_T)
    share_T[told.first_T] = np.nan
    return Carried(np.where(np.isfinite(share_T), share_T, np.nan), rounding_T)


def _rounding(adjusted_T: Array) -> Array:
    """Return half a unit of the last digit of a row and the one before, as shares of their prices.

    The digits are those that both need; 0 where they need more than any vendor rounds to.
    """
    digits_T = np.full(adjusted_T.size, DIGITS.stop)
    for digits in reversed(DIGITS):
        scaled_T = adjusted_T * 10.0**digits
        digits_T[np.abs(scaled_T - np.rint(scaled_T)) < 1e-5] = digits
    needed_T = np.maximum(digits_T, np.roll(digits_T, 1))
    half_T = np.where(needed_T < DIGITS.stop, 0.5 * 10.0 ** -needed_T.astype(float), 0.0)
    rounding_T = half_T * (1 / np.abs(adjusted_T) + 1 / np.abs(np.roll(adjusted_T, 1)))
    return np.asarray(np.where(np.isfinite(rounding_T), rounding_T, 0.0))


def _merged(dividends: list[Action]) -> list[Action]:
    """Return dividends with those of one row added up."""
    by_row: dict[int, Action] = {}
    for dividend in dividends:
        if known := by_row.get(dividend.at):
            dividend = known._replace(value=known.value + dividend.value)
        by_row[dividend.at] = dividend
    return [by_row[at] for at in sorted(by_row)]


def _against_adjustment(
    told: History, carried: Carried, dividend: Action, explained_T: Mask
) -> list[Finding]:
    """Return what the adjusted close says against a dividend; mark its row as explained.

    A bar longer than a session may end after the ex session: then the next row's adjustment is
    the dividend's, and any price of the bar may have been the close before.
    """
    at, cash = dividend.at, dividend.value
    start, end = told.symbol_rows(at)
    explained_T[at] = True
    if at == start:
        return []
    bases = [told.close_T[at - 1], told.close_T[at] + cash]
    if abs(carried.share_T[at]) <= SAME + carried.rounding_T[at] and told.long_bars(at):
        if at + 1 == end:
            return []
        bases += [p for p in (told.high_T[at], told.low_T[at]) if p > 0]
        at += 1
        explained_T[at] = True
    share, rounding = carried.share_T[at], carried.rounding_T[at]
    least, most = cash / max(bases), cash / min(bases)
    slack = ALIKE * most + rounding + SAME / 10
    if np.isnan(share) or least - slack <= share <= most + slack:
        return []
    given = f"{cash:g} given, {100 * most:.3g} % of the close before"
    if abs(share) <= SAME + rounding:
        return [Finding(dividend.at, dividend.number, "dividend not carried", given)]
    detail = f"{given}; the adjusted close carries {share / most:.4g} times that"
    twice = 2 * least - slack <= share <= 2 * most + slack
    rule = "dividend carried twice" if twice else "dividend at another size"
    return [Finding(dividend.at, dividend.number, rule, detail)]


def _against_fall(told: History, dividend: Action) -> list[Finding]:
    """Return a dividend that is larger than the price's fall can bear.

    Where nothing moved in these rows the name did not trade, and its price says nothing.
    """
    at = dividend.at
    start, end = told.symbol_rows(at)
    if at == start:
        return []
    before = told.close_T[at - 1]
    share = dividend.value / before
    if share >= 1.0:
        detail = f"{dividend.value:g} a share that closed at {before:g} the row before"
        return [Finding(at, dividend.number, "dividend above the price", detail)]
    if share < SURE * FLOOR:
        return []
    window = slice(at, min(at + WINDOW, end))
    prices = np.concatenate([told.low_T[window], told.close_T[window], told.high_T[window]])
    prices = prices[prices > 0]
    fall = 1.0 - prices.min() / before
    noise_of_name = noise(_own_moves(told, start, end), with_mean=True)
    if (prices == before).all() or share - fall < SURE * noise_of_name:
        return []
    detail = f"{100 * share:.3g} % of the close before, which fell by {100 * fall:.3g} % at most"
    return [Finding(at, dividend.number, "dividend too large", detail)]


def _against_falls(told: History, dividends: list[Action]) -> list[Finding]:
    """Return the dividends of names whose price falls as if they were a hundred times larger.

    All small ones of a name are judged together: with x the dividend and y the fall, as shares of
    the close before, and s the name's deviation, sum(y - x) / (s sqrt(n)) must be sure and the
    falls together lie between half and twice of 100 x. A loud fall that the next close undoes
    wholly is a bad print, and counts for nothing.
    """
    by_name: dict[int, list[Action]] = {}
    for dividend in dividends:
        start, _ = told.symbol_rows(dividend.at)
        if dividend.at > start and dividend.value / told.close_T[dividend.at - 1] < SMALL:
            by_name.setdefault(start, []).append(dividend)
    found: list[Finding] = []
    for start, small in by_name.items():
        at = np.array([dividend.at for dividend in small])
        share = np.array([dividend.value for dividend in small]) / told.close_T[at - 1]
        _, end = told.symbol_rows(start)
        spread = noise(_own_moves(told, start, end), floor=TICK)
        fall = _lasting_falls(told, at, end, loud=LOUD * spread)
        if not 0.5 <= fall.sum() / (100 * share.sum()) <= 2.0:
            continue
        if (fall - share).sum() < SURE * spread * np.sqrt(at.size):
            continue
        detail = f"falls by {100 * fall.mean():.3g} % on its ex sessions, as if 100 times larger"
        found += [Finding(d.at, d.number, "dividend too small", detail) for d in small]
    return found


def _lasting_falls(told: History, at: Rows, end: int, *, loud: float) -> Array:
    """Return by what share closes fell on rows `at`; 0 where loud and undone on the next row."""
    before = told.close_T[at - 1]
    fall = 1.0 - told.close_T[at] / before
    undone = told.close_T[np.minimum(at + 1, end - 1)] >= before
    return np.where((fall > loud) & undone, 0.0, fall)


def _twice(told: History, dividends: list[Action]) -> list[Finding]:
    """Return the one of two like dividends within days that the price bears less."""
    found = []
    for one, other in pairwise(dividends):
        start, _ = told.symbol_rows(other.at)
        near = start < one.at and other.at - one.at <= TWIN_ROWS
        if not near or abs(other.value / one.value - 1.0) > TWIN_SIZE:
            continue
        missing = [
            d.value - told.close_T[d.at - 1] + told.close_T[d.at]  # of the fall it asks for
            for d in (one, other)
        ]
        doubted = other if missing[1] > missing[0] else one
        detail = f"{one.value:g} and {other.value:g} within {other.at - one.at} rows"
        found.append(Finding(doubted.at, doubted.number, "dividend given twice", detail))
    return found


def _of_nothing(told: History, carried: Carried, explained_T: Mask) -> list[Finding]:
    """Return rows whose adjustment no action explains, and splits the adjusted close lacks."""
    splits = {split.at: split for split in told.splits()}
    with np.errstate(invalid="ignore"):
        odd_T = (np.abs(carried.share_T) > SAME + carried.rounding_T) & ~explained_T
    found = []
    for at in map(int, np.flatnonzero(odd_T)):
        share, split = float(carried.share_T[at]), splits.get(at)
        same = split is not None and share < 1.0 and _is_split(1.0 - share, split.value)
        if split is not None and (same or share >= 1.0 or abs(np.log(1.0 - share)) >= BIG):
            detail = f"{split.value:g} for 1, which close and adjusted close carry differently"
            rule = "split not carried" if same else "split at another size"
            found.append(Finding(at, split.number, rule, detail))
        else:
            detail = f"adj_close / close changes by {100 * share:.4g} % without an action"
            found.append(Finding(at, None, "adjustment without action", detail))
    return found


def _is_split(factor: float, ratio: float) -> bool:
    return abs(abs(np.log(factor)) - abs(np.log(ratio))) <= _SPLIT_SHARE * abs(np.log(ratio))


def _own_moves(told: History, start: int, end: int) -> Array:
    part = told._replace(
        close_T=told.close_T[start:end],
        adjusted_T=told.adjusted_T[start:end],
        first_T=told.first_T[start:end],
    )
    return moves(part, adjusted=True)
