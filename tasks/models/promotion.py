"""When a recipe takes the title: it is better than the champion, and looking often did not help.

A look is one night on which all challengers of a contest are judged. Within a year of looks, with
no challenger better than the champion, some challenger is promoted in 5 % of years at most.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from tasks.statistics.discoveries import MeanTest, least_sessions, mean_test
from tasks.statistics.looks import holm, look_levels, spending

Array = NDArray[np.float64]
Word = Literal["promote", "keep", "insufficient evidence", "vetoed"]
LEAST_SESSIONS, PREFERRED_SESSIONS = 250, 750
YEAR = 260  # sessions: 52 weeks of five
ALPHA = 0.045  # spent in a year; that errors are estimated anew at each look adds the rest of 5 %
POWER = 0.8  # with which the minimum detectable difference is found
WORSE = -1.28  # t of net returns below which a book would have suffered


class Challenger(NamedTuple):
    """What is known of a recipe that wants the title, on one axis of sessions for all.

    The caller answers for these series: walk-forward scores of the average of a recipe's seeds,
    by fits of the same schedule, of sessions after all that chose the recipe. Where trials were
    compared on these very sessions, `trials` counts them: they are corrected for here, and
    nowhere else.
    """

    name: str
    difference_T: Array  # its rank IC less the champion's; NaN where one of the two has none
    net_T: Array | None = None  # a book's net return with it, less that with the champion
    leak_found: bool | None = None  # None: not examined
    calibrated: bool | None = None  # whether its uncertainty is; None: not examined
    trials: int = 1  # compared on these sessions to arrive at this one, itself among them


class Verdict(NamedTuple):
    """What became of a challenger at one look; figures are NaN where there were too few sessions.

    The test is one-sided. `adjusted_p` (Holm) is held against `level`, what this look may spend on
    all challengers; it is NaN for one that was not ready to be judged, whose share stays unspent.
    """

    challenger: str
    at: int  # number of the session among the calendar's
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
    net_t: float
    trials: int
    earned: float  # share of alpha that this look brought the challenger
    spent: float  # share that it spent at this look: all it had earned


def judge(
    challengers: Sequence[Challenger], *, horizon: int, at: int, past: Sequence[Verdict]
) -> list[Verdict]:
    """Return the verdict on each challenger, in their order; one at most is promoted.

    Each look brings the year's alpha in, by how much the sessions have grown, in equal shares for
    all challengers (and trials) of the look. A challenger that is ready spends what it has earned
    since it was last judged; one that comes later in the year has earned less. The first look of
    a year gets most, since what later ones see is nearly the same. Luck at any look of any
    challenger has together at most the probability that was spent.

    Args:
        challengers: Their series aligned, session by session.
        horizon: Sessions the labels look ahead.
        at: Number of this look's session among the calendar's.
        past: All verdicts of earlier looks against this champion, oldest first.
    """
    _refuse(challengers, at, past)
    found = [_found(one, horizon) for one in challengers]
    year = _year(past, at)
    ready = [one.count for one in found if one.gap is None]
    trials = sum(one.trials for one in challengers)
    earned = _growth(year, at, max(ready or [one.count for one in found], default=0)) / trials
    shares = [earned + _unspent(year, one.name) for one in challengers]
    levels = [
        _level(year, one.name, seen.count, share)
        for one, seen, share in zip(challengers, found, shares, strict=True)
    ]
    adjusted, level = _adjusted(challengers, found, levels)
    drafts = [
        _draft(one, seen, own, horizon)._replace(
            at=at,
            adjusted_p=adjusted.get(one.name, math.nan),
            level=level if one.name in adjusted else own * trials,
            earned=earned if year or ready else 0.0,
            spent=share if one.name in adjusted else 0.0,
        )
        for one, seen, own, share in zip(challengers, found, levels, shares, strict=True)
    ]
    return _decided(drafts, [seen.gap for seen in found])


class _Found(NamedTuple):
    """What the series of one challenger say alone; `gap` is why they cannot be judged."""

    test: MeanTest
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody needs here
    gap: tuple[Word, str] | None


def _found(one: Challenger, horizon: int) -> _Found:
    test = mean_test(one.difference_T, horizon=horizon)
    count = int((~np.isnan(one.difference_T)).sum())
    return _Found(test, count, _gap(one, test, count, horizon))


def _draft(one: Challenger, seen: _Found, own_level: float, horizon: int) -> Verdict:
    """Return the figures of one challenger, with nothing decided."""
    return Verdict(
        challenger=one.name,
        at=0,
        verdict="keep",
        reason="",
        difference=seen.test.value,
        error=seen.test.error,
        t=seen.test.t,
        p=_one_sided(seen.test),
        adjusted_p=math.nan,
        level=math.nan,
        detectable=_detectable(seen.test, own_level),
        sessions=seen.count,
        net_t=math.nan if one.net_T is None else mean_test(one.net_T, horizon=horizon).t,
        trials=one.trials,
        earned=0.0,
        spent=0.0,
    )


def _refuse(challengers: Sequence[Challenger], at: int, past: Sequence[Verdict]) -> None:
    if not challengers:
        raise ValueError("No challenger to judge: a contest needs a second candidate.")
    names, sizes = [one.name for one in challengers], {one.difference_T.size for one in challengers}
    if len(set(names)) != len(names) or len(sizes) > 1:
        raise ValueError(
            f"Expected challengers of different names on one axis of sessions, found "
            f"{', '.join(names)} of {sorted(sizes)} sessions."
        )
    for one in challengers:
        if np.isinf(one.difference_T).any() or one.trials < 1:
            raise ValueError(
                f"{one.name}: expected finite differences or NaN, and a trial or more, found "
                f"{int(np.isinf(one.difference_T).sum())} infinite ones and {one.trials} trials."
            )
    if late := [row for row in past if row.at >= at]:
        raise ValueError(
            f"Looks are taken in order: found one of {late[0].challenger} at session "
            f"{late[0].at} before that at {at}. Leave out what this look replaces."
        )


def _gap(one: Challenger, test: MeanTest, count: int, horizon: int) -> tuple[Word, str] | None:
    """Return why a challenger cannot be judged at all, None where it can."""
    if one.leak_found:
        return "vetoed", "a leak was found"
    if one.calibrated is False:
        return "vetoed", "its uncertainty is not calibrated"
    needed = max(LEAST_SESSIONS, least_sessions(horizon))
    if count < needed:
        return "insufficient evidence", f"{count} common sessions of at least {needed}"
    if not test.freedom:
        return "keep", "its rank ICs are the champion's"
    unknown = {"leaks": one.leak_found, "calibration": one.calibrated}
    missing = [name for name, found in unknown.items() if found is None]
    if missing:
        return "insufficient evidence", f"not examined: {', '.join(missing)}"
    return None


def _year(past: Sequence[Verdict], at: int) -> list[Verdict]:
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


def _growth(year: Sequence[Verdict], at: int, counted: int) -> float:
    """Return what of the year's alpha this look brings; `counted` sessions if it opens one."""
    if not year:
        return float(spending(counted / (counted + YEAR), alpha=ALPHA))
    opening, before = year[0].at, year[-1].at
    base = max(row.sessions for row in year if row.at == opening and row.spent > 0)
    told = (np.array([before, at]) - opening + base) / (base + YEAR)
    return float(np.diff(spending(told, alpha=ALPHA))[0])


