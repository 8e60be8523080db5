"""Pictures of what fills teach: adverse selection, calibration, and exploration."""

import math
from decimal import Decimal
from random import Random
from statistics import fmean

import numpy as np
from matplotlib.figure import Figure

from docs.pictures.estimating import ARRIVAL, KAPPA, known, ladder
from docs.pictures.market import TakerMarket
from docs.pictures.quoting import ASK, BID
from mm.core.settings import AdverseSettings, CalibrationSettings
from mm.core.stochastic.adverse_selection import AdverseSelection
from mm.core.stochastic.calibration_controller import (
    COMPLETE_AT,
    CONFIDENT,
    MEASURED_ARRIVALS,
    CalibrationController,
)
from mm.core.stochastic.thompson import ThompsonSampler
from mm.core.stochastic.timeline import Timeline
from mm.model.events import Fill
from mm.model.units import NS_PER_S, Side

KNOWN_MOVE_BPS = 4.0
EVERY_S = 20


def adverse(figure: Figure) -> list[str]:
    """The posterior of the signed markout over arrivals: of takers who know, and who do not."""
    axes = figure.subplots()
    told = []
    for name, informed, colour in (("half know of 4 bps", 0.5, ASK), ("nobody knows", 0.0, BID)):
        counts, means, errors, moves = markouts(informed)
        means_, errors_ = np.array(means), np.array(errors)
        axes.plot(counts, means_, color=colour, label=name)
        axes.fill_between(counts, means_ - errors_, means_ + errors_, color=colour, alpha=0.2, lw=0)
        axes.axhline(KNOWN_MOVE_BPS * informed, color=colour, lw=0.8, ls=":")
        told.append(
            f"{name}: {means[-1]:.2f} ± {errors[-1]:.2f} bps after {counts[-1]} arrivals, "
            f"truth {KNOWN_MOVE_BPS * informed:g}; mean |ΔS| {fmean(moves):.2f}"
        )
    axes.axhline(math.sqrt(2.0 * 5.0 / math.pi), color="0.5", lw=0.8, ls="--")
    axes.text(161, 1.4, "mean |ΔS| by noise alone", fontsize=8, color="0.4", ha="right")
    axes.set(xlabel="arrivals on the bid", ylabel="adverse move at 5 s, bps")
    axes.legend(fontsize=8)
    return told


def markouts(informed: float) -> tuple[list[int], list[float], list[float], list[float]]:
    """Counts, posterior means and s.e., and |ΔS|: σ = 1 bps/√s, one bid filled each 20 s."""
    random, settings = Random(8), AdverseSettings()
    estimator, fairs = AdverseSelection(settings), Timeline[float | None]()
    price, counts = 100.0, list[int]()
    means, errors, moves = list[float](), list[float](), list[float]()
    for second in range(EVERY_S * 160):
        ts = second * NS_PER_S
        falls = second % EVERY_S == 1 and random.random() < informed
        price *= math.exp((random.gauss(0.0, 1.0) - KNOWN_MOVE_BPS * falls) / 1e4)
        fairs.put(ts, price)
        if second % EVERY_S == 0 and second:
            estimator.learn(Side.BID, ts + 1, ts + 1)
        for markout in estimator.flush(ts, fairs):
            if markout.horizon_s == settings.primary_s:
                moves.append(abs(markout.bps))
                found = estimator.estimate(Side.BID, settings.primary_s, 1.0, ts)
                counts.append(len(moves))
                means.append(found.value)
                errors.append(0.5 * (found.high - found.low))
    return counts, means, errors, moves


def controller(figure: Figure) -> list[str]:
    """m over progress, by the arrivals of the last hour."""
    axes = figure.subplots()
    measured = range(MEASURED_ARRIVALS + 1)
    for fills, shade in ((0, "0.0"), (5, "0.45"), (8, "0.65"), (10, "0.8")):
        found = [multiplier(fills, count) for count in measured]
        progress = [count / MEASURED_ARRIVALS for count in measured]
        axes.plot(progress, found, color=shade, label=f"{fills}/h")
    axes.axvline(COMPLETE_AT, color=BID, lw=0.8, ls=":")
    axes.text(COMPLETE_AT - 0.005, 0.33, "complete", color=BID, fontsize=8, ha="right")
    axes.set(xlabel="progress", ylabel="m", ylim=(0.25, 1.03))
    axes.legend(title="arrivals", fontsize=8)
    rows = ((0, 0), (5, 5), (10, 10), (10, 18), (0, 20))
    return ["m = " + ", ".join(f"{multiplier(f, n):.3f} at {f}/h and {5 * n} %" for f, n in rows)]


def multiplier(fills: int, measured: int) -> float:
    """m with so many arrivals in the last hour, both halves of progress at measured/20."""
    it = CalibrationController(CalibrationSettings())
    for number in range(fills):
        it.record_fill(own_fill(number))
    confident = CONFIDENT * measured / MEASURED_ARRIVALS
    it.update_calibration_status(60 * NS_PER_S, measured, confident)
    return it.gamma_multiplier()


def own_fill(number: int) -> Fill:
    ts = (number + 1) * NS_PER_S
    return Fill(
        ts=ts,
        venue_ts=ts,
        trade_id=number,
        cloid=str(number),
        oid=number,
        side=Side.BID,
        price=Decimal(100),
        size=Decimal(1),
        fee=Decimal(0),
        start_position=Decimal(0),
        quote=True,
    )


def thompson(figure: Figure) -> list[str]:
    """The draw in force after each arrival, and the posterior's centre and 90 % interval."""
    axes = figure.subplots()
    market = TakerMarket(KAPPA, ARRIVAL, seed=3, prior=KAPPA / 3)
    sampler = ThompsonSampler(seed=1, resample_s=600.0)
    counts, drawn, centres, lows, highs = list(range(101)), [], [], [], []
    for arrivals in counts:
        market.run(ladder, min(arrivals, 1))
        found = known(market)
        drawn.append(sampler.draw(0, found, market.components.intensity.total)[0])
        centres.append(found.kappa_value)
        lows.append(found.kappa_quantile(0.05))
        highs.append(found.kappa_quantile(0.95))
    axes.step(counts, drawn, color=BID, lw=1, where="post", label="draw in force")
    axes.plot(counts, centres, color="k", lw=1, label="centre of the posterior")
    axes.fill_between(counts, lows, highs, color="0.85", lw=0, label="90 %")
    axes.axhline(KAPPA, color=ASK, lw=0.8, ls=":", label="truth")
    axes.set(xlabel="own arrivals", ylabel="κ, 1/bps", yscale="log", ylim=(0.03, 1.0))
    axes.legend(fontsize=8)
    early, late = np.log(drawn[1:21]), np.log(drawn[81:])
    told = (
        f"sd of ln κ drawn: {np.std(early):.2f} over arrivals 1 to 20, "
        f"{np.std(late):.2f} over 81 to 100"
    )
    return [told]
