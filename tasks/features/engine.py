"""Features of a session: numbers known at its close, made from one window of prices.

There is one computation. The window is the last `look_back` sessions of a view, sessions ×
names, as known that night; every feature reduces it session by session, each name on its own.
So a full run, a tail, a rerun, and a run with other names or a longer history give the same bits.

Prices are shown in the shares of the window's newest session: an earlier price is divided by the
product of the splits after it. A split that is not known yet, or that comes later, therefore
never moves a feature, and no bit depends on where the window begins. Dividends are not added.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple, TypeVar, TypeVarTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market.history import History, View

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Made = TypeVar("Made")
Rest = TypeVarTuple("Rest")
INPUTS = ("open", "high", "low", "close", "volume")
ENOUGH = 0.8  # least share of a window's values that must be observed
LANES = 8  # names are padded to a multiple of this, so that one name is computed like many
CHUNK = 200_000  # rows of a frame built at once


class Window:
    """The last sessions of a view; arrays are (rows, names), newest last, NaN where absent.

    Arrays are shared between features: never write into one. Names are padded with NaN.
    """

    def __init__(self, view: View, reach: Mapping[str, int]):
        self.names = len(view.instruments)
        self._view = view
        self._reach = dict(reach)
        self._width = max(-(-self.names // LANES), 1) * LANES
        self._traded: dict[str, Array] = {}
        self._priced: dict[str, Array] = {}
        self._made: dict[Any, Any] = {}

    def traded(self, name: str, rows: int | None = None) -> Array:
        """Return the last `rows` of an input as traded, all declared ones if None.

        Volume is in shares of its own session. A price of zero or less is no price: NaN.
        """
        if name not in self._traded:
            raw_TN = self._padded(getattr(self._view, f"{name}_TN"), self._reach[name], np.nan)
            np.putmask(raw_TN, raw_TN < 0 if name == "volume" else raw_TN <= 0, np.nan)
            self._traded[name] = raw_TN
        return self._last(self._traded[name], name, rows)

    def price(self, name: str, rows: int | None = None) -> Array:
        """Return the last `rows` of open, high, low or close in the newest session's shares."""
        return self._adjusted(name, rows, to_newest=lambda raw, shares: raw / shares)

    def volume(self, rows: int | None = None) -> Array:
        """Return the last `rows` of volume in the newest session's shares."""
        return self._adjusted("volume", rows, to_newest=lambda raw, shares: raw * shares)

    def complete(self, name: str, rows: int) -> Flags:
        """Return for which names the window is complete enough.

        The oldest and the newest of the last `rows` values must be there, and at least 80 % of
        all: a name that is younger than the window has none yet, one with a short suspension does.
        """
        return self.once(_complete, name, rows)

    def once(self, make: Callable[["Window", *Rest], Made], *arguments: *Rest) -> Made:
        """Return `make(window, *arguments)`, computed once for all features that share it."""
        key = (make, *arguments)
        if key not in self._made:
            self._made[key] = make(self, *arguments)
        made: Made = self._made[key]
        return made

    def _adjusted(
        self, name: str, rows: int | None, *, to_newest: Callable[[Array, Array], Array]
    ) -> Array:
        if name not in self._priced:
            raw_TN = self.traded(name)
            names, shares_TM = self._shares
            if names.size:
                raw_TN = raw_TN.copy()
                raw_TN[:, names] = to_newest(raw_TN[:, names], shares_TM[-len(raw_TN) :])
            self._priced[name] = raw_TN
        return self._last(self._priced[name], name, rows)

    @cached_property
    def _shares(self) -> tuple[NDArray[np.int64], Array]:
        """Return the names that split inside the window, and their newest shares for one old."""
        split_TN = self._padded(self._view.split_TN, max(self._reach.values()), 1.0)
        names = np.flatnonzero((split_TN != 1).any(axis=0))
        after_TM = np.ones((len(split_TN), names.size))
        after_TM[:-1] = np.cumprod(split_TN[:0:-1, names], axis=0)[::-1]
        return names, after_TM

    def _padded(self, values_TN: Array, rows: int, absent: float) -> Array:
        padded_TN = np.full((rows, self._width), absent)
        found = values_TN[-rows:]
        padded_TN[rows - len(found) :, : self.names] = found
        return padded_TN

    def _last(self, values_TN: Array, name: str, rows: int | None) -> Array:
        if rows is not None and rows > len(values_TN):
            raise ValueError(
                f"Asked for {rows} sessions of {name}, declared {len(values_TN)}: "
                "raise the feature's look_back or add the input to it."
            )
        return values_TN if rows is None else values_TN[len(values_TN) - rows :]


class Feature(NamedTuple):
    """One column: what it needs, how far it looks back, and how it is made."""

    name: str
    family: str
    inputs: tuple[str, ...]  # of INPUTS
    look_back: int  # sessions, the newest included
    compute: Callable[[Window], Array]  # one value a name, NaN where unknown


