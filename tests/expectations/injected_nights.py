"""Whole deliveries that are wrong: too little, too old, of another day, of another universe."""

import polars as pl

from tasks.market.sources.protocol import Delivery
from tests.expectations.injection import (
    FEW,
    PRICES,
    WIDE,
    Corruption,
    Inject,
    Night,
    Planted,
    Rng,
    Spoilt,
    all_rows,
    edited_where,
    is_of,
    keys,
    picked,
    times,
)

SUFFIX = pl.col("symbol") + pl.lit(".N")


def _with(night: Night, bars: pl.DataFrame) -> Delivery:
    return night.right._replace(bars=bars)


def empty(night: Night, rng: Rng) -> Spoilt:
    """Bring nothing at all."""
    nothing = [frame.clear() for frame in night.right[2:6]]
    return Delivery(night.right.night, night.right.vintage, *nothing), WIDE


def lacking(share: float) -> Inject:
    """Leave out a share of the names."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        names = night.rows["symbol"].sort().to_list()
        gone = rng.choice(names, size=round(share * len(names)), replace=False).tolist()
        kept = night.right.bars.filter(~pl.col("symbol").is_in(gone))
        return _with(night, kept), WIDE

    return inject


def only_the_eve(night: Night, rng: Rng) -> Spoilt:
    """Leave tonight's session out."""
    return _with(night, night.right.bars.filter(pl.col("session") < night.own)), WIDE


def cut_by_symbol(night: Night, rng: Rng) -> Spoilt:
    """End the file at a letter of the alphabet."""
    names = night.rows["symbol"].sort()
    last = names[int(len(names) * rng.uniform(0.6, 0.8))]
    return _with(night, night.right.bars.filter(pl.col("symbol") <= last)), WIDE


def yesterday_redated(share: float) -> Inject:
    """Send yesterday's values under tonight's date, for a share of the names."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        names = picked(night, rng, round(share * len(night.eve_close)))
        eve = night.past[1].bars.filter(is_of(night.past[1].night, names))
        old = eve.with_columns(session=pl.lit(night.own))
        kept = night.right.bars.filter(~is_of(night.own, old["symbol"].to_list()))
        spoilt = _with(night, pl.concat([kept, old]))
        return spoilt, WIDE if share > 0.1 else all_rows(old)

    return inject


def stuck(share: float) -> Inject:
    """Hold the prices of liquid names where they were when the fault began."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        count = max(FEW, round(share * len(night.liquid)))
        drawn = rng.choice(len(night.liquid), size=count, replace=False)  # the same each night
        names = [night.liquid[place] for place in drawn]
        start = night.past[night.step]
        frozen = start.bars.filter(is_of(start.night, names)).select("symbol", *PRICES)
        rows = night.right.bars.with_row_index()
        held = rows.join(frozen, on="symbol", how="left", suffix="_held")
        since = pl.col("session") >= start.night
        bars = held.sort("index").with_columns(
            pl.when(since).then(pl.coalesce(f"{name}_held", name)).otherwise(name).alias(name)
            for name in PRICES
        )
        spoilt = _with(night, bars.select(night.right.bars.columns))
        if share > 0:
            return spoilt, WIDE
        both = night.rows.join(frozen, on="symbol", how="semi")["symbol"].to_list()
        return spoilt, Planted(rows=keys(night.own, both))

    return inject


def volume_times(factor: float, *, share: float = 1.0, keep_price: bool = True) -> Inject:
    """Scale tonight's volume of a share of the liquid names, or of all where it is 1."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        where = pl.col("session") == night.own
        if share < 1:
            names = picked(night, rng, round(share * len(night.liquid)), of=night.liquid)
            where = is_of(night.own, names)
        change = {"volume": (pl.col("volume") * factor).round()}
        if not keep_price:
            change["close"] = (pl.col("open") + pl.col("close")) / 2
        return edited_where(night, where, **change), WIDE

    return inject


def changed_everywhere(*, own: bool = False, **changes: pl.Expr) -> Inject:
    """Change columns in every row, or in those of tonight's session alone."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        where = pl.col("session") == night.own if own else pl.lit(True)
        return edited_where(night, where, **changes), WIDE

    return inject


