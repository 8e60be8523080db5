"""Cold start, measured: the real engine on the real exchange, in virtual time, policy by policy."""

from msgspec import Struct, structs

from mm.app.backtest import Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import CalibrationSettings, EngineSettings
from mm.model.actions import Step
from mm.model.events import Event, Fill, Tick
from mm.model.units import BPS, NS_PER_MS, Ns, seconds
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenario import Scenario, ScenarioError
from mm.sim.scenarios import build_market, preset, truth

START_MS = 1_700_000_000_000
MS_PER_H = 3_600_000
TARGET_ARRIVALS = 20
HALF_ARRIVALS = 10
"""Where the hungry formula lets go at the target rate of ten an hour."""
POLICIES = ("off", "fill_hungry+gamma", "fill_hungry", "target_rate")
PRIORS = {"kappa-low": 1 / 3, "kappa-high": 3.0}
"""What may follow a preset's name: the prior's κ over the true one."""


class Job(Struct, frozen=True, kw_only=True):
    """One run. `scenario`: a preset, whose book suggests the prior, or `PRESET:kappa-low`, -high.

    `target_per_h`: arrivals that the policies aim at. `after_h`: how long to go on once
    calibrated, to see whether calibration reopens.
    """

    scenario: str
    policy: str
    seed: int
    horizon_h: float
    quote_interval_s: float
    target_per_h: float = CalibrationSettings().target_fill_rate_per_hour
    after_h: float = 0.0

    def __str__(self) -> str:
        return f"{self.scenario}, {self.policy}, seed {self.seed}"


class Outcome(Struct, frozen=True, kw_only=True):
    """What happened until calibrated with 20 measured arrivals, or until the horizon.

    Times are restricted to the horizon: what did not happen by then counts as the horizon.
    """

    job: Job
    first_fill_s: float
    measured10_s: float
    measured20_s: float
    calibrated_s: float
    halted: bool
    fills: int
    volume_usd: float
    cost_usd: float
    """Edge given up for speed: Σ(1-m)·h·notional."""
    opened_usd: float
    """Notional of the fills that did not reduce the position."""
    opened_edge_usd: float
    """What these fills earned at S just before them, less fee and the true adverse selection."""
    pnl_usd: float
    two_sided_share: float
    """Of the time since the first quote."""
    reopenings: int = 0
    watched_h: float = 0.0
    """Time after calibration during which reopenings were counted."""

    @property
    def calibrated(self) -> bool:
        return self.calibrated_s < self.job.horizon_h * 3600.0


class Milestones:
    """A recorder: when what happened first, what was traded, how long both sides were quoted."""

    def __init__(self, engine: Engine, adverse_bps: float) -> None:
        self._engine = engine
        self._adverse_bps = adverse_bps
        self.first_fill: Ns | None = None
        self.measured10: Ns | None = None
        self.measured20: Ns | None = None
        self.calibrated: Ns | None = None
        self.fills = 0
        self.volume_usd = self.opened_usd = self.opened_edge_usd = 0.0
        self.reopenings = 0
        self._complete = False
        self._ts: Ns = 0
        self._two_sided = False
        self._two_sided_ns = self._one_sided_ns = 0

    @property
    def all_reached(self) -> bool:
        return self.calibrated is not None and self.measured20 is not None

    @property
    def two_sided_share(self) -> float:
        total = self._two_sided_ns + self._one_sided_ns
        return self._two_sided_ns / total if total else 0.0

    def record(self, event: Event, step: Step) -> None:
        self._spend(event.ts)
        if isinstance(event, Fill):
            self._fill(event)
        elif isinstance(event, Tick):
            self._tick(event.ts)

    def _spend(self, ts: Ns) -> None:
        if self._two_sided:
            self._two_sided_ns += ts - self._ts
        elif self._two_sided_ns:
            self._one_sided_ns += ts - self._ts
        self._ts = ts
        self._two_sided = not any(self._engine.state.presence.reason.values())

    def _fill(self, fill: Fill) -> None:
        if self.first_fill is None:
            self.first_fill = fill.ts
        self.fills += 1
        notional = float(fill.price * fill.size)
        self.volume_usd += notional
        fair = self._engine.state.book.fair_before(fill.venue_ts)
        if fair is not None and fill.side * fill.start_position >= 0:
            self.opened_usd += notional
            captured = fill.side * (fair - float(fill.price)) * float(fill.size)
            self.opened_edge_usd += captured - float(fill.fee) - self._adverse_bps * notional / BPS

    def _tick(self, ts: Ns) -> None:
        components = self._engine.learning.components
        measured = components.adverse.measured
        if self.measured10 is None and measured >= HALF_ARRIVALS:
            self.measured10 = ts
        if self.measured20 is None and measured >= TARGET_ARRIVALS:
            self.measured20 = ts
        complete = components.calibration.is_calibrated()
        if self.calibrated is None and complete:
            self.calibrated = ts
        self.reopenings += self._complete and not complete
        self._complete = complete


