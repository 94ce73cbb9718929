"""Views and listings of a handful of names, for tests of universes."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from tasks.market.frames import LISTINGS, shaped
from tasks.market.history import View

NAN = float("nan")


def view(closes: dict[str, list[float]], volumes: dict[str, list[float]] | None = None) -> View:
    """Return a view of these closes; volumes are 100 where not given."""
    names = tuple(sorted(closes))
    close_TN = np.array([closes[name] for name in names], dtype=float).T
    given = volumes or {}
    count = len(close_TN)
    volume_TN = np.array([given.get(name, [100.0] * count) for name in names], dtype=float).T
    sessions = tuple(date(2016, 6, 6) + timedelta(days=t) for t in range(count))
    blank = np.full_like(close_TN, np.nan)
    return View(
        sessions[-1], sessions, names, blank, blank, blank, close_TN, volume_TN, blank, blank
    )


def listings(**classes: str) -> pl.DataFrame:
    """Return one listing an instrument; its symbol is its name in capitals."""
    rows = [
        {
            "instrument": name,
            "symbol": name.upper(),
            "asset_class": asset_class,
            "from_session": date(2016, 1, 4),
            "known_on": date(2016, 1, 4),
            "delivery": date(2016, 1, 4),
        }
        for name, asset_class in classes.items()
    ]
    return shaped(pl.DataFrame(rows), LISTINGS)


STOCKS = listings(a="equity", b="equity", c="equity", d="equity")
