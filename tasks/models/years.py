"""A year of looks at a contest: what was found at each, and what it may spend on luck.

Within a year every look compares the same sessions and those that came after, so that what a
later look sees is what the one before saw, and more. The levels count on that.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from tasks.statistics.looks import look_levels, spending

Word = Literal["promote", "keep", "insufficient evidence", "vetoed"]
YEAR = 260  # sessions: 52 weeks of five
ALPHA = 0.045  # spent in a year; that errors are estimated anew at each look adds the rest of 5 %


class Verdict(NamedTuple):
    """What became of a challenger at one look; figures are NaN where there were too few sessions.

    The test is one-sided. `adjusted_p` (Holm) is held against `level`, what this look may spend on
    all challengers; it is NaN for one that was not ready to be judged, whose share stays unspent.
    """

    challenger: str
    at: int  # number of the session among the calendar's
    since: int  # number of the first session that was compared
    verdict: Word
    reason: str
    difference: float  # mean daily rank IC, challenger less champion
    error: float
    t: float
    p: float
    adjusted_p: float
    level: float
    detectable: float  # difference that this look would find in 80 % of cases
    sessions: int
    net_t: float  # of the book that would suffer most; NaN where none was walked
    trials: int | None  # None: unknown
    earned: float  # share of alpha that this look brought the challenger
    spent: float  # share that it spent at this look: all it had earned


def year_of(past: Sequence[Verdict], at: int) -> list[Verdict]:
    """Return the looks of the year in which `at` lies; none where it opens a new one.

    A year opens with the first look at which some challenger is judged.
    """
    opening: int | None = None
    for row in past:
        if row.spent > 0 and (opening is None or row.at >= opening + YEAR):
            opening = row.at
    if opening is None or at >= opening + YEAR:
        return []
    return [row for row in past if row.at >= opening]


def compared_since(schedule: Sequence[int], past: Sequence[Verdict], *, refits: int) -> int:
    """Return the first session that the look at the last of `schedule` compares.

    The year's first look goes back so many refits, and all others begin where that one began: a
    window that moved along would give luck a fresh chance with every session that falls out.

    Args:
        schedule: Numbers of the sessions of all refits so far.
        past: All verdicts of earlier looks against this champion, oldest first.
        refits: How many a year begins with, this look's among them.
    """
    year = year_of(past, schedule[-1])
    return year[0].since if year else schedule[-refits:][0]


def growth(year: Sequence[Verdict], at: int, counted: int) -> float:
    """Return what of the year's alpha this look brings; `counted` sessions if it opens one."""
    if not year:
        return float(spending(counted / (counted + YEAR), alpha=ALPHA))
    opening, before = year[0].at, year[-1].at
    base = max(row.sessions for row in year if row.at == opening and row.spent > 0)
    told = (np.array([before, at]) - opening + base) / (base + YEAR)
    return float(np.diff(spending(told, alpha=ALPHA))[0])


def unspent(year: Sequence[Verdict], name: str) -> float:
    """Return what a challenger has earned at earlier looks of the year and not spent."""
    own = [row.earned - row.spent for row in year if row.challenger == name]
    return max(math.fsum(own), 0.0)


def level(year: Sequence[Verdict], name: str, count: int, share: float) -> float:
    """Return the p-value below which this look finds something, after the challenger's others."""
    if not count:
        return math.nan
    own = [row for row in year if row.challenger == name and row.spent > 0]
    counts = [*(row.sessions for row in own), count]
    return look_levels(counts, [*(row.spent for row in own), share])[-1]