def _unspent(year: Sequence[Verdict], name: str) -> float:
    """Return what a challenger has earned at earlier looks of the year and not spent."""
    own = [row.earned - row.spent for row in year if row.challenger == name]
    return max(math.fsum(own), 0.0)


def _level(year: Sequence[Verdict], name: str, count: int, share: float) -> float:
    """Return the p-value below which this look finds something, after the challenger's others."""
    if not count:
        return math.nan
    own = [row for row in year if row.challenger == name and row.spent > 0]
    counts = [*(row.sessions for row in own), count]
    return look_levels(counts, [*(row.spent for row in own), share])[-1]


def _adjusted(
    challengers: Sequence[Challenger], found: Sequence[_Found], levels: Sequence[float]
) -> tuple[dict[str, float], float]:
    """Return the adjusted p-values of those that can be judged, and the level of them all."""
    ready = [place for place, seen in enumerate(found) if seen.gap is None]
    own = [levels[place] for place in ready]
    total = math.fsum(levels[place] * challengers[place].trials for place in ready)
    adjusted = holm([_one_sided(found[place].test) for place in ready], own, total=total)
    return {challengers[place].name: p for place, p in zip(ready, adjusted, strict=True)}, total


def _one_sided(test: MeanTest) -> float:
    """Return the p-value that the mean is not above zero."""
    return test.p / 2 if test.t > 0 else 1 - test.p / 2


def _detectable(test: MeanTest, level: float) -> float:
    """Return the difference found with `POWER`: (t at the level + t at the power) x error."""
    if not test.freedom or math.isnan(level):
        return math.nan
    return float((stdtrit(test.freedom, POWER) - stdtrit(test.freedom, level)) * test.error)


def _decided(drafts: Sequence[Verdict], gaps: Sequence[tuple[Word, str] | None]) -> list[Verdict]:
    """Return the verdicts in words: of those that pass, the one with the least p is promoted."""
    passing = [row for row in drafts if row.adjusted_p <= row.level and not row.net_t < WORSE]
    best = (
        min(passing, key=lambda row: (row.adjusted_p, row.p, -row.t)).challenger if passing else ""
    )
    return [
        _worded(row, *(gap or _verdict(row, best))) for row, gap in zip(drafts, gaps, strict=True)
    ]


def _verdict(row: Verdict, best: str) -> tuple[Word, str]:
    held = f"adjusted p {row.adjusted_p:.2g} at a level of {row.level:.2g}"
    if row.net_t < WORSE:
        return "vetoed", f"the book's net return is worse (t {row.net_t:.2f}); {held}"
    if row.challenger == best:
        return "promote", f"better than the champion: {held}"
    if row.adjusted_p <= row.level:
        return "keep", f"better than the champion, but {best} is further ahead: {held}"
    return "keep", f"not shown to be better than the champion: {held}"


def _worded(row: Verdict, verdict: Word, reason: str) -> Verdict:
    if LEAST_SESSIONS <= row.sessions < PREFERRED_SESSIONS:
        reason += f" ({row.sessions} common sessions; {PREFERRED_SESSIONS} are preferred)"
    return row._replace(verdict=verdict, reason=reason)
