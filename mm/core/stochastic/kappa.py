"""The estimator of κ and A: gathers evidence between Ticks, folds it in at each Tick."""

import math
from statistics import median

import numpy as np
from msgspec import Struct

from mm.core.settings import IntensitySettings
from mm.core.stochastic.arrivals import OwnArrivals, PublicArrivals, Reach, Sweep, reach
from mm.core.stochastic.exposure import Exposure
from mm.core.stochastic.intensity import (
    POINTS,
    PRIOR_SHAPE,
    Evidence,
    Posterior,
    Vector,
    exposure_integrals,
    grid,
    posterior,
)
from mm.core.stochastic.timeline import Timeline
from mm.model.estimate import Estimate, Source
from mm.model.events import Levels, Trades
from mm.model.units import Ns, Side, seconds

SETTLING = 60
"""Touch samples (one per Tick) whose median sets the prior's centre; then the grid stands still."""
REGRID = 0.05
PUBLIC_ARRIVALS = 8.0
"""Public evidence never weighs more than this many arrivals."""
PRIOR_SD = 1.0
OWN_FOR_CONFIDENCE = 10.0
MOST = 1e12
"""No sum of a checkpoint is larger: arrivals, seconds, nats."""
SLACK_S = 1e-3
"""Rounding of public exposure, a difference of two spans."""

Fairs = Timeline[float | None]
Prices = dict[Side, Timeline[tuple[float, ...]]]


class EvidenceState(Struct, frozen=True):
    arrivals: float
    reach: tuple[float, ...]
    exposure: tuple[float, ...]


class KappaState(Struct, frozen=True):
    """What `KappaEstimator` knows, for a checkpoint."""

    centre: float | None
    settled: bool
    total: int
    own: EvidenceState
    public: EvidenceState
    last_own: Ns | None = None
    last_public: Ns | None = None


