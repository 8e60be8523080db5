"""Signed markouts of our quote fills, per side and horizon (docs/model.md, Adverse selection)."""

import math

from msgspec import Struct

from mm.core.settings import AdverseSettings
from mm.core.stochastic.timeline import Timeline
from mm.core.stochastic.volatility import Z90
from mm.model.estimate import Estimate, Source
from mm.model.units import BPS, NS_PER_S, SIDES, Ns, Side, nanoseconds, seconds

GRACE_NS = NS_PER_S
"""Time for the books of a venue time to reach us before S is looked up."""
NOTHING = 1e-9
"""Arrivals: a mean that has faded below this is forgotten, months before its square underflows."""
MOST = 1e15
"""No sum of a checkpoint is larger."""
PRIOR_STRENGTH = 2.0
"""Pseudo-observations behind the prior variance of one markout."""


class Markout(Struct, frozen=True, gc=False):
    """AS(τ) of every fill of one arrival: they share S just before and S at the horizon."""

    side: Side
    venue_ts: Ns
    horizon_s: float
    reference: float
    mark: float

    @property
    def bps(self) -> float:
        """-s·1e4·(S_{t+τ} - S_t)/S_t: positive moved against us."""
        return -self.side * BPS * (self.mark - self.reference) / self.reference


class MeanState(Struct, frozen=True):
    n: float
    total: float
    squares: float
    overlap: float
    weight_squares: float | None = None
    """None: not told, before version 3, whose `overlap` had faded as n does."""

    @property
    def within_bounds(self) -> bool:
        """Numbers that sums of observations can be."""
        squares = self.n if self.weight_squares is None else self.weight_squares
        sums = (self.n, self.squares, self.overlap, squares)
        known = self.n <= NOTHING or min(self.overlap, squares) > 0.0
        return known and abs(self.total) <= MOST and all(0.0 <= v <= MOST for v in sums)


class SignedMean:
    """Normal posterior of one mean, prior N(0, sd²), each arrival one observation of weight w,
    which halves with time.

    It claims the mean of what stood still while it was remembered. The weighted mean Σwx/Σw has the
    sampling variance v·Σ_ij w_i·w_j·ρ_ij/(Σw)². Horizons of arrivals closer than τ overlap and
    share the noise of S, by ρ = 1 - Δ/τ for a diffusion: `overlap` is that double sum, so it fades
    as w² does. (A power prior's v/Σw allows also for a truth that drifts by as much as the weighted
    mean's own noise: of one that stands still its intervals are √2 times too wide.)

    In silence all weights fade alike, and the weighted mean would stay as sure as it was. Of an
    even stream Σw² tends to ½·Σw: no more is claimed than one that leaves as much Σw would tell,
    v/(2Σw) but for overlap. So as n vanishes the prior takes over.

    v is learned, from a prior that weighs two observations: σ²τ or, as takers who know something
    spread markouts as far as they move S, the prior variance of the mean, whichever is more.
    """

    __slots__ = (
        "_horizon",
        "_prior_variance",
        "_recent",
        "n",
        "overlap",
        "squares",
        "total",
        "weight_squares",
    )

    def __init__(self, horizon_s: float, prior_sd: float) -> None:
        self._horizon = nanoseconds(horizon_s)
        self._prior_variance = prior_sd * prior_sd
        self._recent: list[Ns] = []
        self.n = 0.0
        self.total = 0.0
        self.squares = 0.0
        self.overlap = 0.0
        self.weight_squares = 0.0

    def learn(self, at: Ns, value: float) -> None:
        horizon = self._horizon
        self._recent = [t for t in self._recent if abs(at - t) < horizon]
        shared = math.fsum(1.0 - abs(at - t) / horizon for t in self._recent)
        self._recent.append(at)
        self.n += 1.0
        self.total += value
        self.squares += value * value
        self.overlap += 1.0 + 2.0 * shared
        self.weight_squares += 1.0

    def fade(self, factor: float) -> None:
        """Multiply every arrival's weight: products of two weights fade by the square."""
        self.n *= factor
        self.total *= factor
        self.squares *= factor
        self.overlap *= factor * factor
        self.weight_squares *= factor * factor

    def posterior(self, noise_variance: float) -> tuple[float, float]:
        """(mean, standard error) in bps. `noise_variance`: σ²τ, the prior of one markout's."""
        if self.n <= NOTHING:
            return 0.0, math.sqrt(self._prior_variance)
        mean = self.total / self.n
        spread = max(self.squares - self.total * mean, 0.0)
        prior = max(noise_variance, self._prior_variance)
        freedom = max(self.n - self.overlap / self.n, 0.0)  # E spread = variance·freedom
        variance = (PRIOR_STRENGTH * prior + spread) / (PRIOR_STRENGTH + freedom)
        silence = max(0.5 * self.n / self.weight_squares, 1.0)
        sampling = variance * self.overlap / (self.n * self.n) * silence
        precision = 1.0 / self._prior_variance + 1.0 / sampling
        return mean / sampling / precision, math.sqrt(1.0 / precision)

    def state(self) -> MeanState:
        return MeanState(self.n, self.total, self.squares, self.overlap, self.weight_squares)

    def load(self, state: MeanState) -> None:
        """Where Σw² is not told, n: at most that, and with the overlap of its time as wide."""
        self.n, self.total = state.n, state.total
        self.squares, self.overlap = state.squares, state.overlap
        told = state.weight_squares
        self.weight_squares = state.n if told is None else told


