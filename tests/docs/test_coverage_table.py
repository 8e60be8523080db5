"""The table of coverage in docs/model.md is what the committed measurement says."""

import json
from pathlib import Path

from docs.coverage import markdown

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_is_that_of_the_json() -> None:
    text = (DOCS / "model.md").read_text()
    found = json.loads((DOCS / "coverage.json").read_text())

    lines = list(markdown(found))

    assert len(lines) == 2 + 12 + 3 + 1
    assert "\n".join(lines[:-1]) in text
    assert lines[-1] in text


def test_the_intervals_are_honest() -> None:
    found = json.loads((DOCS / "coverage.json").read_text())

    for name in ("kappa", "arrival", "effective_arrival", "sigma", "adverse"):
        assert 0.87 <= found["pooled"][name]["covered"] <= 0.93, name
        assert abs(found["pooled"][name]["bias"]) < 0.10, name
    for cell in found["cells"]:
        assert (cell["runs"], cell["unfinished"]) == (200, 0)
        for name in ("kappa", "arrival", "effective_arrival", "sigma", "adverse"):
            assert 0.82 <= cell["scores"][name]["covered"] <= 0.98, (name, cell)
        for name in ("kappa", "arrival", "effective_arrival"):
            assert abs(cell["scores"][name]["bias"]) < 0.10, cell
