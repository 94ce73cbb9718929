"""Prices that stand on another level than their neighbours: x100, or off by a given split.

A level is left by a jump of the very size of the slip and mostly returned to by another. Which
level is the odd one is told by the newest rows: older prices are there to be compared with them.
"""

from collections import Counter
from math import exp, log

import numpy as np

from expectations.price_history import Action, Array, Finding, History, Mask, moves, noise

HUNDRED = log(100.0)
SAME_DAY = 0.4  # log: apart from a slip of 100 a price may move by half in the same session
BIG = log(1.2)  # a ratio from 6:5 on is big enough for a price to show it
LOUD = 8.0  # deviations: a move that needs a reason
SHARE = 1 / 3  # of a ratio's log: what the price may have moved besides
NEAR = 10  # rows from an ex session within which vendors apply a split late, early or to some rows
NEWEST = 5  # rows whose level is the one that counts
_SLACK = 1e-3  # of a price: what a mended high may miss the open or close by


def unit_slips(told: History) -> list[Finding]:
    """Return the rows that stand a hundredfold above or below the rest, or hold both levels."""
    close_T, adjusted_T = moves(told, adjusted=False), moves(told, adjusted=True)
    move_T = np.where(np.abs(adjusted_T) < np.abs(close_T), adjusted_T, close_T)
    jump_T = np.abs(np.abs(move_T) - HUNDRED) <= SAME_DAY
    torn_T = _torn(told)
    found = {
        int(at): Finding(int(at), None, "unit slip", _torn_detail(told, int(at)))
        for at in np.flatnonzero(torn_T)
    }
    for first in sorted({told.symbol_rows(int(at))[0] for at in np.flatnonzero(jump_T)}):
        start, end = told.symbol_rows(first)
        jumps_T = np.where(jump_T[start:end], np.sign(move_T[start:end]), 0.0)
        for row, off in _odd_rows(jumps_T):
            detail = f"close {told.close_T[start + row]:g} is {_times(off * HUNDRED)} the newest"
            finding = Finding(start + row, None, "unit slip", f"{detail} level of prices")
            found.setdefault(start + row, finding)
    return [found[at] for at in sorted(found)]


def split_slips(told: History, *, lasting_is_the_action: bool) -> list[Finding]:
    """Return rows that carry a given split not at all or twice, and splits no price follows.

    Args:
        told: The delivery.
        lasting_is_the_action: Whether a jump by the ratio on the ex session that lasts speaks
            against the action (prices as traded), not against the older rows (restated prices).
    """
    found: list[Finding] = []
    paid = {dividend.at for dividend in told.dividends()}
    paying = {told.symbol_rows(at)[0] for at in paid}
    close_T, adjusted_T = moves(told, adjusted=False), moves(told, adjusted=True)
    for split in told.splits():
        start, end = told.symbol_rows(split.at)
        size, ex = abs(log(split.value)), split.at - start
        if size < BIG:
            continue
        # A dividend moves the close and not the adjusted close, unless that lacks the split.
        apart = abs(adjusted_T[split.at] - close_T[split.at])
        lacks = split.at not in paid and abs(apart - size) <= SHARE * size
        move_T = (adjusted_T if start in paying and not lacks else close_T)[start:end]
        loud = LOUD * noise(move_T)
        jumps_T = _jumps(move_T, size=size, loud=max(BIG, loud), ex=ex)
        odd = _odd_rows(jumps_T)
        if lasting_is_the_action and _parted(odd, ex, end - start):
            detail = f"{split.value:g} for 1, but the price goes on at its level"
            found.append(Finding(split.at, split.number, "split not followed", detail))
        else:
            found += [_misapplied(told, split, start + row, off * size) for row, off in odd]
        fields = _torn_fields(told, split, size=size, loud=max(BIG, loud))
        found += [f for f in fields if f.at - start not in dict(odd)]
    return found


