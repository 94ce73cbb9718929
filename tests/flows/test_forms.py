"""What forms offer comes from the settings folder, and a run is named before it can be refused."""

import os
from datetime import date
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from flows import cli, commands, deployments, forms


def test_a_settings_folder_without_books_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("AFTERCLOSE_CONF", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=rf"No YAML file in {tmp_path}/books: put one"):
        forms._choice("BookName", "books")


@pytest.mark.parametrize("day", [date(2029, 1, 2), "2029-01-02"])
def test_a_run_for_a_day_that_will_be_refused_still_has_its_name(monkeypatch, day):
    """An error in the name of a run would end it without a word of its own."""
    given = {"source": "tiingo", "as_of": day}
    run = SimpleNamespace(parameters=given, flow_name="ingest", scheduled_start_time=None)
    monkeypatch.setattr(forms, "runtime", SimpleNamespace(flow_run=run))
    assert forms.run_name_with_session() == "ingest-tiingo-2029-01-02"


def test_the_worker_takes_from_the_pool_that_is_deployed_to():
    assert deployments.POOL is commands.POOL


def test_the_tour_touches_neither_lake_nor_settings_of_real_nights(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setenv("AFTERCLOSE_LAKE", str(tmp_path / "real"))
    monkeypatch.setenv("AFTERCLOSE_CONF", str(tmp_path / "conf"))
    monkeypatch.setattr(cli, "ready", lambda: tmp_path)
    monkeypatch.setattr(cli, "_toured", lambda _: seen.append(dict(os.environ)) or 0)
    assert CliRunner().invoke(cli.app, ["tour"]).exit_code == 0
    assert not {"AFTERCLOSE_LAKE", "AFTERCLOSE_CONF"} & seen[0].keys()
