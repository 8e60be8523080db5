"""Calibration through the wired engine: policies, levers, budgets, reopening, what it says."""

import math
from functools import cache

import pytest
from msgspec import Struct, structs

from mm.app.backtest import Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import CalibrationSettings, EngineSettings, IntensitySettings
from mm.model.actions import Note, Step
from mm.model.events import Event, Tick
from mm.model.instrument import Instrument
from mm.model.market_params import MarketParams
from mm.model.view import CalibrationView
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.market import MarketEvent, Taker
from mm.sim.scenarios import build_market, preset

START_MS = 1_700_000_000_000


class Moment(Struct, frozen=True):
    """One quote cycle: what the controller says, and what was quoted with."""

    second: float
    view: CalibrationView
    params: MarketParams
    depths_bps: tuple[float, ...]
    """Level 1, bid and ask."""
    flat: bool


class Diary:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.moments: list[Moment] = []
        self.notes: list[tuple[float, Note]] = []

    def record(self, event: Event, step: Step) -> None:
        second = event.ts / 1e9 - START_MS / 1e3
        self.notes += [(second, n) for n in step.notes if n.topic == "calibration"]
        quoting = self.engine.quoting
        if isinstance(event, Tick) and isinstance(quoting.params, MarketParams):
            view, quote = self.engine.view().calibration, quoting.quote
            assert quote is not None
            depths = tuple(s.depth_bps for s in (quote.bid, quote.ask) if s is not None)
            flat = self.engine.state.pnl.position == 0
            self.moments.append(Moment(second, view, quoting.params, depths, flat))

    def said(self, text: str) -> list[float]:
        return [second for second, note in self.notes if note.text == text]


class Silenced:
    """A market whose takers go home."""

    def __init__(self, seed: int, last_taker_ms: int) -> None:
        self._market = build_market(preset("liquid"), seed, START_MS)
        self._last_taker_ms = last_taker_ms
        self.instrument: Instrument = self._market.instrument

    def next_ms(self) -> int | None:
        return self._market.next_ms()

    def pop(self) -> MarketEvent:
        event = self._market.pop()
        if isinstance(event, Taker) and event.time_ms > self._last_taker_ms:
            return structs.replace(event, limit=event.limit * (1.0 - 0.5 * event.aggressor))
        return event


def played(
    calibration: CalibrationSettings,
    minutes: float,
    *,
    takers_until_min: float = math.inf,
    half_life_h: float = 24.0,
    quote_interval_s: float = 1.0,
) -> Diary:
    until_ms = START_MS + round(min(takers_until_min, 1e6) * 60_000)
    market = Silenced(7, until_ms)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=7))
    base = EngineSettings()
    stochastic = structs.replace(
        base.stochastic,
        calibration=calibration,
        intensity=IntensitySettings(half_life_h=half_life_h),
    )
    engine = Engine(structs.replace(base, stochastic=stochastic), market.instrument)
    diary = Diary(engine)
    pace = Pace(quote_interval_s=quote_interval_s)
    backtest = Backtest(engine, exchange, START_MS, pace, [diary])
    backtest.run(START_MS + round(minutes * 60_000))
    return diary


@cache
def whole(policy: str, lever: str) -> Diary:
    """Six minutes on `liquid`: from cold to calibrated and on."""
    return played(CalibrationSettings(policy=policy, lever=lever), 6.0)


COMBINATIONS = [("fill_hungry", "width"), ("fill_hungry", "gamma"), ("target_rate", "width")]


@pytest.mark.parametrize(("policy", "lever"), COMBINATIONS)
def test_it_begins_hungry_ends_calibrated_and_says_both(policy: str, lever: str) -> None:
    diary = whole(policy, lever)
    first, last = diary.moments[0], diary.moments[-1]

    assert first.view.progress == 0.0
    assert first.view.hungry
    assert first.view.multiplier <= 0.3 + 1e-12
    assert diary.said("Fill-hungry mode active")[0] == pytest.approx(first.second, abs=1.0)
    (complete,) = diary.said("Calibration complete")
    assert last.view.complete
    assert last.view.progress >= 0.95
    assert not [s for s in diary.said("Fill-hungry mode active") if s > complete]
    for moment in diary.moments:
        if moment.second > complete:
            assert (moment.view.multiplier, moment.view.effect_bps) == (1.0, 0.0)
            assert moment.params.calibration_gamma_mult == 1.0
            assert moment.params.gamma == EngineSettings().strategy.gamma


@pytest.mark.parametrize(("policy", "lever"), COMBINATIONS)
def test_at_every_moment_m_follows_from_what_the_estimators_say(policy: str, lever: str) -> None:
    for moment in whole(policy, lever).moments:
        view, params = moment.view, moment.params
        confident = 2.0 * view.progress - min(1.0, view.measured_arrivals / 20)
        assert -1e-12 <= confident <= 1.0 + 1e-12
        hungry = max(0.3, min(1.0, view.rate_per_h / view.target_per_h))
        seed = 1.0 if view.complete else hungry + (1.0 - hungry) * view.progress
        if policy == "target_rate":
            assert 0.05 <= view.multiplier <= seed + 1e-12
        else:
            assert view.multiplier == pytest.approx(seed)
        moved = params.gamma / EngineSettings().strategy.gamma if lever == "gamma" else 1.0
        assert params.calibration_gamma_mult * moved == pytest.approx(view.multiplier)


