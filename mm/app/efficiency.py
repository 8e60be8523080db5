"""How much of the best possible utility a strategy reaches, on an exchange that measures it."""

import math
from collections.abc import Sequence

from msgspec import Struct, structs

from mm.app.backtest import USER, Backtest, Pace
from mm.app.ports import Recorder
from mm.app.strategies import EVERY, Strategy, engine_of, settings_of
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.core.strategy import glft
from mm.model.actions import Step
from mm.model.events import Event, Tick
from mm.model.market_params import MarketParams
from mm.model.units import NS_PER_MS
from mm.sim.exchange import ExchangeOptions
from mm.sim.gauge import Gauge, Watched, Yardstick
from mm.sim.optimum import Maker, Performance, evaluate, optimum
from mm.sim.scenario import Scenario
from mm.sim.scenarios import preset, truth

START_MS = 1_700_000_000_000
MS_PER_H = 3_600_000
WARMING_SEEDS = 1_000_000
"""Estimators are warmed on other markets than those that they are measured on."""
BOOK_S = 0.5
"""The venue's fast book: the touch says nothing while our own quotes are the touch."""
PHASE_MS = 137
"""Quote timers do not tick with the market's own clock, as they would if all began at once."""
SETTLE_S = 660.0
"""Before measuring begins: windows of ten minutes are full by then."""


class Job(Struct, frozen=True, kw_only=True):
    """One strategy on one market. `strategy` names one of `EVERY`."""

    scenario: str
    strategy: str
    seed: int
    hours: float
    gamma: float
    warm_h: float
    """How long calibration may take."""

    def __str__(self) -> str:
        return f"{self.scenario}, {self.strategy}, seed {self.seed}"


class Outcome(Struct, frozen=True, kw_only=True):
    """Per second, bps·lot, as `mm.sim.optimum` defines them."""

    utility: float
    best: float
    edge: float
    risk: float
    """½γσ²q² less the drift of q."""
    filled_edge: float
    """Of the fills that came: `edge` plus luck, and crossings."""
    rms_lots: float
    arrivals_per_h: float
    crossings_per_h: float
    pnl_usd_per_h: float
    """Marked, with the noise of S."""
    calibrated: bool
    """Of a strategy that is to be calibrated first: whether it was in time."""
    bias: dict[str, float]
    """Mean of ln(estimate/truth) of κ, A and σ, and of the error of a in bps."""


class Errors:
    """A recorder: how far the engine's parameters lie from the truth, cycle by cycle."""

    def __init__(self, engine: Engine, gauge: Gauge) -> None:
        self._engine, self._truth = engine, gauge.yardstick.truth
        self._count = 0
        self._sums = dict.fromkeys(("kappa", "arrival", "sigma", "adverse"), 0.0)

    def record(self, event: Event, step: Step) -> None:
        params = self._engine.quoting.params
        if isinstance(event, Tick) and isinstance(params, MarketParams):
            self._learn(params)

    def _learn(self, params: MarketParams) -> None:
        truth = self._truth
        adverse = 0.5 * (max(params.adverse_bid_bps, 0.0) + max(params.adverse_ask_bps, 0.0))
        self._count += 1
        self._sums["kappa"] += math.log(params.kappa / truth.kappa)
        self._sums["arrival"] += math.log(params.arrival / truth.arrival)
        self._sums["sigma"] += math.log(params.sigma / truth.sigma_total)
        self._sums["adverse"] += adverse - truth.adverse_bps

    @property
    def mean(self) -> dict[str, float]:
        return {name: total / max(self._count, 1) for name, total in self._sums.items()}


def maker_of(settings: EngineSettings, gamma: float, options: ExchangeOptions) -> Maker:
    bound = max(1, math.floor(settings.risk.max_position_usd / settings.strategy.lot_usd))
    return Maker(gamma=gamma, bound=bound, fee_bps=1e4 * float(options.fees.maker))


def yardstick(scenario: Scenario, settings: EngineSettings, gamma: float) -> Yardstick:
    """One lot is what `lot_usd` buys at the scenario's price."""
    true, maker = truth(scenario), maker_of(settings, gamma, ExchangeOptions())
    lot = scenario.instrument.round_size(settings.strategy.lot_usd / scenario.price)
    return Yardstick(
        user=USER, lot=float(lot), truth=true, maker=maker, optimum=optimum(true, maker)
    )


