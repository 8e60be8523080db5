"""One cold start in virtual time: what is measured, and until when."""

from collections import Counter

import pytest
from msgspec import structs

from mm.app.backtest import Backtest, Pace
from mm.app.cold_start import START_MS, Job, Milestones, check, run, settings_of
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.actions import Step
from mm.model.events import Event, Fill, Tick
from mm.model.units import NS_PER_S, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenario import ScenarioError
from mm.sim.scenarios import build_market, preset, truth

LIQUID = Job(scenario="liquid", policy="off", seed=1, horizon_h=0.5, quote_interval_s=5.0)


def test_a_run_ends_once_calibrated_with_twenty_arrivals() -> None:
    found = run(LIQUID)

    assert found.calibrated
    assert 0 < found.first_fill_s < found.calibrated_s < 1800
    assert found.first_fill_s < found.measured10_s < found.measured20_s < 1800
    assert found.fills >= 20
    assert found.cost_usd == 0.0
    assert not found.halted
    assert 0.9 < found.two_sided_share <= 1.0


def test_what_did_not_happen_by_the_horizon_counts_as_the_horizon() -> None:
    found = run(structs.replace(LIQUID, horizon_h=10 / 3600))

    assert (found.first_fill_s, found.measured20_s, found.calibrated_s) == (10.0, 10.0, 10.0)
    assert (found.calibrated, found.fills, found.volume_usd) == (False, 0, 0.0)


def test_hunger_costs_edge_and_brings_fills_sooner() -> None:
    """The same seed, so the same takers: a tighter quote meets the first of them no later."""
    hungry = run(structs.replace(LIQUID, policy="fill_hungry"))
    patient = run(LIQUID)

    assert hungry.first_fill_s <= patient.first_fill_s
    assert hungry.cost_usd > 0.0
    hungry_edge = hungry.opened_edge_usd / hungry.opened_usd
    assert 0.0 < hungry_edge < patient.opened_edge_usd / patient.opened_usd


def test_in_a_trend_no_side_fills_three_times_as_often_as_the_other() -> None:
    """A rise of 72 bps an hour: skew and limit turn one-sided fills round. Elsewhere: 14 to 1."""
    market = build_market(preset("trending"), 1, START_MS)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=1))
    job = structs.replace(LIQUID, scenario="trending", policy="fill_hungry")
    engine = Engine(settings_of(job), market.instrument)
    fills: Counter[Side] = Counter()

    class Sides:
        def record(self, event: Event, step: Step) -> None:
            if isinstance(event, Fill):
                fills[event.side] += 1

    Backtest(engine, exchange, START_MS, Pace(quote_interval_s=2.0), [Sides()]).run(
        START_MS + 900_000
    )

    assert min(fills.values()) > 50
    assert max(fills.values()) < 3 * min(fills.values())


def test_watching_on_changes_nothing_that_was_measured_before() -> None:
    watched = run(structs.replace(LIQUID, after_h=0.25))

    assert watched.watched_h == pytest.approx(0.25, abs=0.05)
    unwatched = structs.replace(watched, job=LIQUID, watched_h=0.0, reopenings=0)
    assert unwatched == run(LIQUID)


@pytest.mark.parametrize(("suffix", "factor"), [("", None), (":kappa-low", 1 / 3)])
def test_a_scenario_names_its_prior(suffix: str, factor: float | None) -> None:
    job = structs.replace(LIQUID, scenario=f"thin{suffix}", policy="fill_hungry+gamma")

    settings = settings_of(job).stochastic

    true = truth(preset("thin")).kappa
    assert settings.intensity.kappa_prior == (None if factor is None else factor * true)
    assert (settings.calibration.policy, settings.calibration.lever) == ("fill_hungry", "gamma")


def test_a_higher_target_keeps_quotes_tight_for_longer() -> None:
    hungry = structs.replace(LIQUID, policy="fill_hungry")

    eager = run(structs.replace(hungry, target_per_h=1000.0))

    assert eager.calibrated_s <= run(hungry).calibrated_s
    assert eager.cost_usd > run(hungry).cost_usd


@pytest.mark.parametrize("name", ["thim", "thin:", "thin:kappa", ":kappa-low"])
def test_a_scenario_that_is_not_offered_is_refused(name: str) -> None:
    with pytest.raises(ScenarioError, match="unknown"):
        check(name)


def test_uptime_counts_both_sides_from_the_first_two_sided_quote() -> None:
    """Three seconds of nothing, four of both sides, two of one, one of both: 5 of 7."""
    engine = Engine(EngineSettings(), preset("liquid").instrument)
    milestones = Milestones(engine, adverse_bps=0.0)
    reason = engine.state.presence.reason

    for at_s, bid, ask in [(0, "x", "x"), (3, "", ""), (7, "", "x"), (9, "", ""), (10, "", "")]:
        reason[Side.BID], reason[Side.ASK] = bid, ask
        milestones.record(Tick(at_s * NS_PER_S), Step((), ()))

    assert milestones.two_sided_share == pytest.approx(5 / 7)
