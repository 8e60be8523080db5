"""Pictures of what is estimated from the market and from own resting time: σ, κ, A."""

import math
from random import Random
from statistics import fmean

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from docs.pictures.market import TakerMarket
from docs.pictures.quoting import ASK, BID, OTHER
from mm.core.settings import VolatilitySettings
from mm.core.stochastic.intensity import Posterior
from mm.core.stochastic.thompson import sample
from mm.core.stochastic.volatility import Volatility
from mm.model.units import NS_PER_S

KAPPA, ARRIVAL = 0.25, 0.05
"""Truth: a mean reach of 4 bps, and a taker each twenty seconds on a side."""
LADDER = (4.0, 5.0, 6.0, 7.0, 8.0)
"""Level 1 at 1/κ, five levels to twice that."""


def ladder(_: TakerMarket) -> tuple[float, ...]:
    return LADDER


def one_level(_: TakerMarket) -> tuple[float, ...]:
    return LADDER[:1]


def dithered(market: TakerMarket) -> tuple[float, ...]:
    """One level that takes turns at three depths half of 1/κ apart, as `params.dither` does."""
    return (4.0 + 2.0 * (len(market.deepest) % 3),)


def scattered(market: TakerMarket) -> tuple[float, ...]:
    """One level anywhere between 4 and 8 bps, however often it is filled there."""
    return (4.0 + market.takers % 5,)


def known(market: TakerMarket) -> Posterior:
    posterior = market.components.intensity.posterior
    if posterior is None:
        raise ValueError("the prior has no centre")
    return posterior


def volatility(figure: Figure) -> list[str]:
    """σ by bipower and by realised variance, with one jump of 40 bps in a diffusion of 1."""
    axes = figure.subplots()
    random, estimator = Random(4), Volatility(VolatilitySettings())
    price, jump_at = 100.0, 600
    times, bipower, realised = [], [], []
    for second in range(1800):
        move = random.gauss(0.0, 1.0) + (40.0 if second == jump_at else 0.0)
        price *= math.exp(move / 1e4)
        estimator.learn(second * NS_PER_S, price)
        if second % 5 == 0 and estimator.bipower and estimator.realised:
            times.append(second / 60)
            bipower.append(math.sqrt(estimator.bipower))
            realised.append(math.sqrt(estimator.realised))
    axes.plot(times, realised, color=ASK, label="realised")
    axes.plot(times, bipower, color=BID, label="bipower")
    axes.axhline(1.0, color="0.5", lw=0.8, ls=":")
    axes.set(xlabel="minutes", ylabel="σ, bps/√s", ylim=(0, 2.6))
    axes.legend(fontsize=8)
    before, after = times.index((jump_at - 5) / 60), times.index((jump_at + 5) / 60)
    told = (
        f"a jump of 40 bps takes bipower from {bipower[before]:.2f} to {bipower[after]:.2f}, "
        f"realised from {realised[before]:.2f} to {realised[after]:.2f} bps/√s"
    )
    return [told]


def exposure(figure: Figure) -> list[str]:
    """κ from the distances of fills alone, and from distances and exposure, over the true κ."""
    axes = figure.subplots()
    truths = np.geomspace(0.03, 0.6, 10)
    naive, means, lows, highs = [], [], [], []
    for seed, kappa in enumerate(truths):
        market = TakerMarket(float(kappa), 0.2, seed, prior=0.25)
        market.run(scattered, 200)
        naive.append(1.0 / fmean(market.deepest))
        posterior = known(market)
        means.append(posterior.kappa_value)
        lows.append(means[-1] - posterior.kappa_quantile(0.05))
        highs.append(posterior.kappa_quantile(0.95) - means[-1])
    axes.errorbar(
        truths, means, yerr=(lows, highs), fmt="o", ms=4, color=BID, label="posterior, 90 %"
    )
    axes.plot(truths, naive, "s--", ms=4, color=ASK, label="1 / mean distance of fills")
    axes.plot(truths, truths, color="0.6", lw=0.8)
    axes.set(xscale="log", yscale="log", xlabel="true κ, 1/bps", ylabel="estimate")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0.03, 0.1, 0.3]))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.legend(fontsize=8)
    inside = sum(
        m - low <= k <= m + high for k, m, low, high in zip(truths, means, lows, highs, strict=True)
    )
    told = (
        f"true κ from {truths[0]:.2f} to {truths[-1]:.2f}: distances alone say "
        f"{naive[0]:.2f} to {naive[-1]:.2f}, the posterior {means[0]:.3f} to {means[-1]:.2f}"
    )
    return [told, f"{inside} of {len(truths)} intervals of 90 % hold the truth, 200 arrivals each"]


