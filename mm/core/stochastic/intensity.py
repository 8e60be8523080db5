"""The posterior of (κ, A) on a log grid: exact, conjugate in A (docs/model.md, Intensity)."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float64]

POINTS = 96
SPAN_SD = 4.0
PRIOR_SHAPE = 0.5
"""a0 of the Gamma prior of A: half an arrival."""
ZOOM_BELOW = 1.5
"""Posteriors narrower than this many cells are interpolated, `ZOOM` points to a cell."""
ZOOM_CELLS = 8
"""Cells on either side of the peak that are looked at then: more than five sd."""
ZOOM = 8
LEAST = 1e-6
"""Variance in cells²: a posterior that is one point is narrow, not certain."""
Z = np.linspace(-SPAN_SD, SPAN_SD, POINTS)
STEP = 2.0 * SPAN_SD / (POINTS - 1)
LOG_PRIOR = -0.5 * np.square(Z)
INSIDE: Vector = np.arange(2.0 * ZOOM_CELLS * ZOOM)
POWERS: Vector = np.arange(max(POINTS, INSIDE.size)) ** np.array([[0.0], [1.0], [2.0]])
S = np.arange(ZOOM) / ZOOM
CUBIC = np.array(
    (
        -S * (S - 1) * (S - 2) / 6,
        (S + 1) * (S - 1) * (S - 2) / 2,
        -(S + 1) * S * (S - 2) / 2,
        (S + 1) * S * (S - 1) / 6,
    )
)[:, None, :]
NEIGHBOURS = np.arange(4)[:, None] + np.arange(2 * ZOOM_CELLS)
"""The four points around each inner cell."""
CELLS = 25
"""Of the first look at the distribution of A; `ZOOM` finer in the second."""
NORMAL_Z = np.linspace(-8.0, 8.0, 3201)
NORMAL_CDF = np.array([0.5 * math.erfc(-z / math.sqrt(2.0)) for z in NORMAL_Z])


def grid(centre: float) -> Vector:
    """ln κ at 96 points over ±4 sd of the lognormal prior, sd(ln κ) = 1."""
    return math.log(centre) + Z


def exposure_integrals(kappa: Vector, depths: list[float], *spans_s: list[float]) -> Vector:
    """S_k = Σ_i dt_i·e^(-κ_k·δ_i) of each row of spans: seconds of exposure, as if at depth 0."""
    decayed = np.exp(np.multiply.outer(-np.array(depths), kappa))
    integrals: Vector = np.add.reduce(np.array(spans_s)[:, :, None] * decayed, axis=1)
    return integrals


def reach_log_likelihood(kappa: Vector, near: list[float], far: list[float]) -> Vector:
    """G_k = Σ_i ln(e^(-κ_k·δ_i) - e^(-κ_k·δ_i')): reaches known to lie in [δ, δ')."""
    start = np.array(near)
    width = np.array(far) - start
    inside = np.log(-np.expm1(np.multiply.outer(-kappa, width)))
    total: Vector = np.add.reduce(inside - np.multiply.outer(kappa, start), axis=1)
    return total


class Evidence:
    """Sufficient statistics of one source: arrivals, their reach, and the exposure, all fading."""

    __slots__ = ("arrivals", "exposure", "reach", "rows")

    def __init__(self, rows: Vector) -> None:
        """`rows`: where its reach and its exposure are kept."""
        self.arrivals = 0.0
        self.rows = rows
        self.reach, self.exposure = rows

    def arrive(self, kappa: Vector, reaches: Sequence[tuple[float, float]]) -> None:
        if reaches:
            near, far = [r[0] for r in reaches], [r[1] for r in reaches]
            self.reach += reach_log_likelihood(kappa, near, far)
            self.arrivals += len(reaches)

    def regrid(self, old: Vector, new: Vector) -> None:
        """Carry the smooth functions of ln κ to another grid."""
        for row in self.rows:
            row[:] = np.interp(new, old, row)


class Posterior:
    """Weights over ln κ, and A | κ ~ Gamma(`shape`, e^`log_rate`)."""

    __slots__ = ("_density", "_kappa", "_total", "log_kappa", "log_rate", "mean_log", "sd_log",
                 "shape", "step")  # fmt: skip

    def __init__(self, log_kappa: Vector, density: Vector, shape: float, log_rate: Vector) -> None:
        """`density` in any scale, on the evenly spaced points `log_kappa`."""
        self.log_kappa = log_kappa
        self.log_rate = log_rate
        self.shape = shape
        start = log_kappa.item(0)
        self.step = log_kappa.item(1) - start
        total, first, second = np.add.reduce(POWERS[:, : density.size] * density, axis=1).tolist()
        self.mean_log = start + self.step * first / total
        self.sd_log = self.step * math.sqrt(max(second / total - (first / total) ** 2, LEAST))
        self._density = density
        self._total = total
        self._kappa: Vector | None = None

    @property
    def weights(self) -> Vector:
        weights: Vector = self._density / self._total
        return weights

    @property
    def kappa(self) -> Vector:
        if self._kappa is None:
            self._kappa = np.exp(self.log_kappa)
        return self._kappa

    @property
    def weighted_arrival(self) -> Vector:
        """p(κ)·E[A | κ]."""
        weighted: Vector = self.weights * (self.shape * np.exp(-self.log_rate))
        return weighted

    @property
    def kappa_value(self) -> float:
        """exp(E ln κ): the centre of the prior where there is no data."""
        return math.exp(self.mean_log)

    @property
    def arrival_value(self) -> float:
        """exp(E[ln A | κ = kappa_value]): with it a point on the ridge that the data know best."""
        return math.exp(digamma(self.shape)) / self.rate_at(self.mean_log)

    def rate_at(self, log_kappa: float) -> float:
        """The Gamma rate at any κ, log-linear between grid points."""
        place = (log_kappa - self.log_kappa.item(0)) / self.step
        index = min(max(int(place), 0), self.log_rate.size - 2)
        low, high = self.log_rate[index : index + 2].tolist()
        return math.exp(low + min(max(place - index, 0.0), 1.0) * (high - low))

    def kappa_quantile(self, probability: float) -> float:
        """Linear inside a cell of the cumulative weights; a point's cell is centred on it."""
        return math.exp(self.log_kappa_quantile(probability))

    def log_kappa_quantile(self, probability: float) -> float:
        weights = self.weights
        edges = np.add.accumulate(weights)
        index = min(int(np.searchsorted(edges, probability)), len(edges) - 1)
        below = float(edges[index - 1]) if index else 0.0
        inside = (probability - below) / max(float(weights[index]), 1e-300)
        return float(self.log_kappa[index]) + (min(max(inside, 0.0), 1.0) - 0.5) * self.step

    def arrival_quantiles(self, *probabilities: float) -> list[float]:
        """Of the marginal of A."""
        return self.rate_quantiles(0.0, *probabilities)

    def rate_quantiles(self, depth: float, *probabilities: float) -> list[float]:
        """Of A·e^(-κδ), δ >= 0, found in the cell of a coarse grid that holds them."""
        a, weights = self.shape, self.weights
        log_rate = self.log_rate + self.kappa * depth if depth else self.log_rate
        middle = float(np.add.reduce(weights * log_rate))
        variance = float(np.add.reduce(weights * (log_rate - middle) ** 2))
        centre = math.log(a) - 0.5 / a - 1.0 / (12.0 * a * a) - middle
        sd = math.sqrt(1.0 / a + 0.5 / a**2 + 1.0 / (6.0 * a**3) + variance)
        coarse = np.linspace(centre - 6.0 * sd, centre + 4.0 * sd, CELLS + 1)
        below = self._rate_cdf(coarse, log_rate)
        found = []
        for probability in probabilities:
            cell = min(max(int(np.searchsorted(below, probability)), 1), CELLS)
            fine = np.linspace(coarse[cell - 1], coarse[cell], ZOOM + 1)
            cdf = self._rate_cdf(fine, log_rate)
            found.append(math.exp(float(np.interp(probability, cdf, fine))))
        return found

    def _rate_cdf(self, log_value: Vector, log_rate: Vector) -> Vector:
        """A mixture of Gammas, each by Wilson and Hilferty's cube root."""
        a = self.shape
        cube = np.exp(np.add.outer(log_value, log_rate - math.log(a)) / 3.0)
        z = (cube - 1.0 + 1.0 / (9.0 * a)) * (3.0 * math.sqrt(a))
        cdf: Vector = np.add.reduce(np.interp(z, NORMAL_Z, NORMAL_CDF) * self.weights, axis=1)
        return cdf

    def expected_rate(self, depth: float) -> float:
        """E[A·e^(-κ·max(δ,0))], arrivals per second on one side."""
        reached = np.exp(self.kappa * -max(depth, 0.0))
        return float(np.add.reduce(self.weighted_arrival * reached))

    def depth_for_rate(self, per_s: float) -> float:
        """δ* >= 0 at which one side's expected rate is `per_s`; 0 where it is less even there.

        ln rate is convex and falls in δ, so Newton from 0 approaches from the left.
        """
        base = self.weighted_arrival
        depth = 0.0
        for _ in range(60):
            terms = base * np.exp(-self.kappa * depth)
            rate = float(np.add.reduce(terms))
            gap = math.log(rate / per_s) if rate > 0 else 0.0
            if gap <= 1e-9:
                break
            depth += gap * rate / float(np.add.reduce(self.kappa * terms))
        return depth


def digamma(a: float) -> float:
    """ψ(a), a > 0: recurrence up to 6, then the asymptotic series."""
    shift = 0.0
    while a < 6.0:
        shift += 1.0 / a
        a += 1.0
    square = 1.0 / (a * a)
    return math.log(a) - 0.5 / a - square * (1.0 / 12 - square * (1.0 / 120 - square / 252)) - shift


def posterior(
    log_kappa: Vector, own: Evidence, public: Evidence, weight: float, b0: float
) -> Posterior:
    """ln p(κ_k) = ln prior_k + G_k - (a0+N)·ln(b0+S_k), public evidence tempered by `weight`.

    A posterior narrower than the grid resolves is interpolated around its peak: ln p and ln(b0+S)
    are smooth in ln κ.
    """
    shape = PRIOR_SHAPE + own.arrivals + weight * public.arrivals
    reach, exposure = own.rows + weight * public.rows
    log_rate = np.log(np.maximum(exposure, 0.0) + b0)
    log_density = reach - shape * log_rate + LOG_PRIOR
    peak = int(log_density.argmax())
    log_density -= log_density[peak]
    coarse = Posterior(log_kappa, np.exp(log_density), shape, log_rate)
    if coarse.sd_log >= ZOOM_BELOW * STEP:
        return coarse
    first = min(max(peak - ZOOM_CELLS, 1), POINTS - 2 - 2 * ZOOM_CELLS)
    if not first <= peak < first + 2 * ZOOM_CELLS:  # at the grid's edge: nothing to look into
        return coarse
    cells = slice(first - 1, first + 2 * ZOOM_CELLS + 2)
    fine = cubic(np.array((log_density[cells], log_rate[cells])))
    place: Vector = float(log_kappa[first]) + STEP / ZOOM * INSIDE
    return Posterior(place, np.exp(fine[0]), shape, fine[1])


def cubic(values: Vector) -> Vector:
    """Four-point Lagrange interpolation of each row at `ZOOM` points of each inner cell."""
    parts = values.take(NEIGHBOURS, axis=1)[..., None] * CUBIC
    fine: Vector = np.add.reduce(parts, axis=1).reshape(len(values), -1)
    return fine
