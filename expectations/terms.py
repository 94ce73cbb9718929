"""Listings that would change what a held instrument is worth: its currency, multiplier or root."""

import polars as pl

from expectations.eve import Eve
from expectations.sorting import KEY, NAMED, Reach
from tasks.market import frames
from tasks.market.holders import held_at, holders_of, id_owner, with_owners

TERMS = ("currency", "multiplier", "root")


def without_changed_terms(
    rows: pl.DataFrame, eve: Eve, reach: Reach
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the listings that may be believed, and `NAMED` of those that change terms.

    A price of 50 is 50 dollars until a listing says yen: that revalues every holding overnight, so
    the listing waits for a person, and the instrument keeps the terms it has. What was never said
    may be filled in. A symbol that passes to another instrument brings that one's terms.

    Args:
        rows: `RAW_LISTINGS` of tonight, symbols readable.
        eve: What was known before, and what a person cleared. A listing without a first session
            goes by the night's.
        reach: The dates the delivery may carry.
    """
    none = frames.empty(NAMED)
    if eve.listed.is_empty() or all(rows[term].null_count() == rows.height for term in TERMS):
        return rows, none
    known = with_owners(eve.listed).filter(pl.col("instrument").is_not_null())
    day = pl.coalesce("from_session", pl.lit(reach.sessions[-1]))
    told = rows.with_row_index("place").with_columns(session=day)
    told = _with_owner(held_at(told, holders_of(known), day="session"), known)
    differs = _changes(told, known)
    aside = (
        told.join(differs, on="owner", maintain_order="left")
        .with_columns(_other(term).fill_null(False).alias(f"other_{term}") for term in TERMS)
        .filter(pl.any_horizontal(f"other_{term}" for term in TERMS))
        .join(eve.cleared, on=list(KEY), how="anti", maintain_order="left")
    )
    shown = [
        pl.when(f"other_{term}").then(pl.format(f"{term} {{}}, was {{}}", term, f"{term}_before"))
        for term in TERMS
    ]
    detail = pl.concat_str(shown, separator="; ", ignore_nulls=True)
    named = aside.select(*KEY, rule=pl.lit("terms changed"), detail=detail)
    left = told.join(aside, on="place", how="anti", maintain_order="left")
    return left.select(rows.columns), pl.concat([none, named])


def _with_owner(told: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the listings with whose terms they speak of; null where they speak of a new one.

    An id says it by itself. One that comes for the first time is given to an instrument that had
    none, never to one of another id.
    """
    familiar = pl.col("vendor_id").is_in(known["vendor_id"].drop_nulls().unique().implode())
    nameless = ~pl.col("owner").str.starts_with("vendor ") | pl.col("vendor_id").is_null()
    return told.with_columns(
        owner=pl.when(familiar.fill_null(False)).then(id_owner()).when(nameless).then("owner")
    )


def _changes(told: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return (owner, each term before) of those whose last word tonight is another than before."""
    newest = known.sort("from_session", maintain_order=True)
    before = newest.unique("owner", keep="last", maintain_order=True)
    before = before.select("owner", *(pl.col(term).alias(f"{term}_before") for term in TERMS))
    spoken = told.filter(pl.col("owner").is_not_null()).sort("session", maintain_order=True)
    last = spoken.group_by("owner").agg(pl.col(TERMS).drop_nulls().last())
    both = last.join(before, on="owner")
    return both.filter(pl.any_horizontal(_other(term) for term in TERMS)).drop(TERMS)


def _other(term: str) -> pl.Expr:
    return pl.col(term) != pl.col(f"{term}_before")
