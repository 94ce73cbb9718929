"""A seeded market with splits, dividends and a spin-off, told in three accounts that agree."""

from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.market.frames import RAW_ACTIONS, RAW_BARS, shaped

START = date(2019, 1, 1)
PRICES = ("open", "high", "low", "close")


class Told(NamedTuple):
    """What a vendor tells of a market."""

    bars: pl.DataFrame
    actions: pl.DataFrame


def market(
    *, names: int = 1, sessions: int = 120, seed: int = 0, cash: float = 0.8, split: float = 3.0
) -> Told:
    """Return names near 100, as traded: a dividend every 30 rows and a split on row 75.

    The third name also spins off 40 a share, on row 60.
    """
    bars, actions = [], []
    for name in range(names):
        random = np.random.default_rng([seed, name])
        events = dict.fromkeys(range(20, sessions, 30), ("dividend", cash))
        events |= {75: ("split", split)} if sessions > 75 else {}
        events |= {60: ("dividend", 40.0)} if name == 2 and sessions > 60 else {}
        days = [START + timedelta(days=row) for row in range(sessions)]
        close, rows = 100.0, []
        for row, day in enumerate(days):
            before = close
            kind, value = events.get(row, ("", 0.0))
            level = before / value if kind == "split" else before - value
            open_ = level * np.exp(0.004 * random.standard_t(4))
            close = open_ * np.exp(0.012 * random.standard_t(4))
            high = max(open_, close) * np.exp(0.004 * abs(random.standard_normal()))
            low = min(open_, close) * np.exp(-0.004 * abs(random.standard_normal()))
            rows.append((day, f"S{name}", open_, high, low, close, 1e5))
        told = pl.DataFrame(rows, schema=["session", "symbol", *PRICES, "volume"], orient="row")
        given = [(days[row], f"S{name}", *event) for row, event in sorted(events.items())]
        bars.append(told)
        actions += given
    acted = pl.DataFrame(actions, schema=RAW_ACTIONS, orient="row")
    told = Told(shaped(pl.concat(bars), RAW_BARS), acted.filter(pl.col("ex_session") <= days[-1]))
    return adjusted(told)


def adjusted(told: Told, carried: pl.DataFrame | None = None) -> Told:
    """Return bars as traded whose adj_close carries the actions `carried`, all if not said."""
    actions = told.actions if carried is None else carried
    parts = []
    for (symbol,), part in told.bars.group_by("symbol", maintain_order=True):
        own = actions.filter(pl.col("symbol") == symbol)
        days, close = part["session"].to_list(), part["close"].to_numpy()
        factor = np.ones(len(days))
        for day, _, kind, value in own.iter_rows():
            row = days.index(day)
            factor[:row] *= 1 / value if kind == "split" else 1 - value / close[row - 1]
        parts.append(part.with_columns(adj_close=pl.Series(close * factor)))
    return told._replace(bars=pl.concat(parts))


def restated(told: Told) -> Told:
    """Return bars and dividends restated for later splits, as some vendors tell them."""
    splits = told.actions.filter(pl.col("kind") == "split").select(
        "symbol", at="ex_session", ratio="value"
    )
    bars = told.bars.join(splits, on="symbol", how="left")
    later = pl.when(pl.col("session") < pl.col("at")).then("ratio").otherwise(1.0)
    actions = told.actions.join(splits, on="symbol", how="left")
    due = (pl.col("kind") == "dividend") & (pl.col("ex_session") < pl.col("at"))
    cash = pl.col("value") / pl.when(due).then("ratio").otherwise(1.0)
    return Told(
        shaped(bars.with_columns(pl.col(*PRICES) / later), RAW_BARS),
        shaped(actions.with_columns(value=cash), RAW_ACTIONS),
    )


def changed(told: Told, rows: list[int], **factors: float) -> Told:
    """Return the market with these rows' columns multiplied; `all_prices` stands for five."""
    if (everything := factors.pop("all_prices", None)) is not None:
        factors |= dict.fromkeys((*PRICES, "adj_close"), everything)
    chosen = pl.int_range(pl.len()).is_in(rows)
    columns = {
        name: pl.when(chosen).then(pl.col(name) * factor).otherwise(name)
        for name, factor in factors.items()
    }
    return told._replace(bars=told.bars.with_columns(**columns))


def day(row: int) -> date:
    """Return the session of a row."""
    return START + timedelta(days=row)
