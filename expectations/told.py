"""What a delivery tells besides bars: listings, series, fundamentals, memberships, row by row."""

from math import log
from typing import NamedTuple, get_args

import polars as pl

from conf.schema import AssetClass
from expectations.eve import Eve
from expectations.sorting import Reach, Rule, split
from expectations.terms import without_changed_terms
from tasks.market import frames
from tasks.market.sources.protocol import Delivery

SYMBOL = r"^[A-Z0-9^][A-Z0-9.\-_^=/]{0,23}$"
ABSURD = 1e15  # no figure of any company is larger, in any currency
LATELY = 20  # values of a series that say what level it is at, and how often it has news
_LEVEL = 3.0  # a series whose last values lie within this factor is a level, not a return
_FEWEST = 5  # of its last values, to tell
_UNIT = 0.05  # log: how near to a factor of 100


class Told(NamedTuple):
    """What may be believed, and what was set aside."""

    listings: pl.DataFrame  # `RAW_LISTINGS`
    series: pl.DataFrame  # `RAW_SERIES`
    fundamentals: pl.DataFrame  # `RAW_FUNDAMENTALS`
    members: pl.DataFrame  # `RAW_MEMBERS`
    aside: pl.DataFrame  # (session, symbol, rule, detail)


def sort_told(delivery: Delivery, eve: Eve, reach: Reach) -> Told:
    """Return the rows of the frames other than bars that may be believed.

    Values and figures come in the order in which they became known, those that do not say when on
    the night; of one day's figures an amendment (10-K/A) after what it amends.

    Quarantine has one key for all: of a series its date and name, of a filing the end of its
    period and the symbol, of a listing its start and the symbol.
    """
    listings, wrong = _listings(frames.shaped(delivery.listings, frames.RAW_LISTINGS))
    listings, changed = without_changed_terms(listings, eve, reach)
    tonight = pl.col("known_on").fill_null(reach.night)
    values = frames.shaped(delivery.series, frames.RAW_SERIES).with_columns(tonight)
    series, unreal = _series(values, eve, reach)
    told = frames.shaped(delivery.fundamentals, frames.RAW_FUNDAMENTALS).with_columns(tonight)
    filed, unfiled = split(
        told.unique(maintain_order=True), _filings(reach), key=("period_end", "symbol")
    )
    members, strangers = split(frames.shaped(delivery.members, frames.RAW_MEMBERS), _members(reach))
    aside = pl.concat([wrong, changed, unreal, unfiled, strangers])
    return Told(
        listings,
        series.sort("known_on", "name", "session"),
        filed.sort("known_on", "form", "symbol", "period_end", "item"),
        members,
        aside,
    )


def without_lost_rates(told: Told, bars: pl.DataFrame, clean: pl.DataFrame) -> Told:
    """Return `told` with the values set aside that are the close of a bar which is not clean.

    A pair of currencies comes as a bar and, under the same name, as the rate it closed at: a price
    that nobody may read must not value a book either.

    Args:
        told: What is believed so far.
        bars: (session, symbol) of all that were delivered.
        clean: Those that passed.
    """
    if told.series.is_empty():
        return told
    key = ["session", "name"]
    came, passed = (part.select("session", name="symbol") for part in (bars, clean))
    lost = came.join(passed, on=key, how="anti").unique()
    rates = told.series.join(lost, on=key, how="semi", maintain_order="left")
    detail = pl.format("{}", "value")
    named = rates.select("session", symbol="name", rule=pl.lit("rate of a bad bar"), detail=detail)
    return told._replace(
        series=told.series.join(lost, on=key, how="anti", maintain_order="left"),
        aside=pl.concat([told.aside, named]),
    )


def nothing_of(told: Told) -> Told:
    """Return `told` without a row."""
    return Told(*(frame.clear() for frame in told))


def _malformed() -> Rule:
    return Rule(
        "malformed symbol",
        ~pl.col("symbol").str.contains(SYMBOL).fill_null(False),
        pl.lit("letters, digits and . - _ ^ = / only, at most 24"),
    )