def other_names(share: float) -> Inject:
    """Replace a share of the names by names that nobody knows."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        names = night.rows["symbol"].sort().to_list()
        chosen = rng.choice(names, size=round(share * len(names)), replace=False)
        new = {name: f"ZZ{place}Q" for place, name in enumerate(chosen.tolist())}
        bars = night.right.bars.with_columns(pl.col("symbol").replace(new))
        return _with(night, bars), WIDE

    return inject


def symbols_slid(night: Night, rng: Rng) -> Spoilt:
    """Move the column of symbols down by one row."""
    bars = night.right.bars.with_columns(pl.col("symbol").shift(1).fill_null("ZZTOP"))
    return _with(night, bars), WIDE


def without(*columns: str) -> Inject:
    """Bring no value in some columns."""
    nothing = {name: pl.lit(None, dtype=pl.Float64) for name in columns}
    return changed_everywhere(**nothing)


def as_text(*columns: str) -> Inject:
    """Hand numbers over as text."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        return _with(night, night.right.bars.with_columns(pl.col(columns).cast(pl.String))), WIDE

    return inject


def columns_gone(*columns: str) -> Inject:
    """Hand over a frame without some columns."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        return _with(night, night.right.bars.drop(columns)), WIDE

    return inject


def every_row_twice(night: Night, rng: Rng) -> Spoilt:
    """Send the whole file twice over."""
    bars = night.right.bars
    return _with(night, pl.concat([bars, bars])), Planted(copies=bars.height)


def _swapped(first: str, second: str) -> dict[str, pl.Expr]:
    return {first: pl.col(second), second: pl.col(first)}


def _structural(family: str, kinds: dict[str, Inject]) -> dict[str, Corruption]:
    return {name: Corruption("structural", family, inject) for name, inject in kinds.items()}


NIGHTS = {
    **_structural(
        "empty and half",
        {
            "no rows": empty,
            "only the eve's rows": only_the_eve,
            "half the names": lacking(0.5),
            "nine in ten missing": lacking(0.9),
        },
    ),
    **_structural(
        "missing names",
        {"a sixth missing": lacking(0.17), "cut at a letter of the alphabet": cut_by_symbol},
    ),
    **_structural(
        "stale",
        {
            "yesterday under tonight's date": yesterday_redated(1.0),
            "half of it yesterday's": yesterday_redated(0.5),
            "a few rows yesterday's": yesterday_redated(0.012),
        },
    ),
    **_structural(
        "universe change",
        {
            "three in ten names new": other_names(0.3),
            "all names new": other_names(1.0),
            "all symbols with a suffix": changed_everywhere(symbol=SUFFIX),
            "symbols slid by a row": symbols_slid,
        },
    ),
    **_structural(
        "swapped columns",
        {
            "high and low swapped": changed_everywhere(**_swapped("high", "low")),
            "open and close swapped": changed_everywhere(**_swapped("open", "close")),
            "close and volume swapped": changed_everywhere(**_swapped("close", "volume")),
        },
    ),
    **_structural(
        "schema and types",
        {
            "no close column": columns_gone("close"),
            "no symbol column": columns_gone("symbol"),
            "closes all null": without("close"),
            "opens all null": without("open"),
            "volumes all null": without("volume"),
            "closes as text": as_text("close"),
            "dates as text": as_text("session"),
        },
    ),
    **_structural("duplicates", {"every row twice": every_row_twice}),
    **_structural(
        "volume",
        {
            "provisional volume": volume_times(0.2),
            "taken at midday": volume_times(0.4, keep_price=False),
            "no volume anywhere": volume_times(0.0),
            "volume in thousands": volume_times(0.001),
            "no volume on liquid names": volume_times(0.0, share=0.2),
        },
    ),
    **_structural(
        "units",
        {
            "the whole file in cents": changed_everywhere(**times(100)),
            "the whole session in cents": changed_everywhere(own=True, **times(100)),
            "the whole session in hundreds": changed_everywhere(own=True, **times(0.01)),
        },
    ),
    "stuck for four sessions": Corruption("structural", "stuck prices", stuck(0.0), steps=4),
    "a fifth stuck for four sessions": Corruption(
        "structural", "stuck prices", stuck(0.2), steps=4
    ),
}
