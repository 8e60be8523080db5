"""`mm explain` as its user meets it: 80 columns, JSON, a picture, one line where it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mm.cli import app

ROOT = Path(__file__).parents[1]


def explained(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["explain", *arguments], env={"MM_CONFIG": ""})
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(
    "sets",
    [
        (),
        ("q=10",),
        ("gamma=5", "q=-9.5", "sigma=100", "Q=40"),
        ("fair=0.01234", "tick=0.0000001", "levels=20", "lot_usd=1e6", "prem=3"),
        ("gamma=1e-9", "sigma=0.0001", "Q=1", "adverse_bid_bps=-3"),
        ("strategy.exact_glft=false", "gamma=0.3", "sigma=9"),
    ],
    ids=" ".join,
)
def test_it_is_readable_in_80_columns(sets: tuple[str, ...]) -> None:
    text = explained(*(f"--set={assignment}" for assignment in sets))
    assert max(map(len, text.splitlines())) <= 80
    for heading in ("Quotes at q", "Depth in bps", "In the long run", "Which γ"):
        assert heading in text
    assert "nan" not in text
    assert "⠀" in text


def test_json_says_the_same() -> None:
    found = json.loads(explained("--json", "--set", "gamma=0.07", "--set", "q=2"))
    text = explained("--set", "gamma=0.07", "--set", "q=2")
    assert f"bid {found['bid']['depth_bps']:8.2f} bps" in text
    assert f"{found['ask']['arrivals_per_h']:.4g} arrivals/h" in text
    assert all(rung["price"] in text for rung in found["bid"]["levels"])
    assert f"{found['gammas'][0]['edge_usd_per_h']:.4g}" in text
    assert len(found["curve"]) == 21
    (gamma,) = (p for p in found["parameters"] if p["name"] == "gamma")
    assert gamma["value"] == 0.07
    assert gamma["source"] == "--set"


@pytest.mark.parametrize("name", ["quotes.svg", "quotes.png"])
def test_a_picture_is_drawn_where_one_is_asked_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    explained("--plot", str(path), "--set", "q=3")
    start = path.read_bytes()[:200]
    assert b"svg" in start or start.startswith(b"\x89PNG")
    assert path.stat().st_size > 5_000


def refused(*arguments: str, prelude: str = "pass") -> subprocess.CompletedProcess[str]:
    code = f"import sys; {prelude}; from mm.cli import main; sys.argv[0] = 'mm'; main()"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MM_")}
    return subprocess.run(
        [sys.executable, "-c", code, "explain", *arguments],
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("--set", "gama=1"), 4, "mm: unknown parameter gama (--set); did you mean gamma?\n"),
        (("--plot", "/nowhere/x.svg"), 1, "mm: /nowhere/x.svg: No such file or directory\n"),
    ],
)
def test_a_refusal_is_one_line_and_its_exit_code(
    arguments: tuple[str, ...], code: int, line: str
) -> None:
    done = refused(*arguments)
    assert done.returncode == code
    assert done.stderr == line
    assert done.stdout == ""


def test_without_matplotlib_it_says_how_to_get_it(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    done = refused("--plot", str(path), prelude="sys.modules['matplotlib.figure'] = None")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "-m pip install matplotlib" in line
    assert not path.exists()


def test_another_format_is_wrong_usage() -> None:
    done = CliRunner().invoke(app, ["explain", "--plot", "x.pdf"])
    assert done.exit_code == 2
    assert ".svg or .png" in done.output
