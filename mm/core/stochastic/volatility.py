"""Volatility of S: time-normalised bipower variation (docs/model.md, Volatility)."""

import math

import msgspec
from msgspec import Struct

from mm.core.settings import VolatilitySettings
from mm.model.estimate import Estimate, Source
from mm.model.units import BPS, Ns, nanoseconds, seconds

Z90 = 1.6448536269514722
BIPOWER_VARIANCE = math.pi**2 / 4 + math.pi - 3
"""n·Var(BV)/σ⁴ for a diffusion (Barndorff-Nielsen, Shephard 2004)."""
REALISED_VARIANCE = 2.0
"""n·Var(RV)/σ⁴ for a diffusion."""
LEAST_FREEDOM = 2.0
"""An interval from less than so many degrees of freedom would say nothing."""
FORGOTTEN = 1e-9
"""What has faded to less is dropped: ratios of what is left of sums would be rounding alone."""
MOST = 1e15
"""No sum of a checkpoint is larger."""
PRIOR_FACTOR = 3.0
"""The prior's 90 % interval: a third to three times."""


class VolatilityState(Struct, frozen=True):
    """The sums of `Volatility`, for a checkpoint."""

    observations: float
    squares: float
    time_s: float
    products: float
    root_s: float
    root_squares: float
    time_squares: float | None = None
    """None: not told, before version 3."""


