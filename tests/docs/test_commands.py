"""What the documents name exists: commands and options, targets, settings, files, tests."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from mm.app.config import describe, load
from mm.cli import app

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in sorted(ROOT.glob("docs/*.md"))),
)
STOPS = {"|", ">", "#", "2>", ";", "&&"}
TARGETS = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
SETTINGS = {row.key for row in describe(load([]))}
SECTIONS = {key.partition(".")[0] for key in SETTINGS}
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))


def code(page: str) -> list[str]:
    """Lines of fenced blocks, and what stands between single backticks."""
    blocks = (ROOT / page).read_text(encoding="utf-8").split("```")
    fenced = "\n".join(blocks[1::2]).replace("\\\n", " ").splitlines()
    inline = re.findall(r"`([^`]+)`", " ".join(blocks[::2]))
    return [" ".join(words.split()) for words in (*fenced, *inline)]


def typed(program: str) -> list[tuple[str, str]]:
    """Page, and the command without what its environment is given."""
    given = re.compile(r"(?:\S+=\S+ )*(?:\.venv/bin/)?" + rf"({program} .*)")
    found = ((page, given.match(line)) for page in PAGES for line in code(page))
    return sorted({(page, line[1]) for page, line in found if line})


@pytest.mark.parametrize(("page", "line"), typed("mm"))
def test_a_command_is_one_with_these_options(page: str, line: str) -> None:
    words = [*takewhile(lambda word: word not in STOPS, shlex.split(line, comments=True)[1:])]
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        choices, name = words[0].split("|"), words.pop(0)
        assert all(choice in command.commands for choice in choices), f"{page}: {name}"
        command = command.commands[choices[0]]
    known = {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)}
    flags = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert flags <= known | {"--help", "-h", "--version"}, page


@pytest.mark.parametrize(("page", "line"), typed("make"))
def test_a_target_is_in_the_makefile(page: str, line: str) -> None:
    target = line.split()[1]
    assert target in TARGETS, page


@pytest.mark.parametrize("page", PAGES)
def test_files_and_tests_that_are_named_exist(page: str) -> None:
    words = {word.strip(",;()") for line in code(page) for word in line.split()}
    paths = (word.split("::")[0] for word in words)
    files = [path for path in paths if re.match(r"(config|docs|mm|tests|scripts)/.*\w$", path)]
    assert [path for path in files if not [*ROOT.glob(path)]] == []
    tests = [word for word in words if re.fullmatch(r"test_\w+", word)]
    assert [name for name in tests if not re.search(rf"def {name}\b", TESTS)] == []


@pytest.mark.parametrize("page", PAGES)
def test_settings_that_are_named_exist(page: str) -> None:
    words = (re.split("[=,;]", word)[0] for line in code(page) for word in line.split())
    named = {word for word in words if re.fullmatch(rf"({'|'.join(SECTIONS)})(\.[a-z_]+)+", word)}
    sections = {key.rpartition(".")[0] for key in SETTINGS}
    assert named - SETTINGS - sections <= {"venue.send"}  # a method, in a drawing


def test_what_the_code_cites_of_the_model_is_a_heading_of_it() -> None:
    text = (ROOT / "docs/model.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^#+ (?:\d+\. )?([\w ]+)", text, re.MULTILINE))
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "mm").rglob("*.py"))
    cited = set(re.findall(r"docs/model\.md, ([A-Z][a-z]+(?: [a-z]+)?)", code))
    assert {"Quotes", "Adverse selection"} <= cited <= headings
