"""Rows that look right and are wrong: by 8 robust deviations or more, volume left as it was.

They are planted where the volume is as usual, since a far move with much volume is news. A split
that nobody sent doubles the shares traded, as it does in truth.
"""

from collections.abc import Sequence
from math import exp, log

import polars as pl

from tasks.market.frames import RAW_ACTIONS
from tests.expectations.injection import (
    FEW,
    LEAST,
    PRICES,
    WIDE,
    Corruption,
    Inject,
    Night,
    Planted,
    Rng,
    Spoilt,
    edited,
    is_of,
    keys,
    picked,
    times,
)

ANY = float("inf")  # an error large enough for every name
WIDER = 1.2  # by how much forty jumps widen the deviation of a session of four hundred names


def jump(
    count: int, *, up: bool | None, columns: Sequence[str] = PRICES, wider: float = 1.0
) -> Inject:
    """Move rows to 8 to 12 robust deviations from the eve; None moves each up or down by chance."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        names = picked(night, rng, count, deviations=ANY)
        closes = dict(night.rows.select("symbol", "close").iter_rows())
        factor = {}
        for name in names:
            sign = (rng.random() < 0.5) if up is None else up
            size = rng.uniform(LEAST, 12) * night.scale[name] * wider
            move = night.median + (size if sign else -size)
            factor[name] = night.eve_close[name] * exp(move) / closes[name]
        by = pl.col("symbol").replace_strict(factor, default=1.0, return_dtype=pl.Float64)
        changes = {name: pl.col(name) * by for name in columns}
        if "close" in columns and "high" not in columns:  # one field, and a range that holds it
            changes["high"] = pl.max_horizontal("high", pl.col("close") * by)
            changes["low"] = pl.min_horizontal("low", pl.col("close") * by)
        return edited(night, names, **changes), Planted(rows=keys(night.own, names))

    return inject


def factor(by: float, *, count: int = 1, columns: Sequence[str] = PRICES) -> Inject:
    """Multiply prices of some rows."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        names = picked(night, rng, count, deviations=abs(log(by)))
        spoilt = edited(night, names, **times(by, columns))
        return spoilt, Planted(rows=keys(night.own, names))

    return inject


def cents(share: float) -> Inject:
    """Print a share of the names in cents."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        return factor(100, count=round(share * night.rows.height))(night, rng)

    return inject


def swapped_symbols(night: Night, rng: Rng) -> Spoilt:
    """Swap tonight's rows of two names whose prices lie 8 deviations apart or more."""
    names = picked(night, rng, 200, deviations=ANY)
    closes = dict(night.rows.select("symbol", "close").iter_rows())
    apart = [
        (one, other)
        for one in names
        for other in names
        if abs(log(closes[other] / night.eve_close[one]) - night.median) > LEAST * night.scale[one]
        and abs(log(closes[one] / night.eve_close[other]) - night.median)
        > LEAST * night.scale[other]
    ]
    one, other = apart[int(rng.integers(len(apart)))]
    spoilt = edited(night, [one, other], symbol=pl.col("symbol").replace({one: other, other: one}))
    return spoilt, Planted(rows=keys(night.own, [one, other]))


def digits_swapped(night: Night, rng: Rng) -> Spoilt:
    """Swap the first two digits of a close, open, high and low alike, where that is far off."""
    closes = dict(night.rows.select("symbol", "close").iter_rows())
    wrong = {}
    for name in picked(night, rng, 200, deviations=ANY):
        text = f"{closes[name]:.4f}"
        value = float(text[1] + text[0] + text[2:]) if text[1].isdigit() else 0.0
        move = log(value / night.eve_close[name]) - night.median if value else 0.0
        if abs(move) > LEAST * night.scale[name]:
            wrong[name] = value / closes[name]
    name = sorted(wrong)[int(rng.integers(len(wrong)))]
    return edited(night, [name], **times(wrong[name])), Planted(rows=keys(night.own, [name]))


def eve_rewritten(night: Night, rng: Rng) -> Spoilt:
    """Send the eve's rows of a few names again, far from what was sent then."""
    eve = night.past[1].night
    sent = set(night.right.bars.filter(session=eve)["symbol"])
    names = [name for name in picked(night, rng, 3 * FEW, deviations=ANY) if name in sent][:FEW]
    size = {name: exp(rng.uniform(LEAST, 12) * night.scale[name]) for name in names}
    by = pl.col("symbol").replace_strict(size, default=1.0, return_dtype=pl.Float64)
    hit = is_of(eve, names)
    bars = night.right.bars.with_columns(
        pl.when(hit).then(pl.col(name) * by).otherwise(name).alias(name) for name in PRICES
    )
    return night.right._replace(bars=bars), Planted(rows=keys(eve, names))