class Volatility:
    """Samples S at the first update at least `sample_s` after the last sample.

    A return counts over the time that it really spans, so the rate of updates does not matter;
    a product of neighbours holds at most one jump, so jumps hardly move it. All sums fade by
    time with `half_life_s`.

    Bipower takes S for a diffusion that is looked at now and then. Where updates are the moves
    themselves, single ticks τ at rate λ, E|r||r'| = τ² and E√(ΔΔ') = π/(4λ): it reads 2λτ² for a
    true λτ², 41 % too much in σ. Realised variance is right there, for S is a martingale. Jumps
    can only raise it: integrated variance never exceeds quadratic variation, so the lesser of the
    two is right for a diffusion, with jumps, and for ticks. What is left: where a tick τ is coarse
    against σ√1s, rounding flickers and reads wide, by 7 % at τ = σ√1s and 28 % at twice that.
    """

    __slots__ = (
        "_first",
        "_gap",
        "_last",
        "_learned",
        "_observations",
        "_previous",
        "_products",
        "_root_s",
        "_root_squares",
        "_seen",
        "_settings",
        "_squares",
        "_time_s",
        "_time_squares",
    )

    def __init__(self, settings: VolatilitySettings) -> None:
        self._settings = settings
        self._gap = nanoseconds(settings.sample_s)
        self._first: Ns | None = None
        self._last: tuple[Ns, float] | None = None
        self._learned: Ns | None = None  # the last return
        self._previous: tuple[float, float] | None = None  # |r|, spacing
        self._seen: float | None = None
        self._observations = 0.0
        self._squares = 0.0
        self._time_s = 0.0
        self._time_squares = 0.0
        self._products = 0.0
        self._root_s = 0.0
        self._root_squares = 0.0

    def learn(self, ts: Ns, fair: float) -> None:
        """A value of S. One that repeats is no update: on a quiet pair the sample waits for the
        next move and counts all the time since, or bipower would see zeros between jumps."""
        if fair == self._seen:
            return
        self._seen = fair
        if self._last is None:
            self._first = ts if self._first is None else self._first
            self._last = (ts, fair)
            return
        at, price = self._last
        if ts - at < self._gap:
            return
        self._last = (ts, fair)
        self._learned = ts
        self._add(abs(BPS * math.log(fair / price)), seconds(ts - at))

    def lose(self) -> None:
        """S is unknown from here on: what it does meanwhile is no return. One that spans an hour
        would weigh as much as an hour of them, and be a single draw."""
        self._previous = self._last = self._seen = None

    def _add(self, move: float, spacing: float) -> None:
        fade = 0.5 ** (spacing / self._settings.half_life_s)
        self._observations += 1.0
        self._squares = self._squares * fade + move * move
        self._time_s = self._time_s * fade + spacing
        self._time_squares = self._time_squares * fade * fade + spacing * spacing
        self._products *= fade
        self._root_s *= fade
        self._root_squares *= fade * fade
        if self._previous is not None:
            before, spacing_before = self._previous
            self._products += move * before
            self._root_s += math.sqrt(spacing * spacing_before)
            self._root_squares += spacing * spacing_before
        self._previous = (move, spacing)

    @property
    def bipower(self) -> float | None:
        """σ² in bps²/s without jumps; None before two returns."""
        return math.pi / 2 * self._products / self._root_s if self._root_s > 0 else None

    @property
    def realised(self) -> float | None:
        """σ² in bps²/s with jumps."""
        return self._squares / self._time_s if self._time_s > 0 else None

    @property
    def jump_ratio(self) -> float | None:
        """RV/BV: 1 without jumps."""
        realised, bipower = self.realised, self.bipower
        return realised / bipower if realised is not None and bipower else None

    def estimate(self, ts: Ns) -> Estimate | None:
        """σ in bps/√s, or None while warming up: at most `max_warmup_s` from the first update."""
        settings = self._settings
        measured = self._measured(ts)
        if measured is not None and self._observations >= settings.min_observations:
            return measured
        if self._first is None or seconds(ts - self._first) < settings.max_warmup_s:
            return None
        prior = settings.sigma_prior
        if measured is not None and measured.value > prior:
            return measured
        low, high = prior / PRIOR_FACTOR, prior * PRIOR_FACTOR
        return Estimate(prior, low, high, self._observations, Source.PRIOR, self._age_s(ts))

    def _measured(self, ts: Ns) -> Estimate | None:
        """The lesser of the two, with its own interval.

        Without jumps realised variance R is efficient, so R and D = BV - R are independent
        (Hausman 1978). Where D > 0 the interval is that of R, of relative variance 2/n; where
        D < 0, R + D with that of BV: as (R, D) and (-R, -D) are as likely, it holds the truth as
        often as BV's own does. So either way 90 %, though the lesser itself is biased downwards.
        """
        bipower, realised = self.bipower or math.inf, self.realised or math.inf
        if realised < bipower:
            n, per_return = _effective(self._time_s, self._time_squares), REALISED_VARIANCE
        else:
            n, per_return = _effective(self._root_s, self._root_squares), BIPOWER_VARIANCE
        value = math.sqrt(min(bipower, realised))
        if value == math.inf:
            return None
        low, high = _interval(value, 2.0 * n / per_return)
        return Estimate(value, low, high, n, Source.PUBLIC, self._age_s(ts))

    def _age_s(self, ts: Ns) -> float | None:
        return max(seconds(ts - self._learned), 0.0) if self._learned is not None else None

    def state(self) -> VolatilityState:
        return VolatilityState(
            self._observations,
            self._squares,
            self._time_s,
            self._products,
            self._root_s,
            self._root_squares,
            self._time_squares,
        )

    def load(self, state: VolatilityState, age_s: float, saved: Ns | None = None) -> None:
        """Continue from a checkpoint of the time `saved`, from which the age of what it told is
        counted; the gap itself is no return."""
        sums = (v for v in msgspec.structs.astuple(state) if v is not None)
        if not all(0.0 <= v <= MOST for v in sums):
            raise ValueError("checkpoint: volatility out of bounds")
        told = state.time_squares
        fade = 0.5 ** (age_s / self._settings.half_life_s)
        if fade < FORGOTTEN:
            fade = 0.0
        self._observations = state.observations * fade
        self._squares = state.squares * fade
        self._time_s = state.time_s * fade
        self._time_squares = (_as_even(state) if told is None else told) * fade * fade
        self._products = state.products * fade
        self._root_s = state.root_s * fade
        self._root_squares = state.root_squares * fade * fade
        self.lose()
        self._learned = saved if self._observations > 0.0 else None


def _effective(total: float, squares: float) -> float:
    """(Σw)²/Σw²: returns of equal weight that tell as much."""
    return total * total / squares if squares > 0 else 1.0


def _as_even(state: VolatilityState) -> float:
    """Σ Δ² that gives realised variance as many effective returns as bipower has."""
    return state.time_s**2 / max(_effective(state.root_s, state.root_squares), 1.0)


def _interval(value: float, freedom: float) -> tuple[float, float]:
    """90 % interval of σ: value² is σ²·χ²/freedom, its spread matched by `freedom`
    (Satterthwaite 1946), its quantiles by a cube (Wilson, Hilferty 1931)."""
    part = 2.0 / (9.0 * max(freedom, LEAST_FREEDOM))
    reach = Z90 * math.sqrt(part)
    return value * (1.0 - part + reach) ** -1.5, value * (1.0 - part - reach) ** -1.5