class FeatureSet(NamedTuple):
    """A named group of features: the columns of one lake table, in order."""

    name: str
    features: tuple[Feature, ...]

    @property
    def look_back(self) -> int:
        """Return how many sessions the longest feature needs, the newest included."""
        return max(feature.look_back for feature in self.features)

    @property
    def columns(self) -> list[str]:
        """Return the names of the features, in order."""
        return [feature.name for feature in self.features]


def session_features(view: View, chosen: FeatureSet) -> pl.DataFrame:
    """Return the features at `view.as_of`, one row a name with a close there.

    Gives (session, instrument, one Float32 column a feature), sorted by instrument; null where a
    window is incomplete, an input is absent, or the number is not finite.
    """
    return _frame([_computed(view, chosen)], chosen)


def features_over(history: History, chosen: FeatureSet, sessions: Sequence[date]) -> pl.DataFrame:
    """Return the features of each of `sessions` as known in its own night, oldest first.

    Rolls `history` forward, so `sessions` must ascend and lie at or after where it stands. Gives
    the frames of `session_features` one below the other.
    """
    frames: list[pl.DataFrame] = []
    waiting: list[_Computed] = []
    for session in sessions:
        waiting.append(_computed(history.roll(session), chosen))
        if sum(part.places.size for part in waiting) >= CHUNK:
            frames.append(_frame(waiting, chosen))
            waiting = []
    return pl.concat([*frames, _frame(waiting, chosen)])


def missing_inputs(view: View, chosen: FeatureSet) -> list[str]:
    """Return the features that are null at `view.as_of` for want of an input: no name has it."""
    absent = _absent_inputs(view, _reach(chosen))
    return [feature.name for feature in chosen.features if absent & set(feature.inputs)]


class _Computed(NamedTuple):
    """The features of one session, before they are a frame."""

    session: date
    instruments: tuple[str, ...]
    places: NDArray[np.int64]  # of the names with a close, in `instruments`
    values_FN: NDArray[np.float32]


def _computed(view: View, chosen: FeatureSet) -> _Computed:
    reach = _reach(chosen)
    absent = _absent_inputs(view, reach)
    window = Window(view, reach)
    places = np.flatnonzero(np.isfinite(view.close_TN[-1]))
    values_FN = np.full((len(chosen.features), places.size), np.nan, np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for row_N, feature in zip(values_FN, chosen.features, strict=True):
            if not absent & set(feature.inputs):
                row_N[:] = feature.compute(window)[places]
    values_FN[~np.isfinite(values_FN)] = np.nan
    return _Computed(view.as_of, view.instruments, places, values_FN)


def _reach(chosen: FeatureSet) -> dict[str, int]:
    """Return how many sessions of each input the set needs."""
    pairs = [(name, feature.look_back) for feature in chosen.features for name in feature.inputs]
    if unknown := sorted({name for name, _ in pairs} - set(INPUTS)):
        raise ValueError(f"No input named {', '.join(unknown)}; there is: {', '.join(INPUTS)}.")
    return {name: max(rows for other, rows in pairs if other == name) for name, _ in pairs}


def _absent_inputs(view: View, reach: Mapping[str, int]) -> set[str]:
    return {
        name for name, rows in reach.items() if np.isnan(getattr(view, f"{name}_TN")[-rows:]).all()
    }


def _frame(parts: Sequence[_Computed], chosen: FeatureSet) -> pl.DataFrame:
    kinds = {
        "session": pl.Date,
        "instrument": pl.String,
        **dict.fromkeys(chosen.columns, pl.Float32),
    }
    if not parts:
        return pl.DataFrame(schema=kinds)
    rows = [part.places.size for part in parts]
    values_FN = np.concatenate([part.values_FN for part in parts], axis=1)
    sessions = pl.Series("session", [part.session for part in parts], pl.Date)
    names = [pl.Series(part.instruments, dtype=pl.String).gather(part.places) for part in parts]
    return pl.DataFrame(
        [
            sessions.gather(np.repeat(np.arange(len(parts)), rows)),
            pl.concat(names).alias("instrument"),
            *(
                pl.Series(name, row_N, pl.Float32).fill_nan(None)
                for name, row_N in zip(chosen.columns, values_FN, strict=True)
            ),
        ]
    )


def _seen(window: Window, name: str) -> Flags:
    return np.isfinite(window.traded(name))


def _complete(window: Window, name: str, rows: int) -> Flags:
    seen_TN = window.once(_seen, name)[-rows:]
    count_N = seen_TN.sum(axis=0, dtype=np.int32)
    return np.asarray(seen_TN[0] & seen_TN[-1] & (count_N >= ENOUGH * rows))
