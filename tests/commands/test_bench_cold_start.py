"""`mm bench cold-start`: the plan, the means and their errors, JSON and table, and its end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from msgspec import structs

from mm.app.cold_start import POLICIES, Job, Outcome
from mm.commands.cold_start import EVERY, QUICK, cell, measure, plan, ratio, table

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "mm", "bench", "cold-start")
TINY = ("--scenario", "liquid", "--scenario", "thin:kappa-low", "--seeds", "2")
BRIEF = ("--horizon-h", "0.02", "--workers", "2")
FIELDS = {"first_fill_s", "measured20_s", "calibrated_s", "never_share", "fills", "cost_bps"}
FIELDS |= {"cost_usd", "pnl_usd", "two_sided_share"}


def outcome(seed: int, calibrated_s: float, **changed: float) -> Outcome:
    made = Outcome(
        job=Job(scenario="thin", policy="off", seed=seed, horizon_h=1.0, quote_interval_s=5.0),
        first_fill_s=calibrated_s / 10,
        measured10_s=calibrated_s / 2,
        measured20_s=calibrated_s,
        calibrated_s=calibrated_s,
        halted=False,
        fills=10,
        volume_usd=1000.0,
        cost_usd=1.0,
        opened_usd=500.0,
        opened_edge_usd=0.25,
        pnl_usd=2.0,
        two_sided_share=0.5,
    )
    return structs.replace(made, **changed)


# -- the plan -----------------------------------------------------------------------------------


def test_the_full_plan_has_each_preset_and_both_wrong_priors() -> None:
    assert plan(False, {}).scenarios == EVERY
    assert len(EVERY) == len(set(EVERY)) == 10
    assert plan(False, {}).horizon_h == 24.0


def test_what_is_asked_for_replaces_the_quick_plan_in_part() -> None:
    made = plan(True, {"scenarios": ["toxic"], "seeds": 3, "horizon_h": None})

    assert made == structs.replace(QUICK, scenarios=("toxic",), seeds=3)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"seeds": 0}, "`seeds`"),
        ({"horizon_h": -1.0}, "`horizon_h`"),
        ({"scenarios": ["liqid"]}, "did you mean 'liquid'"),
        ({"scenarios": ["thin:kappa"]}, "kappa-low, kappa-high"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(asked: dict[str, object], says: str) -> None:
    with pytest.raises(typer.BadParameter, match=says):
        plan(False, asked)


# -- the numbers --------------------------------------------------------------------------------


def test_means_shares_and_errors() -> None:
    runs = [outcome(1, 600.0), outcome(2, 3600.0, volume_usd=3000.0, pnl_usd=6.0)]
    base = [outcome(1, 1200.0), outcome(2, 3600.0)]

    found = cell(runs, base)

    assert (found.calibrated_s, found.never_share) == (2100.0, 0.5)
    assert found.to_off["calibrated_s"] == 2100 / 2400
    assert found.cost_bps == 5.0, "of all that was traded, not the mean of shares"
    assert found.opened_edge_bps == 5.0
    assert (found.pnl_usd, found.se["pnl_usd"]) == (4.0, 2.0)
    assert found.se["calibrated_s"] == pytest.approx(1500.0)
    assert found.reopenings_per_24h is None


def test_reopenings_are_per_day_watched() -> None:
    runs = [outcome(1, 60.0, watched_h=12.0, reopenings=1), outcome(2, 60.0, watched_h=36.0)]

    assert cell(runs, runs).reopenings_per_24h == 0.5


def test_the_error_of_a_ratio_counts_the_pairing() -> None:
    assert ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]) == (2.0, 0.0)
    assert ratio([1.0, 1.0], [0.5, 1.5]) == pytest.approx((1.0, 0.5))


def test_one_process_or_two_give_the_same_numbers() -> None:
    made = plan(True, {"scenarios": ["liquid"], "seeds": 1, "horizon_h": 0.05, "after_h": 0.05})

    report = measure(made, workers=1)

    assert report == measure(made, workers=2)
    head, *rows = table(report)
    assert head.split()[-1] == "reopened/24h"
    assert [row.split()[:2] for row in rows] == [["liquid", policy] for policy in POLICIES]


# -- the command --------------------------------------------------------------------------------


def test_the_command_prints_one_json_object_or_a_table(tmp_path: Path) -> None:
    def printed(*more: str) -> str:
        done = subprocess.run(
            [*COMMAND, *TINY, *BRIEF, *more],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    told = json.loads(printed("--json"))
    shown = printed().splitlines()

    assert {k: told[k] for k in ("presets", "seeds", "horizon_h", "quote_interval_s")} == {
        "presets": ["liquid", "thin:kappa-low"],
        "seeds": 2,
        "horizon_h": 0.02,
        "quote_interval_s": 5.0,
    }
    assert list(told["scenarios"]) == told["presets"]
    for policies in told["scenarios"].values():
        assert list(policies) == list(POLICIES)
        assert all(set(found) >= FIELDS for found in policies.values())
        assert policies["off"]["to_off"]["calibrated_s"] == 1.0
    assert shown[0].startswith("2 scenarios x 4 policies x 2 seeds")
    assert len(shown) == 2 + 8


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A benchmark that would take minutes, in a process group of its own, past its first line."""
    process = subprocess.Popen(
        [*COMMAND, "--scenario", "thin", "--seeds", "9", "--workers", "2"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith("1 scenarios")
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_ctrl_c_ends_it_at_once_with_all_its_processes(
    running: subprocess.Popen[str],
) -> None:
    os.killpg(running.pid, signal.SIGINT)

    rest, errors = running.communicate(timeout=60)

    assert (running.returncode, rest, errors) == (130, "", "")
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)