class KappaEstimator:
    """Owner of the evidence on (κ, A). Times: receipt for exposure, venue for who took what."""

    __slots__ = (
        "_centre",
        "_decayed_at",
        "_grid",
        "_kappa",
        "_last_own",
        "_last_public",
        "_own",
        "_posterior",
        "_public",
        "_public_seen",
        "_settings",
        "_sums",
        "_touches",
        "arrivals",
        "exposure",
        "prints",
        "total",
    )

    def __init__(self, settings: IntensitySettings) -> None:
        self._settings = settings
        self.exposure = Exposure()
        self.arrivals = OwnArrivals()
        self.prints = PublicArrivals()
        self.total = 0
        """Own arrivals ever: changes when the posterior learned from a fill."""
        self._sums: Vector = np.zeros((2, 2, POINTS))
        """The rows of both sources, which fade and are exposed together."""
        self._own, self._public = Evidence(self._sums[0]), Evidence(self._sums[1])
        self._public_seen = False
        """The public clock starts at the first print: a missing feed is not silence."""
        self._touches: list[float] = []
        self._decayed_at: Ns | None = None
        self._last_own: Ns | None = None
        self._last_public: Ns | None = None
        self._posterior: Posterior | None = None
        self._centre: float | None = None
        self._grid: Vector | None = None
        self._kappa: Vector | None = None
        if settings.kappa_prior is not None:
            self._recentre(settings.kappa_prior)

    # -- learning ---------------------------------------------------------------------------------

    def learn_trades(self, event: Trades, bids: Levels, asks: Levels) -> None:
        self.prints.learn(event, bids, asks)

    def flush(self, ts: Ns, fairs: Fairs, prices: Prices, touch_bps: float | None) -> None:
        """At each Tick: fade, then fold in the exposure and the arrivals settled since the last."""
        self._settle_prior(touch_bps)
        depths, own_s, public_s = self.exposure.take(ts)
        taken = [
            found
            for a in self.arrivals.settled(ts)
            if (found := own_reach(a.side, a.venue_ts, a.price, fairs, prices)) is not None
        ]
        swept = [
            found
            for sweep in self.prints.settled(ts, self.arrivals.trade_ids)
            if (found := public_reach(sweep, fairs, prices)) is not None
        ]
        if self._kappa is None:
            return
        self._fade(ts)
        exposed = exposure_integrals(self._kappa, depths, own_s, public_s)
        self._own.arrive(self._kappa, taken)
        if self._public_seen:
            self._sums[:, 1] += exposed
            self._public.arrive(self._kappa, swept)
        else:
            self._own.exposure += exposed[0]
        if swept:
            self._public_seen = True
            self._last_public = ts
        if taken:
            self.total += len(taken)
            self._last_own = ts
        self._posterior = None

    def _fade(self, ts: Ns) -> None:
        if self._decayed_at is not None and ts > self._decayed_at:
            self._fade_by(seconds(ts - self._decayed_at) / 3600.0)
        self._decayed_at = ts

    def _fade_by(self, hours: float) -> None:
        factor = 0.5 ** (hours / self._settings.half_life_h)
        self._sums *= factor
        self._own.arrivals *= factor
        self._public.arrivals *= factor

    def _settle_prior(self, touch_bps: float | None) -> None:
        """κ0 = 1/(2·median touch half-spread); an uncrossed touch is at least a tick wide."""
        fixed = self._settings.kappa_prior is not None
        if fixed or touch_bps is None or len(self._touches) >= SETTLING:
            return
        self._touches.append(touch_bps)
        centre = 1.0 / max(2.0 * median(self._touches), 1e-9)
        if self._centre is None or abs(math.log(self._bounded(centre) / self._centre)) > REGRID:
            self._recentre(centre)

    def _bounded(self, centre: float) -> float:
        return min(max(centre, self._settings.kappa_min), self._settings.kappa_max)

    def _recentre(self, centre: float) -> None:
        self._centre = self._bounded(centre)
        new = grid(self._centre)
        if self._grid is not None:
            self._own.regrid(self._grid, new)
            self._public.regrid(self._grid, new)
        self._grid = new
        self._kappa = np.exp(new)
        self._posterior = None

    # -- what is known ----------------------------------------------------------------------------

    @property
    def posterior(self) -> Posterior | None:
        """None until the prior has a centre: before the first touch."""
        if self._posterior is None and self._grid is not None:
            known = self._own, self._public, self.public_weight
            b0 = PRIOR_SHAPE / self._settings.arrival_prior_per_s
            self._posterior = posterior(self._grid, *known, b0)
        return self._posterior

    @property
    def public_weight(self) -> float:
        n = self._public.arrivals
        return min(self._settings.public_weight, PUBLIC_ARRIVALS / n if n > 0 else 1.0)

    @property
    def own_arrivals(self) -> float:
        """Decayed own arrivals in the posterior."""
        return self._own.arrivals

    @property
    def memory_s(self) -> float:
        """Mean age at which evidence is forgotten."""
        return 3600.0 * self._settings.half_life_h / math.log(2.0)

    @property
    def confidence(self) -> float:
        """clip(1 - sd_post/sd_prior, 0, 1)·min(1, n_own/10): 0 without own fills."""
        known = self.posterior
        if known is None:
            return 0.0
        sharp = min(max(1.0 - known.sd_log / PRIOR_SD, 0.0), 1.0)
        return sharp * min(1.0, self._own.arrivals / OWN_FOR_CONFIDENCE)

    def estimates(self, ts: Ns) -> tuple[Estimate, Estimate] | None:
        """κ in 1/bps and A in 1/s of one side, with central 90 % intervals."""
        known = self.posterior
        if known is None:
            return None
        n, source, last = self._provenance()
        age = None if last is None else max(seconds(ts - last), 0.0)
        bounds = known.kappa_quantile(0.05), known.kappa_quantile(0.95)
        kappa = Estimate(known.kappa_value, *bounds, n, source, age)
        low, high = known.arrival_quantiles(0.05, 0.95)
        return kappa, Estimate(known.arrival_value, low, high, n, source, age)

    def _provenance(self) -> tuple[float, Source, Ns | None]:
        """Arrivals behind the estimate, whose, and when the last of them was folded in."""
        if self._own.arrivals > 0:
            return self._own.arrivals, Source.OWN, self._last_own
        if self._public.arrivals > 0:
            return self._public.arrivals, Source.PUBLIC, self._last_public
        return 0.0, Source.PRIOR, None

    # -- checkpoint -------------------------------------------------------------------------------

    def state(self) -> KappaState:
        own, public = _packed(self._own), _packed(self._public)
        learned = self.total, own, public, self._last_own, self._last_public
        return KappaState(self._centre, len(self._touches) >= SETTLING, *learned)

    def load(self, state: KappaState, age_s: float) -> None:
        """Continue from a checkpoint, faded by its age; ValueError if it cannot be."""
        _check(state.own)
        _check(state.public)
        if state.centre is None:
            return
        if not self._bounded(state.centre) == state.centre:
            raise ValueError(f"checkpoint: prior kappa {state.centre} out of bounds")
        for evidence, saved in ((self._own, state.own), (self._public, state.public)):
            evidence.arrivals = saved.arrivals
            evidence.rows[:] = saved.reach, saved.exposure
        self._grid = None
        self._recentre(state.centre)
        if self._settings.kappa_prior is not None:
            self._recentre(self._settings.kappa_prior)
        elif state.settled:
            self._touches = [0.5 / state.centre] * SETTLING
        self.total = state.total
        self._public_seen = state.public.arrivals > 0
        self._last_own, self._last_public = state.last_own, state.last_public
        self._fade_by(max(age_s, 0.0) / 3600.0)


def own_reach(side: Side, venue_ts: Ns, price: float, fairs: Fairs, prices: Prices) -> Reach | None:
    """[δ, δ') of an arrival at our quotes; None where S just before it is unknown."""
    fair = fairs.before(venue_ts)
    if fair is None:
        return None
    live = prices[side].before(venue_ts) or ()
    return reach(side, price, fair, iter(live))


def public_reach(sweep: Sweep, fairs: Fairs, prices: Prices) -> Reach | None:
    """[x, x') of a public order; it did not reach our own closest quote either."""
    fair = fairs.before(sweep.venue_ts)
    if fair is None:
        return None
    side = sweep.side
    beyond = next((p for p, _ in sweep.levels if side * (sweep.price - p) > 0), None)
    live = prices[side].before(sweep.venue_ts) or ()
    candidates = [*live] if beyond is None else [beyond, *live]
    return reach(side, sweep.price, fair, iter(candidates))


def _packed(evidence: Evidence) -> EvidenceState:
    reach_, exposure = evidence.reach.tolist(), evidence.exposure.tolist()
    return EvidenceState(evidence.arrivals, tuple(reach_), tuple(exposure))


def _check(state: EvidenceState) -> None:
    """ValueError for what no run can have learned."""
    values = (state.arrivals, *state.reach, *state.exposure)
    if len(state.reach) != POINTS or len(state.exposure) != POINTS:
        raise ValueError("checkpoint: intensity grid of another size")
    if not all(abs(v) <= MOST for v in values):
        raise ValueError("checkpoint: intensity evidence out of bounds")
    if state.arrivals < 0 or max(state.reach) > 0 or min(state.exposure) < -SLACK_S:
        raise ValueError("checkpoint: intensity evidence of impossible sign")
