"""The register of failures: complete, and each test that it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REGISTER = (ROOT / "docs/failure-register.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([A-Z]\d+) \| (.+?) \| (.*) \|$", REGISTER, re.MULTILINE)
NAMED = re.findall(r"`(tests/\S+?\.py)::(\w+)`", REGISTER)
LENGTHS = {"A": 41, "B": 18, "C": 29, "D": 18, "E": 21, "F": 12, "S": 19, "U": 25}


@cache
def defined(path: str) -> frozenset[str]:
    """Test functions, and names bound to test classes, as of `RuleBasedStateMachine.TestCase`."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)), ids=lambda part: part)
def test_a_test_that_it_names_exists(path: str, name: str) -> None:
    assert (ROOT / path).is_file()
    assert re.match(r"[Tt]est", name)
    assert name in defined(path)


@pytest.mark.parametrize(("letter", "length"), LENGTHS.items())
def test_each_row_is_there_once(letter: str, length: int) -> None:
    numbers = [int(row[0][1:]) for row in ROWS if row[0][0] == letter]
    assert numbers == [*range(1, length + 1)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_a_row_names_a_test_or_says_why_not(row: tuple[str, str, str]) -> None:
    _, failure, cover = row
    assert len(failure) < 100
    assert "::" in cover or re.search(r"Not applicable|Falls short", cover)
