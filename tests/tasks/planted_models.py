"""Three walk-forwards and a random split: models fitted in a way that looks ahead, or not."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market.leaks import Claims
from tasks.market.tampered import Tape
from tests.tasks.printed import HORIZON, Array, Grid, change, forward, grid, rows

FIRST_FIT, REFIT = 60, 20
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)


class Rows(NamedTuple):
    """Features, labels and sessions of the names that have both, session by session."""

    features: Array
    label: Array
    place: NDArray[np.int64]


class Sample(NamedTuple):
    """A grid's features and labels."""

    told: Grid
    features_TNF: Array
    label_TN: Array

    def over(self, first: int, last: int) -> Rows:
        """Return the labelled rows of sessions `first` to `last`, that one left out."""
        whole_TN = np.isfinite(self.features_TNF).all(axis=2) & np.isfinite(self.label_TN)
        whole_TN[:first], whole_TN[last:] = False, False
        at = np.nonzero(whole_TN)
        return Rows(self.features_TNF[at], self.label_TN[at], at[0])


def sample(tape: Tape) -> Sample:
    told = grid(tape)
    changes = [np.sign(change(told.close_TN, k)) * k**-0.5 for k in (1, 5, 10)]
    moved = [np.clip(change(told.close_TN, k) * 5, -1, 1) for k in (1, 5, 10)]
    return Sample(told, np.stack([*changes, *moved], axis=2), forward(told.close_TN, 1))


def ridge(seen: Rows, penalty: float) -> Array:
    """Return the coefficients of a ridge, the same bits wherever the arrays lie."""
    columns = np.ascontiguousarray(seen.features.T)
    gram = (columns[:, None, :] * columns[None, :, :]).sum(axis=2)
    return np.linalg.solve(gram + penalty * np.eye(len(gram)), (columns * seen.label).sum(axis=1))


def walked(tape: Tape, fit: Callable[[Sample, int], Array]) -> Claims:
    """Return the scores of a walk-forward that refits every `REFIT` sessions."""
    found, frames = sample(tape), []
    fits = list(range(FIRST_FIT, len(tape.sessions), REFIT))
    for begin, end in pairwise([*fits, len(tape.sessions)]):
        coefficient_F = fit(found, begin)
        shown = np.isfinite(found.features_TNF).all(axis=2)
        shown[:begin], shown[end:] = False, False
        score_TN = (found.features_TNF * coefficient_F).sum(axis=2)
        frame = rows(found.told, score_TN, "score", where=shown)
        frames.append(frame.with_columns(fitted_on=pl.lit(tape.sessions[begin])))
    empty = rows(found.told, found.label_TN, "score", where=np.zeros(found.label_TN.shape, bool))
    return Claims(
        {"scores": pl.concat([empty.with_columns(fitted_on=pl.lit(None, pl.Date)), *frames])}
    )


def unpurged(found: Sample, now: int, *, ahead: bool) -> Array:
    """Learn from all sessions before the fit, against from those whose labels had passed."""
    return ridge(found.over(0, now if ahead else now - HORIZON), 1.0)


def stopped(found: Sample, now: int, *, ahead: bool) -> Array:
    """Stop where the scored sessions are fitted best, against the newest ones that had passed."""
    past = now - HORIZON
    judge = found.over(now, now + REFIT) if ahead else found.over(past - 10, past)
    seen = found.over(0, past - 10 - HORIZON - 1)
    best, least, coefficient_F = np.zeros(6), np.inf, np.zeros(6)
    for _ in range(60):
        gap = (seen.features * coefficient_F).sum(axis=1) - seen.label
        coefficient_F = coefficient_F - 0.05 * (seen.features * gap[:, None]).mean(axis=0)
        error = np.square((judge.features * coefficient_F).sum(axis=1) - judge.label).sum()
        if error < least:
            best, least = coefficient_F, error
    return best


def tuned(found: Sample, now: int, *, ahead: bool) -> Array:
    """Take the penalty with the best correlation on the scored sessions, or on purged ones."""
    past = now - HORIZON
    judge = found.over(now, now + REFIT) if ahead else found.over(past - 10, past)
    seen = found.over(0, past - 10 - HORIZON - 1)
    choices = [ridge(seen, penalty) for penalty in PENALTIES]
    errors = [np.square((judge.features * one).sum(axis=1) - judge.label).sum() for one in choices]
    return choices[int(np.argmin(errors))]


def drawn(tape: Tape, *, ahead: bool) -> Claims:
    """Score a random fifth of the rows by the other four, against what comes after by the past."""
    if not ahead:
        return walked(tape, lambda found, now: ridge(found.over(0, now - HORIZON), 0.1))
    found = sample(tape)
    every = found.over(0, len(tape.sessions))
    fold = np.random.default_rng(7).integers(0, 5, every.label.size)
    score = np.empty(every.label.size)
    for number in range(5):
        rest = Rows(*(part[fold != number] for part in every))
        score[fold == number] = (every.features[fold == number] * ridge(rest, 0.1)).sum(axis=1)
    score_TN = np.full(found.label_TN.shape, np.nan)
    whole_TN = np.isfinite(found.features_TNF).all(axis=2) & np.isfinite(found.label_TN)
    score_TN[whole_TN] = score
    return Claims({"scores": rows(found.told, score_TN, "score", where=whole_TN)})
