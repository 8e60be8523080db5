"""The whole system in virtual time: fixed seeds, and the same seed twice. Fresh ones: make sim."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import structs

from mm.app.config_layers import ConfigError
from mm.app.simulate.faults import FAULTS
from mm.app.simulate.plan import draw
from mm.app.simulate.run import simulate
from mm.commands.sim import run_one, sim
from mm.model.units import NS_PER_S

ROOT = Path(__file__).parents[2]
FIXED = (*range(1, 7), 177, 540)
"""The last two: suspended machines whose clocks are ahead, and run fast; fundings are silent."""
QUARTER = range(1, 1 + int(os.environ["QUARTER"])) if "QUARTER" in os.environ else (8, 24, 29)


@pytest.mark.parametrize("seed", FIXED)
def test_a_fixed_seed_breaks_no_promise(seed: int) -> None:
    outcome = simulate(seed)
    assert not outcome.violation, "\n".join([*outcome.trace[-60:], f"again: mm sim --seed {seed}"])
    assert sum(outcome.faults.values()) >= 3


@pytest.mark.parametrize("seed", QUARTER)
def test_one_coin_lives_on_a_quarter_of_the_request_weight(seed: int) -> None:
    """In its first minute a start has spent most of that, and a fast market the rest."""
    plan = draw(seed, tuple(FAULTS))
    limits = tuple(each for each in plan.settings if not each.startswith("portfolio."))
    one = (*limits, "venue.ip_weight_share=0.25")
    outcome = simulate(seed, structs.replace(plan, coins=("BTC",), settings=one))
    assert not outcome.violation, "\n".join(outcome.trace[-60:])


def test_the_same_seed_gives_the_same_trace_in_any_process() -> None:
    """Not even the order in which a process hashes its strings shows."""
    assert digest("1") == digest("2")


def digest(hash_seed: str) -> object:
    command = [sys.executable, "-m", "mm", "sim", "--seed", "3", "--json"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False)
    return json.loads(answer.stdout)["digests"]


def test_several_at_a_time_are_each_what_they_are_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert sim((7, 2, 0), [], 3, as_json=True) == 0
    told = capfd.readouterr()
    alone = [run_one((), 3, True, seed) for seed in (7, 8)]
    assert json.loads(told.out)["digests"] == {str(one.seed): one.digest for one in alone}
    assert len(told.err.splitlines()) == 2 * 3
    assert not any(one.trace for one in alone), "ten thousand traces would take gigabytes"


@pytest.mark.parametrize(("ahead_s", "ppm"), [(0, 50_000), (0, -50_000), (90, 0), (-90, 0)])
def test_a_clock_that_is_wrong_or_drifts_does_no_harm(ahead_s: int, ppm: int) -> None:
    """Within this run it comes to be off by more than an expiry: nothing of ours is refused."""
    plan = structs.replace(draw(5, ("deposit",)), opening=())
    wrong = structs.replace(plan, ahead_ns=ahead_s * NS_PER_S, drift_ppm=ppm)
    outcome = simulate(5, wrong)
    assert not outcome.violation, "\n".join(outcome.trace[-60:])
    assert outcome.fills > 0


def test_a_machine_that_is_suspended_comes_back() -> None:
    """Its clocks going on and standing still, its links broken and forgotten."""
    outcome = simulate(6, draw(6, ("suspend",), 60.0, 8))
    assert not outcome.violation, "\n".join(outcome.trace[-60:])
    assert outcome.touched["suspend"] > 1
    assert outcome.boots == 1


def test_without_faults_all_is_well() -> None:
    outcome = simulate(1, structs.replace(draw(1, tuple(FAULTS)), opening=(), faults=()))
    assert not outcome.violation
    assert outcome.fills > 0
    assert outcome.boots == 1


def test_a_damaged_ledger_is_refused_or_right() -> None:
    """Torn tails and bad sectors, again and again: at the end it is the venue's, to the digit."""
    outcome = simulate(1, draw(1, ("torn_tail", "bad_sector"), 60.0, 6))
    assert not outcome.violation
    assert outcome.boots > 3


def test_a_halt_on_a_full_disk_outlives_crashes() -> None:
    """Also one that the ledger was never told of."""
    outcome = simulate(3, draw(3, ("full_disk", "halt"), 60.0, 8))
    assert not outcome.violation
    assert outcome.boots > 3


def test_a_fault_of_no_known_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="drop_clean"):
        sim((1, 1, 0), ["drop_cleanly"], None, as_json=False)


def test_faults_are_felt_and_counted() -> None:
    """A fault that touches nobody proves nothing: a drop without links, a kill of the dead."""
    plan = structs.replace(draw(2, tuple(FAULTS)), opening=())
    twice = structs.replace(plan, faults=((1.0, "kill"), (1.01, "kill"), (20.0, "drop_abrupt")))
    outcome = simulate(2, twice)
    assert not outcome.violation
    assert outcome.faults == {"kill": 2, "drop_abrupt": 1}
    assert outcome.touched == {"kill": 1, "drop_abrupt": 1}
    assert outcome.found["down"] == 1
