"""Splits and dividends: read out of adjusted closes, and put into total returns.

A factor is what an old price is multiplied by to compare with a new one: 1/7 for a 7:1 split,
10 for a 1:10 reverse split, 0.99 for a dividend of 1 %.
"""

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.market.frames import DAY, RAW_ACTIONS, TEXT, empty, shaped
from tasks.market.history import Array, View

BIG = np.log(1.2)  # a factor from 6:5 on is big enough for the raw price to show it
CENT = 0.005  # half a cent: what a rounded adjusted close can be off
SAME = 1e-6  # factors this close to 1 are 1
SAME_WHEN_ROUNDED = 1e-3  # likewise where two rounded factors are divided
FORWARD = np.array(
    sorted({6 / 5, 5 / 4, 4 / 3, 3 / 2, 5 / 3, 7 / 4, 5 / 2, 7 / 2, 9 / 2} | set(range(2, 251)))
)
SIMPLE_RATIOS = np.concatenate([np.sort(1 / FORWARD), FORWARD])  # new shares for one old
LEVELS = np.array([3 / 2, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100])
LEVELS = np.concatenate([np.sort(1 / LEVELS), LEVELS])  # ratios that a price alone may tell
NOTHING = {"split": 1.0, "dividend": 0.0}  # the value of an action of each kind that is none
NEAR = np.log(1.08)  # how far the market may have moved a price beside its split


def infer_actions(bars: pl.DataFrame, eve: pl.DataFrame, *, session: date) -> pl.DataFrame:
    """Return the splits and dividends that tonight's delivery tells by its adjusted closes.

    Their ex session is `session`, but for splits of a lost night (see `_lost_splits`).

    The factor is adj_close / close of the row before `session`, over that of its own row: a
    vendor who applies a split a night early has it in both, so it counts once, on the session
    where the raw price jumps. A big factor that the raw price does not follow is no action. It is
    a split where it is a simple ratio or above 1, else a dividend (spin-offs too), in cash a share
    held before the ex session. A symbol whose rows contradict each other has none.

    Args:
        bars: `RAW_BARS` of tonight's delivery, not yet judged.
        eve: (symbol, close), and session if known: the last clean first print before tonight.
        session: The session that tonight is about.

    Returns:
        `RAW_ACTIONS`, sorted by symbol.
    """
    rows = _pairs(bars, eve, session)
    factor_N, jump_N = _factors(rows), rows["own_close"].to_numpy() / _base(rows)
    big_N = np.abs(np.log(factor_N)) >= BIG
    with np.errstate(divide="ignore", invalid="ignore"):
        followed_N = np.log(jump_N) / np.log(factor_N) >= 0.5
    real_N = (factor_N != 1.0) & (~big_N | followed_N)
    ratio_N, simple_N = _simple_ratio(factor_N, rows["adj_close"].to_numpy())
    split_N = (factor_N > 1.0) | (simple_N & big_N)
    cash_N = rows["close"].to_numpy() * (1.0 - factor_N)
    found = rows.select("symbol").with_columns(
        ex_session=pl.lit(session),
        kind=pl.Series(np.where(split_N, "split", "dividend"), dtype=pl.String),
        value=pl.Series(np.where(split_N, ratio_N, cash_N)),
    )
    tonight = shaped(found.filter(pl.Series(real_N, dtype=pl.Boolean)), RAW_ACTIONS)
    lost = _lost_splits(rows, eve, big_N)
    return pl.concat([tonight, lost]).sort("symbol", "ex_session")


def split_of_level(before: float, after: float) -> float | None:
    """Return the split (new shares for one old) that explains two closes with no row between.

    It is the nearest simple ratio within 8 % of the change, from 3:2 on; None where there is none.
    A price alone cannot tell a split from a crash of that size: use it only where what happened
    between was lost.

    >>> split_of_level(702.6, 98.1)
    7.0
    >>> split_of_level(100.0, 71.0) is None
    True
    """
    if not (0 < before < np.inf and 0 < after < np.inf):
        return None
    ratio = float(_splits_of_levels(np.array([before / after]))[0])
    return None if np.isnan(ratio) else ratio


def restated_rows(
    bars: pl.DataFrame, eve: pl.DataFrame, actions: pl.DataFrame, *, session: date
) -> pl.DataFrame:
    """Return the keys of rows before `session` whose prices already contain tonight's split.

    As corrections they would count the split twice: once in the price, once as an action. Keep
    the first print, and quarantine these.

    Args:
        bars: `RAW_BARS` of tonight's delivery.
        eve: (symbol, close), and session if known: the last clean first print before tonight.
        actions: `RAW_ACTIONS` of tonight, given or inferred.
        session: The session that tonight is about.

    Returns:
        (session, symbol), sorted, each once.
    """
    splits = actions.filter(pl.col("kind") == "split", pl.col("ex_session") == session)
    before = _usable(bars).filter(pl.col("session") < session)
    rows = before.join(splits.select("symbol", "value"), on="symbol").join(
        _prints(eve), on=_on(eve), how="inner"
    )
    share = (pl.col("close") / pl.col("first")).log() / -pl.col("value").log()
    restated = rows.filter(pl.col("value").log().abs() >= BIG, share.is_between(0.5, 1.5))
    return (
        restated.select(pl.col("session").cast(DAY), pl.col("symbol").cast(TEXT))
        .unique()
        .sort("session", "symbol")
    )


