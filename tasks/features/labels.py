"""Labels: the total return of a name from the next tradable price over the horizon."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasks.market.history import View

Array = NDArray[np.float64]
Places = NDArray[np.int64]


def labels(view: View, *, horizon: int, trades_at: Literal["open", "close"]) -> Array:
    """Return (T, N) forward returns; row s is known only from session s + 1 + horizon on.

    With b = s + 1, e = b + horizon and P the open (or close) as traded:

        label_s = (P_e * S_e + sum over u in (b, e] of D_u * S_u) / P_b - 1

    where S_u is the product of the splits with ex session in (b, u] (new shares for one old) and
    D_u the dividend a share with ex session u: cash is held, not reinvested, as in the ledger.
    Splits and dividends of b itself are already in P_b.

    NaN where e lies after `view.as_of`, and where P_b is missing: it could not be bought. Where
    P_e is missing (suspended, delisted), the last close of b..e stands in for it, with the shares
    held at that close; without one, NaN.
    """
    if horizon < 1:
        raise ValueError(f"Expected a horizon of at least 1 session, found {horizon}.")
    price_TN = view.open_TN if trades_at == "open" else view.close_TN
    label_TN = np.full(price_TN.shape, np.nan)
    known = len(price_TN) - 1 - horizon  # labels known at as_of
    if known <= 0:
        return label_TN
    start_TN, end_TN = price_TN[1 : known + 1], price_TN[1 + horizon :]
    with np.errstate(divide="ignore", invalid="ignore"):
        return_TN = np.where(_positive(start_TN), end_TN / start_TN - 1, np.nan)
    special_TN = _positive(start_TN) & (~_positive(end_TN) | _acted(view, horizon))
    rows, names = np.nonzero(special_TN)
    value = _value_at_end(view, price_TN, rows + 1, names, horizon)
    return_TN[rows, names] = value / start_TN[rows, names] - 1
    label_TN[:known] = return_TN
    return label_TN


def _acted(view: View, horizon: int) -> NDArray[np.bool_]:
    """Return, for each known label, whether a split or dividend falls into (b, e]."""
    acts_TN = (view.split_TN != 1) | (view.dividend_TN != 0)
    counted_TN = np.cumsum(acts_TN, axis=0, dtype=np.int64)
    return np.asarray(counted_TN[1 + horizon :] > counted_TN[1:-horizon])


def _value_at_end(view: View, price_TN: Array, begin: Places, names: Places, horizon: int) -> Array:
    """Return what one share bought at `begin` is worth `horizon` sessions on, dividends included.

    One session after the other, so that no bit depends on where the view begins.
    """
    shares, cash = np.ones(begin.size), np.zeros(begin.size)
    worth = np.full(begin.size, np.nan)
    for step in range(horizon + 1):
        now = begin + step
        if step:
            shares = shares * view.split_TN[now, names]
            cash = cash + view.dividend_TN[now, names] * shares
        close = view.close_TN[now, names]
        worth = np.where(_positive(close), close * shares, worth)
    end = price_TN[begin + horizon, names]
    return np.asarray(np.where(_positive(end), end * shares, worth) + cash)


def _positive(price: Array) -> NDArray[np.bool_]:
    return np.isfinite(price) & (price > 0)
