"""The page of a fit works offline and shows what it was given."""

from datetime import date, timedelta

import polars as pl

from tasks.reports.fit import fit_page

DAYS = [date(2020, 1, 1) + timedelta(back) for back in range(80)]
DAILY = pl.DataFrame({"session": DAYS, "ic": [0.01] * 80, "rank_ic": [0.02] * 80})
DECILES = pl.DataFrame({"session": DAYS * 2, "decile": [1] * 80 + [2] * 80, "label": [0.01] * 160})


def test_is_one_offline_page_that_names_its_fit():
    page = fit_page("sample: tcn", DAILY, DECILES, {"train_loss": [1.0, 0.9]}, horizon=5)
    assert "sample: tcn" in page
    assert "train_loss" in page
    assert 'src="http' not in page
    assert page.count("decile 2") >= 1