def _jumps(move_T: Array, *, size: float, loud: float, ex: int) -> Array:
    """Return -1, 0 or 1 where the price leaves its level by a split's ratio.

    Only near the ex session or where the jump is soon undone: elsewhere it is the market's.
    """
    is_jump_T = (np.abs(move_T) >= loud) & (np.abs(np.abs(move_T) - size) <= SHARE * size)
    jumps_T = np.where(is_jump_T, np.sign(move_T), 0.0)
    rows = np.flatnonzero(jumps_T)
    for row in rows:
        undone = (jumps_T[rows] == -jumps_T[row]) & (np.abs(rows - row) <= NEAR)
        if abs(row - ex) > NEAR and not undone.any():
            is_jump_T[row] = False
    return np.where(is_jump_T, jumps_T, 0.0)


def _odd_rows(jumps_T: Array) -> list[tuple[int, int]]:
    """Return the rows off the level that most of the newest stand on, and by how many steps."""
    if not jumps_T.any():
        return []
    level_T = np.cumsum(jumps_T).astype(int)
    newest = level_T[-NEWEST:].tolist()
    usual = Counter(newest).most_common(1)[0][0]  # among equals the one met first: the older
    return [(int(row), int(level_T[row] - usual)) for row in np.flatnonzero(level_T != usual)]


def _parted(odd: list[tuple[int, int]], ex: int, rows: int) -> bool:
    """Return whether the odd rows are all those before the ex session, or all from it on."""
    places = [row for row, _ in odd]
    return bool(places) and places in (list(range(ex)), list(range(ex, rows)))


def _misapplied(told: History, split: Action, at: int, off: float) -> Finding:
    detail = f"close {told.close_T[at]:g} is {_times(off)} the newest level of prices"
    return Finding(at, None, "split misapplied", f"{detail}, as is the split {split.value:g} for 1")


def _torn(told: History) -> Mask:
    """Return whether a row's own prices lie a hundredfold apart."""
    prices = np.stack([told.open_T, told.high_T, told.low_T, told.close_T])
    prices = np.where(prices > 0, prices, np.nan)
    with np.errstate(invalid="ignore"):
        high_T, low_T = np.fmax.reduce(prices), np.fmin.reduce(prices)
        return np.asarray(np.abs(np.log(high_T / low_T) - HUNDRED) <= SAME_DAY)


def _torn_fields(told: History, split: Action, *, size: float, loud: float) -> list[Finding]:
    """Return rows near the ex session whose open, high or low alone is off by the split's ratio.

    A low is one where, mended, it would lie below open and close, as a low does; likewise a high.
    """
    start, end = told.symbol_rows(split.at)
    found = []
    for at in range(max(start + 1, split.at - NEAR), min(end, split.at + NEAR + 1)):
        close, before = told.close_T[at], told.close_T[at - 1]
        for field, prices_T in (
            ("open", told.open_T),
            ("high", told.high_T),
            ("low", told.low_T),
        ):
            price = prices_T[at]
            if not price > 0:
                continue
            offs = (log(price / close), log(price / before))
            if not _off_alike(offs, size=size, loud=loud):
                continue
            mended = price * exp(-size if offs[0] > 0 else size)
            body = [p for p in (told.open_T[at], close) if p > 0 and p != price] or [close]
            fits = {
                "open": True,
                "high": mended >= max(body) * (1 - _SLACK),
                "low": mended <= min(body) * (1 + _SLACK),
            }
            if fits[field]:
                detail = f"{field} {price:g} beside close {close:g}, split {split.value:g} for 1"
                found.append(Finding(at, None, "split misapplied", detail))
    return found


def _off_alike(offs: tuple[float, float], *, size: float, loud: float) -> bool:
    same_side = offs[0] * offs[1] > 0
    return same_side and all(abs(o) >= loud and abs(abs(o) - size) <= SHARE * size for o in offs)


def _torn_detail(told: History, at: int) -> str:
    prices = (told.open_T[at], told.high_T[at], told.low_T[at], told.close_T[at])
    return "open {:g} high {:g} low {:g} close {:g} in one row".format(*prices)


def _times(off: float) -> str:
    return f"{exp(off):.4g} times"
