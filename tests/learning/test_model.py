"""Settings of a model have defaults and bounds; a wrong one is named."""

import pytest

from tasks.learning.model import Setting, settled

KNOWN = {"trees": Setting(100, 1, 500, "most trees"), "rate": Setting(0.1, 0.0, 1.0, "step")}


def test_fills_in_the_defaults():
    assert settled({"trees": 7}, KNOWN, model="forest") == {"rate": 0.1, "trees": 7}


def test_names_the_choices_for_an_unknown_setting():
    with pytest.raises(ValueError, match=r"no setting treees; there is: rate .*trees \(1 to 500\)"):
        settled({"treees": 7}, KNOWN, model="forest")


@pytest.mark.parametrize("value", [0, 501, 2.5, True, "many", float("nan"), float("inf")])
def test_refuses_values_out_of_bounds_and_of_the_wrong_kind(value):
    with pytest.raises(ValueError, match=r"forest\.trees must"):
        settled({"trees": value}, KNOWN, model="forest")
