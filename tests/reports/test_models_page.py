"""The page of a contest: whole, offline, plain about too few sessions, safe against its data."""

from datetime import date, timedelta

import polars as pl
import pytest

from tasks.reports.importance import Rests
from tasks.reports.models import Champion, Told, models_page

DAYS = [date(2021, 1, 4) + timedelta(days=number) for number in range(30)]
NAMES = ["ridge", "<tcn>", *(f"model_{number}" for number in range(6))]
FIGURES = ["ic", "ic_error", "icir", "rank_ic", "rank_ic_error", "rank_ic_t", "spread"]
FIGURES += ["spread_error", "net", "break_even", "turnover", "coverage", "groups"]
LOOK = {"session": DAYS[9], "champion": "ridge", "recipe": "<tcn>", "detectable": 0.0456}
LOOK |= {"verdict": "insufficient evidence", "reason": "30 of <250>", "difference": 0.01}
LOOK |= {"error": 0.02, "t": 0.5, "sessions": 30}
TOLD = Told(
    contest="tiny",
    title="A <small> contest",
    data="A market, universe everyone",
    as_of=DAYS[-1],
    since=DAYS[0],
    sessions=30,
    names=38.0,
    horizon=3,
    label="sector_neutral",
    trades_at="open",
    cost=0.001,
    champion=Champion("ridge", DAYS[4], "promote by operator: <simpler>", DAYS[9]),
    looks=pl.DataFrame([LOOK]),
    trials=1234,
    hurdle=4.1,
    needed=250,
    preferred=750,
    left_out={"lstm": "no fit of 2021-01-04"},
)


def models() -> pl.DataFrame:
    made = {"kind": "ridge", "loss": "mse", "seeds": 3, "last_fit": DAYS[9], "sessions": 30}
    rows = [
        {"model": name}
        | dict.fromkeys(FIGURES, 0.0123)
        | dict.fromkeys(("difference", "error", "t"), None if name == "ridge" else 0.0077)
        | made
        for name in NAMES
    ]
    return pl.DataFrame(rows)


def daily() -> pl.DataFrame:
    days = [day for _ in NAMES for day in DAYS]
    return pl.DataFrame({"model": [n for n in NAMES for _ in DAYS], "session": days}).with_columns(
        ic=0.01, rank_ic=0.02
    )


def page(told: Told = TOLD, rests: Rests | None = None) -> str:
    return models_page(models(), daily(), told, rests)


@pytest.fixture(scope="module")
def whole() -> str:
    return page()


def test_names_every_model_the_champion_and_the_verdict_with_what_it_could_find(whole):
    assert all(f"<b>{name}</b>" in whole for name in NAMES if name.isidentifier())
    assert "ridge is champion since 8 Jan 2021" in whole
    assert "insufficient evidence</span>" in whole
    assert ">0.0456</td>" in whole
    assert "1,234 choices were ever tried for this contest" in whole
    assert "a t of 4.10 either way" in whole
    assert "Not compared: lstm (no fit of 2021-01-04)." in whole
    assert "10.0 bps of all that is traded" in whole


def test_warns_below_the_sessions_that_a_verdict_needs_and_not_from_there_on(whole):
    warning = "Insufficient evidence: 30 common sessions, of at least 250 (better 750)"
    assert warning in whole
    assert "Insufficient evidence: 249 common" in page(TOLD._replace(sessions=249))
    assert "Insufficient evidence:" not in page(TOLD._replace(sessions=250))


def test_says_unknown_where_nobody_counted_the_trials():
    shown = page(TOLD._replace(trials=None, hurdle=None))
    assert "<dd>unknown<small>MLflow does not say" in shown
    assert "each t is that of a single try" in shown


def test_says_where_nobody_was_looked_at():
    assert "No challenger has been looked at yet" in page(TOLD._replace(looks=TOLD.looks.clear()))


def test_draws_one_curve_a_model_however_many_and_none_like_another(whole):
    from tasks.reports.models import _summed

    lines = _summed(daily(), NAMES)["data"]
    assert [line["name"] for line in lines] == NAMES
    looks = {(line["line"]["color"], line["line"].get("dash", "solid")) for line in lines}
    assert len(looks) == len(NAMES)
    assert lines[0]["y"][-1] == pytest.approx(0.02 * len(DAYS))


def test_asks_nothing_of_any_network_and_escapes_what_data_brings(whole):
    assert "default-src 'none'" in whole
    body = whole.split("<script>")[0]
    for raw in ("<small> contest", "<tcn>", "<simpler>", "<250>"):
        assert raw not in body
    assert "&lt;tcn&gt;" in body
    assert "nan" not in body.lower()


def test_says_what_the_champion_rests_on_or_that_nobody_can_know_yet():
    assert "Too few labels are known since its first compared fit." in page()
    table = pl.DataFrame(
        {
            "feature": ["<return_5>", "volume"],
            "lost": [0.0123, None],
            "error": [0.0045, None],
            "t": [2.7333, None],
            "part": [0.25, None],
        }
    )
    told = page(rests=Rests(table, DAYS[9], 20, 0.0321))
    assert "What ridge rests on" in told
    assert "20 later sessions" in told
    assert "&lt;return_5&gt;" in told
    assert "<return_5>" not in told
    assert "+0.0123" in told
    assert "25.0" in told