def with_nothing_elsewhere(actions: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Return `actions` and, of each bar's session that has none of a kind, that it has none.

    For an answer that would tell of every action of its sessions: so one that was told before and
    is told no more can be taken back. Takes `RAW_ACTIONS` and `RAW_BARS`; gives `RAW_ACTIONS`,
    sorted by session, symbol and kind.
    """
    keys = bars.select(ex_session="session", symbol="symbol").drop_nulls().unique()
    none = pl.DataFrame({"kind": list(NOTHING), "value": list(NOTHING.values())})
    silent = keys.join(none, how="cross").join(
        actions, on=["ex_session", "symbol", "kind"], how="anti"
    )
    both = pl.concat([actions, shaped(silent, RAW_ACTIONS)])
    return both.sort("ex_session", "symbol", "kind", maintain_order=True)


def is_nothing() -> pl.Expr:
    """Return whether a row of actions says that its session had none of its kind."""
    nothing = pl.col("kind").replace_strict(NOTHING, default=None, return_dtype=pl.Float64)
    return (pl.col("value") == nothing).fill_null(False)


def late_actions(actions: pl.DataFrame, session: date, *, since: date) -> pl.DataFrame:
    """Return all that `session` knows of names of which something came late that night.

    That is, something known after `since`, the session before, with an ex session no later than
    that. The ledger moved without it. Takes and gives `ACTIONS`, all prints; empty on most nights.
    """
    known = pl.col("known_on") <= session
    fresh = actions.filter(known, pl.col("known_on") > since, pl.col("ex_session") <= since)
    if fresh.is_empty():
        return fresh
    return actions.filter(known).join(fresh.select("instrument"), on="instrument", how="semi")


def total_returns(view: View) -> Array:
    """Return the simple total return from close to close, (T, N); NaN where there is none.

    r(t) = (p(t) s(t) + d(t)) / p(t') - 1, with p(t') the last close before t, s(t) the shares
    that one share of t' became, and d(t) the cash these brought since. A dividend is cash a share
    as traded on its ex session, so after a split of the same session, as in labels and the ledger.
    Over a gap all falls on the session that trades again.
    """
    returns_TN = np.full(view.close_TN.shape, np.nan)
    last_N = np.full(len(view.instruments), np.nan)
    shares_N, cash_N = np.ones_like(last_N), np.zeros_like(last_N)
    for t, close_N in enumerate(view.close_TN):
        shares_N *= view.split_TN[t]
        cash_N += shares_N * view.dividend_TN[t]
        traded_N = np.isfinite(close_N)
        there_N = traded_N & (last_N > 0)
        worth_N = close_N[there_N] * shares_N[there_N] + cash_N[there_N]
        returns_TN[t, there_N] = worth_N / last_N[there_N] - 1.0
        last_N[traded_N] = close_N[traded_N]
        shares_N[traded_N], cash_N[traded_N] = 1.0, 0.0
    return returns_TN


def _lost_splits(rows: pl.DataFrame, eve: pl.DataFrame, big_N: NDArray[np.bool_]) -> pl.DataFrame:
    """Return splits of nights that nobody had, told from the level of prices alone.

    Where every close known before is older than the eve that tonight brings, what was delivered
    between was lost, and no adjusted close tells what happened: a price that changed by a simple
    ratio since the last of them is taken to have split on the session of its row before tonight's.
    Not so where that row and tonight's are a big factor apart, or where the name was silent before
    the loss. Dividends of lost nights leave no trace.
    """
    if "session" not in eve.columns or eve.is_empty() or rows.is_empty():
        return empty(RAW_ACTIONS)
    if not eve.filter(pl.col("session") >= rows["session"].mode().min()).is_empty():
        return empty(RAW_ACTIONS)
    last = eve.filter(pl.col("session") == pl.col("session").max())
    last = last.unique("symbol", keep="none").select("symbol", level="close")
    found = rows.with_columns(calm=pl.Series(~big_N)).join(last, on="symbol", how="inner")
    found = found.filter("calm", pl.col("level") > 0)
    levels_N = (found["level"] / found["close"]).to_numpy()
    found = found.select(
        "symbol",
        ex_session="session",
        kind=pl.lit("split"),
        value=pl.Series(_splits_of_levels(levels_N), dtype=pl.Float64),
    )
    return shaped(found.filter(pl.col("value").is_not_nan()), RAW_ACTIONS)


def _splits_of_levels(ratio_N: Array) -> Array:
    """Return the nearest of `LEVELS` to each ratio, NaN where none is near."""
    apart_NL = np.abs(np.log(ratio_N)[:, None] - np.log(LEVELS))
    nearest_N = apart_NL.argmin(axis=1)
    near_N = apart_NL[np.arange(ratio_N.size), nearest_N] <= NEAR
    wide_N = np.abs(np.log(ratio_N)) >= np.log(1.5)
    return np.where(near_N & wide_N, LEVELS[nearest_N], np.nan)


def _usable(bars: pl.DataFrame) -> pl.DataFrame:
    """Return (session, symbol, close, adj_close) of rows with both prices, each once."""
    priced = pl.all_horizontal(
        pl.col("close", "adj_close").is_finite() & (pl.col("close", "adj_close") > 0)
    )
    return bars.select("session", "symbol", "close", "adj_close").filter(priced).unique()


def _prints(eve: pl.DataFrame) -> pl.DataFrame:
    return eve.select(*_on(eve), first="close").unique(_on(eve), keep="none")


def _on(eve: pl.DataFrame) -> list[str]:
    return ["session", "symbol"] if "session" in eve.columns else ["symbol"]


def _pairs(bars: pl.DataFrame, eve: pl.DataFrame, session: date) -> pl.DataFrame:
    """Return each symbol's row of `session` beside the one before it, and its first print."""
    rows = _usable(bars)
    own = rows.filter(pl.col("session") == session).unique("symbol", keep="none")
    earlier = rows.filter(pl.col("session") < session)
    usual = earlier["session"].mode().min() if earlier.height else session
    before = (
        earlier.filter(pl.col("session") >= usual)
        .filter(pl.col("session") == pl.col("session").max().over("symbol"))
        .unique("symbol", keep="none")
    )
    paired = before.join(
        own.select("symbol", own_close="close", own_adj="adj_close"), on="symbol"
    ).join(_prints(eve), on=_on(eve), how="left")
    return paired.sort("symbol")


def _factors(rows: pl.DataFrame) -> Array:
    """Return what turns the price before into tonight's terms; exactly 1 where nothing happened."""
    own_N = rows["own_adj"].to_numpy() / rows["own_close"].to_numpy()
    factor_N = rows["adj_close"].to_numpy() / rows["close"].to_numpy() / own_N
    noise_N = np.where(own_N == 1.0, SAME, SAME_WHEN_ROUNDED)
    factor_N = np.where(np.abs(factor_N - 1.0) <= noise_N, 1.0, factor_N)
    restated_N = _restatement(rows)
    if (restated_N == 1.0).all():
        return factor_N
    jump_N = np.log(rows["own_close"].to_numpy() / rows["first"].fill_null(1.0).to_numpy())
    both_N = factor_N * restated_N
    once_N = np.abs(jump_N - np.log(restated_N)) < np.abs(jump_N - np.log(both_N))
    return np.where(restated_N == 1.0, factor_N, np.where(once_N, restated_N, both_N))


def _restatement(rows: pl.DataFrame) -> Array:
    """Return by what simple ratio the row before was restated since its first print; 1 if not.

    Only where prices are high enough for their cents to tell a ratio from a corrected misprint.
    """
    close_N = rows["close"].to_numpy()
    first_N = rows["first"].fill_null(rows["close"]).to_numpy()
    told_N = CENT / np.minimum(first_N, close_N) <= SAME_WHEN_ROUNDED
    ratio_N, simple_N = _simple_ratio(close_N / first_N, np.full(close_N.size, np.inf))
    restated_N = told_N & simple_N & (np.abs(np.log(close_N / first_N)) >= BIG)
    return np.where(restated_N, 1.0 / ratio_N, 1.0)


def _base(rows: pl.DataFrame) -> Array:
    """Return the price before, as it was traded."""
    return rows["close"].to_numpy() / _restatement(rows)


def _simple_ratio(factor_N: Array, rounded_N: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return new shares for one old, and whether that is a simple ratio within the rounding."""
    new_N = 1.0 / factor_N
    right = np.clip(np.searchsorted(SIMPLE_RATIOS, new_N), 1, SIMPLE_RATIOS.size - 1)
    low_N, high_N = SIMPLE_RATIOS[right - 1], SIMPLE_RATIOS[right]
    near_N = np.where(new_N / low_N < high_N / new_N, low_N, high_N)
    allowed_N = np.minimum(SAME_WHEN_ROUNDED / 2 + CENT / rounded_N, 10 * SAME_WHEN_ROUNDED)
    simple_N = np.abs(new_N / near_N - 1.0) <= allowed_N
    return np.where(simple_N, near_N, new_N), simple_N
