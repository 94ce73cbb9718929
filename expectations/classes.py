"""What may be asked of a price, by asset class: plain data."""

from typing import NamedTuple

import polars as pl

CLASS = {"symbol": pl.String, "asset_class": pl.String, "currency": pl.String}


class ClassRules(NamedTuple):
    """What one asset class allows. Moves are logs of one close over the last."""

    signed: bool  # prices may be zero or negative, and moves are differences
    floor: float  # a smaller move never asks for a reason by its size alone
    ceiling: float  # a larger one always does, however wild the day
    tick: float  # smallest step of a price: below it nothing can be told
    traded: bool  # volume and opens are expected


# A stock can fall by 59 % or more than double in a day; a currency that is devalued halves; a
# volatility index doubled on 2018-02-05; oil fell below zero on 2020-04-20.
CLASSES = {
    "equity": ClassRules(signed=False, floor=0.9, ceiling=1.6, tick=0.01, traded=True),
    "fund": ClassRules(signed=False, floor=0.9, ceiling=1.6, tick=0.01, traded=True),
    "unknown": ClassRules(signed=False, floor=0.9, ceiling=1.6, tick=0.01, traded=True),
    "index": ClassRules(signed=False, floor=0.8, ceiling=1.2, tick=0.0, traded=False),
    "bond": ClassRules(signed=False, floor=0.5, ceiling=1.2, tick=0.0, traded=False),
    "fx": ClassRules(signed=False, floor=0.7, ceiling=1.2, tick=0.0, traded=False),
    "crypto": ClassRules(signed=False, floor=1.2, ceiling=2.0, tick=0.0, traded=True),
    "future": ClassRules(signed=True, floor=0.0, ceiling=0.0, tick=0.01, traded=True),
    "commodity": ClassRules(signed=True, floor=0.0, ceiling=0.0, tick=0.01, traded=False),
}


def classes_of(
    symbols: pl.Series, listed: pl.DataFrame, told: pl.DataFrame, *, asset_class: str, currency: str
) -> pl.DataFrame:
    """Return (symbol, asset_class, currency) of each of `symbols`, sorted.

    What was listed before tonight counts first, a name's newest row; then what this delivery
    tells; then the source's own `asset_class` and `currency`.

    Args:
        symbols: Of tonight's rows.
        listed: `LISTINGS` in the order they became known.
        told: `RAW_LISTINGS` of tonight.
        asset_class: Of symbols that no listing speaks of.
        currency: Of symbols whose listing names none.
    """
    before = _newest(listed, suffix="")
    now = _newest(told, suffix="_now")
    known = pl.DataFrame({"symbol": symbols.drop_nulls().unique()}, schema={"symbol": pl.String})
    found = known.join(before, on="symbol", how="left").join(now, on="symbol", how="left")
    return found.select(
        "symbol",
        pl.coalesce("asset_class", "asset_class_now", pl.lit(asset_class)),
        pl.coalesce("currency", "currency_now", pl.lit(currency)),
    ).sort("symbol")


def ruled(classes: pl.DataFrame) -> pl.DataFrame:
    """Return `classes` with what is asked of each: signed, floor, ceiling, tick, traded."""
    rules = [{"asset_class": name, **rule._asdict()} for name, rule in CLASSES.items()]
    return classes.join(pl.DataFrame(rules), on="asset_class", how="left", maintain_order="left")


def signed_symbols(classes: pl.DataFrame) -> list[str]:
    """Return the symbols whose prices may be zero or negative."""
    signed = [name for name, rules in CLASSES.items() if rules.signed]
    return classes.filter(pl.col("asset_class").is_in(signed))["symbol"].to_list()


def _newest(rows: pl.DataFrame, *, suffix: str) -> pl.DataFrame:
    newest = rows.select("symbol", "asset_class", "currency").unique(
        "symbol", keep="last", maintain_order=True
    )
    return newest.rename({name: name + suffix for name in ("asset_class", "currency")})
