"""Twelve studies that leak, each a mistake that people make, and the honest twin of each."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

import numpy as np
import polars as pl

from tasks.market.calendar import Calendar
from tasks.market.fundamentals import latest
from tasks.market.leaks import Claims, Study
from tasks.market.tampered import Tape
from tests.tasks.planted_models import drawn, stopped, tuned, unpurged, walked
from tests.tasks.printed import HORIZON, Array, Grid, change, forward, grid, rows


def feature(told: Grid, values_TN: Array, *, where: Array | None = None) -> Claims:
    return Claims({"features": rows(told, values_TN, "value", where=where)})


# --- features ------------------------------------------------------------------------------------


def momentum(tape: Tape, *, ahead: bool) -> Claims:
    """Tomorrow's return, by a shift in the wrong direction, against that of today."""
    told = grid(tape)
    return feature(told, change(told.close_TN, -1 if ahead else 1))


def scaled(tape: Tape, *, ahead: bool) -> Claims:
    """Volume by the mean and deviation of the whole sample, against those up to each session."""
    told = grid(tape)
    volume_TN = np.log(told.volume_TN)
    count_TN = np.maximum(np.cumsum(np.isfinite(volume_TN), axis=0), 1)
    mean_TN = np.nancumsum(volume_TN, axis=0) / count_TN
    square_TN = np.nancumsum(volume_TN**2, axis=0) / count_TN
    if ahead:
        mean_TN, square_TN = mean_TN[-1], square_TN[-1]
    return feature(told, (volume_TN - mean_TN) / np.sqrt(square_TN - mean_TN**2 + 1e-9))


def universe(tape: Tape, *, ahead: bool) -> Claims:
    """Only names that trade at the end of the sample, against those that trade that day."""
    told = grid(tape)
    alive_TN = np.isfinite(told.close_TN)
    if ahead:
        alive_TN &= np.isfinite(told.close_TN[-HORIZON:]).any(axis=0)
    return Claims({"universe": rows(told, told.close_TN, "close", where=alive_TN).drop("close")})


def assets(tape: Tape, *, ahead: bool) -> Claims:
    """Each quarter's figure as it was last restated, against the one that was filed by then."""
    told = tape.fundamentals.filter(pl.col("item") == "assets")
    frames = []
    for session in tape.sessions[20::10]:
        if ahead:
            due = told.filter(pl.col("period_end") <= session - timedelta(days=60))
            newest = due.sort("period_end", "known_on").unique("instrument", keep="last")
        else:
            newest = latest(told, session)
        frames.append(newest.select(pl.lit(session).alias("session"), "instrument", "value"))
    return Claims({"features": pl.concat(frames)})


def filled(tape: Tape, *, ahead: bool) -> Claims:
    """Take the level of prices with gaps filled from the next close, against from the last one."""
    told = grid(tape)
    closes = pl.DataFrame(np.where(np.isnan(told.close_TN), np.nan, told.close_TN), told.names)
    closes = closes.fill_nan(None)
    whole = closes.fill_null(strategy="backward") if ahead else closes
    seen_TN = np.isfinite(told.close_TN).cumsum(axis=0) > 0
    full_TN = whole.fill_null(strategy="forward").to_numpy()
    return feature(told, np.log(full_TN), where=seen_TN)


def adjusted(tape: Tape, *, ahead: bool) -> Claims:
    """Adjust the level of a close for the splits after it, against for those known by then."""
    told = grid(tape)
    place_T = {day: place for place, day in enumerate(tape.sessions)}
    ratio_TN = np.ones(told.close_TN.shape)
    splits = tape.actions.filter(pl.col("kind") == "split")
    for name, ex_session, known_on, value in splits.select(
        "instrument", "ex_session", "known_on", "value"
    ).iter_rows():
        day = ex_session if ahead else known_on
        if name in told.names and day in place_T:
            ratio_TN[place_T[day], told.names.index(name)] *= value
    shares_TN = np.cumprod(ratio_TN, axis=0)
    if ahead:
        shares_TN = shares_TN / shares_TN[-1]
    return feature(told, np.log(told.close_TN * shares_TN))


def month_end(tape: Tape, *, ahead: bool) -> Claims:
    """Momentum by the sessions left in the month: by the rows there are, or by the exchange."""
    told = grid(tape)
    last = tape.sessions[-1]
    days = tape.sessions if ahead else Calendar("XNYS").sessions(tape.sessions[0], _ends(last))
    left = [sum((d.year, d.month) == (s.year, s.month) and d > s for d in days) for s in told[0]]
    return feature(told, change(told.close_TN, 5) * np.array(left, float)[:, None])


def _ends(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


# --- labels --------------------------------------------------------------------------------------


def fills(tape: Tape, *, ahead: bool) -> Claims:
    """Fill at the close that the decision was made on, against at the next open."""
    told = grid(tape)
    gain_TN = forward(told.close_TN, 0) if ahead else forward(told.open_TN, 1)
    return Claims({}, {"fills": rows(told, gain_TN, "gain", where=np.isfinite(gain_TN))})


# --- models --------------------------------------------------------------------------------------


def model(tape: Tape, *, fit: Callable[..., Array], ahead: bool) -> Claims:
    """Walk forward with a fit that looks at what it scores, or does not."""
    return walked(tape, partial(fit, ahead=ahead))


PLANTED: dict[str, Callable[..., Claims]] = {
    "shift by -1": momentum,
    "full-sample scaler": scaled,
    "survivors' universe": universe,
    "restated fundamentals": assets,
    "overlapping labels without purge": partial(model, fit=unpurged),
    "early stopping on test": partial(model, fit=stopped),
    "tuning on test": partial(model, fit=tuned),
    "backward fill": filled,
    "adjusted close of the future": adjusted,
    "same-close execution": fills,
    "calendar from the future": month_end,
    "random split": drawn,
}


def leaking(name: str) -> Study:
    return Study(name, partial(PLANTED[name], ahead=True))


def honest(name: str) -> Study:
    return Study(f"{name}: none", partial(PLANTED[name], ahead=False))
