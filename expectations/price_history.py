"""One delivery as arrays: the prices of each symbol in time, in one unit, with its actions."""

from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

FLOOR = 0.01  # log: no name is taken to move less than this; half the ticks of a thin one
TYPICAL = 0.03  # log: what a volatile stock moves in a session, where too few rows say it
FEWEST = 10  # moves, for a name's own deviation to mean something
CLIPPED = 0.2  # log: a move counts for no more than this in the mean of a name's moves
LONG = 3.0  # days: rows that lie further apart are bars of more than one session
_NORMAL = 1.4826  # median absolute deviation -> standard deviation of a normal
_NORMAL_MEAN = 1.2533  # mean absolute deviation -> standard deviation of a normal
_MICROSECONDS = 86_400e6  # in a day


class Action(NamedTuple):
    """A split or a dividend, and the row on which it takes effect."""

    number: int  # of its row in `History.actions`
    at: int  # the row
    kind: str
    value: float


class Finding(NamedTuple):
    """A row, or an action on a row, and the rule it breaks."""

    at: int
    action: int | None
    rule: str
    detail: str


class History(NamedTuple):
    """All rows sorted by symbol and session; T runs over all of them, N over symbols.

    Prices are in the terms of the newest row of their symbol: restated for later splits.
    """

    keys: pl.DataFrame  # (session, symbol)
    start_N: Rows  # where each symbol begins; ends with the number of rows
    days_T: Array  # session in days
    first_T: Mask  # whether a row is the first of its symbol
    open_T: Array
    high_T: Array
    low_T: Array
    close_T: Array
    adjusted_T: Array  # NaN where there is none
    actions: pl.DataFrame  # (ex_session, symbol, kind, value, at), in those terms

    def splits(self) -> list[Action]:
        """Return the splits, sorted by symbol and session."""
        return [action for action in self._actions() if action.kind == "split"]

    def dividends(self) -> list[Action]:
        """Return the dividends, sorted by symbol and session."""
        return [action for action in self._actions() if action.kind == "dividend"]

    def _actions(self) -> list[Action]:
        columns = self.actions.select("at", "kind", "value").iter_rows()
        return [Action(number, *row) for number, row in enumerate(columns)]

    def symbol_rows(self, at: int) -> tuple[int, int]:
        """Return the first row of the symbol that row `at` is of, and the one after its last."""
        name = int(np.searchsorted(self.start_N, at, side="right")) - 1
        return int(self.start_N[name]), int(self.start_N[name + 1])

    def long_bars(self, at: int) -> bool:
        """Return whether the symbol's bars are longer than a session."""
        start, end = self.symbol_rows(at)
        return end - start > 1 and float(np.median(np.diff(self.days_T[start:end]))) > LONG


def history(
    bars: pl.DataFrame, actions: pl.DataFrame, *, splits: Literal["applied", "as_traded"]
) -> History:
    """Return `bars` and `actions` as arrays, restated for splits where they are as traded."""
    prices = ("open", "high", "low", "close", "adj_close")
    numbers = pl.col(*prices).cast(pl.Float64).fill_null(np.nan)
    rows = (
        bars.lazy()
        .filter(pl.col("close").is_finite() & (pl.col("close") > 0))
        .select("session", "symbol", numbers)
        .sort("symbol", "session")
        .collect()
    )
    usable = actions.filter(
        pl.col("kind").is_in(["split", "dividend"]),
        pl.col("value").is_finite() & (pl.col("value") > 0),
    )
    placed = _placed(rows, usable)
    first = (rows["symbol"] != rows["symbol"].shift(1)).fill_null(True).to_numpy()
    start_N = np.append(np.flatnonzero(first), rows.height).astype(np.int64)
    told = History(
        keys=rows.select("session", "symbol"),
        start_N=start_N,
        days_T=_days(rows["session"]),
        first_T=first,
        **{f"{c}_T": rows[c].to_numpy() for c in prices[:4]},
        adjusted_T=rows["adj_close"].to_numpy(),
        actions=placed,
    )
    return told if splits == "applied" else _restated(told)


def noise(moves: Array, *, floor: float = FLOOR, with_mean: bool = False) -> float:
    """Return the standard deviation of one symbol's log moves, whatever is wrong with a few.

    From the median absolute deviation; where `with_mean`, at least that of the mean absolute move,
    which alone means something for a name that mostly stands still.
    """
    moves = moves[np.isfinite(moves)]
    if moves.size < FEWEST:
        return TYPICAL
    spread = _NORMAL * float(np.median(np.abs(moves - np.median(moves))))
    if with_mean:
        spread = max(spread, _NORMAL_MEAN * float(np.minimum(np.abs(moves), CLIPPED).mean()))
    return max(spread, floor)


def moves(told: History, *, adjusted: bool) -> Array:
    """Return log moves from row to row, (T,); NaN on the first row of a symbol.

    Adjusted ones fall back to the close where there is no positive adjusted close.
    """
    price_T = told.close_T
    if adjusted:
        price_T = np.where(told.adjusted_T > 0, told.adjusted_T, price_T)
    log_T = np.log(price_T)
    moves_T = np.diff(log_T, prepend=np.nan)
    moves_T[told.first_T] = np.nan
    return moves_T


def _placed(rows: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Return the actions with the row each takes effect on, without those after the last row."""
    numbered = rows.select("session", "symbol").with_row_index("at")
    named = numbered.join(actions.select("symbol").unique(), on="symbol", how="semi")
    return (
        actions.select("ex_session", "symbol", "kind", pl.col("value").cast(pl.Float64))
        .with_columns(pl.col("ex_session").cast(rows.schema["session"]))
        .sort("ex_session")
        .join_asof(
            named.sort("session").rename({"session": "on"}),
            left_on="ex_session",
            right_on="on",
            by="symbol",
            strategy="forward",
            check_sortedness=False,
        )
        .filter(pl.col("at").is_not_null())
        .drop("on")
        .sort("symbol", "ex_session", "kind", "value")
    )


def _days(sessions: pl.Series) -> Array:
    whole = sessions.to_physical().to_numpy().astype(np.float64)
    if sessions.dtype == pl.Date:
        return whole
    per_day = {"ms": 1e-3, "us": 1.0, "ns": 1e3}[getattr(sessions.dtype, "time_unit", "us")]
    return whole / (_MICROSECONDS * per_day)


def _restated(told: History) -> History:
    """Return the prices and dividends of before each split in terms of the shares after it."""
    shares_T = np.ones(told.close_T.size)
    for split in told.splits():
        start, _ = told.symbol_rows(split.at)
        shares_T[start : split.at] *= split.value
    per_dividend = shares_T[told.actions["at"].to_numpy()]
    value = told.actions["value"].to_numpy()
    cash = np.where(told.actions["kind"].to_numpy() == "dividend", value / per_dividend, value)
    return told._replace(
        open_T=told.open_T / shares_T,
        high_T=told.high_T / shares_T,
        low_T=told.low_T / shares_T,
        close_T=told.close_T / shares_T,
        actions=told.actions.with_columns(value=pl.Series(cash, dtype=pl.Float64)),
    )
