"""Labels: the total return of a name from the next tradable price over the horizon.

They are made at each fit from what is known then, and never stored: a fit of an earlier session
used what was known at that session.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.market.history import View

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]
BLOCK = 2_000_000  # cells computed at once: bounds memory, changes no bit
LONGEST = 60  # sessions


class _Stretch(NamedTuple):
    """Labels that start at neighbouring sessions, and all they depend on. Arrays are (rows, N)."""

    horizon: int
    price_TN: Array  # from the first session that a label starts at to the last that one ends at
    close_TN: Array
    split_TN: Array
    dividend_TN: Array
    kept_TN: Array  # what is kept of the last close, for labels by their start; 1 but for the gone

    @property
    def starts(self) -> int:
        """Return how many sessions labels start at."""
        return len(self.price_TN) - self.horizon


def labels(
    view: View,
    *,
    horizon: int,
    trades_at: Literal["open", "close"],
    delisting_return: float = 0.0,
    delisting_sessions: int = 10,
) -> Array:
    """Return (T, N) forward returns; row s is known only from session s + 1 + horizon on.

    With b = s + 1, e = b + horizon and P the open (or close) as traded:

        label_s = (P_e * S_e + sum over u in (b, e] of D_u * S_u) / P_b - 1

    where S_u is the product of the splits with ex session in (b, u] (new shares for one old) and
    D_u the dividend a share with ex session u: cash is held, not reinvested, as in the ledger.
    Splits and dividends of b itself are already in P_b.

    NaN where e lies after `view.as_of`, and where P_b is missing: it could not be bought. Where
    P_e is missing, the last close C of b..e stands in for it, with the shares held at that close;
    without one, NaN. A name is *gone* where it has had no bar for `delisting_sessions` sessions
    through `view.as_of`: then C * (1 + delisting_return) stands in. While a silence is shorter, and
    where the name traded again (it was suspended), C itself does, as the ledger marks it. So the
    only thing after e that a label may depend on is whether the name was ever seen again.

    Shumway (1997) finds -0.30 for delistings for performance; a name that was bought is paid near
    its last close, so one fraction for all lies between that and 0.

    Args:
        view: What was known at one close.
        horizon: Sessions the label looks ahead, 1 to 60.
        trades_at: Which price is traded at.
        delisting_return: What a name that is gone returns on its last close, -1 to 0.
        delisting_sessions: Sessions without a bar until a name counts as gone.
    """
    _refuse(horizon, delisting_return, delisting_sessions)
    price_TN = view.open_TN if trades_at == "open" else view.close_TN
    label_TN = np.full(price_TN.shape, np.nan)
    known = len(price_TN) - 1 - horizon  # labels known at as_of
    gone_N = _gone_from(view, sessions=delisting_sessions)
    rows = max(BLOCK // max(price_TN.shape[1], 1), horizon)
    for first in range(0, max(known, 0), rows):
        last = min(first + rows, known)
        needed = slice(first + 1, last + 1 + horizon)
        ends_T = np.arange(first, last) + 1 + horizon
        kept_TN = np.where(ends_T[:, None] >= gone_N, 1.0 + delisting_return, 1.0)
        stretch = _Stretch(
            horizon,
            price_TN[needed],
            view.close_TN[needed],
            view.split_TN[needed],
            view.dividend_TN[needed],
            kept_TN,
        )
        label_TN[first:last] = _returns(stretch)
    return label_TN


def _refuse(horizon: int, delisting_return: float, delisting_sessions: int) -> None:
    if not 1 <= horizon <= LONGEST:
        raise ValueError(f"Expected a horizon of 1 to {LONGEST} sessions, found {horizon}.")
    if not -1.0 <= delisting_return <= 0.0:
        raise ValueError(f"A delisting returns between -1 and 0, found {delisting_return}.")
    if delisting_sessions < 1:
        raise ValueError(
            f"A name is gone after at least 1 session without a bar, found {delisting_sessions}."
        )


def _gone_from(view: View, *, sessions: int) -> Places:
    """Return the first session since which each name is gone; past all sessions where it is not."""
    seen_TN = _positive(view.close_TN) | _positive(view.open_TN)
    silent_N = np.where(seen_TN.any(axis=0), np.argmax(seen_TN[::-1], axis=0), len(seen_TN))
    return np.asarray(np.where(silent_N >= sessions, len(seen_TN) - silent_N, len(seen_TN)))


def _returns(stretch: _Stretch) -> Array:
    """Return the labels of a stretch, by their starts."""
    start_TN, end_TN = stretch.price_TN[: stretch.starts], stretch.price_TN[stretch.horizon :]
    with np.errstate(divide="ignore", invalid="ignore"):
        return_TN = np.where(_positive(start_TN), end_TN / start_TN - 1, np.nan)
    acts_TN = (stretch.split_TN != 1) | (stretch.dividend_TN != 0)
    acted_TN = np.cumsum(acts_TN, axis=0, dtype=np.int64)
    acts_after_TN = acted_TN[stretch.horizon :] - acted_TN[: stretch.starts]
    rows, names = np.nonzero(_positive(start_TN) & (~_positive(end_TN) | (acts_after_TN > 0)))
    if rows.size:
        value = _value_at_end(stretch, rows, names, acts_TN, acts_after_TN[rows, names])
        return_TN[rows, names] = value / start_TN[rows, names] - 1
    return return_TN


def _value_at_end(
    stretch: _Stretch, begin: Places, names: Places, acts_TN: Flags, count: Places
) -> Array:
    """Return what one share bought at `begin` is worth at its end, dividends included.

    Action after action in the order of time, so that no bit depends on where the view begins.

    Args:
        stretch: Prices and actions.
        begin: Row of each label's start.
        names: Column of each label.
        acts_TN: Where there is a split or a dividend.
        count: How many of them fall into (b, e] of each label.
    """
    end = begin + stretch.horizon
    end_price = stretch.price_TN[end, names]
    whole = _positive(end_price)
    last = np.where(whole, end, _last_close(stretch)[end, names])  # row of the price that counts
    shares, shares_then, cash = np.ones(begin.size), np.ones(begin.size), np.zeros(begin.size)
    by_name, row_of = np.nonzero(acts_TN.T)  # each name's actions, oldest first
    before = np.zeros((1, acts_TN.shape[1]), np.int64)
    acted_TN = np.concatenate([before, np.cumsum(acts_TN, axis=0, dtype=np.int64)])
    first = np.searchsorted(by_name, np.arange(acts_TN.shape[1]))[names]
    first = first + acted_TN[begin + 1, names]
    for number in range(int(count.max(initial=0))):
        some = np.flatnonzero(count > number)
        row, name = row_of[first[some] + number], names[some]
        shares[some] *= stretch.split_TN[row, name]
        cash[some] += stretch.dividend_TN[row, name] * shares[some]
        counts = row <= last[some]
        shares_then[some[counts]] = shares[some[counts]]
    close = stretch.close_TN[np.maximum(last, 0), names] * stretch.kept_TN[begin, names]
    close = np.where(last >= begin, close, np.nan)
    return np.asarray(np.where(whole, end_price, close) * shares_then + cash)


def _last_close(stretch: _Stretch) -> Places:
    """Return the row of the last close above zero up to each row, -1 where there is none."""
    row_T = np.arange(len(stretch.close_TN))[:, None]
    found_TN = np.where(_positive(stretch.close_TN), row_T, -1)
    return np.asarray(np.maximum.accumulate(found_TN, axis=0))


def _positive(price: Array) -> Flags:
    return np.isfinite(price) & (price > 0)
