"""The best that any quoter can do in a generated market, by dynamic programming.

A maker of risk aversion γ (per bps and lot) that holds q lots and quotes one a side is judged by

    U = lim 1/T · E[ Σ_fills (δ - c) + ∫ (μ·q - ½γσ²q²) dt ]        bps·lot per second,

its expected edge, c = fee + a being what a fill costs, and the drift μ of what it holds, less the
running price of inventory risk (Guéant 2017, model B; Cartea, Jaimungal, Penalva 2015, chapter 10).
To first order in γ this is mean less half of γ times variance of PnL per second; CARA adds a price
for the randomness of the fills themselves, and no utility at all where λ cannot outrun risk. σ² is
the whole variance of S, jumps and informed moves included.

θ(q), what inventory is worth, and the best rate ρ solve for every |q| <= Q

    ρ = μ·q - ½γσ²q² + Σ_sides max_δ λ(δ)·(δ - c + θ(q') - θ(q)),     λ(δ) = A·e^(-κ·max(δ,0)),

with q' = q + 1 at the bid, q - 1 at the ask, none beyond ±Q. The best depth is δ = c + 1/κ - Δθ,
but never below 0: no taker more comes for a price worse than S. Where that bound does not matter,
the equation is linear in e^(κθ), and ρ is -1/κ times the smallest eigenvalue of the tridiagonal
matrix with diagonal κ(½γσ²q² - μq) and off-diagonal -A·e^(-1-κc).
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mm.sim.truth import Truth

Vector: TypeAlias = NDArray[np.float64]

PATIENCE = 500
ACCURATE = 1e-11


class Maker(Struct, frozen=True, kw_only=True):
    """Whom the optimum is for."""

    gamma: float
    """1/(bps·lot)."""
    bound: int
    """Q, lots."""
    fee_bps: float

    @property
    def inventories(self) -> Vector:
        return np.arange(-self.bound, self.bound + 1.0)


class Optimum(Struct, frozen=True):
    """Indexed by q + Q. A depth is infinite where a side has no room."""

    utility: float
    """ρ, bps·lot per second."""
    value: tuple[float, ...]
    """θ(q) in bps·lot, θ(0) = 0."""
    bids: tuple[float, ...]
    asks: tuple[float, ...]


class Performance(Struct, frozen=True):
    """What fixed depths lead to in the long run; per second, bps·lot."""

    utility: float
    edge: float
    rms_lots: float


def running(truth: Truth, maker: Maker) -> Vector:
    """μ·q - ½γσ²q² at each q."""
    q = maker.inventories
    variance = truth.sigma_total**2
    drift: Vector = truth.drift_bps_per_s * q - 0.5 * maker.gamma * variance * q * q
    return drift


def cost_bps(truth: Truth, maker: Maker) -> float:
    """c = fee + a."""
    return maker.fee_bps + truth.adverse_bps


def best_depth(truth: Truth, maker: Maker, gain: Vector) -> Vector:
    """Where a fill changes the worth of inventory by `gain`."""
    depth: Vector = np.maximum(cost_bps(truth, maker) + 1.0 / truth.kappa - gain, 0.0)
    return depth


def optimum(truth: Truth, maker: Maker) -> Optimum:
    """Newton's method on the equation above, at first with short steps of time.

    Raises ArithmeticError where it does not converge.
    """
    size, cost = 2 * maker.bound + 1, cost_bps(truth, maker)
    here = running(truth, maker)
    value, step = np.zeros(size), 0.1
    for _ in range(PATIENCE):
        gains = np.diff(value)  # of a bid fill at q < Q; minus that of an ask fill at q + 1
        bids, asks = (best_depth(truth, maker, sign * gains) for sign in (1.0, -1.0))
        bought, sold = (reach_rate(truth, depth) for depth in (bids, asks))
        gap = here.copy()
        gap[:-1] += bought * (bids - cost + gains)
        gap[1:] += sold * (asks - cost - gains)
        change, utility = _newton(gap, bought, sold, step)
        value = value + change - (value + change)[maker.bound]
        step = min(2.0 * step, 1e12)
        if step > 1e9 and np.abs(change).max() <= ACCURATE * max(1.0, np.abs(value).max()):
            none = math.inf
            return Optimum(
                utility,
                tuple(value.tolist()),
                (*bids.tolist(), none),
                (none, *asks.tolist()),
            )
    raise ArithmeticError("the optimum of this market was not found")


def _newton(gap: Vector, bought: Vector, sold: Vector, step: float) -> tuple[Vector, float]:
    """Solve (generator - 1/step)·change = ρ - gap with change(0) = 0, for change and ρ."""
    size = len(gap)
    system = np.zeros((size + 1, size + 1))
    system[:size, :size] = generator(bought, sold) - np.eye(size) / step
    system[:size, size] = -1.0
    system[size, size // 2] = 1.0
    solved = np.linalg.solve(system, np.append(-gap, 0.0))
    return solved[:size], float(solved[size])


def generator(bought: Vector, sold: Vector) -> Vector:
    """Of the inventory: `bought` are the rates from q to q + 1, `sold` those back."""
    rates = np.diag(bought, 1) + np.diag(sold, -1)
    whole: Vector = rates - np.diag(rates.sum(axis=1))
    return whole


def reach_rate(truth: Truth, depth: Vector) -> Vector:
    rate: Vector = truth.arrival * np.exp(-truth.kappa * np.maximum(depth, 0.0))
    return rate


def evaluate(
    truth: Truth, maker: Maker, bids: Sequence[float], asks: Sequence[float]
) -> Performance:
    """Of depths kept to without delay or rounding: the last bid and the first ask count not."""
    cost = cost_bps(truth, maker)
    bid, ask = np.array(bids[:-1]), np.array(asks[1:])
    bought, sold = reach_rate(truth, bid), reach_rate(truth, ask)
    system = generator(bought, sold).T
    system[-1] = 1.0
    share = np.linalg.solve(system, np.append(np.zeros(len(system) - 1), 1.0))
    edge = float(share[:-1] @ (bought * (bid - cost)) + share[1:] @ (sold * (ask - cost)))
    squares = float(share @ maker.inventories**2)
    return Performance(
        edge + float(share @ running(truth, maker)), edge, math.sqrt(max(squares, 0.0))
    )
