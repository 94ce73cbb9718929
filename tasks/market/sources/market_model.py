"""A simulated market, session by session: nothing about a session depends on later ones.

Each session draws from a generator of its own. A slot holds one company at a time; when it is
delisted, another lists there later. Returns are market + sector + specific, each with Student-t
shocks and a variance that clusters (GARCH(1,1), Bollerslev 1986). All shocks are symmetric and act
on simple returns, and the drift is the same for all: without a planted edge every company has
the same expected return whatever is known.

Planted edge: each open-to-open return is tilted by strength x specific volatility x signal, where
the signal is the cross-sectional rank of the trailing 20-session total return at the close before.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np

from tasks.market.history import Array
from tasks.market.sources.companies import Companies, Flags, Whole, draw_companies, take_over
from tasks.market.sources.market_events import Events, draw_events

LOOK_BACK = 20  # sessions of the planted signal
OVERNIGHT = 0.3  # share of variance, drift and tilt between close and open
DRIFT = 0.0003  # a session, the same for all
FREEDOM = 5.0  # of the Student-t shocks
MARKET_VOLATILITY, SECTOR_VOLATILITY = 0.009, 0.005  # daily, in the long run
SHOCK_SHARE, MEMORY = 0.07, 0.91  # GARCH(1,1): of the last squared shock, of the last variance
LISTED_AT_START, DELISTED, RELISTED = 0.96, 1 / 3000, 1 / 60  # a share and two daily chances
RESUMED, SPLIT_SOON = 0.3, 0.1  # daily chances
LOW_PRICE = 2.0  # below which ten shares become one


class Day(NamedTuple):
    """What one session brought, one entry a slot; prices mean nothing where not traded."""

    traded_N: Flags
    listed_N: Flags  # its first session
    company_N: Whole
    sector_N: Whole
    open_N: Array
    high_N: Array
    low_N: Array
    close_N: Array
    volume_N: Array
    split_N: Array  # new shares for one old; 1 elsewhere
    dividend_N: Array  # cash a share as traded; 0 elsewhere
    level_N: Array  # total return since listing, at the open
    signal_N: Array  # at the close; NaN where there is none
    tilt_N: Array  # of the next open-to-open return, known at the close


class _Shocks(NamedTuple):
    """Random numbers of one session; first row overnight, second intraday."""

    market: Array  # (2,)
    sector: Array  # (2, K)
    specific: Array  # (2, N)
    range: Array  # (2, N) standard normal
    volume_N: Array  # standard normal
    chance: Array  # (3, N) uniform


class Market:
    """The state of a simulated market after its newest session.

    Args:
        seed: Any whole number; another seed is another market.
        slots: Most companies listed at once.
        sectors: Number of sectors.
        strength: Of the planted edge; 0 plants none.
    """

    def __init__(self, *, seed: int, slots: int, sectors: int, strength: float):
        self._seed, self._slots, self._sectors = seed % 2**64, slots, sectors
        self._strength = strength
        self._day = -1
        self._companies: Companies = draw_companies(self._rng(1), slots, sectors)
        self._company_N: Whole = np.arange(slots)
        self._listed_N: Flags = np.zeros(slots, bool)
        self._suspended_N: Flags = np.zeros(slots, bool)
        self._close_N: Array = self._companies.price_N
        self._variance_N: Array = np.ones(slots)  # over its long run
        self._market_variance = 1.0
        self._sector_variance_K: Array = np.ones(sectors)
        self._level_N: Array = np.ones(slots)
        self._seen_N: Array = np.full(slots, np.nan)  # level at the last printed close
        self._ring: Array = np.full((LOOK_BACK, slots), np.nan)
        self._tilt_N: Array = np.zeros(slots)  # of the open-to-open return under way
        self._next_tilt_N: Array = np.zeros(slots)
        self._liquidity_N: Array = np.zeros(slots)

    def days(self, count: int) -> Iterator[Day]:
        """Yield the next `count` sessions."""
        for _ in range(count):
            yield self._step()

    def _rng(self, stream: int) -> np.random.Generator:
        key = np.array([self._seed, 4 * (self._day + 1) + stream], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key))

    def _step(self) -> Day:
        self._day += 1
        events = draw_events(self._rng(2), self._slots)
        shocks = self._shocks(events)
        fresh_N = self._list_and_delist(shocks.chance[0])
        could_act_N = self._suspend(shocks.chance[1], fresh_N)
        returns = self._returns(shocks)
        split_N, dividend_N = self._actions(shocks.chance[2], could_act_N, events.paid_N)
        before_N = self._close_N
        open_N = (before_N * (1 + returns[0]) - dividend_N) / split_N
        open_N = np.maximum(np.round(open_N, 4), 0.01)
        close_N = np.maximum(np.round(open_N * (1 + returns[1]), 4), 0.01)
        spread = 0.4 * self._volatility() * np.abs(shocks.range)
        high_N = np.round(np.maximum(open_N, close_N) * (1 + spread[0]), 4)
        low_N = np.round(np.minimum(open_N, close_N) * (1 - np.minimum(spread[1], 0.5)), 4)
        volume_N = self._volume(shocks, close_N)
        level_N = self._level_N * (open_N * split_N + dividend_N) / before_N
        self._level_N = self._level_N * (close_N * split_N + dividend_N) / before_N
        self._close_N = close_N
        self._cluster(shocks)
        traded_N = self._listed_N & ~self._suspended_N
        signal_N = self._signal(traded_N)
        self._tilt_N = self._next_tilt_N
        tilt_N = self._strength * self.specific_volatility() * np.nan_to_num(signal_N)
        self._next_tilt_N = tilt_N
        companies = (self._company_N.copy(), self._companies.sector_N)
        prices = (open_N, high_N, low_N, close_N, volume_N)
        actions = (split_N, dividend_N)
        return Day(traded_N, fresh_N, *companies, *prices, *actions, level_N, signal_N, tilt_N)

    def _shocks(self, events: Events) -> _Shocks:
        rng, slots, sectors = self._rng(0), self._slots, self._sectors
        fat = rng.standard_t(FREEDOM, (2, 1 + sectors + slots))
        fat = np.clip(fat * np.sqrt((FREEDOM - 2) / FREEDOM), -8, 8)
        normal = rng.standard_normal((3, slots))
        return _Shocks(
            market=np.full(2, events.market) if events.market else fat[:, 0],
            sector=fat[:, 1 : 1 + sectors],
            specific=fat[:, 1 + sectors :],
            range=normal[:2],
            volume_N=normal[2],
            chance=rng.random((3, slots)),
        )

    def _list_and_delist(self, chance_N: Array) -> Flags:
        """Delist some companies and list new ones; return where one has its first session."""
        if self._day == 0:
            self._listed_N = self._companies.moving_N < LISTED_AT_START
            return self._listed_N.copy()
        gone_N = self._listed_N & (chance_N < DELISTED)
        fresh_N = ~self._listed_N & (chance_N < RELISTED)
        if fresh_N.any():
            newcomers = draw_companies(self._rng(1), self._slots, self._sectors)
            self._companies = take_over(self._companies, newcomers, fresh_N)
            self._company_N = self._company_N + self._slots * fresh_N
            self._close_N = np.where(fresh_N, self._companies.price_N, self._close_N)
            for array in (self._variance_N, self._level_N):
                array[fresh_N] = 1.0
            self._suspended_N = self._suspended_N & ~fresh_N
        if gone_N.any() or fresh_N.any():
            moved_N = gone_N | fresh_N
            self._ring[:, moved_N] = np.nan
            self._seen_N[moved_N] = np.nan
            self._tilt_N = np.where(moved_N, 0.0, self._tilt_N)
            self._next_tilt_N = np.where(moved_N, 0.0, self._next_tilt_N)
        self._listed_N = (self._listed_N | fresh_N) & ~gone_N
        return fresh_N

    def _suspend(self, chance_N: Array, fresh_N: Flags) -> Flags:
        """Suspend and resume; return which companies trade today and did on the eve."""
        traded_N = self._listed_N & ~self._suspended_N & ~fresh_N
        starts_N = traded_N & (chance_N < self._companies.suspended_N)
        self._suspended_N = (self._suspended_N & (chance_N > RESUMED)) | starts_N
        return traded_N & ~starts_N

    def _returns(self, shocks: _Shocks) -> Array:
        """Return (2, N) simple returns, overnight and intraday, actions put aside."""
        share = np.array([[OVERNIGHT], [1 - OVERNIGHT]])
        scale = np.sqrt(share)
        market = scale[:, 0] * shocks.market * MARKET_VOLATILITY * np.sqrt(self._market_variance)
        sector_K = SECTOR_VOLATILITY * np.sqrt(self._sector_variance_K)
        sector = (scale * shocks.sector * sector_K)[:, self._companies.sector_N]
        specific = scale * shocks.specific * self.specific_volatility()
        random = np.clip(market[:, None] * self._companies.beta_N + sector + specific, -0.5, 0.5)
        return random + share * (DRIFT + np.stack([self._tilt_N, self._next_tilt_N]))

    def specific_volatility(self) -> Array:
        """Return the daily specific volatility expected for the next session."""
        common = self._market_variance**0.25  # specific risk rises with the market's
        return self._companies.volatility_N * np.sqrt(self._variance_N) * common

    def _volatility(self) -> Array:
        market = MARKET_VOLATILITY * np.sqrt(self._market_variance)
        return np.hypot(self.specific_volatility(), market)

    def _actions(self, chance_N: Array, could_act_N: Flags, paid_N: Array) -> tuple[Array, Array]:
        """Return splits and dividends that go ex today; never both for one company."""
        ready_N = could_act_N & (chance_N < SPLIT_SOON)
        split_N = np.where(chance_N < SPLIT_SOON / 4, 3.0, 2.0)
        split_N = np.where(ready_N & (self._close_N > self._companies.split_above_N), split_N, 1.0)
        split_N = np.where(ready_N & (self._close_N < LOW_PRICE), 0.1, split_N)
        due_N = could_act_N & ((self._day + self._companies.phase_N) % 63 == 62) & (split_N == 1)
        cash_N = np.round(self._companies.pays_N / 4 * self._close_N, 2)
        cash_N = np.where(due_N, cash_N, 0.0)
        special_N = could_act_N & (paid_N > 0) & (split_N == 1)
        return split_N, np.where(special_N, np.round(paid_N * self._close_N, 2), cash_N)

    def _volume(self, shocks: _Shocks, close_N: Array) -> Array:
        """Return shares traded: more when volatile or shocked, and sticky from day to day."""
        self._liquidity_N = 0.8 * self._liquidity_N + 0.3 * shocks.volume_N
        shock_N = np.abs(np.sqrt(0.3) * shocks.specific[0] + np.sqrt(0.7) * shocks.specific[1])
        unrest_N = 0.35 * np.log(self._variance_N * np.sqrt(self._market_variance)) + 0.3 * shock_N
        dollars_N = np.exp(self._companies.liquidity_N + self._liquidity_N + unrest_N)
        return np.maximum(np.round(dollars_N / close_N), 1.0)

    def _cluster(self, shocks: _Shocks) -> None:
        """Move all variances on by today's squared shocks."""
        scale = np.sqrt(np.array([OVERNIGHT, 1 - OVERNIGHT]))
        market_shock = float(scale @ shocks.market)
        self._market_variance = _next_variance(self._market_variance, market_shock)
        self._sector_variance_K = _next_variance(self._sector_variance_K, scale @ shocks.sector)
        self._variance_N = _next_variance(self._variance_N, scale @ shocks.specific)

    def _signal(self, traded_N: Flags) -> Array:
        """Return ranks of the trailing total return, scaled to mean 0 and variance 1."""
        self._seen_N = np.where(traded_N, self._level_N, self._seen_N)
        place = self._day % LOOK_BACK
        trailing_N = np.where(traded_N, self._seen_N / self._ring[place], np.nan)
        self._ring[place] = self._seen_N
        return rank_score(trailing_N)


Variance = TypeVar("Variance", float, Array)


def _next_variance(variance: Variance, shock: Variance) -> Variance:
    """Return tomorrow's GARCH(1,1) variance, 1 in the long run, from today's standard shock."""
    return 1 - SHOCK_SHARE - MEMORY + (SHOCK_SHARE * shock**2 + MEMORY) * variance


def rank_score(values_N: Array) -> Array:
    """Return ranks scaled to mean 0 and variance 1 (at most about 1.73); NaN stays NaN.

    >>> rank_score(np.array([5.0, np.nan, 1.0, 3.0])).round(3).tolist()
    [1.225, nan, -1.225, 0.0]
    """
    score_N = np.full(values_N.shape, np.nan)
    known = np.flatnonzero(np.isfinite(values_N))
    count = len(known)
    if count > 1:
        order = np.argsort(values_N[known], kind="stable")
        middle, deviation = (count - 1) / 2, np.sqrt((count**2 - 1) / 12)
        score_N[known[order]] = (np.arange(count) - middle) / deviation
    return score_N
