"""Known truth, found again: the real engine on the real exchange until so many own arrivals.

Each cell is a market of known κ and A. All else is scaled so that a run costs about a second:
distances by 1/κ, the fee and the prior of the adverse move among them, times by 1/A.
"""

import math
from decimal import Decimal

from msgspec import Struct, structs

from mm.app.backtest import Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.core.stochastic.intensity import Posterior
from mm.model.estimate import Estimate
from mm.model.exchange import FeeRates
from mm.model.units import BPS, NS_PER_MS, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenario import Depth, Mid, Scenario, Takers
from mm.sim.scenarios import Truth, build_market, truth

START_MS = 1_700_000_000_000
PRICE = 95_000.0
"""Just below a power of ten: the finest tick, 0.1 bps."""
WAIT_PER_QUOTE = 1.0
"""Takers of one side that are expected between two quotes, whatever their reach."""
REFRESHES = 2
"""Moves of S from one quote to the next."""
DRIFT = 0.25
"""σ·√(quote interval) in units of 1/κ."""
INFORMED = 0.2
"""Share of the variance of S that informed takers cause, in moves too small to be jumps."""
PATIENCE = 40.0
"""A run is given up after this many times the arrivals' waiting time at depth 1/κ."""

FEE = 0.375
"""Of a maker's fill, in units of 1/κ: the 1.5 bps of the base tier where κ is 0.25/bps."""
ADVERSE_PRIOR = 0.5
"""Standard deviation of the prior of the adverse move, in units of 1/κ: 2 bps, likewise."""


class Job(Struct, frozen=True, kw_only=True):
    """One run, until `arrivals` own arrivals; `prior_factor`: the prior's κ over the true one."""

    kappa: float
    arrival: float
    prior_factor: float
    seed: int
    arrivals: int

    def __str__(self) -> str:
        return (
            f"kappa {self.kappa:g}, A {self.arrival:g}, prior x{self.prior_factor:.2g}, "
            f"seed {self.seed}"
        )

    @property
    def quote_interval_s(self) -> float:
        return WAIT_PER_QUOTE / self.arrival


class Found(Struct, frozen=True):
    """One estimate beside the truth. `value` is what is shown and quoted with; of κ and A it is
    the posterior's centre in logarithms, less than the `mean`."""

    truth: float
    value: float
    mean: float
    low: float
    high: float

    @property
    def covers(self) -> bool:
        return self.low <= self.truth <= self.high


class Outcome(Struct, frozen=True, kw_only=True):
    """`finished`: with as many arrivals as were wanted. `effective`: A·e^(-κc) at the true cost
    c = fee + a; A enters the quotes in this product alone. Adverse selection: bid, ask."""

    job: Job
    finished: bool
    kappa: Found
    arrival: Found
    effective: Found
    sigma: Found
    adverse: tuple[Found, Found]


def scenario_of(job: Job) -> Scenario:
    interval_s = job.quote_interval_s
    sigma = DRIFT / (job.kappa * math.sqrt(interval_s))
    move = sigma * math.sqrt(0.5 * INFORMED / job.arrival)  # 2·A·move² per s, as all are informed
    return Scenario(
        name="known",
        price=PRICE,
        mid=Mid(sigma_bps=sigma * math.sqrt(1.0 - INFORMED)),
        takers=Takers(
            arrival_per_s=job.arrival,
            kappa_per_bps=job.kappa,
            informed_share=1.0,
            informed_move_bps=move,
        ),
        depth=Depth(
            half_spread_bps=4.0 / job.kappa,
            levels=5,
            level_gap_bps=0.5 / job.kappa,
            interval_ms=1e3 * interval_s / REFRESHES,
        ),
    )


def settings_of(job: Job) -> EngineSettings:
    """The default settings, but for the prior under test and the scale of the market."""
    base = EngineSettings()
    strategy = structs.replace(
        base.strategy,
        quote_interval_s=job.quote_interval_s,
        requote_bps=DRIFT / job.kappa,
    )
    intensity = structs.replace(base.stochastic.intensity, kappa_prior=job.prior_factor * job.kappa)
    adverse = structs.replace(
        base.stochastic.adverse,
        horizons_s=(job.quote_interval_s,),
        primary_s=job.quote_interval_s,
        prior_sd_bps=ADVERSE_PRIOR / job.kappa,
    )
    stochastic = structs.replace(base.stochastic, intensity=intensity, adverse=adverse)
    risk = structs.replace(base.risk, max_book_age_s=10.0 * job.quote_interval_s)
    return structs.replace(base, strategy=strategy, stochastic=stochastic, risk=risk)


def fees_of(job: Job) -> FeeRates:
    maker = round(Decimal(FEE / job.kappa / BPS), 9)
    return FeeRates(maker=maker, taker=3 * maker)


def run(job: Job) -> Outcome:
    """Same job, same outcome, bit for bit."""
    scenario = scenario_of(job)
    market = build_market(scenario, job.seed, START_MS)
    options = ExchangeOptions(seed=job.seed, fees=fees_of(job))
    exchange = Exchange([market], START_MS, options)
    engine = Engine(settings_of(job), market.instrument)
    interval_s = job.quote_interval_s
    pace = Pace(quote_interval_s=interval_s, book_s=interval_s / REFRESHES)
    backtest = Backtest(engine, exchange, START_MS, pace)
    intensity = engine.learning.components.intensity
    horizon_s = PATIENCE * job.arrivals / (2.0 * job.arrival)
    backtest.run(START_MS + round(1e3 * horizon_s), done=lambda _: intensity.total >= job.arrivals)
    return _outcome(job, engine, backtest.now // NS_PER_MS)


def _outcome(job: Job, engine: Engine, now_ms: int) -> Outcome:
    told = truth(scenario_of(job))
    components, ts = engine.learning.components, now_ms * NS_PER_MS
    known, sigma = components.intensity.posterior, components.sigma(ts)
    estimates = components.intensity.estimates(ts)
    if known is None or sigma is None or estimates is None:
        raise RuntimeError(f"no estimates: {job}")
    kappa_mean = float((known.weights * known.kappa).sum())
    primary_s, noise = job.quote_interval_s, components.noise(ts)
    bid, ask = (components.adverse.estimate(side, primary_s, noise, ts) for side in Side)
    return Outcome(
        job=job,
        finished=components.intensity.total >= job.arrivals,
        kappa=_found(told.kappa, estimates[0], kappa_mean),
        arrival=_found(told.arrival, estimates[1], known.expected_rate(0.0)),
        effective=_effective(known, told, BPS * float(fees_of(job).maker)),
        sigma=_found(told.sigma_total, sigma),
        adverse=(_found(told.adverse_bps, bid), _found(told.adverse_bps, ask)),
    )


def _effective(known: Posterior, told: Truth, fee_bps: float) -> Found:
    cost = fee_bps + told.adverse_bps
    true = told.arrival * math.exp(-told.kappa * cost)
    value = known.arrival_value * math.exp(-known.kappa_value * cost)
    low, high = known.rate_quantiles(cost, 0.05, 0.95)
    return Found(true, value, known.expected_rate(cost), low, high)


def _found(true: float, estimate: Estimate, mean: float | None = None) -> Found:
    value = estimate.value
    return Found(true, value, value if mean is None else mean, estimate.low, estimate.high)
