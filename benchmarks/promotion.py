"""Whether the rule of promotion fools itself, and what it finds: years of weekly looks, simulated.

Run it with `python benchmarks/promotion.py [--years 1000] [--seed 1]`. Daily differences of rank
ICs have the deviation .05, and their mean 2.5 times the variance that independent ones would give
it: by autoregression, or because labels over five sessions overlap. A year begins with 750
sessions and looks again every five, 52 times, at the sessions and by the functions of the night.
Where nothing is better than the champion, 5 % of years may promote; a difference of .01 is to be
found at the first look. A second year, after one that promoted nothing, begins with its own last
750 sessions and is held to the same.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import stats
from scipy.signal import lfilter

from tasks.models.promotion import Challenger, Proof, judge
from tasks.models.years import Verdict, compared_since

Array = NDArray[np.float64]
Shape = Callable[[np.random.Generator, int], Array]
DEVIATION, INFLATION, CHALLENGERS = 0.05, 2.5, 5
HISTORY, LOOKS, STEP, HORIZON = 750, 52, 5, 5
SESSIONS = HISTORY + (2 * LOOKS - 1) * STEP  # two years
REFITS = HISTORY // STEP + 1  # that the first look of a year goes back
PROVED = Proof(leak_found=False, calibrated=True, net={})
MOST_FALSE, LEAST_FOUND = 64, 0.8  # years of 1,000 (5 %, and two deviations); share at first look


def autoregressive(dice: np.random.Generator, columns: int) -> Array:
    """Return (sessions, columns) of unit variance, each value a share of the one before."""
    kept = (INFLATION - 1) / (INFLATION + 1)
    noise_TC = dice.standard_normal((SESSIONS + 100, columns))
    return np.asarray(lfilter([np.sqrt(1 - kept**2)], [1, -kept], noise_TC, axis=0)[100:])


def overlapping(dice: np.random.Generator, columns: int) -> Array:
    """Return (sessions, columns) of unit variance, part of it means over the horizon's sessions."""
    share = (INFLATION - 1) / (HORIZON - 1)
    noise_TC = dice.standard_normal((SESSIONS + HORIZON - 1, columns))
    windows_TCH = np.lib.stride_tricks.sliding_window_view(noise_TC, HORIZON, axis=0)
    slow_TC = windows_TCH.sum(axis=2) / np.sqrt(HORIZON)
    fresh_TC = dice.standard_normal((SESSIONS, columns))
    return np.asarray(np.sqrt(share) * slow_TC + np.sqrt(1 - share) * fresh_TC)


SHAPES: dict[str, Shape] = {"autoregressive": autoregressive, "overlapping": overlapping}


class Case(NamedTuple):
    """A kind of year: how many challengers are better, and what they share."""

    shape: str
    better: int = 0  # challengers, by `edge`
    edge: float = 0.01
    shared: float = 0.0  # correlation of the challengers' differences: they share the champion


class Year(NamedTuple):
    """How a year ended: the look that promoted (-1: none) and whether it was a better recipe."""

    look: int
    right: bool


def differences(case: Case, dice: np.random.Generator) -> Array:
    """Return a year of daily differences, (sessions, challengers), the better ones first."""
    drawn_TC = SHAPES[case.shape](dice, CHALLENGERS + 1)
    own_TC, common_T1 = drawn_TC[:, 1:], drawn_TC[:, :1]
    noise_TC = np.sqrt(1 - case.shared) * own_TC + np.sqrt(case.shared) * common_T1
    return np.asarray(DEVIATION * noise_TC + case.edge * (np.arange(CHALLENGERS) < case.better))


def lived(difference_TC: Array, better: int, *, looks: int = LOOKS) -> Year:
    """Look every week until a challenger is promoted or the looks are over: 52 are a year."""
    past: list[Verdict] = []
    for look in range(looks):
        at = HISTORY + look * STEP
        since = compared_since(range(0, at + 1, STEP), past, refits=REFITS)
        verdicts = judge(
            [
                Challenger(f"challenger {place}", one)
                for place, one in enumerate(difference_TC[since:at].T)
            ],
            horizon=HORIZON,
            at=at,
            since=since,
            past=past,
            examine=lambda _: PROVED,
        )
        promoted = [place for place, row in enumerate(verdicts) if row.verdict == "promote"]
        if promoted:
            return Year(look, promoted[0] < better)
        past += verdicts
    return Year(-1, False)


def simulated(case: Case, *, years: int, seed: int, looks: int = LOOKS) -> list[Year]:
    """Return how so many years of one kind ended; a year depends on its own number and the seed."""
    dice = [np.random.default_rng([seed, year]) for year in range(years)]
    return [lived(differences(case, one), case.better, looks=looks) for one in dice]


def shares(years: Sequence[Year]) -> tuple[float, float, float]:
    """Return the shares that promoted rightly at the first look, rightly in the year, wrongly."""
    first = np.mean([year.right and year.look == 0 for year in years])
    ever = np.mean([year.right and year.look < LOOKS for year in years])
    wrong = np.mean([0 <= year.look < LOOKS and not year.right for year in years])
    return float(first), float(ever), float(wrong)


def second(years: Sequence[Year]) -> tuple[int, int]:
    """Return how many promoted wrongly in their second year, and how many came so far."""
    reached = [year for year in years if not 0 <= year.look < LOOKS]
    return sum(year.look >= LOOKS and not year.right for year in reached), len(reached)


def holds(case: Case, years: Sequence[Year]) -> bool:
    """Return whether the years keep the promise for their kind, the second as the first."""
    first, _, wrong = shares(years)
    if case.better:
        return first >= LEAST_FOUND
    counts = [(round(wrong * len(years)), len(years)), second(years)]
    return all(found <= _most(years_so) for found, years_so in counts)


def _most(years: int) -> float:
    """Return how many years may promote something: of 1,000, and by chance of others, 5 %."""
    return MOST_FALSE if years == 1000 else float(stats.binom.ppf(0.977, years, 0.05))


def cases() -> list[Case]:
    """Return the kinds of year: without a better challenger, with one, and with five."""
    kinds = [(0, 0.0), (0, 0.5), (1, 0.0), (CHALLENGERS, 0.0)]
    return [
        Case(shape, better=better, shared=shared) for better, shared in kinds for shape in SHAPES
    ]


def main() -> int:
    """Simulate every kind of year and print what became of them; 1 where a promise is broken."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--years", type=int, default=1000)
    asked.add_argument("--seed", type=int, default=1)
    told = asked.parse_args()
    table = Table(title=f"{told.years} years of {LOOKS} looks, {CHALLENGERS} challengers")
    for column in (
        "noise",
        "correlated",
        "better",
        "first look",
        "in the year",
        "wrongly",
        "in a second year",
        "s",
        "",
    ):
        table.add_column(column, justify="left" if column == "noise" else "right")
    kept = True
    for case in cases():
        began = time.perf_counter()
        looks = LOOKS if case.better else 2 * LOOKS
        years = simulated(case, years=told.years, seed=told.seed, looks=looks)
        good, took = holds(case, years), time.perf_counter() - began
        kept &= good
        first, ever, wrong = shares(years)
        figures = [f"{case.shared:.1f}", f"{case.better}", f"{first:.1%}", f"{ever:.1%}"]
        wrongly = [f"{round(wrong * len(years))} years", "{} of {}".format(*second(years))]
        shown = wrongly if not case.better else [wrongly[0], ""]
        table.add_row(case.shape, *figures, *shown, f"{took:.0f}", "holds" if good else "BROKEN")
    Console(width=100).print(table)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
