"""Print the table of docs/model.md section 4 from the JSON of `mm bench coverage`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SHOWN = {"kappa": "κ", "arrival": "A", "effective_arrival": "A_eff", "sigma": "σ", "adverse": "a"}

Scores = dict[str, dict[str, float]]


def markdown(found: dict[str, Any]) -> Iterator[str]:
    yield f"| κ, A | runs | {' | '.join(SHOWN.values())} |"
    yield "|---" * (2 + len(SHOWN)) + "|"
    for cell in found["cells"]:
        name = f"{cell['kappa_per_bps']:g}, {cell['arrival_per_s']:g}"
        yield row(name, cell["runs"], cell["scores"])
    for name, key in (("κ prior 3x low", "prior_too_low"), ("3x high", "prior_too_high")):
        yield row(name, found[key]["kappa"]["estimates"], found[key])
    yield row("all", found["pooled"]["kappa"]["estimates"], found["pooled"])
    above = (f"{name} {100.0 * found['pooled'][key]['above']:.0f} %" for key, name in SHOWN.items())
    yield f"above the truth: {', '.join(above)}"


def row(name: str, runs: int, scores: Scores) -> str:
    """Coverage of the 90 % intervals, and bias of the posterior mean ± standard error, in %."""
    cells = [f"{name} | {runs}"]
    for key in SHOWN:
        score = scores[key]
        covered, bias, error = (100.0 * score[k] for k in ("covered", "bias", "bias_se"))
        cells.append(f"{covered:.0f}; {bias:+.1f} ± {error:.1f}")
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    loaded = json.loads((HERE / "coverage.json").read_text())
    sys.stdout.writelines(f"{line}\n" for line in markdown(loaded))