def test_the_lever_width_is_what_makes_hungry_quotes_tight() -> None:
    """At the first quote, flat and with nearly the same estimates: h·0.3 against hardly less."""
    width, gamma, off = (whole(*each).moments[0] for each in (*COMBINATIONS[:2], ("off", "width")))
    full = off.depths_bps[0] - off.params.maker_fee_bps
    assert width.depths_bps[0] - 1.5 == pytest.approx(0.3 / 0.7 * width.view.effect_bps)
    assert gamma.depths_bps[0] - 1.5 > 0.75 * full
    assert width.view.effect_bps == pytest.approx(0.7 * full, rel=0.1)


def test_off_measures_all_and_moves_nothing() -> None:
    diary = whole("off", "width")
    assert {m.view.multiplier for m in diary.moments} == {1.0}
    assert {m.view.cost_usd for m in diary.moments} == {0.0}
    assert diary.said("Fill-hungry mode active") == []
    assert diary.moments[-1].view.progress > 0.9


def test_disabled_is_complete_from_the_start() -> None:
    diary = played(CalibrationSettings(enable_calibration_fill_rate=False), 1.0)
    assert all(m.view.complete and m.view.multiplier == 1.0 for m in diary.moments)
    assert diary.notes == []


@pytest.mark.parametrize(("policy", "lever"), COMBINATIONS)
def test_cost_never_falls_and_stops_when_calibrated(policy: str, lever: str) -> None:
    moments = whole(policy, lever).moments
    costs = [m.view.cost_usd for m in moments]
    assert costs == sorted(costs)
    after = {m.view.cost_usd for m in moments if m.view.complete}
    assert len(after) == 1
    assert costs[-1] > 0.0


def test_a_spent_edge_budget_ends_the_hunger_within_a_fill() -> None:
    free = whole("fill_hungry", "width").moments[-1].view.cost_usd
    budget = 0.25 * free
    diary = played(CalibrationSettings(edge_budget_usd=budget), 3.0)
    (spent,) = diary.said("Calibration edge budget spent")
    after = [m for m in diary.moments if m.second > spent]

    assert {m.view.multiplier for m in after} == {1.0}
    assert {m.view.note for m in after if not m.view.complete} == {"edge budget spent"}
    assert budget <= after[-1].view.cost_usd < free


def test_a_loss_budget_alone_lets_quotes_below_cost_until_it_is_spent() -> None:
    """So many fills are wanted that the target rate would quote at S itself."""
    wanted = CalibrationSettings(policy="target_rate", target_fill_rate_per_hour=1e5)
    lossless = played(wanted, 2.0)
    losing = played(structs.replace(wanted, loss_budget_usd=0.2), 2.0)

    def flat(diary: Diary) -> list[float]:
        """What level 1 has over its fee while there is no position to reduce."""
        return [min(m.depths_bps) - 1.5 for m in diary.moments if m.flat]

    assert min(flat(lossless)) >= 0.1 - 1e-9
    assert flat(losing)[0] == pytest.approx(-1.5)
    assert min(flat(losing)) >= -1.5 - 1e-9
    assert not losing.engine.learning.components.calibration.may_lose
    assert losing.moments[-1].view.multiplier >= 0.05


def test_when_takers_go_home_it_reopens_is_hungry_again_and_has_no_eta() -> None:
    """Evidence that fades within minutes, so that the test does not take days."""
    diary = played(
        CalibrationSettings(window_s=300.0), 15.0, takers_until_min=5.0, half_life_h=0.05
    )
    (complete, *_), (reopened, *_) = (
        diary.said("Calibration complete"),
        diary.said("Calibration reopened"),
    )
    last = diary.moments[-1].view

    assert complete < 300.0 < reopened
    assert last.hungry
    assert not last.complete
    assert last.multiplier < 0.75
    assert last.rate_per_h == 0.0
    assert last.eta_s is None
    assert last.note == "evidence fades faster than it comes"


def test_a_market_without_takers_is_called_too_thin() -> None:
    diary = played(CalibrationSettings(), 30.0, takers_until_min=0.0, quote_interval_s=10.0)
    notes = [m.view.note for m in diary.moments]

    assert notes[0] == ""
    assert notes[-1] == "market too thin: too few arrivals within reach of our quotes"
    assert diary.moments[-1].view.eta_s is None
    assert {m.view.multiplier for m in diary.moments} == {0.3}


def test_the_eta_shortens_as_arrivals_come_and_is_nought_at_the_end() -> None:
    moments = whole("fill_hungry", "width").moments
    eta = [m.view.eta_s for m in moments]
    assert eta[0] is not None
    assert eta[-1] == 0.0
    halfway = next(m for m in moments if m.view.measured_arrivals >= 12)
    complete = next(m for m in moments if m.view.complete)
    left = complete.second - halfway.second
    assert halfway.view.eta_s is not None
    assert left / 5.0 < halfway.view.eta_s < 5.0 * left
