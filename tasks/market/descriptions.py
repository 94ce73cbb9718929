"""What is new about instruments: names, classes, symbols and ends, each from its own session on."""

from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from tasks.market.frames import DAY, LISTINGS, REAL, TEXT, shaped
from tasks.market.holders import held_at, id_owner

STAMPS = ("source", "delivery", "known_on")
SAID = {name: kind for name, kind in LISTINGS.items() if name not in STAMPS}
# What a listing says of an instrument, and what holds until it says otherwise.
SPOKEN = {
    "name": TEXT,
    "asset_class": TEXT,
    "exchange": TEXT,
    "sector": TEXT,
    "currency": TEXT,
    "multiplier": REAL,
    "root": TEXT,
}
OF_A_SYMBOL = ["asset_class", "exchange", "currency", "multiplier", "root"]
FRESH = timedelta(days=7)  # what began in the week before tonight was described from its beginning


PRIOR, TONIGHT = 0, 1
STATEMENTS = {
    "owner": TEXT,
    "symbol": TEXT,
    "from_session": DAY,
    "to_session": DAY,
    "starts": pl.Boolean,  # whether the symbol begins here to be the owner's
    "instrument": TEXT,
    "said_id": TEXT,
    **SPOKEN,
}


class Defaults(NamedTuple):
    """What is true of symbols of which nothing else is said."""

    currency: str
    asset_class: str


class News(NamedTuple):
    """What is known of tonight's symbols before their descriptions are read."""

    listed: pl.DataFrame  # LISTINGS known before, in that order, with `owner`
    intervals: pl.DataFrame  # rows of RAW_LISTINGS with a vendor's id whose interval is new
    starts: pl.DataFrame  # (owner, symbol, from_session) of symbols that begin without an id
    births: pl.DataFrame  # (owner, instrument, first): instruments whose first row is tonight's
    holders: pl.DataFrame  # HOLDERS, with tonight's
    strangers: pl.DataFrame  # (symbol): described as another company, which does not trade yet


def descriptions(
    named: pl.DataFrame, news: News, *, defaults: Defaults, session: date
) -> pl.DataFrame:
    """Return `SAID` rows of all that is new tonight, sorted by symbol, day and instrument.

    Each row says all that is known of its instrument from its `from_session` on. Once one of its
    names says that an instrument is a fund it stays one, and names that deny it are not believed.
    That a listing has ended is said on its last session, as if nobody had known before: only
    contracts, which end by their terms, say so from the start.

    Args:
        named: `RAW_LISTINGS` of tonight.
        news: Who is who.
        defaults: What is true of symbols of which nothing else is said.
        session: The session that tonight is about.
    """
    named = named.with_columns(
        name=pl.when(pl.col("name").str.strip_chars() != "").then("name"),
        asset_class=pl.when(pl.col("asset_class") != "").then("asset_class"),
    )
    prior = news.listed.sort("from_session", maintain_order=True)
    prior = prior.unique("owner", keep="last", maintain_order=True)
    tonight = pl.concat(
        shaped(part, STATEMENTS)
        for part in (
            _born(news, prior),
            _begun(named, news, prior),
            _told_of_ids(named, news, prior, session),
            _told_of_symbols(named, news, prior, session),
        )
    )
    if tonight.is_empty():
        return pl.DataFrame(schema=SAID)
    tonight = _with_ends(tonight, news.holders, session)
    before = shaped(prior.join(tonight, on="owner", how="semi"), STATEMENTS)
    chain = pl.concat(
        [before.with_columns(stage=pl.lit(PRIOR)), tonight.with_columns(stage=pl.lit(TONIGHT))]
    ).sort("owner", "stage", "from_session", maintain_order=True)
    said = _changes(_carried_on(chain, defaults), news)
    return shaped(said, SAID).sort("symbol", "from_session", "instrument")


def _born(news: News, prior: pl.DataFrame) -> pl.DataFrame:
    """Return the newest row of each id that has waited for the first row of its instrument."""
    waited = prior.join(news.births, on="owner", how="semi")
    return waited.select("owner", "symbol", "from_session", "to_session")


def _begun(named: pl.DataFrame, news: News, prior: pl.DataFrame) -> pl.DataFrame:
    """Return where symbols begin, with what was said of them while they waited.

    What kind of thing a symbol is may be said of the symbol alone, beside the ids.
    """
    waiting = prior.with_columns(pl.col("owner").str.strip_prefix("symbol ").alias("waits"))
    waiting = waiting.filter(pl.col("waits") != pl.col("owner")).select("waits", *SPOKEN)
    begun = news.starts.join(waiting, left_on="symbol", right_on="waits", how="left")
    parts = [begun.with_columns(to_session=pl.lit(None, DAY)), news.intervals]
    columns = ["owner", "symbol", "from_session", "to_session", *SPOKEN]
    rows = pl.concat([part.select(columns) for part in parts])
    plain = named.filter(pl.col("vendor_id").is_null()).select("symbol", *OF_A_SYMBOL)
    plain = plain.unique("symbol", keep="first", maintain_order=True)
    rows = rows.join(plain, on="symbol", how="left", suffix="_plain", maintain_order="left")
    kinds = [pl.coalesce(name, f"{name}_plain").alias(name) for name in OF_A_SYMBOL]
    return rows.with_columns(kinds).with_columns(starts=pl.lit(True))


