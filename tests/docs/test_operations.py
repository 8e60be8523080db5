"""The handbook has a chapter for each thing that an operator must do."""

import re
from pathlib import Path

import pytest

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
CHAPTERS = [
    "Start", "Watch", "Several instruments", "Stop, pause, halt, resume", "Refusals", "Recover",
    "Back up and restore", "Upgrade", "Rotate keys", "Paper",
    "What is guaranteed, and what is not", "Alerts",
]  # fmt: skip


def test_its_chapters() -> None:
    assert re.findall(r"^## (.+)$", OPERATIONS, re.MULTILINE) == CHAPTERS


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_links_within_the_handbook_lead_to_a_heading(chapter: str) -> None:
    text = OPERATIONS.split(f"## {chapter}\n")[1].split("\n## ")[0]
    headings = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", OPERATIONS, re.MULTILINE)
    }
    assert text.strip()
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings
