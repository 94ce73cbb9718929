"""What is shipped is whole, what is pinned is what is installed, and the guards stand."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.reading import ROOT, TOPS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIRED = [
    Requirement(line)
    for line in [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
]
PINNED = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
)


def required(name: str) -> Requirement:
    return next(each for each in REQUIRED if each.name == name)


def test_every_dependency_is_pinned_to_a_version_it_allows():
    for each in REQUIRED:
        pinned = PINNED.get(canonicalize_name(each.name))
        assert pinned, f"{each.name} is not in constraints.txt: run make constraints"
        assert each.specifier.contains(pinned), f"{each.name} {pinned} is not {each.specifier}"


def test_no_pin_names_one_machines_build():
    assert not [f"{name}=={version}" for name, version in PINNED.items() if "+" in version]


def test_what_is_installed_is_what_is_pinned():
    """A model's bytes depend on it: other versions may give other last bits."""
    differing = {
        name: (installed, pinned)
        for name, pinned in PINNED.items()
        if (installed := _installed(name)) and Version(installed).public != Version(pinned).public
    }
    assert not differing, "set up again with make"


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("sqlalchemy", "2.1.0"),  # creates no scheduled runs
        ("fastapi", "0.151.0"),  # Prefect's server or its deploy fails
        ("fastapi", "0.138.0"),
        ("pytorch-lightning", "2.6.2"),  # malicious uploads
        ("pytorch-lightning", "2.6.3"),
        ("prefect", "3.8.9"),
        ("mlflow", "3.18.0"),
        ("great-expectations", "1.24.2"),
        ("torch", "2.14.0"),
    ],
)
def test_versions_known_to_break_are_kept_out(name, broken):
    assert not required(name).specifier.contains(broken)


def test_guards_say_why():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    for name in ("fastapi", "sqlalchemy", "pytorch-lightning", "torch", "great-expectations"):
        (line,) = [line for line in lines if line.strip().startswith(f'"{name}')]
        assert "  # " in line, f"{name} is held back without a reason"


def test_every_lint_rule_left_out_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    ignored = re.search(r"^ignore = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert ignored
    assert all(re.match(r'\s+"[A-Z]+\d*",  # \S', line) for line in ignored[1].splitlines())


def test_continuous_integration_runs_the_readmes_command():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text().splitlines()


def test_the_changelog_knows_this_version_or_has_unreleased_work():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text or f"## [{PROJECT['project']['version']}]" in text


def test_every_settings_file_is_a_mapping():
    for path in [*(ROOT / "conf").rglob("*.yaml"), ROOT / "prefect.yaml"]:
        assert isinstance(yaml.safe_load(path.read_text()), dict), path


@pytest.mark.slow
def test_the_wheel_holds_all_code_and_settings_and_nothing_else(tmp_path):
    tree, out = tmp_path / "tree", tmp_path / "out"
    tree.mkdir()
    skipped = shutil.ignore_patterns("__pycache__")
    for top in TOPS:
        shutil.copytree(ROOT / top, tree / top, ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    build = f"from setuptools import build_meta as b; b.build_wheel({str(out)!r})"
    out.mkdir()
    subprocess.run([sys.executable, "-c", build], cwd=tree, check=True, capture_output=True)
    (wheel,) = out.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        inside = {Path(name) for name in archive.namelist()}
    packaged = {path for path in inside if not path.parts[0].endswith(".dist-info")}
    wanted = {
        path.relative_to(tree)
        for top in TOPS
        for path in (tree / top).rglob("*")
        if path.suffix in (".py", ".yaml") or (top == "expectations" and path.suffix == ".json")
    }
    assert packaged == wanted
    assert any(path.name == "LICENSE" for path in inside)