def check(scenario: str) -> None:
    """Raises ScenarioError where this is no preset, or asks for a prior that is not offered."""
    _, factor = _parts(scenario)
    if factor is not None and factor not in PRIORS:
        raise ScenarioError(f"unknown prior {factor!r} of {scenario!r}; known: {', '.join(PRIORS)}")


def _parts(scenario: str) -> tuple[Scenario, str | None]:
    name, colon, prior = scenario.partition(":")
    return preset(name), prior if colon else None


def settings_of(job: Job) -> EngineSettings:
    """The default settings with this job's policy and prior."""
    base = EngineSettings()
    policy, _, lever = job.policy.partition("+")
    calibration = structs.replace(
        base.stochastic.calibration,
        policy=policy,
        lever=lever or "width",
        target_fill_rate_per_hour=job.target_per_h,
    )
    market, prior = _parts(job.scenario)
    kappa = PRIORS[prior] * truth(market).kappa if prior is not None else None
    intensity = structs.replace(base.stochastic.intensity, kappa_prior=kappa)
    stochastic = structs.replace(base.stochastic, calibration=calibration, intensity=intensity)
    strategy = structs.replace(base.strategy, quote_interval_s=job.quote_interval_s)
    return structs.replace(base, stochastic=stochastic, strategy=strategy)


def run(job: Job) -> Outcome:
    """Run to calibration or to the horizon. Same job, same outcome, bit for bit."""
    scenario, _ = _parts(job.scenario)
    market = build_market(scenario, job.seed, START_MS)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=job.seed))
    engine = Engine(settings_of(job), market.instrument)
    milestones = Milestones(engine, truth(scenario).adverse_bps)
    pace = Pace(quote_interval_s=job.quote_interval_s, book_s=max(2.0, job.quote_interval_s))
    backtest = Backtest(engine, exchange, START_MS, pace, [milestones])
    end_ms = START_MS + round(job.horizon_h * MS_PER_H)
    backtest.run(end_ms, done=lambda _: milestones.all_reached)
    outcome = _outcome(job, engine, milestones)
    if milestones.calibrated is None or not job.after_h:
        return outcome
    backtest.run(backtest.now // NS_PER_MS + round(job.after_h * MS_PER_H))
    watched_h = seconds(backtest.now - milestones.calibrated) / 3600.0
    return structs.replace(outcome, reopenings=milestones.reopenings, watched_h=watched_h)


def _outcome(job: Job, engine: Engine, milestones: Milestones) -> Outcome:
    def restricted(ts: Ns | None) -> float:
        return job.horizon_h * 3600.0 if ts is None else seconds(ts - START_MS * NS_PER_MS)

    return Outcome(
        job=job,
        first_fill_s=restricted(milestones.first_fill),
        measured10_s=restricted(milestones.measured10),
        measured20_s=restricted(milestones.measured20),
        calibrated_s=restricted(milestones.calibrated),
        halted=bool(engine.state.kill.halted),
        fills=milestones.fills,
        volume_usd=milestones.volume_usd,
        cost_usd=engine.learning.components.calibration.cost_usd,
        opened_usd=milestones.opened_usd,
        opened_edge_usd=milestones.opened_edge_usd,
        pnl_usd=float(engine.state.pnl.total),
        two_sided_share=milestones.two_sided_share,
    )
