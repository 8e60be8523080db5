"""The model's document: pictures exist and can be drawn, its numbers are what they show."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from docs.pictures.__main__ import PICTURES, draw, quoted

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
TEXT = (ROOT / "docs" / "model.md").read_text()
EXACT = ("quotes", "closed-form", "levers", "long-run", "costs", "ladder", "controller")
"""Pure functions of the parameters: what they print stands in the document word for word."""
MOST_BYTES = 150_000


def test_each_picture_is_shown_described_and_small() -> None:
    shown = dict(re.findall(r"!\[(.+)\]\(pictures/([\w-]+)\.svg\)", TEXT))
    assert sorted(shown.values()) == sorted(PICTURES)
    assert all(len(words.split()) >= 5 for words in shown)
    assert {path.stem for path in FOLDER.glob("*.svg")} == set(PICTURES)
    for path in FOLDER.glob("*.svg"):
        assert path.stat().st_size < MOST_BYTES, path
        assert ET.parse(path).getroot().tag.endswith("svg")


@pytest.mark.parametrize("name", EXACT)
def test_a_picture_can_be_drawn_and_the_document_says_what_it_shows(
    name: str, tmp_path: Path
) -> None:
    lines = draw(name, tmp_path)
    assert lines
    for line in lines:
        assert f"\n{name}: {line}\n" in TEXT, f"docs/model.md lacks: {name}: {line}"
    assert ET.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("name", ["volatility", "adverse"])
def test_a_simulated_picture_can_be_drawn_and_is_the_same_again(name: str, tmp_path: Path) -> None:
    first = draw(name, tmp_path)
    drawn = (tmp_path / f"{name}.svg").read_bytes()
    assert draw(name, tmp_path) == first
    assert (tmp_path / f"{name}.svg").read_bytes() == drawn


def test_drawing_renews_what_the_document_quotes() -> None:
    text = "a\n```\nladder: old 1\nladder: old 2\n```\nladder: but not this one"
    assert quoted(text, "ladder", [r"new \1"]) == text.replace(
        "ladder: old 1\nladder: old 2\n", "ladder: new \\1\n"
    )
    assert quoted(text, "costs", ["new"]) == text


def test_each_function_and_file_that_the_document_names_exists() -> None:
    names = set(re.findall(r"`([\w/.]+\.py)`", TEXT))
    assert len(names) > 10
    for name in names:
        places = [ROOT / name, ROOT / "mm/core" / name]
        found = any(place.exists() for place in places)
        assert found or list((ROOT / "tests").rglob(name)), name
    source = "".join(path.read_text() for path in (ROOT / "mm").rglob("*.py"))
    for name in re.findall(r"`([a-z_]+|[A-Z]\w+)`", TEXT):
        assert re.search(rf"\b{name}\b", source), name