def _listings(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    kinds = list(get_args(AssetClass))
    rules = [
        _malformed(),
        Rule(
            "listing ends before it begins",
            pl.col("from_session") > pl.col("to_session"),
            pl.format("{} to {}", "from_session", "to_session"),
        ),
        Rule(
            "unknown asset class",
            ~pl.col("asset_class").is_in(kinds),
            pl.format("{}", "asset_class"),
        ),
        Rule(
            "multiplier not above zero",
            ~(pl.col("multiplier").is_finite() & (pl.col("multiplier") > 0)),
            pl.format("{}", "multiplier"),
        ),
    ]
    left, aside = split(rows, rules, key=("from_session", "symbol"))
    twice = _two_holders(left)
    if not twice:
        return left, aside
    rule = Rule(
        "two holders of a symbol", pl.col("symbol").is_in(twice), pl.format("{}", "vendor_id")
    )
    left, more = split(left, [rule], key=("from_session", "symbol"))
    return left, pl.concat([aside, more])


def _two_holders(rows: pl.DataFrame) -> list[str]:
    """Return the symbols that two ids of the vendor hold on one day."""
    shared = rows.filter(pl.col("vendor_id").n_unique().over("symbol") > 1)
    if shared.is_empty():
        return []
    spans = shared.select("symbol", "vendor_id", start="from_session", end="to_session")
    pairs = spans.join(spans, on="symbol", suffix="_other").filter(
        pl.col("vendor_id") < pl.col("vendor_id_other")
    )
    apart = (pl.col("end") < pl.col("start_other")) | (pl.col("end_other") < pl.col("start"))
    return pairs.filter(~apart.fill_null(False))["symbol"].unique().sort().to_list()


def _series(rows: pl.DataFrame, eve: Eve, reach: Reach) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = rows.unique(maintain_order=True)
    key = ["session", "name", "known_on"]
    rules = [
        Rule(
            "unreadable",
            pl.any_horizontal(pl.col("session", "name", "value").is_null()),
            pl.lit("no date, name or value"),
        ),
        Rule("not finite", ~pl.col("value").is_finite(), pl.format("{}", "value")),
        Rule("future", pl.col("session") > reach.night, pl.format("{}", "session")),
        _known_later(reach),
        Rule(
            "differing duplicates",
            pl.struct(key).is_duplicated(),
            pl.format("{} to {}", pl.col("value").min().over(key), pl.col("value").max().over(key)),
        ),
    ]
    left, aside = split(rows, rules, key=("session", "name"))
    levels = _levels(eve.values)
    ratio = (pl.col("value") / pl.col("level")).log()
    cleared = eve.cleared.select("session", name="symbol", cleared=pl.lit(True))
    slipped = Rule(
        "value in another unit",
        ((ratio.abs() - log(100)).abs() < _UNIT) & pl.col("cleared").is_null(),
        pl.format("{}, lately {}", "value", "level"),
    )
    placed = left.join(levels, on="name", how="left", maintain_order="left")
    placed = placed.join(cleared, on=["session", "name"], how="left", maintain_order="left")
    left, slips = split(placed, [slipped], key=("session", "name"))
    return left.drop("level", "cleared"), pl.concat([aside, slips])


def _levels(values: pl.DataFrame) -> pl.DataFrame:
    """Return (name, level): the last value of each series that keeps near its level."""
    size = pl.col("value").abs()
    steady = (pl.len() >= _FEWEST) & (size.min() > 0) & (size.max() < _LEVEL * size.min())
    steady &= pl.col("value").sign().n_unique() == 1
    last = values.sort("session").group_by("name", maintain_order=True).tail(LATELY)
    told = last.group_by("name", maintain_order=True).agg(
        steady=steady, level=pl.col("value").last()
    )
    return told.filter("steady").drop("steady")


def _known_later(reach: Reach) -> Rule:
    return Rule(
        "known after the night", pl.col("known_on") > reach.night, pl.format("{}", "known_on")
    )


def _filings(reach: Reach) -> list[Rule]:
    key = list(frames.RAW_FUNDAMENTALS)
    key.remove("value")
    return [
        Rule(
            "unreadable",
            pl.any_horizontal(pl.col("period_end", "symbol", "item", "value").is_null()),
            pl.lit("no period, symbol, item or value"),
        ),
        _malformed(),
        Rule("not finite", ~pl.col("value").is_finite(), pl.format("{}", "value")),
        _known_later(reach),
        Rule(
            "filed before its period ended",
            pl.col("known_on") < pl.col("period_end"),
            pl.format("{}", "known_on"),
        ),
        Rule("differing duplicates", pl.struct(key).is_duplicated(), pl.format("{}", "item")),
    ]


def _members(reach: Reach) -> list[Rule]:
    return [
        Rule(
            "unreadable",
            pl.any_horizontal(pl.col("session", "index", "symbol").is_null()),
            pl.lit("no date, index or symbol"),
        ),
        _malformed(),
        Rule("future", pl.col("session") > reach.night, pl.format("{}", "session")),
        Rule(
            "neither in nor out",
            ~pl.col("member").is_in([0, 1]).fill_null(False),
            pl.format("{}", pl.col("member").cast(pl.String).fill_null("nothing")),
        ),
    ]


def absurd_figures(fundamentals: pl.DataFrame) -> pl.DataFrame:
    """Return (session, symbol) of figures that no company can have: noted, not set aside."""
    absurd = fundamentals.filter(pl.col("value").abs() > ABSURD)
    return absurd.select(session="period_end", symbol="symbol")
