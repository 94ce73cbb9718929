"""Imports point one way: flows -> tasks -> rooms -> conf. The frameworks stay at their doors."""

from pathlib import Path

import pytest

from tests.house_rules import (
    HEAVY,
    MAY_BE_HEAVY,
    MAY_IMPORT,
    NO_FRAMEWORK,
    at,
    loaded_by,
    wrong_directions,
    wrong_doors,
    wrong_init,
    wrong_looks,
    wrong_sizes,
)
from tests.reading import ROOT, TOPS, Source, sources

OURS = sources(*TOPS)
EVERYTHING = [*OURS, *sources("tests", "benchmarks")]
RULES = [wrong_directions, wrong_doors, wrong_looks, wrong_init]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("source", OURS, ids=lambda source: str(source.place))
def test_every_file_keeps_the_rule(source, rule):
    assert not rule(source)


@pytest.mark.parametrize("source", EVERYTHING, ids=lambda source: str(source.place))
def test_no_file_and_no_function_is_too_long(source):
    assert not wrong_sizes(source)


def test_every_room_is_in_the_plan():
    rooms = {folder.name for folder in (ROOT / "tasks").iterdir() if folder.is_dir()}
    assert rooms - {"__pycache__"} == set(MAY_IMPORT)


KNOWN = {source.module: source for source in OURS}
LIGHT = [s for s in OURS if not any(at(s.place, heavy) for heavy in MAY_BE_HEAVY)]


@pytest.mark.parametrize("source", LIGHT, ids=lambda source: str(source.place))
def test_light_files_load_nothing_heavy(source):
    loaded = loaded_by(source.module, KNOWN)
    assert not {name: way for name, way in loaded.items() if name in HEAVY}


@pytest.mark.parametrize("place", NO_FRAMEWORK)
def test_the_command_line_and_the_surroundings_load_no_framework(place):
    source = next(source for source in OURS if source.place.as_posix() == place)
    slow = HEAVY | {"prefect", "polars", "numpy", "pandas", "deltalake", "psutil", "pydantic"}
    loaded = loaded_by(source.module, KNOWN)
    assert not {name: way for name, way in loaded.items() if name in slow}


# --- the rules see what they should --------------------------------------------------------------