def _told_of_ids(
    named: pl.DataFrame, news: News, prior: pl.DataFrame, session: date
) -> pl.DataFrame:
    """Return what is said of ids under the symbol they have already."""
    keys = ["vendor_id", "symbol"]
    told = named.filter(pl.col("vendor_id").is_not_null()).with_columns(owner=id_owner())
    told = told.join(news.intervals, on=keys, how="anti")
    newest = prior.select("owner", "symbol", since="from_session")
    told = told.join(newest, on=["owner", "symbol"], how="inner")
    told = told.sort("from_session", maintain_order=True).unique(
        keys, keep="last", maintain_order=True
    )
    return told.with_columns(from_session=pl.max_horizontal("since", pl.lit(session)))


def _told_of_symbols(
    named: pl.DataFrame, news: News, prior: pl.DataFrame, session: date
) -> pl.DataFrame:
    """Return what is said of symbols alone, with whose they are, and from when it counts."""
    told = named.filter(pl.col("vendor_id").is_null()).with_columns(
        day=pl.coalesce("from_session", pl.lit(session))
    )
    told = held_at(told, news.holders, day="day")
    stranger = pl.col("symbol").is_in(news.strangers["symbol"].implode())
    waits = pl.lit("symbol ") + pl.col("symbol")
    told = told.with_columns(
        owner=pl.when(stranger).then(waits).otherwise(pl.coalesce("owner", waits))
    )
    starts = news.starts.select("owner", "symbol", start="from_session")
    told = told.join(starts, on=["owner", "symbol"], how="left", maintain_order="left")
    told = told.join(
        prior.select("owner", known="from_session"), on="owner", how="left", maintain_order="left"
    )
    fresh = pl.col("start") >= session - FRESH
    in_order = (pl.col("day") > pl.col("known")) & (pl.col("day") <= session)
    return told.with_columns(
        from_session=pl.when(fresh)
        .then("start")
        .when(pl.col("start").is_not_null())
        .then(pl.max_horizontal("day", "start"))
        .when(pl.col("known").is_null() | in_order)
        .then("day")
        .otherwise(pl.max_horizontal("known", pl.lit(session)))
    )


def _with_ends(told: pl.DataFrame, holders: pl.DataFrame, session: date) -> pl.DataFrame:
    """Return the statements with a row of its own for each end; contracts keep theirs.

    An interval that goes straight on under another symbol has no end.
    """
    by_terms = (pl.col("asset_class") == "future").fill_null(False) | pl.col("root").is_not_null()
    past = (pl.col("to_session") <= session).fill_null(False) & ~by_terms
    ends = told.filter(past).with_columns(next=pl.col("to_session").dt.offset_by("1d"))
    ends = ends.join(
        holders.select("owner", next="from_session"), on=["owner", "next"], how="anti"
    ).drop("next")
    ends = ends.with_columns(
        pl.max_horizontal("from_session", "to_session").alias("from_session"),
        starts=pl.lit(None, pl.Boolean),
    )
    lasting = told.with_columns(to_session=pl.when(~past).then("to_session"))
    return pl.concat([lasting, ends])


def _carried_on(chain: pl.DataFrame, defaults: Defaults) -> pl.DataFrame:
    """Return each statement with all that was said before it of its owner, and the defaults."""
    fund = (pl.col("asset_class") == "fund").fill_null(False)
    was_fund = fund.cum_max().shift(1, fill_value=False).over("owner")
    denied = was_fund & ~fund & pl.col("asset_class").is_not_null()
    run = pl.col("starts").fill_null(False).cast(pl.Int32).cum_sum().over("owner")
    chain = chain.with_columns(
        [pl.when(~denied).then(name).alias(name) for name in ("name", "asset_class")],
        run=run,
    )
    return chain.with_columns(
        pl.col(*SPOKEN).forward_fill().over("owner"),
        pl.col("to_session").forward_fill().over("owner", "run"),
    ).with_columns(
        pl.col("currency").fill_null(defaults.currency),
        pl.col("asset_class").fill_null(defaults.asset_class),
        vendor_id=pl.when(pl.col("stage") == PRIOR)
        .then("said_id")
        .when(pl.col("owner").str.starts_with("vendor "))
        .then(pl.col("owner").str.strip_prefix("vendor ")),
    )


def _changes(chain: pl.DataFrame, news: News) -> pl.DataFrame:
    """Return tonight's rows that differ from the one before them of their owner."""
    whose = news.holders.filter(pl.col("instrument").is_not_null())
    whose = whose.select("owner", now="instrument").unique("owner")
    chain = chain.unique(
        ["owner", "stage", "symbol", "from_session"], keep="last", maintain_order=True
    )
    chain = chain.join(whose, on="owner", how="left", maintain_order="left")
    chain = chain.join(
        news.births.select("owner", "first"), on="owner", how="left", maintain_order="left"
    )
    over = pl.min_horizontal(
        pl.col("from_session").shift(-1).over("owner").dt.offset_by("-1d"), "to_session"
    )
    waits = (over < pl.col("first")).fill_null(False)
    old = pl.col("stage") == PRIOR
    chain = chain.with_columns(
        instrument=pl.when(old).then("instrument").when(~waits).then("now").fill_null("")
    )
    said = ["instrument", "symbol", "to_session", "vendor_id", *SPOKEN]
    same = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift(1).over("owner")) for name in said
    )
    first = pl.int_range(pl.len()).over("owner") == 0
    return chain.filter(~old, first | ~same)
