"""What the gate catches and what it stops without need.

Run it with `python benchmarks/gate.py [seeds] [kind ...]`. Each kind of corruption is planted into
clean simulated nights, one seed a night; it is caught where every planted row is set aside or the
night is blocked, and, where no row could be named, where the night is warned of. Value errors are
8 robust deviations or more where the volume is as usual. Below: 250 clean nights of five markets.
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

import polars as pl
from rich.console import Console
from rich.table import Table

from conf.schema import SimulatedSource
from expectations.desk import Desk
from tasks.market import frames
from tasks.market.calendar import Calendar
from tasks.market.sources.simulated import SimulatedData
from tests.expectations.corruptions import CORRUPTIONS
from tests.expectations.gate_lab import Lab, Result

SEEDS = 20
CLEAN_NIGHTS = 50  # of each market
MARKETS = (  # seed, first live night: calm and wild times, half days and holidays among them
    (1, date(2016, 10, 17)),
    (2, date(2018, 11, 1)),
    (3, date(2020, 2, 18)),
    (4, date(2021, 11, 15)),
    (5, date(2023, 6, 20)),
)


class Clean(NamedTuple):
    """What became of the clean nights of one market."""

    nights: int
    verdicts: Counter[str]
    reasons: Counter[str]
    rows: int
    aside: Counter[str]  # rule -> rows set aside
    seconds: float


def caught(kinds: Sequence[str], seeds: int) -> dict[str, list[Result]]:
    """Plant every kind `seeds` times and return what became of it."""
    lab = Lab()
    return {kind: [lab.spoilt(CORRUPTIONS[kind], seed) for seed in range(seeds)] for kind in kinds}


def clean(seed: int, first: date, *, nights: int = CLEAN_NIGHTS, names: int = 400) -> Clean:
    """Judge clean nights, after half a year of history and twenty nights more."""
    days = Calendar("XNYS")
    live = days.offset(days.on_or_after(first), -20)
    settings = SimulatedSource(
        kind="simulated",
        title="Clean",
        actions="given",
        asset_class="equity",
        starts=live - timedelta(days=200),
        observed_from=live,
        ends=days.offset(live, 19 + nights),
        expected_rows=round(0.95 * names),
        seed=seed,
        names=names,
    )
    market = SimulatedData(settings)
    nothing = frames.empty(frames.BARS), frames.empty(frames.LISTINGS)
    desk = Desk("clean", settings, days, bars=nothing[0], listings=nothing[1])
    done = Clean(nights, Counter(), Counter(), 0, Counter(), 0.0)
    for night in market.nights():
        delivery = market.normalise(list(market.pull([night])))
        began = time.process_time()
        judged = desk.judge(delivery)
        took = time.process_time() - began
        if night < first:
            continue
        row = judged.verdicts.row(0, named=True)
        done.verdicts[row["verdict"]] += 1
        done.reasons.update(filter(None, row["reasons"].split("; ")))
        done.aside.update(
            dict(judged.quarantine.group_by("rule").agg(n=pl.col("rows").sum()).iter_rows())
        )
        done = done._replace(rows=done.rows + row["rows"], seconds=done.seconds + took)
    return done


def table_of(results: dict[str, list[Result]]) -> Table:
    """Return the table of what was caught, kind by kind."""
    table = Table(title="Planted into clean nights")
    for column in ("kind", "what", "family", "seeds", "caught", "where", "others set aside"):
        left = column in ("kind", "what", "family", "where")
        table.add_column(column, justify="left" if left else "right")
    for kind, found in results.items():
        what = CORRUPTIONS[kind]
        share = sum(one.caught for one in found) / len(found)
        where = ", ".join(f"{n} {w}" for w, n in Counter(one.where for one in found).most_common())
        others = sum(one.others for one in found) / len(found)
        row = (
            kind,
            what.kind,
            what.family,
            f"{len(found)}",
            f"{share:.0%}",
            where,
            f"{others:.1f}",
        )
        table.add_row(*row, style="" if share == 1 else "bold red")
    return table


def shares(results: dict[str, list[Result]]) -> list[str]:
    """Return one line for each kind of corruption: how many were planted and caught."""
    lines = []
    for what in ("structural", "value"):
        own = [one for kind, r in results.items() if CORRUPTIONS[kind].kind == what for one in r]
        kinds = sum(CORRUPTIONS[kind].kind == what for kind in results)
        hit = sum(one.caught for one in own)
        if own:
            lines.append(f"{what}: {kinds} kinds, {hit} of {len(own)} caught, {hit / len(own):.2%}")
    return lines


def main(words: Sequence[str]) -> None:
    """Print the table of corruptions and what the clean nights came to."""
    console = Console(width=150)
    seeds = int(words[0]) if words else SEEDS
    began = time.process_time()
    results = caught(list(words[1:]) or list(CORRUPTIONS), seeds)
    console.print(table_of(results))
    for line in shares(results):
        console.print(line)
    console.print(f"{time.process_time() - began:.0f} CPU s\n")
    for seed, first in MARKETS:
        done = clean(seed, first)
        stops = done.verdicts["block"]
        console.print(
            f"market {seed} from {first}: {done.nights} clean nights, {stops} stopped, "
            f"{done.verdicts['warn']} warned; {done.aside.total()} of {done.rows} rows set aside; "
            f"{1000 * done.seconds / done.nights:.0f} CPU ms a night"
        )
        for name, counts in (("said", done.reasons), ("set aside", done.aside)):
            if counts:
                told = ", ".join(f"{what} {n}" for what, n in counts.most_common())
                console.print(f"  {name}: {told}")


if __name__ == "__main__":
    main(sys.argv[1:])
