"""The experiment of Avellaneda and Stoikov (2008), section 3.3: inventory against symmetric."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float64]

PRICE = 100.0
HORIZON = 1.0
SIGMA = 2.0
"""Price per square root of the horizon."""
STEPS = 200
DT = HORIZON / STEPS
KAPPA = 1.5
ARRIVAL = 140.0
MAX_GAMMA = 1e6
MAX_PATHS = 10_000_000
BATCH = 2_000
SMALL = 1e-8
ALWAYS = 700.0
"""An exponent beyond which a fill is certain: exp of more overflows."""


class Outcome(Struct, frozen=True):
    """Means and standard deviations over the paths, in the paper's units of price and shares."""

    spread: float
    """Quoted from bid to ask, average over time."""
    profit: float
    """Cash and final inventory at the last mid."""
    profit_sd: float
    q: float
    """Final inventory."""
    q_sd: float


class Table(Struct, frozen=True):
    """A table of the paper: both strategies on the same random numbers."""

    inventory: Outcome
    symmetric: Outcome


class Paths(Struct):
    """Cash and inventory of one strategy on a batch of paths."""

    cash: Vector
    inventory: Vector

    def trade(self, mid: Vector, reservation: Vector, half_spread: float, draws: Vector) -> None:
        """One step: each side fills with probability λ·dt, λ = A·e^(-κδ), δ from the mid."""
        ask, bid = reservation + half_spread, reservation - half_spread
        sold = draws[0] < fill_probability(ask - mid)
        bought = draws[1] < fill_probability(mid - bid)
        self.cash += sold * ask - bought * bid
        self.inventory += bought * 1.0 - sold

    def ends(self, mid: Vector) -> "Ends":
        return Ends(self.cash + self.inventory * mid, self.inventory)


def fill_probability(depth: Vector) -> Vector:
    """A·e^(-κδ)·dt; one or more is certainty."""
    probability: Vector = ARRIVAL * DT * np.exp(np.minimum(-KAPPA * depth, ALWAYS))
    return probability


def base_spread(gamma: float) -> float:
    """(2/γ)·ln(1 + γ/κ), and its limit 2/κ where γ → 0 (equation 30)."""
    x = gamma / KAPPA
    return 2.0 / KAPPA * (1.0 - 0.5 * x if x < SMALL else math.log1p(x) / x)


def average_spread(gamma: float) -> float:
    """Of γσ²(T-t) + (2/γ)·ln(1 + γ/κ) over 0 <= t <= T."""
    return 0.5 * gamma * SIGMA**2 * HORIZON + base_spread(gamma)


class Batch(Struct, frozen=True):
    """Some of the paths, from a stream of random numbers of their own."""

    gamma: float
    paths: int
    seed: tuple[int, int]


class Ends(Struct, frozen=True):
    """Profit and final inventory of each path."""

    profit: Vector
    inventory: Vector


def batches(gamma: float, paths: int, seed: int) -> list[Batch]:
    """The experiment in pieces. Raises ValueError naming the argument and its bounds."""
    if not 0.0 <= gamma <= MAX_GAMMA:
        raise ValueError(f"gamma {gamma:g}: a risk aversion from 0 to {MAX_GAMMA:g} is needed")
    if not 2 <= paths <= MAX_PATHS:
        raise ValueError(f"paths {paths}: from 2 to {MAX_PATHS} are needed")
    if seed < 0:
        raise ValueError(f"seed {seed}: 0 or more is needed")
    starts = range(0, paths, BATCH)
    sizes = [min(BATCH, paths - start) for start in starts]
    return [Batch(gamma, size, (seed, index)) for index, size in enumerate(sizes)]


def run(batch: Batch) -> tuple[Ends, Ends]:
    """The inventory strategy and the symmetric one on the same random numbers.

    At each step quotes by equations 29 and 30, then fills, then the mid moves by ±σ√dt.
    """
    size, gamma, random = batch.paths, batch.gamma, np.random.default_rng(batch.seed)
    mid = np.full(size, PRICE)
    inventory, symmetric = (Paths(np.zeros(size), np.zeros(size)) for _ in range(2))
    base, average = base_spread(gamma), average_spread(gamma)
    for step in range(STEPS):
        risk = gamma * SIGMA**2 * (HORIZON - step * DT)
        draws = random.random((3, size))
        inventory.trade(mid, mid - inventory.inventory * risk, 0.5 * (risk + base), draws)
        symmetric.trade(mid, mid, 0.5 * average, draws)
        mid += np.where(draws[2] < 0.5, 1.0, -1.0) * (SIGMA * math.sqrt(DT))
    return inventory.ends(mid), symmetric.ends(mid)


def table(gamma: float, found: Sequence[tuple[Ends, Ends]]) -> Table:
    inventory, symmetric = zip(*found, strict=True)
    return Table(outcome(gamma, inventory), outcome(gamma, symmetric))


def outcome(gamma: float, found: Sequence[Ends]) -> Outcome:
    profit = np.concatenate([ends.profit for ends in found])
    q = np.concatenate([ends.inventory for ends in found])
    return Outcome(
        average_spread(gamma),
        float(profit.mean()),
        float(profit.std(ddof=1)),
        float(q.mean()),
        float(q.std(ddof=1)),
    )
