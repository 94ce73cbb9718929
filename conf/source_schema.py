"""Settings of data sources that lie here: packages, folders, simulations, and mixtures of them."""

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from conf.strict import Currency, Name, Positive, Strict, Symbol, Text, Variable

AssetClass = Literal[
    "equity", "fund", "index", "bond", "fx", "crypto", "future", "commodity", "unknown"
]
Content = Literal["bars", "series", "fundamentals"]
VALUE_COLUMNS = {"session", "symbol", "value"}  # of a table of series


class Continuous(Strict):
    """How contracts of one root are chained into a series that never expires."""

    root: Text
    roll: Literal["volume", "calendar"] = "volume"
    sessions_before: int = Field(5, ge=1, le=60, description="Latest roll, before the last trade.")


class CrossCheck(Strict):
    """A second source whose closes are held against this one's."""

    source: Name
    tolerance: Positive = Field(0.005, description="Largest relative difference of two closes.")


class SourceBase(Strict):
    """What every source says about itself."""

    title: Text
    calendar: str = "XNYS"
    currency: Currency = "USD"
    asset_class: AssetClass = Field("unknown", description="Of symbols no listing speaks of.")
    basis: Literal["traded", "adjusted"] = "traded"
    trades_at: Literal["open", "close"] = "open"  # the price an order decided at s gets at s+1
    actions: Literal["given", "inferred", "none"] = "none"
    starts: date
    ends: date | None = None  # a source that has ended says so; empty means it still delivers
    look_back: int = Field(
        1, ge=1, le=60, description="Sessions before its own that a night may tell again."
    )
    expected_rows: int = Field(ge=1, description="Rows of its own session a usual night brings.")
    continuous: dict[Symbol, Continuous] = Field({}, description="Symbol -> how it is chained.")
    cross_check: CrossCheck | None = None
    context: tuple[Name, ...] = Field((), description="Sources of series its features may read.")

    @property
    def content(self) -> Content:
        """What a delivery must hold to be one."""
        return "bars"

    @model_validator(mode="after")
    def _closes_are_checked(self) -> "SourceBase":
        if self.cross_check and self.content != "bars":
            raise ValueError(f"cross_check compares closes, and this source tells {self.content}")
        return self


class SampleSource(SourceBase):
    """Real daily closes that ship inside two packages: offline, and 20 survivors."""

    kind: Literal["sample"]


class FilesSource(SourceBase):
    """A folder of CSV, Parquet or packed nightly deliveries; of series where it names some."""

    kind: Literal["files"]
    folder_variable: Variable
    tables: str | None = Field(None, description="Glob of CSV or Parquet files with bars.")
    archives: str | None = Field(None, description="Glob of packed nights, read if no table is.")
    log: str | None = Field(None, description="Glob of the log of deliveries, empty ones included.")
    log_night: str = Field("night", description="Column of the log that holds the vendor night.")
    listings: str | None = Field(None, description="Glob of symbol and name intervals.")
    identities: str | None = Field(None, description="Glob of the vendor's ids and their symbols.")
    fundamentals: str | None = Field(None, description="Glob of filings with the night known.")
    memberships: str | None = Field(None, description="Glob of intervals of index membership.")
    membership_of: Name | None = Field(None, description="Which index those intervals are of.")
    columns: dict[str, str] = Field(description="Our column name -> the file's column name.")
    night_column: str | None = None
    night_in_name: str | None = Field(None, description="strptime pattern of a file's stem.")
    one_delivery: bool = Field(False, description="History in one go: the night is the last date.")
    symbols: tuple[Symbol, ...] = Field((), description="Only these; empty: all.")
    series: dict[str, Text] = Field({}, description="Our name -> the file's symbol; then no bars.")
    monthly: tuple[str, ...] = Field((), description="Series of months, dated anywhere in them.")
    lag_days: int = Field(
        0, ge=0, le=60, description="From its day, or the month after its own, until it is known."
    )

    @property
    def content(self) -> Content:
        """Series where it names some, else bars."""
        return "series" if self.series else "bars"

    @model_validator(mode="after")
    def _one_way_to_tell_the_night(self) -> "FilesSource":
        told = (self.night_column, self.night_in_name, self.one_delivery or None)
        if self.tables and sum(way is not None for way in told) != 1:
            raise ValueError("set exactly one of night_column, night_in_name and one_delivery")
        if not self.tables and not self.archives:
            raise ValueError("set tables, archives or both")
        if bool(self.memberships) != bool(self.membership_of):
            raise ValueError("memberships and membership_of go together")
        return self

    @model_validator(mode="after")
    def _tells_bars_or_series(self) -> "FilesSource":
        if unknown := sorted(set(self.monthly) - set(self.series)):
            known = ", ".join(self.series) or "none"
            raise ValueError(f"monthly names {', '.join(unknown)}, but series are: {known}")
        if (self.monthly or self.lag_days) and not (self.series and self.one_delivery):
            raise ValueError("monthly and lag_days are of series with one_delivery")
        if not self.series:
            return self
        if set(self.columns) != VALUE_COLUMNS:
            raise ValueError(f"columns of series are: {', '.join(sorted(VALUE_COLUMNS))}")
        others = ("archives", "listings", "identities", "fundamentals", "memberships", "symbols")
        if useless := [name for name in others if getattr(self, name)]:
            raise ValueError(f"a source of series reads no {', '.join(useless)}")
        return self


Mishap = Literal[
    "empty", "stale", "half", "doubled", "garbled", "times_100", "late", "holiday_rows"
]


class SimulatedSource(SourceBase):
    """A seeded market whose truth is known."""

    kind: Literal["simulated"]
    seed: int = 7
    names: int = Field(300, ge=20, le=20_000)
    sectors: int = Field(10, ge=1, le=50)
    observed_from: date = Field(description="Nights from here on are delivered one by one.")
    planted_ic: float = Field(0.0, ge=0, le=0.3, description="IC of the planted signal; 0 = none.")
    planted_horizon: int = Field(5, ge=1, le=60)
    mishaps: dict[date, Mishap] = Field({}, description="Night -> what goes wrong with it.")

    @model_validator(mode="after")
    def _has_an_end_and_a_past(self) -> "SimulatedSource":
        if self.ends is None or not self.starts < self.observed_from <= self.ends:
            raise ValueError("needs dates in the order starts < observed_from <= ends")
        if early := [night for night in self.mishaps if night < self.observed_from]:
            raise ValueError(f"mishaps before observed_from: {', '.join(map(str, sorted(early)))}")
        return self


class MixedSource(SourceBase):
    """Several sources on one calendar: each by its last bar closed before this calendar's close."""

    kind: Literal["mixed"]
    look_back: int = Field(5, ge=1, le=60, description="No fewer sessions than any part's.")
    parts: tuple[Name, ...] = Field(min_length=2, description="Names in `conf/sources`.")
    stale_sessions: int = Field(5, ge=0, description="Sessions an exchange rate may be old.")
