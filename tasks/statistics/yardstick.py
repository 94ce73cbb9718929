"""What all signals of one universe are held against, made once: above all the labels' order."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tasks.statistics.ranks import (
    Array,
    Codes,
    Flags,
    Sorted,
    Whole,
    grouped,
    in_order,
    ranks_of,
)

CELLS_AT_ONCE = 2**15  # so that some ten tables of a stretch fit the processor's own memory


class Target(NamedTuple):
    """Labels over one horizon, in groups, and their ranks within session and group.

    `code_TN` is the group of each known label and -1 elsewhere; None where all are one group.
    """

    known_TN: Flags
    code_TN: Codes | None
    groups: int
    order: Sorted
    rank_TN: Array


class Stretch(NamedTuple):
    """Some neighbouring sessions of a yardstick; `label_TN` is the label of its own horizon."""

    sessions: slice
    member_TN: Flags
    label_TN: Array
    targets: dict[int, Target]  # by horizon, without groups
    groupings: dict[str, Target]  # by grouping, over the yardstick's own horizon


class Yardstick(NamedTuple):
    """What signals are held against; made by `yardstick`."""

    horizon: int
    horizons: tuple[int, ...]
    groupings: dict[str, slice]  # where its groups stand among all groupings side by side
    stretches: tuple[Stretch, ...]
    member_TN: Flags
    year_T: Whole
    lags: tuple[int, ...]
    quantiles: int
    min_names: int
    max_dropped: float


def yardstick(
    labels: Mapping[int, ArrayLike],
    *,
    horizon: int,
    member_TN: ArrayLike | None = None,
    year_T: ArrayLike | None = None,
    groups: Mapping[str, ArrayLike] | None = None,
    lags: Sequence[int] = (1, 5, 20),
    quantiles: int = 10,
    min_names: int = 5,
    max_dropped: float = 0.35,
) -> Yardstick:
    """Return what signals are to be held against.

    Args:
        labels: Horizon in sessions -> labels (T, N), NaN where unknown; all of one shape.
        horizon: The one of them that all figures but the decay are about.
        member_TN: Names that may be held; without it, all of them.
        year_T: The year of each session; without it there are no figures by year.
        groups: Name of a grouping, such as sector -> whole codes (T, N) from 0, -1 for unknown.
        lags: Sessions over which turnover and rank autocorrelation are taken, besides the horizon.
        quantiles: Groups of scores.
        min_names: Fewest scored and labelled names for a session, or a group in it, to count.
        max_dropped: Greatest share of the members' cells that may be dropped without an error.
    """
    tables = {ahead: np.asarray(table, np.float64) for ahead, table in sorted(labels.items())}
    if horizon not in tables:
        raise ValueError(f"No labels over horizon {horizon}; there is: {sorted(tables)}.")
    shape = tables[horizon].shape
    member = np.ones(shape, bool) if member_TN is None else np.asarray(member_TN, bool)
    codes = {name: _codes(name, code) for name, code in (groups or {}).items()}
    years = np.zeros(0, np.int64) if year_T is None else np.asarray(year_T, np.int64)
    _refuse_odd(tables, member, codes, years, shape)
    if bad := [ahead for ahead in tables if ahead < 1]:
        raise ValueError(f"Expected labels over horizons of 1 session or more, found {bad}.")
    if bad := [lag for lag in lags if lag < 1]:
        raise ValueError(f"Expected lags of 1 session or more, found {bad}.")
    if quantiles < 2:
        raise ValueError(f"Expected at least 2 quantiles, found {quantiles}.")
    step = max(1, CELLS_AT_ONCE // max(shape[1], 1))
    stretches = [
        _stretch(slice(start, start + step), tables, member, codes, horizon)
        for start in range(0, max(shape[0], 1), step)
    ]
    return Yardstick(
        horizon,
        tuple(tables),
        _side_by_side(codes),
        tuple(stretches),
        member,
        years,
        tuple(sorted({*lags, horizon})),
        quantiles,
        min_names,
        max_dropped,
    )


def _stretch(
    sessions: slice,
    tables: Mapping[int, Array],
    member_TN: Flags,
    codes: Mapping[str, Codes],
    horizon: int,
) -> Stretch:
    member_TN, targets = member_TN[sessions], {}
    labels = {
        ahead: np.where(member_TN, table[sessions], np.nan) for ahead, table in tables.items()
    }
    for ahead, label_TN in labels.items():
        order, known_TN = in_order(label_TN), np.isfinite(label_TN)
        targets[ahead] = Target(known_TN, None, 1, order, ranks_of(order, known_TN))
    own, groupings = targets[horizon], {}
    for name, code in codes.items():
        known_TN = own.known_TN & (code[sessions] >= 0)
        code_TN = np.where(known_TN, code[sessions], np.int16(-1))
        order = grouped(own.order, code_TN)
        rank_TN = ranks_of(order, known_TN)
        groupings[name] = Target(known_TN, code_TN, _groups(code), order, rank_TN)
    return Stretch(sessions, member_TN, labels[horizon], targets, groupings)


def _side_by_side(codes: Mapping[str, Codes]) -> dict[str, slice]:
    places, start = {}, 0
    for name, code in codes.items():
        stop = start + _groups(code)
        places[name], start = slice(start, stop), stop
    return places


def _codes(name: str, code: ArrayLike) -> Codes:
    code_TN, most = np.asarray(code), np.iinfo(np.int16).max
    lowest, highest = code_TN.min(initial=0), code_TN.max(initial=0)
    if not -1 <= lowest <= highest <= most:  # also where one is NaN
        raise ValueError(
            f"Expected group codes of {name} from -1 to {most}, found {lowest} to {highest}: "
            "number the groups anew, from 0."
        )
    return code_TN.astype(np.int16)


def _groups(code_TN: Codes) -> int:
    return int(code_TN.max(initial=0)) + 1


def _refuse_odd(
    tables: Mapping[int, Array],
    member_TN: Flags,
    codes: Mapping[str, Codes],
    year_T: Whole,
    shape: tuple[int, ...],
) -> None:
    found = {f"labels {ahead}": table.shape for ahead, table in tables.items()}
    found |= {"members": member_TN.shape} | {name: code.shape for name, code in codes.items()}
    if odd := {name: other for name, other in found.items() if other != shape or len(shape) != 2}:
        raise ValueError(f"Expected tables of one shape (T, N) like {shape}, found {odd}.")
    if year_T.size not in (0, shape[0]):
        raise ValueError(f"Expected the years of {shape[0]} sessions, found {year_T.size}.")
