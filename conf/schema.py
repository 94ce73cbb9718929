"""What may be changed without code: typed, frozen values, one YAML file for each thing.

Every model forbids unknown keys, so a typo stops the run at load and names the key.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

BPS = 1e-4
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9^][A-Z0-9.\-_^=/]{0,23}$")]


class Strict(BaseModel):
    """A frozen settings object that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- sources -------------------------------------------------------------------------------------


class SourceBase(Strict):
    """What every source says about itself."""

    title: Text
    calendar: str = "XNYS"
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    basis: Literal["traded", "adjusted"] = "traded"
    trades_at: Literal["open", "close"] = "open"  # the price an order decided at s gets at s+1
    actions: Literal["given", "inferred", "none"] = "none"
    starts: date
    ends: date | None = None  # a source that has ended says so; empty means it still delivers
    expected_rows: int = Field(ge=1, description="Rows of its own session a usual night brings.")


class SampleSource(SourceBase):
    """Real daily closes that ship inside two packages: offline, and 20 survivors."""

    kind: Literal["sample"]


class FilesSource(SourceBase):
    """A folder of CSV, Parquet or packed nightly deliveries."""

    kind: Literal["files"]
    folder_variable: str = Field(description="Environment variable that names the folder.")
    tables: str | None = Field(None, description="Glob of CSV or Parquet files with bars.")
    archives: str | None = Field(None, description="Glob of packed nights, read if no table is.")
    log: str | None = Field(None, description="Glob of the log of deliveries, empty ones included.")
    log_night: str = Field("night", description="Column of the log that holds the vendor night.")
    listings: str | None = Field(None, description="Glob of symbol and name intervals.")
    columns: dict[str, str] = Field(description="Our column name -> the file's column name.")
    night_column: str | None = None
    night_in_name: str | None = Field(None, description="strptime pattern of a file's stem.")

    @model_validator(mode="after")
    def _one_way_to_tell_the_night(self) -> "FilesSource":
        if self.tables and (self.night_column is None) == (self.night_in_name is None):
            raise ValueError("set exactly one of night_column and night_in_name")
        if not self.tables and not self.archives:
            raise ValueError("set tables, archives or both")
        return self


class SimulatedSource(SourceBase):
    """A seeded market whose truth is known."""

    kind: Literal["simulated"]
    seed: int = 7
    names: int = Field(300, ge=20, le=20_000)
    sectors: int = Field(10, ge=1, le=50)
    observed_from: date = Field(description="Nights from here on are delivered one by one.")
    planted_ic: float = Field(0.0, ge=0, le=0.3, description="IC of the planted signal; 0 = none.")
    planted_horizon: int = Field(5, ge=1, le=60)

    @model_validator(mode="after")
    def _has_an_end_and_a_past(self) -> "SimulatedSource":
        if self.ends is None or not self.starts < self.observed_from <= self.ends:
            raise ValueError("needs dates in the order starts < observed_from <= ends")
        return self


Source = Annotated[SampleSource | FilesSource | SimulatedSource, Field(discriminator="kind")]


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


class LiquidUniverse(Strict):
    """The most traded common stocks by median dollar volume."""

    kind: Literal["liquid"]
    title: Text
    count: int = Field(ge=1)
    sessions: int = Field(63, ge=5, description="Sessions the median is taken over.")
    min_observed: int = Field(42, ge=1, description="Sessions of those that must have traded.")
    min_price: float = Field(1.0, ge=0, description="Close as traded, in the source's currency.")


Universe = Annotated[AllUniverse | ListedUniverse | LiquidUniverse, Field(discriminator="kind")]


# --- contests and recipes ------------------------------------------------------------------------


class Recipe(Strict):
    """One way to make scores: a net or a baseline, its loss and its settings."""

    name: Name
    model: Name  # a key of NETS or BASELINES
    loss: Literal["ic", "mse"] = "mse"
    settings: dict[str, float | int | str | bool] = {}
    seed: int = 1


class Contest(Strict):
    """What makes forecasts comparable: the same names, inputs, label, horizon and refits."""

    title: Text
    source: Name
    universe: Name
    features: Name
    transform: Literal["rank", "zscore"] = "rank"
    horizon: int = Field(5, ge=1, le=60, description="Sessions the label looks ahead.")
    first_fit: int = Field(ge=20, description="Sessions of features before the first fit.")
    refit_every: int = Field(ge=1, description="Sessions between scheduled refits.")
    train_sessions: int | None = Field(None, ge=20, description="Newest sessions used; empty: all.")
    valid_share: float = Field(0.15, gt=0, lt=0.5, description="Newest share, for early stopping.")
    compare_refits: int = Field(2, ge=1, description="Last refits that challengers walk too.")
    min_names: int = Field(5, ge=2, description="Fewest labelled names for an IC of a session.")
    candidates: tuple[Recipe, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> "Contest":
        names = [recipe.name for recipe in self.candidates]
        if len(set(names)) != len(names):
            raise ValueError(f"recipe names must differ, found {', '.join(names)}")
        return self


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
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    capital: Positive
    benchmark: Literal["equal_weight"] = "equal_weight"
    objective: Objective
    risk: RiskModelConf
    costs: Costs
    limits: Limits
    switched_off: dict[LimitName, str] = Field({}, description="Limit -> why it cannot be judged.")
    lot: int = Field(1, ge=1, description="Shares in the smallest tradable unit.")
    min_trade: float = Field(0.0, ge=0, description="Smallest trade, in the book's currency.")
    collar_bps: float = Field(200, ge=0, description="Limit price of an order, from the reference.")
    writers: tuple[Name, ...] = ("csv",)
    delisting: Literal["last_price"] = "last_price"  # a delisted holding is paid its last close
    delisting_sessions: int = Field(
        10, ge=1, description="Sessions without a price until it counts."
    )
    warn: str = Field("", description="What this book's data cannot show; stands on its page.")
