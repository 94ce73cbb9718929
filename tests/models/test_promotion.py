"""A recipe takes the title by what it has shown, once, and never by looking often."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from tasks.models.promotion import Challenger, Proof, judge
from tasks.models.years import ALPHA, YEAR, Verdict, compared_since

SEED = 11
PROVED = Proof(leak_found=False, calibrated=True, net={})


def series(edge: float, count: int = 750, *, seed: int = SEED) -> np.ndarray:
    """Return differences with exactly this mean."""
    drawn = np.random.default_rng([seed, count]).normal(0, 0.05, count)
    return drawn - drawn.mean() + edge


def challenger(
    name: str, edge: float = 0.0, count: int = 750, trials: int | None = 1
) -> Challenger:
    return Challenger(name, series(edge, count, seed=sum(name.encode())), trials)


def look(
    *challengers: Challenger,
    at: int = 750,
    since: int = 0,
    past: Sequence[Verdict] = (),
    horizon: int = 5,
    **proofs: Proof,
) -> dict[str, Verdict]:
    found = judge(
        _aligned(challengers),
        horizon=horizon,
        at=at,
        since=since,
        past=past,
        examine=lambda name: proofs.get(name, PROVED),
    )
    return {row.challenger: row for row in found}


def _aligned(challengers: Sequence[Challenger]) -> list[Challenger]:
    longest = max(one.difference_T.size for one in challengers)
    return [
        one._replace(
            difference_T=np.pad(
                one.difference_T, (longest - one.difference_T.size, 0), constant_values=np.nan
            )
        )
        for one in challengers
    ]


def test_the_one_furthest_ahead_is_promoted_and_no_other():
    found = look(challenger("far", 0.03), challenger("near", 0.02), challenger("level"))
    assert [row.verdict for row in found.values()] == ["promote", "keep", "keep"]
    assert "far is further ahead" in found["near"].reason
    assert found["far"].adjusted_p <= found["near"].adjusted_p <= found["far"].level
    assert found["level"].adjusted_p > found["level"].level


def test_one_that_is_surely_worse_is_not_promoted():
    found = look(challenger("worse", -0.05))["worse"]
    assert found.verdict == "keep"
    assert found.p > 0.99


def test_under_250_common_sessions_the_evidence_is_insufficient_and_nothing_is_spent():
    few = look(challenger("new", 0.05, 249))["new"]
    assert few.verdict == "insufficient evidence"
    assert "249 common sessions of at least 250" in few.reason
    assert (few.spent, few.earned) == (0, 0)
    assert few.detectable > 0
    assert look(challenger("new", 0.05, 250))["new"].verdict == "promote"


def test_fewer_sessions_than_are_preferred_are_told():
    assert "749 common sessions; 750 are preferred" in look(challenger("new", 0, 749))["new"].reason
    assert "preferred" not in look(challenger("new", 0, 750))["new"].reason


def test_a_horizon_too_long_for_its_sessions_is_insufficient_evidence():
    found = look(challenger("new", 0.05, 400), horizon=60)["new"]
    assert found.verdict == "insufficient evidence"
    assert "400 common sessions of at least 480" in found.reason


def test_sessions_without_a_difference_count_for_nothing():
    one = challenger("new", 0.01)
    gaps = one._replace(difference_T=np.insert(one.difference_T, [0, 100, 750], np.nan))
    assert look(one) == look(gaps)


@pytest.mark.parametrize(
    ("unknown", "named"),
    [("leak_found", "leaks"), ("calibrated", "calibration"), ("net", "net return")],
)
def test_what_could_not_be_examined_withholds_the_title_and_says_why(unknown, named):
    proof = PROVED._replace(**{unknown: None}, why="it stopped")
    found = look(challenger("new", 0.05), new=proof)["new"]
    assert found.verdict == "insufficient evidence"
    assert found.reason.startswith(f"not examined: {named} (it stopped); better by its rank ICs")
    assert found.spent > 0  # it was compared: luck had its chance


def test_only_who_would_be_promoted_is_examined_the_furthest_ahead_first():
    asked: list[str] = []

    def examine(name: str) -> Proof:
        asked.append(name)
        return PROVED._replace(leak_found=name == "far")

    them = [challenger("near", 0.02), challenger("far", 0.03), challenger("level")]
    found = judge(them, horizon=5, at=750, since=0, past=[], examine=examine)
    assert asked == ["far", "near"]
    assert [row.verdict for row in found] == ["promote", "vetoed", "keep"]


@pytest.mark.parametrize("bad", [{"leak_found": True}, {"calibrated": False}])
def test_a_leak_or_a_false_uncertainty_vetoes(bad):
    found = look(challenger("new", 0.05), new=PROVED._replace(**bad, why="as was seen"))["new"]
    assert found.verdict == "vetoed"
    assert "(as was seen)" in found.reason


def test_net_returns_veto_only_where_they_are_significantly_worse():
    net = np.random.default_rng(3).normal(0, 0.01, 750)
    by_t = {}
    for t in (-1.1, -1.5):
        probe = net - net.mean()

        def seen(net_T):
            books = {"good": abs(net), "us": net_T}
            return look(challenger("new", 0.05), new=PROVED._replace(net=books))["new"]

        error = -1e-9 / seen(probe - 1e-9).net_t
        by_t[t] = seen(probe + t * error)
        assert by_t[t].net_t == pytest.approx(t, rel=1e-3)
    assert by_t[-1.1].verdict == "promote"
    assert "the net return of us has a t of -1.10" in by_t[-1.1].reason
    assert by_t[-1.5].verdict == "vetoed"
    assert "the net return of us is worse (t -1.50)" in by_t[-1.5].reason


def test_a_contest_without_a_book_has_no_net_return_to_veto_and_says_so():
    found = look(challenger("new", 0.05))["new"]
    assert found.verdict == "promote"
    assert "no book names the contest, so no net return could veto" in found.reason
    same = look(challenger("new", 0.05), new=PROVED._replace(net={"us": np.zeros(750)}))["new"]
    assert same.verdict == "promote"
    assert "the net returns of its books are the same with it" in same.reason


def test_the_second_best_is_promoted_where_the_best_is_vetoed():
    worse = PROVED._replace(net={"us": series(-0.01)})
    found = look(challenger("far", 0.04), challenger("near", 0.03), far=worse)
    assert [row.verdict for row in found.values()] == ["vetoed", "promote"]


def test_the_same_scores_as_the_champion_are_no_evidence():
    found = look(Challenger("same", np.zeros(400)))["same"]
    assert found.verdict == "keep"
    assert "its rank ICs are the champion's" in found.reason


def test_the_order_of_challengers_decides_nothing():
    them = [challenger(name, edge) for name, edge in (("a", 0.01), ("b", 0.012), ("c", -0.01))]
    assert look(*them) == {name: look(*them[::-1])[name] for name in "abc"}


def test_the_difference_said_to_be_detectable_is_detected_four_times_in_five():
    detectable = look(challenger("new"))["new"].detectable
    dice, found = np.random.default_rng(5), 0
    for _ in range(400):
        drawn = Challenger("new", dice.normal(detectable, 0.05, 750))
        found += look(drawn)["new"].verdict == "promote"
    assert stats.binom.ppf(0.001, 400, 0.8) <= found <= stats.binom.ppf(0.999, 400, 0.8)


def test_trials_on_the_same_sessions_are_paid_for_once():
    alone, many = look(challenger("new", 0.01)), look(challenger("new", 0.01, trials=20))
    assert many["new"].p == alone["new"].p
    assert many["new"].adjusted_p == pytest.approx(20 * alone["new"].p)
    assert many["new"].level == pytest.approx(alone["new"].level)  # the first look's is the share
    assert many["new"].detectable > alone["new"].detectable
    family = look(*(challenger(f"c{place}", 0.01) for place in range(20)))
    assert many["new"].spent == pytest.approx(family["c0"].spent)


def year_of_looks(joins: dict[str, int], leaves: dict[str, int]) -> list[Verdict]:
    past: list[Verdict] = []
    for week in range(52):
        there = [name for name in joins if joins[name] <= week < leaves.get(name, 99)]
        seen = [challenger(name, 0.0, 750 + 5 * week) for name in there]
        past += look(*seen, at=750 + 5 * week, past=past).values()
    return past


def test_newcomers_and_leavers_never_bring_the_year_more_than_its_alpha():
    rows = year_of_looks({"a": 0, "b": 0, "new": 20}, {"b": 30})
    assert sum(row.spent for row in rows) <= ALPHA
    assert sum(row.earned for row in rows) == pytest.approx(ALPHA, rel=0.01)
    first = {name: next(row for row in rows if row.challenger == name) for name in ("a", "new")}
    assert first["new"].spent < first["a"].spent / 20


def test_one_whose_trials_are_unknown_is_not_judged_and_keeps_its_share_for_when_they_are():
    both = challenger("a"), challenger("late", 0.05, trials=None)
    first = look(*both)
    assert first["late"].verdict == "insufficient evidence"
    assert "how many trials on these sessions chose it is unknown" in first["late"].reason
    assert first["late"].earned == first["a"].spent
    assert (first["late"].spent, first["late"].trials) == (0, None)
    second = look(
        challenger("a", 0, 755), challenger("late", 0, 755), at=755, past=[*first.values()]
    )
    assert second["late"].spent == pytest.approx(first["late"].earned + second["late"].earned)
    assert second["late"].spent > 10 * second["a"].spent


def test_an_edge_too_small_for_one_look_is_found_when_more_was_seen():
    first = look(challenger("new", 0.004, 250), at=250)
    assert first["new"].verdict == "keep"
    later = look(challenger("new", 0.02, 400), at=400, past=[*first.values()])
    assert later["new"].verdict == "promote"
    assert 0 < later["new"].spent < first["new"].spent


def test_a_year_later_the_alpha_is_there_again():
    first = look(challenger("new"))["new"]
    last = look(challenger("new", 0, 750), at=750 + YEAR - 1, past=[first])["new"]
    past = [first, last]
    renewed = look(challenger("new", 0, 750), at=750 + YEAR, since=YEAR, past=past)["new"]
    assert last.level < first.level == renewed.level


def test_all_looks_of_a_year_begin_where_its_first_began_and_the_next_year_moves_on():
    schedule, past, begun = list(range(0, 2000, 20)), [], {}
    for place in range(20, 60):
        known = schedule[: place + 1]
        since, at = compared_since(known, past, refits=20), known[-1]
        begun[at] = since
        past += look(challenger("a", 0, at - since + 1), at=at, since=since, past=past).values()
    firsts = sorted(set(begun.values()))
    assert firsts == [20, 20 + YEAR, 20 + 2 * YEAR, 20 + 3 * YEAR]
    for since in firsts:
        looks = [at for at, first in begun.items() if first == since]
        assert looks[0] - since == 19 * 20
        assert looks == list(range(looks[0], min(looks[0] + YEAR, 1200), 20))


def test_while_nothing_can_be_judged_the_window_moves_along():
    few = look(challenger("new", 0, 200), at=200)["new"]
    assert compared_since([100, 150, 250], [few], refits=2) == 150


def test_a_look_at_other_sessions_than_the_year_began_with_is_refused():
    first = look(challenger("a"))["a"]
    with pytest.raises(ValueError, match=r"compare the sessions since 0, .* found 5"):
        look(challenger("a"), at=755, since=5, past=[first])


def test_the_same_look_again_is_the_same():
    past = [*look(challenger("a"), challenger("b", 0.01)).values()]
    again = [look(challenger("a", 0, 760), at=760, past=past) for _ in range(2)]
    assert again[0] == again[1]


def test_a_look_knows_nothing_of_later_ones():
    rows = year_of_looks({"a": 0, "b": 3}, {})
    with pytest.raises(ValueError, match="Looks are taken in order"):
        look(challenger("a", 0, 760), at=760, past=rows)
    earlier = [row for row in rows if row.at < 760]
    again = look(challenger("a", 0, 760), at=760, past=earlier)["a"]
    there = next(row for row in rows if row.at == 760)
    assert _told(again) == _told(there)


def _told(row: Verdict) -> list[object]:
    return [None if isinstance(value, float) and math.isnan(value) else value for value in row]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([challenger("a"), challenger("a")], "different names"),
        ([Challenger("a", np.array([0.1, np.inf]))], "1 infinite"),
        ([challenger("a", trials=0)], "0 trials"),
        ([], "needs a second candidate"),
    ],
)
def test_refuses_what_cannot_be_judged(wrong, message):
    with pytest.raises(ValueError, match=message):
        judge(wrong, horizon=5, at=1, since=0, past=[], examine=lambda _: PROVED)