def both_sessions_times(by: float) -> Inject:
    """Multiply tonight's row and the eve's, which was right when it was first sent."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        eve = night.past[1].night
        sent = set(night.right.bars.filter(session=eve)["symbol"])
        fit = picked(night, rng, 20, deviations=abs(log(by)))
        name = next(name for name in fit if name in sent)
        hit = pl.col("symbol") == name
        bars = night.right.bars.with_columns(
            pl.when(hit).then(pl.col(price) * by).otherwise(price).alias(price) for price in PRICES
        )
        rows = pl.concat([keys(eve, [name]), keys(night.own, [name])])
        return night.right._replace(bars=bars), Planted(rows=rows)

    return inject


def split(
    *, sent: float | None, priced: float, error: float, volume: float = 1.0, count: int = 1
) -> Inject:
    """Print prices as after a split of `priced` new shares for one old, and send that of `sent`.

    `error` is the factor by which the price is then wrong; None sends no action.
    """

    def inject(night: Night, rng: Rng) -> Spoilt:
        acted = set(night.right.actions["symbol"])
        free = [name for name in sorted(night.eve_close) if name not in acted]
        names = picked(night, rng, count, deviations=abs(log(error)), of=free)
        spoilt = edited(
            night,
            names,
            **times(1 / priced),
            volume=(pl.col("volume") * volume).round().clip(1),
        )
        rows = keys(night.own, names)
        if sent is None:
            return spoilt, Planted(rows=rows)
        return _acted(spoilt, night, names, "split", [sent] * len(names)), Planted(actions=rows)

    return inject


def dividend(*, times: float) -> Inject:
    """Send a dividend so many times too large: what was paid, 0.5 %, has left the price."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        acted = set(night.right.actions["symbol"])
        free = [name for name in sorted(night.eve_close) if name not in acted]
        names = picked(night, rng, 1, deviations=log(1 + 0.005 * times), of=free)
        paid = [round(0.005 * times * night.eve_close[name], 4) for name in names]
        spoilt = _acted(night.right, night, names, "dividend", paid)
        return spoilt, Planted(actions=keys(night.own, names))

    return inject


def unusable(kind: str, value: float) -> Inject:
    """Send an action that cannot be."""

    def inject(night: Night, rng: Rng) -> Spoilt:
        names = picked(night, rng, 1)
        spoilt = _acted(night.right, night, names, kind, [value])
        return spoilt, Planted(actions=keys(night.own, names))

    return inject


def every_name_splits(night: Night, rng: Rng) -> Spoilt:
    """Send a split of every name, with prices as they were."""
    names = night.rows["symbol"].to_list()
    return _acted(night.right, night, names, "split", [2.0] * len(names)), WIDE


def other_currency(night: Night, rng: Rng) -> Spoilt:
    """Print a few names in yen."""
    names = picked(night, rng, FEW)
    spoilt = edited(night, names, **times(113.0), currency=pl.lit("JPY"))
    return spoilt, Planted(rows=keys(night.own, names))


def currency_renamed(night: Night, rng: Rng) -> Spoilt:
    """Call a few names' currency another, with prices as they were."""
    names = picked(night, rng, FEW)
    return edited(night, names, currency=pl.lit("CAD")), Planted(rows=keys(night.own, names))


def _acted(spoilt, night: Night, names: Sequence[str], kind: str, values: Sequence[float]):
    rows = pl.DataFrame(
        {
            "ex_session": [night.own] * len(names),
            "symbol": list(names),
            "kind": [kind] * len(names),
            "value": list(values),
        },
        schema=RAW_ACTIONS,
    )
    return spoilt._replace(actions=pl.concat([spoilt.actions, rows]))


def _value(family: str, inject: Inject, *, steps: int = 1) -> Corruption:
    return Corruption("value", family, inject, steps=steps)


VALUES = {
    "a jump up in one row": _value("jumps", jump(1, up=True)),
    "a jump down in one row": _value("jumps", jump(1, up=False)),
    "jumps up in a few rows": _value("jumps", jump(FEW, up=True)),
    "jumps down in a few rows": _value("jumps", jump(FEW, up=False)),
    "jumps both ways in many rows": _value("jumps", jump(40, up=None, wider=WIDER)),
    "a jump of the close alone": _value("one field", jump(1, up=None, columns=("close",))),
    "the eve rewritten": _value("jumps", eve_rewritten),
    "one row times 100": _value("units", factor(100)),
    "one row by 100": _value("units", factor(0.01)),
    "one row times 1000": _value("units", factor(1000)),
    "one row times 10": _value("units", factor(10)),
    "one row by 10": _value("units", factor(0.1)),
    "a tenth of the names in cents": _value("units", cents(0.1)),
    "both sessions times 100": _value("units", both_sessions_times(100)),
    "high times 100": _value("one field", factor(100, columns=("high",))),
    "low by 100": _value("one field", factor(0.01, columns=("low",))),
    "open times 100": _value("one field", factor(100, columns=("open",))),
    "open and high times 10": _value("one field", factor(10, columns=("open", "high"))),
    "two symbols swapped": _value("swapped symbols", swapped_symbols),
    "two digits swapped": _value("jumps", digits_swapped),
    "prices in yen": _value("currency switch", other_currency),
    "currency renamed": Corruption("structural", "currency switch", currency_renamed),
    "split missing": _value("splits", split(sent=None, priced=2, error=2, volume=2)),
    "split 3 for 2 missing": _value("splits", split(sent=None, priced=1.5, error=1.5, volume=1.5)),
    "split applied twice": _value("splits", split(sent=2, priced=4, error=2, volume=4)),
    "split without a move": _value("splits", split(sent=2, priced=1, error=2)),
    "split of the wrong ratio": _value("splits", split(sent=3, priced=2, error=1.5, volume=2)),
    "split upside down": _value("splits", split(sent=0.5, priced=2, error=4, volume=2)),
    "reverse split missing": _value("splits", split(sent=None, priced=0.1, error=10, volume=0.1)),
    "reverse split applied twice": _value(
        "splits", split(sent=0.1, priced=0.01, error=10, volume=0.01)
    ),
    "dividend times 100": _value("dividends", dividend(times=100)),
    "split of nothing": Corruption("structural", "actions", unusable("split", 0.0)),
    "dividend below zero": Corruption("structural", "actions", unusable("dividend", -0.5)),
    "split NaN": Corruption("structural", "actions", unusable("split", float("nan"))),
    "action of an unknown kind": Corruption("structural", "actions", unusable("spinout", 1.0)),
    "every name splits": Corruption("structural", "actions", every_name_splits),
}
