"""`mm bench efficiency` and `avellaneda-stoikov`: plans, tables and refusals."""

import json
from typing import Any

import pytest
import typer
from msgspec import structs
from typer.testing import CliRunner

from mm.app.efficiency import Outcome
from mm.commands import efficiency
from mm.commands.efficiency import Plan, Report, ScenarioReport, cell
from mm.commands.research import bench
from mm.sim.scenarios import PRESETS

OUTCOME = Outcome(
    utility=0.7,
    best=0.8,
    edge=0.9,
    risk=0.2,
    filled_edge=0.85,
    rms_lots=1.5,
    arrivals_per_h=800.0,
    crossings_per_h=0.0,
    pnl_usd_per_h=300.0,
    calibrated=True,
    bias={"kappa": 0.0, "arrival": 0.1, "sigma": -0.1, "adverse": 0.25},
)


def test_a_cell_is_the_mean_of_the_seeds_and_its_error() -> None:
    other = structs.replace(OUTCOME, utility=0.5, calibrated=False)
    found = cell([OUTCOME, other])

    assert found.efficiency == pytest.approx(0.75)
    assert found.efficiency_se == pytest.approx(0.125)
    assert found.calibrated_share == 0.5
    assert cell([OUTCOME]).efficiency_se == 0.0


def test_the_table_has_a_row_for_optimum_formulas_and_strategies() -> None:
    scenario = ScenarioReport(
        optimum=0.8, on_paper={"exact GLFT": 0.99}, strategies={"known": cell([OUTCOME])}
    )
    report = Report(
        gamma=0.05, seeds=1, hours=1.0, cold_h=0.0, lot_usd=1000.0, scenarios={"thin": scenario}
    )
    head, *rows = efficiency.table(report)

    assert [row[10:41].strip() for row in rows] == [
        "exact optimum",
        "exact GLFT, on paper",
        "known",
    ]
    assert "288.00" in rows[0]  # 0.8 bps of 1,000 USD a second
    found = "0.875 0.000 252.00 324.00 1.50 800 1.00 1.11 0.90 +0.25"
    assert " ".join(rows[2].split()[2:]) == found
    assert len({len(row) for row in (head, rows[2])}) == 1


def test_a_plan_is_the_default_but_for_what_was_asked() -> None:
    nothing: dict[str, Any] = {"scenarios": None, "seeds": None, "ablation": False, "cold": False}

    assert efficiency.plan(False, nothing) == Plan()
    assert efficiency.plan(False, nothing).scenarios == tuple(PRESETS)
    asked = efficiency.plan(True, {**nothing, "seeds": 3, "ablation": True, "cold": True})
    assert (asked.seeds, asked.hours, asked.cold_h) == (3, efficiency.QUICK.hours, 24.0)
    assert "true sigma" in asked.strategies
    assert "from cold for 24 h" in str(asked)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"scenarios": ["thinn"]}, "did you mean 'thin'"),
        ({"seeds": 0}, "seeds"),
        ({"gamma": -1.0}, "gamma"),
        ({"hours": 0.0}, "hours"),
    ],
)
def test_nonsense_is_refused_by_name(asked: dict[str, Any], complaint: str) -> None:
    with pytest.raises(typer.BadParameter, match=complaint):
        efficiency.plan(False, asked)


def test_the_paper_from_the_command_line() -> None:
    arguments = ["avellaneda-stoikov", "--gamma", "0.1", "--paths", "500", "--seed", "2", "--json"]
    first, second = (CliRunner().invoke(bench, arguments) for _ in range(2))
    found = json.loads(first.stdout)

    assert first.stdout == second.stdout
    assert list(found) == ["inventory", "symmetric"]
    for row in found.values():
        assert list(row) == ["spread", "profit", "profit_sd", "q", "q_sd"]
    assert found["inventory"]["q_sd"] < found["symmetric"]["q_sd"]


@pytest.mark.parametrize("wrong", [("--gamma", "-1"), ("--paths", "0"), ("--seed", "-3")])
def test_an_experiment_that_cannot_be_run_is_a_usage_error(wrong: tuple[str, str]) -> None:
    done = CliRunner().invoke(bench, ["avellaneda-stoikov", *wrong])

    assert done.exit_code == 2
    assert f"{wrong[0][2:]} {wrong[1]}" in done.output