PLANTED = [
    (wrong_directions, "tasks/risk/a.py", "from tasks.models import selection"),
    (wrong_directions, "tasks/risk/a.py", "from tasks import models"),
    (wrong_directions, "tasks/risk/a.py", "from ..models.selection import choose"),
    (wrong_directions, "tasks/risk/a.py", "from .. import models"),
    (wrong_directions, "tasks/risk/a.py", "from .nets.deep import *\nimport tasks.models"),
    (wrong_directions, "tasks/risk/nets/a.py", "from ...portfolio import problem"),
    (wrong_directions, "tasks/portfolio/a.py", "def f():\n    import tasks.models.fitting"),
    (wrong_directions, "tasks/market/a.py", "import tasks.settings"),
    (wrong_directions, "tasks/market/a.py", "from tasks import settings"),
    (wrong_directions, "tasks/market/a.py", "import tasks"),
    (wrong_directions, "tasks/market/a.py", "from flows import nightly"),
    (wrong_directions, "tasks/market/a.py", "from expectations.gate import judge"),
    (wrong_directions, "tasks/statistics/a.py", "from tasks.market import frames"),
    (wrong_directions, "tasks/statistics/a.py", "from conf.schema import Book"),
    (wrong_directions, "tasks/newroom/a.py", "from tasks.market import frames"),
    (wrong_directions, "tasks/night.py", "import flows.nightly"),
    (wrong_directions, "tasks/night.py", "import conf"),
    (wrong_directions, "flows/nightly.py", "from tasks.market.lake import Lake"),
    (wrong_directions, "flows/nightly.py", "from tasks import market"),
    (wrong_directions, "flows/nightly.py", "from expectations import gate"),
    (wrong_directions, "expectations/rules.py", "from tasks.features import FEATURE_SETS"),
    (wrong_directions, "expectations/rules.py", "from tasks import settings"),
    (wrong_directions, "conf/schema.py", "from tasks.market import frames"),
    (wrong_directions, "conf/schema.py", "import expectations.rules"),
    (wrong_doors, "tasks/market/a.py", "from prefect import task"),
    (wrong_doors, "expectations/rules.py", "import prefect.states"),
    (wrong_doors, "expectations/rules.py", "import great_expectations as gx"),
    (wrong_doors, "tasks/learning/training.py", "import mlflow"),
    (wrong_doors, "tasks/train.py", "def f():\n    import torch"),
    (wrong_doors, "tasks/models/baselines/a.py", "from torch import nn"),
    (wrong_doors, "tasks/risk/tail.py", "from pytorch_lightning import Trainer"),
    (wrong_doors, "tasks/learning/a.py", "import pickle"),
    (wrong_doors, "tasks/settings.py", "from importlib import import_module"),
    (wrong_doors, "conf/schema.py", "import yaml"),
    (wrong_looks, "tasks/risk/a.py", "from datetime import date\nx = date.today()"),
    (wrong_looks, "tasks/risk/a.py", "import datetime\nx = datetime.datetime.now(None)"),
    (wrong_looks, "expectations/gate.py", "import time\nx = time.time()"),
    (wrong_looks, "tasks/market/a.py", "import os\nx = os.environ['HOME']"),
    (wrong_looks, "tasks/ingest.py", "import os\nx = os.getenv('HOME')"),
    (wrong_looks, "flows/nightly.py", "from os import environ"),
    (wrong_sizes, "tasks/market/a.py", "x = 1\n" * 301),
    (wrong_sizes, "tasks/market/a.py", "def f():\n" + "    x = 1\n" * 60),
    (wrong_init, "tasks/risk/__init__.py", "from tasks.risk.tail import tail\nx = 3"),
    (wrong_init, "tasks/risk/__init__.py", "A = {}\nB = {}"),
    (wrong_init, "tasks/risk/__init__.py", "from tasks.risk.tail import tail"),
    (wrong_init, "tasks/risk/__init__.py", "for x in (): pass"),
]


@pytest.mark.parametrize(("rule", "place", "text"), PLANTED)
def test_a_planted_violation_is_found(rule, place, text):
    assert rule(Source(Path(place), text))


INNOCENT = [
    (wrong_directions, "tasks/risk/a.py", "from tasks.market.frames import empty\nimport math"),
    (wrong_directions, "tasks/risk/a.py", "from . import tail\nfrom ..statistics import hac"),
    (wrong_directions, "tasks/models/a.py", "from tasks.learning.panel import Panel"),
    (wrong_directions, "flows/nightly.py", "from tasks.ingest import land\nimport flows.steps"),
    (wrong_directions, "tasks/train.py", "from tasks.models import fitting\nimport conf.schema"),
    (wrong_doors, "tasks/ingest.py", "from prefect import task\nimport torchlight"),
    (wrong_doors, "tasks/models/nets/a.py", "from torch import nn"),
    (wrong_looks, "tasks/rebalance.py", "from datetime import datetime\nx = datetime.now(UTC)"),
    (wrong_looks, "tasks/settings.py", "import os\nx = os.environ['HOME']"),
    (wrong_init, "tasks/risk/__init__.py", ""),
    (wrong_init, "tasks/a/__init__.py", '"""Some."""\ndef _a():\n    return 1\nA = {"a": _a}'),
]


@pytest.mark.parametrize(("rule", "place", "text"), INNOCENT)
def test_what_is_allowed_passes(rule, place, text):
    assert not rule(Source(Path(place), text))


def test_a_heavy_import_is_seen_through_other_files_but_not_when_lazy():
    known = {
        "a": Source(Path("a.py"), "import b\ndef f():\n    import lightgbm"),
        "b": Source(Path("b.py"), "from c import d"),
        "c": Source(Path("c.py"), "import torch.nn\nif TYPE_CHECKING:\n    import sklearn"),
    }
    assert loaded_by("a", known) == {"torch": ["a", "b", "c"]}
