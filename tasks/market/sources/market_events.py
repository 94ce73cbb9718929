"""What seldom happens in a simulated market: wild days, and companies that pay out a part of them.

Events draw from a stream of their own, so that all other shocks are what they were without them.
"""

from typing import NamedTuple

import numpy as np

from tasks.market.history import Array

WILD_DAY = 1 / 400  # daily chance that the whole market falls or rises as seldom in a decade
WILD_SHOCK = (5.0, 9.0)  # in daily deviations of the market, overnight and intraday alike
SPECIAL, SPECIAL_SHARE = 1 / 4000, (0.02, 0.10)  # daily chance of a dividend; share of the price
SPIN_OFF, SPIN_OFF_SHARE = 1 / 6000, (0.05, 0.40)  # the same of a part that is spun off


class Events(NamedTuple):
    """The events of one session."""

    market: float  # shock of the market, 0 on almost all days; up and down are as likely
    paid_N: Array  # share of the price that is paid out, where the company can act; 0 for most


def draw_events(rng: np.random.Generator, slots: int) -> Events:
    """Draw what happens in one session."""
    chance, sign, size = rng.random(3)
    market = np.interp(size, (0, 1), WILD_SHOCK) * (1 if sign < 0.5 else -1)
    which_N, share_N = rng.random((2, slots))
    special_N = np.interp(share_N, (0, 1), SPECIAL_SHARE)
    spun_off_N = np.interp(share_N, (0, 1), SPIN_OFF_SHARE)
    paid_N = np.where(which_N < SPECIAL, special_N, 0.0)
    paid_N = np.where(which_N > 1 - SPIN_OFF, spun_off_N, paid_N)
    return Events(float(market) if chance < WILD_DAY else 0.0, paid_N)
