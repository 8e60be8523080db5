"""`mm sim` of a broken daemon: it fails, shows what happened last, and says how to see it again."""

import re
import shlex

import pytest
from typer.testing import CliRunner

from mm.cli import app
from tests.system.mutants import MUTANTS


def test_a_failing_seed_prints_the_command_that_replays_it_and_its_last_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    MUTANTS["stops_without_cancelling"](monkeypatch)
    failed = CliRunner().invoke(app, ["sim", "--seed", "7", "--lines", "30"])

    assert failed.exit_code == 1
    lines = failed.output.splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith("seed 7: "))
    assert "rest after an orderly end" in lines[at]
    assert all(re.match(r" *\d+\.\d+ +\w+", line) for line in lines[at - 30 : at])

    assert lines[at + 1].startswith("  again: mm sim --seed 7")
    words = shlex.split(lines[at + 1].partition("again: mm ")[2])
    again = CliRunner().invoke(app, [*words, "--lines", "30"])
    assert again.exit_code == 1
    assert again.output == failed.output
