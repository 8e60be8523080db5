"""Cold start, measured: the real engine on the real exchange, in virtual time, policy by policy."""

from msgspec import Struct, structs

from mm.app.backtest import Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.actions import Step
from mm.model.events import Event, Fill, Tick
from mm.model.units import NS_PER_MS, NS_PER_S, Ns, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, preset, truth

START_MS = 1_700_000_000_000
TARGET_ARRIVALS = 20
POLICIES = ("off", "fill_hungry+gamma", "fill_hungry", "target_rate")


class Job(Struct, frozen=True, kw_only=True):
    """One run. `prior_factor`: the prior's κ over the true one; None: what the book suggests."""

    scenario: str
    policy: str
    seed: int
    horizon_h: float
    quote_interval_s: float
    prior_factor: float | None = None

    @property
    def name(self) -> str:
        if self.prior_factor is None:
            return self.scenario
        return f"{self.scenario}, prior κ x{self.prior_factor:.3g}"


class Outcome(Struct, frozen=True, kw_only=True):
    """Times are restricted to the horizon: what did not happen by then counts as the horizon."""

    job: Job
    first_fill_s: float
    measured20_s: float
    calibrated_s: float
    calibrated: bool
    fills: int
    cost_usd: float
    volume_usd: float
    pnl_usd: float
    two_sided: float
    """Share of the time after the first quote with both sides quoted."""


class Milestones:
    """A recorder that keeps the first time of each milestone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.first_fill: Ns | None = None
        self.measured20: Ns | None = None
        self.calibrated: Ns | None = None
        self.fills = 0
        self.volume_usd = 0.0
        self.blocked_before_s: float | None = None
        """Time until the first quote."""

    def blocked_s(self) -> float:
        """Of the side that was blocked longer."""
        spent = self._engine.state.presence.blocked_s
        return max(sum(reasons.values()) for reasons in spent.values())

    def record(self, event: Event, step: Step) -> None:
        if isinstance(event, Fill):
            self.fills += 1
            self.volume_usd += float(event.price * event.size)
            if self.first_fill is None:
                self.first_fill = event.ts
        elif isinstance(event, Tick):
            if self.blocked_before_s is None and self._engine.state.presence.quoted_s[Side.BID]:
                self.blocked_before_s = self.blocked_s()
            components = self._engine.learning.components
            if self.measured20 is None and components.adverse.measured >= TARGET_ARRIVALS:
                self.measured20 = event.ts
            if self.calibrated is None and components.calibration.calibration_progress() >= 0.95:
                self.calibrated = event.ts


def settings_of(job: Job) -> EngineSettings:
    """The default settings with this job's policy and prior."""
    base = EngineSettings()
    policy, _, lever = job.policy.partition("+")
    calibration = structs.replace(
        base.stochastic.calibration, policy=policy, lever=lever or "width"
    )
    kappa = None
    if job.prior_factor is not None:
        kappa = job.prior_factor * truth(preset(job.scenario)).kappa
    intensity = structs.replace(base.stochastic.intensity, kappa_prior=kappa)
    stochastic = structs.replace(base.stochastic, calibration=calibration, intensity=intensity)
    strategy = structs.replace(base.strategy, quote_interval_s=job.quote_interval_s)
    return structs.replace(base, stochastic=stochastic, strategy=strategy)


def run(job: Job) -> Outcome:
    """Run to calibration or to the horizon. Same job, same outcome, bit for bit."""
    market = build_market(preset(job.scenario), job.seed, START_MS)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=job.seed))
    engine = Engine(settings_of(job), market.instrument)
    milestones = Milestones(engine)
    pace = Pace(quote_interval_s=job.quote_interval_s, book_s=max(2.0, job.quote_interval_s))
    backtest = Backtest(engine, exchange, START_MS, pace, [milestones])
    end_ms = START_MS + int(job.horizon_h * 3_600_000)
    backtest.run(end_ms, done=lambda _: _finished(milestones))
    return _outcome(job, engine, milestones)


def _finished(milestones: Milestones) -> bool:
    return milestones.calibrated is not None and milestones.measured20 is not None


def _outcome(job: Job, engine: Engine, milestones: Milestones) -> Outcome:
    horizon_s = job.horizon_h * 3600.0

    def restricted(ts: Ns | None) -> float:
        return horizon_s if ts is None else (ts - START_MS * NS_PER_MS) / NS_PER_S

    quoted = min(engine.state.presence.quoted_s.values())
    blocked = milestones.blocked_s() - (milestones.blocked_before_s or 0.0)
    return Outcome(
        job=job,
        first_fill_s=restricted(milestones.first_fill),
        measured20_s=restricted(milestones.measured20),
        calibrated_s=restricted(milestones.calibrated),
        calibrated=milestones.calibrated is not None,
        fills=milestones.fills,
        cost_usd=engine.learning.components.calibration.cost_usd,
        volume_usd=milestones.volume_usd,
        pnl_usd=float(engine.state.pnl.total),
        two_sided=quoted / (quoted + blocked) if quoted + blocked else 0.0,
    )
