"""Draw the pictures of docs/model.md from the project's own code, and print what they show.

`python -m docs.pictures [NAME ...] [--out FOLDER]`, from the root of the repository. Seeds are
fixed: the same code draws the same picture. Without --out the lines that docs/model.md quotes are
renewed too.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

from docs.pictures import estimating, learning, limits, quoting

HERE = Path(__file__).parent
DOCUMENT = HERE.parent / "model.md"
PICTURES: dict[str, Callable[[Figure], list[str]]] = {
    "quotes": quoting.quotes,
    "closed-form": quoting.closed_form,
    "levers": quoting.levers,
    "long-run": quoting.long_run,
    "costs": quoting.costs,
    "ladder": quoting.ladder,
    "volatility": estimating.volatility,
    "exposure": estimating.exposure,
    "posterior": estimating.posterior,
    "confidence": estimating.confidence,
    "reach": estimating.reach,
    "queue": limits.queue,
    "clusters": limits.clusters,
    "adverse": learning.adverse,
    "controller": learning.controller,
    "thompson": learning.thompson,
}


def draw(name: str, folder: Path) -> list[str]:
    """Write NAME.svg into the folder; what it shows, in lines of text."""
    with style.context(HERE / "pictures.mplstyle"):
        figure = Figure(figsize=(7.5, 3.6), layout="constrained")
        told = PICTURES[name](figure)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
    return told


def quoted(text: str, name: str, told: list[str]) -> str:
    """The document with what the picture shows in place of what it showed before, if it did."""
    lines = "".join(f"{name}: {line}\n" for line in told)
    return re.sub(rf"^(?:{name}: .*\n)+", lambda _: lines, text, flags=re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.pictures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER")
    wanted = parser.parse_args()
    if unknown := [name for name in wanted.names if name not in PICTURES]:
        parser.error(f"no picture {unknown[0]}; there are {', '.join(PICTURES)}")
    for name in wanted.names or PICTURES:
        told = draw(name, wanted.out)
        sys.stdout.writelines(f"{name}: {line}\n" for line in told)
        if wanted.out == HERE:
            DOCUMENT.write_text(quoted(DOCUMENT.read_text(), name, told))


if __name__ == "__main__":
    main()
