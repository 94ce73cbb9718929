"""Deliveries of another day: shifted dates, days off, special closures, other nights' files."""

from datetime import date, timedelta

import polars as pl

from tests.expectations.injection import (
    WIDE,
    Corruption,
    Inject,
    Night,
    Rng,
    Spoilt,
    all_rows,
    edited_where,
)

CLOSED = date(2018, 12, 5)  # a day of mourning


def delivery_of(back: int) -> Inject:
    """Send the delivery of so many nights ago; of tomorrow where it is negative."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        other = night.after if back < 0 else night.past[back]
        return other._replace(night=night.right.night), WIDE

    return inject


def moved_dates(days: int, share: float = 1.0) -> Inject:
    """Date rows so many sessions early (negative) or late, for a share of the names."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        names = night.rows["symbol"].sort().to_list()
        chosen = rng.choice(names, size=round(share * len(names)), replace=False).tolist()
        eve, before = night.past[1].night, night.past[2].night
        places = [before, eve, night.own, night.own + timedelta(days=1)]
        shift = {day: places[at + days] for at, day in enumerate(places[:3]) if at + days >= 0}
        wrong = pl.col("session").replace(shift)
        return edited_where(night, pl.col("symbol").is_in(chosen), session=wrong), WIDE

    return inject


def on_a_day_off(night: Night, rng: Rng) -> Spoilt:
    """Send the newest rows under the date of a day on which nothing traded."""
    rows = night.rows.with_columns(session=pl.lit(night.day_off))
    spoilt = night.right._replace(night=night.day_off, bars=pl.concat([night.rows, rows]))
    return spoilt, all_rows(rows)


def rows_of_the_closure(night: Night, rng: Rng) -> Spoilt:
    """Bring rows of a day on which the exchange was closed out of turn."""
    rows = night.rows.with_columns(session=pl.lit(CLOSED))
    return night.right._replace(bars=pl.concat([night.right.bars, rows])), all_rows(rows)


FILES = {
    "last night's file": delivery_of(1),
    "tomorrow's file": delivery_of(-1),
    "file of five nights ago": delivery_of(5),
}
SHIFTS = {
    "all dates a session early": moved_dates(-1),
    "all dates a session late": moved_dates(1),
    "a third a session early": moved_dates(-1, 0.34),
    "a third a session late": moved_dates(1, 0.34),
}
DATES = {
    **{name: Corruption("structural", "wrong night", inject) for name, inject in FILES.items()},
    **{name: Corruption("structural", "dates shifted", inject) for name, inject in SHIFTS.items()},
    "rows on a day off": Corruption(
        "structural", "holiday and weekend", on_a_day_off, nights="day off"
    ),
    "rows of a special closure": Corruption(
        "structural", "calendar", rows_of_the_closure, nights="after closure"
    ),
    "half day left out": Corruption("structural", "calendar", delivery_of(1), nights="half day"),
}
