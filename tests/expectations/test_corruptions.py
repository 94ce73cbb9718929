"""Every way to spoil a night plants what it says: the benchmark of the gate can be believed."""

import numpy as np
import polars as pl
import pytest

from tests.expectations.corruptions import CORRUPTIONS
from tests.expectations.gate_lab import Lab
from tests.expectations.injection import KEYS, Night, Unreadable


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab(names=100)


@pytest.fixture(scope="module")
def nights(lab) -> dict[str, Night]:
    """Give one night for each sort of night that a corruption asks for."""
    asked = {each.nights: each for each in CORRUPTIONS.values()}
    return {name: lab.night(lab.suitable(each)[-1]) for name, each in asked.items()}


def planted(name: str, nights: dict[str, Night], seed: int = 5):
    what = CORRUPTIONS[name]
    night = nights[what.nights]._replace(step=what.steps - 1)
    return night, *what.inject(night, np.random.default_rng(seed))


def test_there_are_more_than_sixty_kinds_of_many_families():
    assert len(CORRUPTIONS) >= 60
    assert len({each.family for each in CORRUPTIONS.values()}) >= 20
    assert {each.kind for each in CORRUPTIONS.values()} == {"structural", "value"}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_something_is_spoilt_and_what_was_planted_is_there(name, nights):
    night, spoilt, said = planted(name, nights)
    assert said.wide or said.copies or said.rows.height or said.actions.height
    if isinstance(spoilt, Unreadable):
        assert said.wide
        return
    same = spoilt.bars.schema == night.right.bars.schema and spoilt.bars.equals(night.right.bars)
    same = same and spoilt.actions.equals(night.right.actions)
    assert spoilt.night != night.right.night or not same
    if said.rows.height:
        sent = spoilt.bars.select(pl.col(list(KEYS)))
        assert said.rows.join(sent, on=list(KEYS), how="anti", nulls_equal=True).is_empty()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_seed_spoils_the_same(name, nights):
    _, one, said = planted(name, nights)
    _, other, again = planted(name, nights)
    assert said.rows.equals(again.rows)
    if not isinstance(one, Unreadable):
        assert one.bars.equals(other.bars)


@pytest.mark.parametrize("name", [n for n, c in CORRUPTIONS.items() if c.kind == "value"])
def test_a_value_error_is_eight_robust_deviations_or_more(name, nights):
    """Measured anew: in logs, against the eve and the session's median, the volume kept."""
    night, spoilt, said = planted(name, nights)
    rows = said.rows if said.rows.height else said.actions
    assert rows.height
    split = dict(spoilt.actions.filter(kind="split").select("symbol", "value").iter_rows())
    paid = dict(spoilt.actions.filter(kind="dividend").select("symbol", "value").iter_rows())
    before = dict(night.rows.select("symbol", "volume").iter_rows())
    for session, symbol in rows.iter_rows():
        row = spoilt.bars.filter(session=session, symbol=symbol).row(0, named=True)
        worst = 0.0
        for price in ("open", "high", "low", "close"):
            value = row[price] * split.get(symbol, 1.0) + paid.get(symbol, 0.0)
            eve = night.eve_close[symbol]
            if session != night.own:
                eve = night.right.bars.filter(session=session, symbol=symbol)["close"][0]
            worst = max(worst, abs(np.log(value / eve) - night.median * (session == night.own)))
        assert worst >= 0.98 * 8 * night.scale[symbol]  # a range may fall short of its close
        if CORRUPTIONS[name].family in ("jumps", "units", "one field") and session == night.own:
            assert row["volume"] == before[symbol]