class Pending(Struct):
    side: Side
    venue_ts: Ns
    ts: Ns
    reference: float | None = None
    done: int = 0
    """Horizons already measured or missed."""


class AdverseState(Struct, frozen=True):
    """What `AdverseSelection` knows, for a checkpoint: means in order bid, ask × horizons."""

    horizons_s: tuple[float, ...]
    measured: int
    means: tuple[MeanState, ...]
    pending: tuple[Pending, ...]
    last: tuple[Ns | None, ...] = (None, None)
    """When the last markout of the bid and of the ask was complete."""


class AdverseSelection:
    """Owner of the markouts. `measured` counts arrivals whose primary horizon has passed."""

    __slots__ = ("_faded_at", "_horizons", "_last", "_means", "_pending", "_settings", "measured")

    def __init__(self, settings: AdverseSettings) -> None:
        self._settings = settings
        self._horizons = tuple(sorted({*settings.horizons_s, settings.primary_s}))
        self._means = {
            (side, tau): SignedMean(tau, settings.prior_sd_bps)
            for side in (Side.BID, Side.ASK)
            for tau in self._horizons
        }
        self._pending: list[Pending] = []
        self._faded_at: Ns | None = None
        self._last: dict[Side, Ns] = {}
        self.measured = 0

    def learn(self, side: Side, venue_ts: Ns, ts: Ns) -> None:
        """A new arrival; its other fills add nothing."""
        self._pending.append(Pending(side, venue_ts, ts))

    def flush(self, ts: Ns, fairs: Timeline[float | None]) -> tuple[Markout, ...]:
        """At each Tick: the markouts whose horizon has passed."""
        self._fade(ts)
        found: list[Markout] = []
        for pending in self._pending:
            self._measure(pending, ts, fairs, found)
        self._pending = [p for p in self._pending if p.done < len(self._horizons)]
        for markout in found:
            self._means[markout.side, markout.horizon_s].learn(markout.venue_ts, markout.bps)
            if markout.horizon_s == self._settings.primary_s:
                self.measured += 1
                self._last[markout.side] = ts
        return tuple(found)

    def _measure(
        self, pending: Pending, ts: Ns, fairs: Timeline[float | None], found: list[Markout]
    ) -> None:
        if pending.reference is None:
            if ts - pending.ts < GRACE_NS:
                return
            pending.reference = fairs.before(pending.venue_ts)
            if pending.reference is None:
                pending.done = len(self._horizons)
        while pending.done < len(self._horizons) and pending.reference is not None:
            tau = self._horizons[pending.done]
            span = nanoseconds(tau)
            if ts - pending.ts < span + GRACE_NS:
                return
            mark = fairs.at(pending.venue_ts + span)
            if mark is not None:
                reference = pending.reference
                found.append(Markout(pending.side, pending.venue_ts, tau, reference, mark))
            pending.done += 1

    def _fade(self, ts: Ns) -> None:
        if self._faded_at is not None and ts > self._faded_at:
            self._fade_by(seconds(ts - self._faded_at))
        self._faded_at = ts

    def _fade_by(self, age_s: float) -> None:
        factor = 0.5 ** (age_s / (3600.0 * self._settings.half_life_h))
        for mean in self._means.values():
            mean.fade(factor)

    def adverse_bps(self, side: Side, sigma: float) -> float:
        """a_side: the posterior mean at the primary horizon, capped; may be negative."""
        tau = self._settings.primary_s
        mean, _ = self._means[side, tau].posterior(sigma * sigma * tau)
        cap = self._settings.adverse_max_bps
        return min(max(mean, -cap), cap)

    def estimate(self, side: Side, horizon_s: float, sigma: float, ts: Ns) -> Estimate:
        mean = self._means[side, horizon_s]
        value, se = mean.posterior(sigma * sigma * horizon_s)
        source = Source.OWN if mean.n > NOTHING else Source.PRIOR
        last = self._last.get(side)
        age = max(seconds(ts - last), 0.0) if last is not None else None
        return Estimate(value, value - Z90 * se, value + Z90 * se, mean.n, source, age)

    @property
    def horizons_s(self) -> tuple[float, ...]:
        return self._horizons

    def state(self) -> AdverseState:
        means = tuple(mean.state() for mean in self._means.values())
        pending = tuple(p for p in self._pending if p.reference is not None)
        last = tuple(self._last.get(side) for side in SIDES)
        return AdverseState(self._horizons, self.measured, means, pending, last)

    def load(self, state: AdverseState, age_s: float) -> None:
        """Continue from a checkpoint, faded by its age; other horizons start afresh."""
        if not (all(mean.within_bounds for mean in state.means) and state.measured >= 0):
            raise ValueError("checkpoint: markouts out of bounds")
        if state.horizons_s != self._horizons or len(state.means) != len(self._means):
            return
        for mean, saved in zip(self._means.values(), state.means, strict=True):
            mean.load(saved)
        self._pending = list(state.pending)
        known = zip(SIDES, state.last, strict=False)
        self._last = {side: last for side, last in known if last is not None}
        self.measured = state.measured
        self._fade_by(max(age_s, 0.0))
