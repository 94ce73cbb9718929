"""When a recipe takes the title: it is better than the champion, and looking often did not help.

A look is one night on which all challengers of a contest are judged. Within a year of looks, with
no challenger better than the champion, some challenger is promoted in 5 % of years at most.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from tasks.models.years import Verdict, Word, growth, level, unspent, year_of
from tasks.statistics.discoveries import MeanTest, least_sessions, mean_test
from tasks.statistics.looks import holm

Array = NDArray[np.float64]
LEAST_SESSIONS, PREFERRED_SESSIONS = 250, 750
POWER = 0.8  # with which the minimum detectable difference is found
WORSE = -1.28  # t of net returns below which a book would have suffered


class Challenger(NamedTuple):
    """What is known of a recipe that wants the title, on one axis of sessions for all.

    The caller answers for these series: walk-forward scores of the average of a recipe's seeds,
    by fits of the same schedule. Where trials were compared on these very sessions, `trials`
    counts them: they are corrected for here, and nowhere else.
    """

    name: str
    difference_T: Array  # its rank IC less the champion's; NaN where one of the two has none
    trials: int | None = 1  # compared on these sessions, itself among them; None: unknown


class Proof(NamedTuple):
    """What an examination says of a challenger; None where it could not say, and `why`."""

    leak_found: bool | None
    calibrated: bool | None  # whether its uncertainty is
    net: Mapping[str, Array] | None  # by book, net return with it less that with the champion
    why: str = ""


def judge(
    challengers: Sequence[Challenger],
    *,
    horizon: int,
    at: int,
    since: int,
    past: Sequence[Verdict],
    examine: Callable[[str], Proof],
) -> list[Verdict]:
    """Return the verdict on each challenger, in their order; one at most is promoted.

    Each look brings the year's alpha in, by how much the sessions have grown, in equal shares for
    all challengers (and trials) of the look. A challenger that is ready spends what it has earned
    since it was last judged; one that comes later in the year has earned less. The first look of
    a year gets most, since what later ones see is nearly the same. Luck at any look of any
    challenger has together at most the probability that was spent. Who would be promoted by that
    alone is examined, the one furthest ahead first, until one stands.

    Args:
        challengers: Their series aligned, session by session, from `since` to this look.
        horizon: Sessions the labels look ahead.
        at: Number of this look's session among the calendar's.
        since: Number of the first session compared, by `compared_since`.
        past: All verdicts of earlier looks against this champion, oldest first.
        examine: What is known of a challenger beside its rank ICs; it may take its time.
    """
    year = year_of(past, at)
    _refuse(challengers, at, since, past, year)
    found = [_found(one, horizon) for one in challengers]
    ready = [one.count for one in found if one.gap is None]
    trials = sum(one.trials or 1 for one in challengers)
    earned = growth(year, at, max(ready or [one.count for one in found], default=0)) / trials
    shares = [earned + unspent(year, one.name) for one in challengers]
    levels = [
        level(year, one.name, seen.count, share)
        for one, seen, share in zip(challengers, found, shares, strict=True)
    ]
    adjusted, total = _adjusted(challengers, found, levels)
    drafts = [
        _draft(one, seen, own, horizon)._replace(
            at=at,
            since=since,
            adjusted_p=adjusted.get(one.name, math.nan),
            level=total if one.name in adjusted else own * trials,
            earned=earned if year or ready else 0.0,
            spent=share if one.name in adjusted else 0.0,
        )
        for one, seen, own, share in zip(challengers, found, levels, shares, strict=True)
    ]
    return _decided(drafts, [seen.gap for seen in found], examine, horizon)


class _Found(NamedTuple):
    """What the series of one challenger say alone; `gap` is why they cannot be judged."""

    test: MeanTest
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody needs here
    gap: tuple[Word, str] | None


def _found(one: Challenger, horizon: int) -> _Found:
    test = mean_test(one.difference_T, horizon=horizon)
    count = int((~np.isnan(one.difference_T)).sum())
    return _Found(test, count, _gap(test, count, horizon, one.trials))


def _draft(one: Challenger, seen: _Found, own_level: float, horizon: int) -> Verdict:
    """Return the figures of one challenger, with nothing decided."""
    return Verdict(
        challenger=one.name,
        at=0,
        since=0,
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
        net_t=math.nan,
        trials=one.trials,
        earned=0.0,
        spent=0.0,
    )


def _refuse(
    challengers: Sequence[Challenger],
    at: int,
    since: int,
    past: Sequence[Verdict],
    year: Sequence[Verdict],
) -> None:
    if not challengers:
        raise ValueError("No challenger to judge: a contest needs a second candidate.")
    names, sizes = [one.name for one in challengers], {one.difference_T.size for one in challengers}
    if len(set(names)) != len(names) or len(sizes) > 1:
        raise ValueError(
            f"Expected challengers of different names on one axis of sessions, found "
            f"{', '.join(names)} of {sorted(sizes)} sessions."
        )
    for one in challengers:
        if np.isinf(one.difference_T).any() or (one.trials is not None and one.trials < 1):
            raise ValueError(
                f"{one.name}: expected finite differences or NaN, and a trial or more, found "
                f"{int(np.isinf(one.difference_T).sum())} infinite ones and {one.trials} trials."
            )
    if late := [row for row in past if row.at >= at]:
        raise ValueError(
            f"Looks are taken in order: found one of {late[0].challenger} at session "
            f"{late[0].at} before that at {at}. Leave out what this look replaces."
        )
    if year and year[0].since != since:
        raise ValueError(
            f"All looks of a year compare the sessions since {year[0].since}, where its first "
            f"began; found {since}. Ask `compared_since` where to begin."
        )


def _gap(test: MeanTest, count: int, horizon: int, trials: int | None) -> tuple[Word, str] | None:
    """Return why a challenger cannot be judged at all, None where it can."""
    needed = max(LEAST_SESSIONS, least_sessions(horizon))
    if count < needed:
        return "insufficient evidence", f"{count} common sessions of at least {needed}"
    if not test.freedom:
        return "keep", "its rank ICs are the champion's"
    if trials is None:
        return "insufficient evidence", "how many trials on these sessions chose it is unknown"
    return None


def _adjusted(
    challengers: Sequence[Challenger], found: Sequence[_Found], levels: Sequence[float]
) -> tuple[dict[str, float], float]:
    """Return the adjusted p-values of those that can be judged, and the level of them all."""
    ready = [place for place, seen in enumerate(found) if seen.gap is None]
    own = [levels[place] for place in ready]
    total = math.fsum(levels[place] * (challengers[place].trials or 1) for place in ready)
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


def _decided(
    drafts: Sequence[Verdict],
    gaps: Sequence[tuple[Word, str] | None],
    examine: Callable[[str], Proof],
    horizon: int,
) -> list[Verdict]:
    """Return the verdicts in words: of those that pass, the best that stands is promoted."""
    said = {row.challenger: row for row in map(_plain, drafts, gaps)}
    passing = [row for row in drafts if row.adjusted_p <= row.level]
    best = ""
    for row in sorted(passing, key=lambda row: (row.adjusted_p, row.p, -row.t)):
        if best:
            told = f"better than the champion, but {best} is further ahead: {_held(row)}"
            said[row.challenger] = row._replace(reason=told)
            continue
        word, reason, net_t = _examined(examine(row.challenger), horizon)
        said[row.challenger] = row._replace(
            verdict=word, reason=f"{reason}; better by its rank ICs: {_held(row)}", net_t=net_t
        )
        best = row.challenger if word == "promote" else ""
    return [_with_count(said[row.challenger]) for row in drafts]


def _plain(row: Verdict, gap: tuple[Word, str] | None) -> Verdict:
    """Return what is said of a challenger that is not shown to be better."""
    word, reason = gap or ("keep", f"not shown to be better than the champion: {_held(row)}")
    return row._replace(verdict=word, reason=reason)


def _held(row: Verdict) -> str:
    return f"adjusted p {row.adjusted_p:.2g} at a level of {row.level:.2g}"


def _examined(proof: Proof, horizon: int) -> tuple[Word, str, float]:
    """Return the verdict on one whose rank ICs are better, its reason, and the least t of a book.

    A veto needs no second one; what could not be examined withholds the title.
    """
    tests = {book: mean_test(net_T, horizon=horizon) for book, net_T in (proof.net or {}).items()}
    told = {book: one.t for book, one in tests.items() if one.freedom}
    book = min(told, key=lambda name: told[name], default="")
    net_t = told.get(book, math.nan)
    why = f" ({proof.why})" if proof.why else ""
    if proof.leak_found:
        return "vetoed", f"a leak was found{why}", net_t
    if proof.calibrated is False:
        return "vetoed", f"its uncertainty is not calibrated{why}", net_t
    if net_t < WORSE:
        return "vetoed", f"the net return of {book} is worse (t {net_t:.2f})", net_t
    asked = {"leaks": proof.leak_found, "calibration": proof.calibrated, "net return": proof.net}
    missing = ", ".join(name for name, answer in asked.items() if answer is None)
    if missing:
        return "insufficient evidence", f"not examined: {missing}{why}", net_t
    if not proof.net:
        net = "no book names the contest, so no net return could veto"
    elif not told:
        net = "the net returns of its books are the same with it"
    else:
        net = f"the net return of {book} has a t of {net_t:.2f}"
    return "promote", f"no leak, calibrated, and {net}", net_t


def _with_count(row: Verdict) -> Verdict:
    if LEAST_SESSIONS <= row.sessions < PREFERRED_SESSIONS:
        told = f" ({row.sessions} common sessions; {PREFERRED_SESSIONS} are preferred)"
        return row._replace(reason=row.reason + told)
    return row
