"""What the documents tell a reader to type works, and what they point at is there."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.reading import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
COMMANDS = ("bash", "console", "sh")
NEEDS_NO_CHECK = {"git", "cd", "export", "cat", "pre-commit"}


class Fence(NamedTuple):
    """A block of code in a document."""

    place: str
    kind: str
    text: str


def fences(path: Path) -> list[Fence]:
    """Return the tagged code blocks of a document."""
    found, kind, begin, lines = [], "", 0, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("```") and not begin:
            kind, begin, lines = line[3:].strip(), number, []
        elif line.startswith("```"):
            found.append(Fence(f"{path.relative_to(ROOT)}:{begin}", kind, "\n".join(lines)))
            begin = 0
        elif begin:
            lines.append(line)
    return found


FENCES = [fence for path in DOCUMENTS for fence in fences(path)]


def commands(fence: Fence) -> list[list[str]]:
    """Return the command lines of a block, in words; what a console answered is left out."""
    lines = fence.text.replace("\\\n", " ").splitlines()
    if fence.kind == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def complaints(words: list[str]) -> list[str]:
    """Return what is wrong with one command: an unknown program, word or option."""
    words = [word for word in words if not re.fullmatch(r"[A-Z_]+=.*", word)]
    if not words or words[0] in NEEDS_NO_CHECK:
        return []
    program, rest = Path(words[0]).name, words[1:]
    if program == "make":
        return [f"no target {word}" for word in rest if word not in TARGETS]
    if program == "afterclose":
        return _misused(rest)
    return [f"{program} is not a program the tests know"]


def _misused(words: list[str]) -> list[str]:
    """Ask for help with the words in place: the parser judges the words first."""
    from typer.testing import CliRunner

    from flows.cli import app

    answer = CliRunner().invoke(app, [*words, "--help"])
    return [answer.output] if answer.exit_code else []


@pytest.mark.parametrize("fence", FENCES, ids=lambda fence: f"{fence.place}-{fence.kind}")
def test_what_stands_in_a_block_works(fence):
    if fence.kind in COMMANDS:
        assert not [complaint for words in commands(fence) for complaint in complaints(words)]
    elif fence.kind == "python":
        exec(compile(fence.text, fence.place, "exec"), {"__name__": "document"})
    elif fence.kind == "yaml":
        assert yaml.safe_load(fence.text) is not None
    else:
        assert fence.kind in ("", "text"), "a kind that nothing checks"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_words_for_make_in_the_text_are_targets(path):
    used = re.findall(r"`make ([^`]*)`", path.read_text())
    words = [word for line in used for word in shlex.split(line) if "=" not in word]
    assert not [word for word in words if word not in TARGETS]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert not [link for link in local if not (path.parent / link).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_named_in_the_text_are_there(path):
    tops = "flows|tasks|expectations|conf|tests|benchmarks|docs|deploy"
    named = re.findall(rf"`((?:{tops})/[\w./-]*)`", path.read_text())
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("make nigth", "no target nigth"),
        ("make test ARGS=-x", ""),
        (".venv/bin/afterclose --help", ""),
        ("afterclose nights", "No such command"),
        ("afterclose night --as-off 2016-06-30", "No such option"),
        ("afterclose night us_core --as-of 2016-06-30", ""),
        ("curl example.com", "not a program"),
    ],
)
def test_a_wrong_command_is_found(line, said):
    found = complaints(shlex.split(line))
    assert said in found[0] if said else not found
