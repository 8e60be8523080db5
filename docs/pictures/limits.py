"""Pictures of where the model is wrong: takers who come in clusters, and the queue at a price."""

import math
from collections.abc import Callable
from random import Random

import numpy as np
from matplotlib.figure import Figure

from docs.pictures.estimating import ARRIVAL, KAPPA, LADDER, known, ladder
from docs.pictures.market import TakerMarket
from docs.pictures.quoting import ASK, BID
from mm.model.units import Side
from mm.sim.queue import Conservative

RUNS = 300
TAKER = 100
"""Mean size of a taker, in lots of the queue."""


class Clusters(TakerMarket):
    """As many takers, but so many at a time: one order, split over seconds on one side."""

    def __init__(self, size: int, seed: int) -> None:
        super().__init__(KAPPA, ARRIVAL, seed, KAPPA)
        self._size = size
        self._left = 0
        self._side = Side.BID

    def comes(self) -> tuple[float, Side]:
        if self._left:
            self._left -= 1
            return 1.0, self._side
        self._left = self._size - 1
        wait_s, self._side = super().comes()
        return wait_s * self._size, self._side


def clusters(figure: Figure) -> list[str]:
    """How often 90 % intervals hold the truth, over how many takers come at a time."""
    axes = figure.subplots()
    sizes = (1, 2, 4, 8)
    held = np.array([[inside(size, seed) for seed in range(RUNS)] for size in sizes])
    shares = 100.0 * held.mean(axis=1)
    axes.plot(sizes, shares[:, 0], "o-", ms=4, color=BID, label="κ")
    axes.plot(sizes, shares[:, 1], "s-", ms=4, color=ASK, label="arrivals per second at level 1")
    axes.axhline(90.0, color="0.5", lw=0.8, ls=":")
    axes.set(xlabel="takers of one side at a time, a second apart", xticks=sizes)
    axes.set(ylabel="intervals that hold the truth, %", ylim=(0, 100))
    axes.legend(fontsize=8)
    told = ", ".join(
        f"{size} at a time: κ {kappa:.0f} %, rate {rate:.0f} %"
        for size, (kappa, rate) in zip(sizes, shares, strict=True)
    )
    return [f"{told} of {RUNS} intervals of 90 % each, after 100 arrivals"]


def inside(size: int, seed: int) -> tuple[bool, bool]:
    """Whether the intervals of κ and of the rate at level 1 hold the truth."""
    market = Clusters(size, seed)
    market.run(ladder, 100)
    found = known(market)
    low, high = found.rate_quantiles(LADDER[0], 0.05, 0.95)
    rate = ARRIVAL * math.exp(-KAPPA * LADDER[0])
    return found.kappa_quantile(0.05) <= KAPPA <= found.kappa_quantile(0.95), low <= rate <= high


def queue(figure: Figure) -> list[str]:
    """What own fills say of the takers at our price, over how much rests there before us."""
    axes = figure.subplots()
    told, ahead = [], np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0])
    line = np.linspace(0.0, ahead[-1], 61)
    axes.plot(line, np.ones_like(line), color="k", lw=1, label="prints at our price")
    axes.plot(line, 1.0 / (1.0 + line), color="0.6", lw=0.8)
    axes.plot(line, np.exp(-line), color="0.6", lw=0.8)
    for name, moves, colour in (("stays", False, BID), ("moves before each taker", True, ASK)):
        shares = [learned(float(size), moves) for size in ahead]
        axes.plot(ahead, shares, "o", ms=4, color=colour, label=f"own fills, the order {name}")
        told.append(
            f"the order {name}: learned over true rate {shares[3]:.2f} with one mean taker ahead, "
            f"{shares[5]:.2f} with two"
        )
    axes.set(xlabel="size ahead when the order joins, in mean takers", ylim=(0, 1.1))
    axes.set(ylabel="rate at level 1, learned / true")
    axes.legend(fontsize=8)
    return told


def learned(ahead: float, moves: bool) -> float:
    """The rate at level 1 after 400 arrivals, over that of takers who reach its price."""
    market = TakerMarket(KAPPA, ARRIVAL, 5, KAPPA, behind(round(TAKER * ahead), moves))
    market.run(ladder, 400)
    return known(market).expected_rate(LADDER[0]) / (ARRIVAL * math.exp(-KAPPA * LADDER[0]))


def behind(ahead: int, moves: bool) -> Callable[[Random], float]:
    """The reach of takers who spend their size on what stands before our first level.

    Our order joins anew when it is filled, and where it `moves` before each that comes.
    """
    place = Conservative(ahead)

    def reach(random: Random) -> float:
        nonlocal place
        far = random.expovariate(KAPPA)
        if far < LADDER[0]:
            return far
        size, before = 1 + round(random.expovariate(1.0 / TAKER)), place.ahead
        place.printed(size)
        if moves or size > before:
            place = Conservative(ahead)
        return far if size > before else 0.0

    return reach
