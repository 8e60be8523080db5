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
    pooled = json.loads((DOCS / "coverage.json").read_text())["pooled"]

    for name in ("kappa", "arrival", "effective_arrival", "sigma"):
        assert 0.87 <= pooled[name]["covered"] <= 0.93, name
        assert abs(pooled[name]["bias"]) < 0.10, name
