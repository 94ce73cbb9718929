"""Names nights of rows one after another, as a desk does, for the tests of who is who."""

from datetime import date

import polars as pl

from tasks.market.frames import LISTINGS, RAW_BARS, RAW_LISTINGS, empty, shaped
from tasks.market.identity import EVE as EVE_ROWS
from tasks.market.identity import Identified, identify

EVE, TONIGHT = date(2016, 6, 29), date(2016, 6, 30)
LONG_AGO, NEXT = date(2016, 5, 27), date(2016, 7, 1)


def bars(*keys: tuple[date, str | None], close: float = 10.0, volume: float = 500.0):
    schema = {"session": pl.Date, "symbol": pl.String}
    rows = pl.DataFrame(keys, schema=schema, orient="row")
    price = pl.lit(close)
    return shaped(
        rows.with_columns(open=price, high=price, low=price, close=price, volume=pl.lit(volume)),
        RAW_BARS,
    )


def named(*rows: dict) -> pl.DataFrame:
    return pl.concat(
        [empty(RAW_LISTINGS), *(shaped(pl.DataFrame(row), RAW_LISTINGS) for row in rows)]
    )


class Nights:
    """Names one night after another, as a desk does."""

    def __init__(self, source: str = "us") -> None:
        self.source = source
        self.listed, self.eve = empty(LISTINGS), empty(EVE_ROWS)

    def night(
        self, rows: pl.DataFrame, told: pl.DataFrame | None = None, *, on: date = TONIGHT
    ) -> Identified:
        found = identify(
            rows,
            empty(RAW_LISTINGS) if told is None else told,
            self.listed,
            self.eve,
            source=self.source,
            currency="USD",
            asset_class="equity",
            session=on,
        )
        stamps = {"source": pl.lit(self.source), "delivery": pl.lit(on), "known_on": pl.lit(on)}
        fresh = shaped(found.listings.with_columns(**stamps), LISTINGS)
        self.listed = pl.concat([self.listed, fresh])
        rows = pl.concat([self.eve, found.bars.select(list(EVE_ROWS))])
        self.eve = rows.sort("session", maintain_order=True).unique("symbol", keep="last")
        return found


def who(found: Identified) -> dict[tuple[str, date], str]:
    rows = found.bars.select("symbol", "session", "instrument").iter_rows()
    return {(symbol, session): instrument for symbol, session, instrument in rows}


def said(found: Identified, *columns: str) -> list[tuple]:
    return found.listings.select(*columns).rows()
