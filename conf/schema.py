"""What may be changed without code: typed, frozen values, one YAML file for each thing.

Every model forbids unknown keys, so a typo stops the run at load and names the key.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from conf.contest_schema import Contest as Contest
from conf.contest_schema import Recipe as Recipe
from conf.selection_schema import ClusterSelection as ClusterSelection
from conf.selection_schema import NoSelection as NoSelection
from conf.selection_schema import Selection as Selection
from conf.selection_schema import StabilitySelection as StabilitySelection
from conf.selection_schema import UnivariateSelection as UnivariateSelection
from conf.source_schema import AssetClass as AssetClass
from conf.source_schema import Content as Content
from conf.source_schema import Continuous as Continuous
from conf.source_schema import CrossCheck as CrossCheck
from conf.source_schema import FilesSource, MixedSource, SampleSource, SimulatedSource
from conf.source_schema import Mishap as Mishap
from conf.source_schema import SourceBase as SourceBase
from conf.strict import BPS as BPS
from conf.strict import Currency, Fraction, Name, Positive, Strict, Symbol, Text
from conf.web_schema import (
    AlpacaSource,
    BinanceSource,
    EcbSource,
    EdgarSource,
    FredSource,
    FrenchSource,
    TiingoSource,
    YahooSource,
)
from conf.web_schema import WebSource as WebSource

Source = Annotated[
    SampleSource
    | FilesSource
    | SimulatedSource
    | MixedSource
    | TiingoSource
    | AlpacaSource
    | YahooSource
    | FredSource
    | EcbSource
    | EdgarSource
    | FrenchSource
    | BinanceSource,
    Field(discriminator="kind"),
]


# --- universes -----------------------------------------------------------------------------------


class AllUniverse(Strict):
    """Every instrument with a bar in the session."""

    kind: Literal["all"]
    title: Text


class ListedUniverse(Strict):
    """The symbols of a list."""

    kind: Literal["listed"]
    title: Text
    symbols: tuple[Symbol, ...] = Field(min_length=1)


class Liquidity(Strict):
    """How much of a name must change hands."""

    sessions: int = Field(63, ge=5, description="Sessions the median is taken over.")
    min_observed: int = Field(42, ge=1, description="Sessions of those that must have traded.")
    least: float = Field(0.0, ge=0, description="Median traded value, in the source's currency.")
    count: int | None = Field(None, ge=1, description="Only so many, the most traded; empty: all.")


class ScreenedUniverse(Strict):
    """The instruments that pass every screen named; an absent screen does not apply."""

    kind: Literal["screened"]
    title: Text
    asset_classes: tuple[AssetClass, ...] = ()
    sectors: tuple[Text, ...] = ()
    index: Name | None = Field(None, description="Members of this index then.")
    min_price: float = Field(0.0, ge=0, description="Close as traded, in its own currency.")
    min_age: int = Field(0, ge=0, le=2_000, description="Sessions since it was first listed.")
    liquidity: Liquidity | None = None


Universe = Annotated[AllUniverse | ListedUniverse | ScreenedUniverse, Field(discriminator="kind")]


# --- books ---------------------------------------------------------------------------------------


class RiskModelConf(Strict):
    """Statistical factors with exponentially weighted volatilities."""

    factors: int = Field(ge=1, le=60)
    look_back: int = Field(504, ge=30, description="Sessions of returns.")
    volatility_half_life: float = Field(42, gt=1, description="Sessions.")
    correlation_half_life: float = Field(252, gt=1, description="Sessions.")
    min_observed: int = Field(60, ge=20, description="Returns a name needs, else it is not held.")
    coverage_sessions: int = Field(504, ge=60, description="Past sessions VaR is judged over.")


class Objective(Strict):
    """What the optimiser wants."""

    optimiser: Literal["minimum_variance", "mean_variance"]
    risk_aversion: float = Field(10.0, gt=0, description="On variance over the horizon, NAV = 1.")


class Costs(Strict):
    """What a trade is expected to cost."""

    commission_bps: float = Field(ge=0)
    half_spread_bps: float = Field(ge=0)
    impact: float = Field(
        0.0, ge=0, description="Times daily volatility times square root of share of daily volume."
    )
    borrow_bps_per_year: float = Field(0.0, ge=0)


class Box(Strict):
    """Weight of one name, between min and max."""

    min: float = Field(0.0, ge=-1, le=0)
    max: Fraction


class Range(Strict):
    """A lower and an upper bound, as fractions of NAV."""

    min: float
    max: float

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if self.min > self.max:
            raise ValueError(f"min {self.min} lies above max {self.max}")
        return self


class Counts(Strict):
    """Fewest and most names held."""

    min: int = Field(ge=0)
    max: int = Field(ge=1)


LimitName = Literal[
    "long_only", "box", "gross", "net", "cash", "turnover", "participation", "stale", "names"
]


class Limits(Strict):
    """Bounds a book must never break; an absent one does not apply."""

    long_only: bool = False
    box: Box
    gross: Positive | None = None  # most, sum of absolute weights
    net: Range | None = None  # sum of weights
    cash: float = Field(0.0, ge=0, le=1, description="Fewest cash left, as a fraction of NAV.")
    turnover: Positive | None = None  # half the sum of absolute changes; not on a first investment
    participation: Positive | None = None  # most of a name's median daily volume in one trade
    stale: int | None = Field(0, ge=0, description="Most sessions since the last price to trade.")
    names: Counts | None = None


class Book(Strict):
    """One managed portfolio: its mandate."""

    title: Text
    source: Name
    contest: Name
    universe: Name
    calendar: str = "XNYS"
    currency: Currency = "USD"
    capital: Positive
    benchmark: Literal["equal_weight"] = "equal_weight"
    objective: Objective
    risk: RiskModelConf
    costs: Costs
    limits: Limits
    switched_off: dict[LimitName, str] = Field({}, description="Limit -> why it cannot be judged.")
    drift_switched_off: dict[Literal["shrink", "hold"], str] = Field(
        {}, description="What drift may not do to this book -> why."
    )
    lot: int = Field(1, ge=1, description="Shares in the smallest tradable unit.")
    min_trade: float = Field(0.0, ge=0, description="Smallest trade, in the book's currency.")
    collar_bps: float = Field(200, ge=0, description="Limit price of an order, from the reference.")
    writers: tuple[Name, ...] = ("csv",)
    delisting_return: float = Field(
        0.0, ge=-1, le=0, description="What a delisted holding returns on its last close."
    )
    delisting_sessions: int = Field(
        10, ge=1, description="Sessions without a price until it counts."
    )
    warn: str = Field("", description="What this book's data cannot show; stands on its page.")