def run(job: Job) -> Outcome:
    """Same job, same outcome, bit for bit."""
    scenario, strategy = preset(job.scenario), EVERY[job.strategy]
    settings = settings_of(strategy, job.gamma)
    measure = yardstick(scenario, settings, job.gamma)
    learned = warmed(scenario, strategy, job) if strategy.warm else None
    engine = engine_of(strategy, settings, scenario.instrument, measure.truth)
    if learned is not None:
        engine.learning.components.restore(learned[0], START_MS * NS_PER_MS)
    recorders: list[Recorder] = []
    gauge, backtest = _stage(scenario, engine, measure, job.seed, recorders)
    errors = Errors(engine, gauge)
    start_ms = START_MS
    if not strategy.cold:
        start_ms += int(SETTLE_S * 1e3)
        backtest.run(start_ms)
    before = engine.state.pnl.total
    gauge.begin()
    recorders.append(errors)
    backtest.run(start_ms + int(job.hours * MS_PER_H))
    earned = float(engine.state.pnl.total - before)
    calibrated = learned is None or learned[1]
    return _outcome(gauge, earned / job.hours, calibrated, errors)


def _stage(
    scenario: Scenario,
    engine: Engine,
    measure: Yardstick,
    seed: int,
    recorders: Sequence[Recorder] = (),
) -> tuple[Gauge, Backtest]:
    market = Watched(scenario, seed, START_MS)
    gauge = Gauge(market, START_MS, ExchangeOptions(seed=seed), measure)
    pace = Pace(quote_interval_s=engine.settings.strategy.quote_interval_s, book_s=BOOK_S)
    return gauge, Backtest(engine, gauge, START_MS + PHASE_MS, pace, recorders)


def warmed(scenario: Scenario, strategy: Strategy, job: Job) -> tuple[bytes, bool]:
    """What the engine has learned at the moment when it is calibrated, on another market."""
    settings = settings_of(
        structs.replace(strategy, calibration={"policy": "target_rate"}), job.gamma
    )
    engine = Engine(settings, scenario.instrument)
    measure = yardstick(scenario, settings, job.gamma)
    _, backtest = _stage(scenario, engine, measure, job.seed + WARMING_SEEDS)
    controller = engine.learning.components.calibration
    end_ms = START_MS + int(job.warm_h * MS_PER_H)
    backtest.run(end_ms, done=lambda _: controller.is_calibrated())
    return engine.checkpoint(), controller.is_calibrated()


def _outcome(gauge: Gauge, pnl: float, calibrated: bool, errors: Errors) -> Outcome:
    totals = gauge.totals
    time_s = totals.time_s
    return Outcome(
        utility=gauge.utility,
        best=gauge.yardstick.optimum.utility,
        edge=totals.edge / time_s,
        risk=(totals.risk - totals.drift) / time_s,
        filled_edge=totals.filled_edge / time_s,
        rms_lots=math.sqrt(totals.squares / time_s),
        arrivals_per_h=3600.0 * totals.arrivals / time_s,
        crossings_per_h=3600.0 * totals.crossings / time_s,
        pnl_usd_per_h=pnl,
        calibrated=calibrated,
        bias=errors.mean,
    )


def on_paper(scenario: Scenario, gamma: float) -> dict[str, Performance]:
    """Formulas that are told the truth, kept to without delay, rounding or hysteresis.

    "bounded" never quotes beyond S, where no taker more comes: as `mm.core.strategy.ladder` does.
    """
    measure = yardstick(scenario, EngineSettings(), gamma)
    exact, closed = (_depths(measure, scenario.price, exact) for exact in (True, False))
    bounded = tuple([max(depth, 0.0) for depth in side] for side in exact)
    forms = {"exact GLFT": exact, "closed form": closed, "exact GLFT, bounded": bounded}
    return {name: evaluate(measure.truth, measure.maker, *depths) for name, depths in forms.items()}


def _depths(measure: Yardstick, price: float, exact: bool) -> tuple[list[float], ...]:
    """Of bid and ask by inventory, as `mm.core.strategy.glft` has them."""
    true, maker, strategy = measure.truth, measure.maker, EngineSettings().strategy
    params = MarketParams(
        ts=0,
        fair=price,
        sigma=true.sigma_total,
        kappa=true.kappa,
        arrival=true.arrival,
        gamma=maker.gamma,
        maker_fee_bps=maker.fee_bps,
        adverse_bid_bps=true.adverse_bps,
        adverse_ask_bps=true.adverse_bps,
        min_edge_bps=strategy.min_edge_bps,
        max_inventory_lots=maker.bound,
    )
    quotes = [glft.quote(params, float(q), exact) for q in maker.inventories]
    return tuple(
        [math.inf if side is None else side.depth_bps for side in sides]
        for sides in ([quote.bid for quote in quotes], [quote.ask for quote in quotes])
    )