def posterior(figure: Figure) -> list[str]:
    """The joint posterior of κ and A: prior 3x too low, after 10, and after 100 arrivals."""
    told = []
    market = TakerMarket(KAPPA, ARRIVAL, seed=0, prior=KAPPA / 3)
    plots = figure.subplots(1, 3, sharex=True, sharey=True)
    done = 0
    for axes, arrivals in zip(plots, (0, 10, 100), strict=True):
        market.run(ladder, arrivals - done)
        done = arrivals
        found = known(market)
        random = Random(2)
        draws = [sample(found, random) for _ in range(100)]
        axes.plot(*zip(*draws, strict=True), ".", ms=3, color=BID, alpha=0.6)
        axes.plot(KAPPA, ARRIVAL, "+", ms=14, mew=2, color=ASK)
        axes.plot(found.kappa_value, found.arrival_value, "o", ms=5, color="k")
        axes.set(xscale="log", yscale="log", xlim=(0.01, 3), ylim=(1e-4, 10), xlabel="κ, 1/bps")
        axes.set_title(f"{arrivals} arrivals", fontsize=10)
        low, high = found.kappa_quantile(0.05), found.kappa_quantile(0.95)
        told.append(
            f"{arrivals} arrivals: κ {found.kappa_value:.3f} ({low:.3f} to {high:.3f}), "
            f"A {found.arrival_value:.3f}/s; truth {KAPPA}, {ARRIVAL}"
        )
    plots[0].set_ylabel("A, 1/s")
    inside = sum(covered(seed) for seed in range(1, 61))
    return [*told, f"in 60 other runs of 100 arrivals, {inside} intervals of 90 % hold the true κ"]


def covered(seed: int) -> bool:
    market = TakerMarket(KAPPA, ARRIVAL, seed, prior=KAPPA / 3)
    market.run(ladder, 100)
    found = known(market)
    return found.kappa_quantile(0.05) <= KAPPA <= found.kappa_quantile(0.95)


def confidence(figure: Figure) -> list[str]:
    """How arrivals become confidence: a ladder, one level that dithers, one that does not."""
    axes = figure.subplots()
    told, counts = [], [0, 2, 4, 6, 8, 10, 15, 20, 30, 40, 60, 80, 100]
    for name, depths, colour in (
        ("ladder of five levels", ladder, BID),
        ("one level, dithered", dithered, OTHER),
        ("one level, fixed", one_level, ASK),
    ):
        runs = []
        for seed in range(12):
            market = TakerMarket(KAPPA, ARRIVAL, seed, prior=KAPPA / 3)
            run = []
            for n, before in zip(counts, [0, *counts], strict=False):
                market.run(depths, n - before)
                run.append(market.components.intensity.confidence)
            runs.append(run)
        mean = np.mean(runs, axis=0)
        axes.plot(counts, mean, "o-", ms=3, color=colour, label=name)
        told.append(f"{name}: {mean[7]:.2f} after 20 arrivals, {mean[-1]:.2f} after 100")
    axes.axhline(0.75, color="0.5", lw=0.8, ls=":")
    axes.set(xlabel="own arrivals", ylabel="confidence in κ", ylim=(0, 1))
    axes.legend(fontsize=8)
    return [f"{line} (mean of 12 runs)" for line in told]


def reach(figure: Figure) -> list[str]:
    """What the estimator makes of a reach that is not exponential, but of a heavy tail."""
    axes = figure.subplots()
    tail, scale = 2.5, 6.0

    def lomax(random: Random) -> float:
        return scale * (math.pow(1.0 - random.random(), -1.0 / tail) - 1.0)

    market = TakerMarket(KAPPA, ARRIVAL, seed=6, prior=KAPPA, reach=lomax)
    market.run(ladder, 400)
    found = known(market)
    depth = np.linspace(0.0, 30.0, 121)
    true = ARRIVAL * (1.0 + depth / scale) ** -tail
    fitted = found.arrival_value * np.exp(-found.kappa_value * depth)
    axes.semilogy(depth, true, color="k", label="true: a power law of mean 4 bps")
    axes.semilogy(depth, fitted, color=BID, label="fitted: A·exp(-κδ)")
    axes.axvspan(LADDER[0], LADDER[-1], color="0.92", label="where we quoted")
    axes.set(xlabel="depth δ, bps", ylabel="arrivals/s, one side", ylim=(1e-5, 0.1))
    axes.legend(fontsize=8)

    def ratio(at: float) -> float:
        fit = found.arrival_value * math.exp(-found.kappa_value * at)
        return fit / (ARRIVAL * math.pow(1.0 + at / scale, -tail))

    shown = ", ".join(f"{ratio(at):.2f} at {at:g}" for at in (0.0, 4.0, 8.0, 16.0, 30.0))
    return [f"fitted over true intensity: {shown} bps, after 400 arrivals between 4 and 8"]
