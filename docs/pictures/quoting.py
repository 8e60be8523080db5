"""Pictures of the quotes: exact and closed form, what widens them, where inventory goes."""

import math

import numpy as np
from matplotlib.figure import Figure
from msgspec.structs import replace

from mm.app.explain import Explanation, explain
from mm.app.explain_inputs import Inputs, inputs
from mm.core.strategy import glft
from mm.core.strategy.stationary import cost_per_fill, intensity, stationary
from mm.model.market_params import MarketParams
from mm.sim.scenarios import PRESETS
from mm.sim.truth import truth

CALM = ("gamma=0.01", "kappa=0.3", "A=0.9", "sigma=0.3", "fee=0", "Q=30")
RISKY = ("gamma=0.1", "kappa=0.5", "A=0.5", "sigma=2", "fee=0", "Q=30")
LIQUID = ("kappa=0.25", "A=0.5", "sigma=1", "adverse_bps=0.2")
BID, ASK, OTHER = "#1f77b4", "#d62728", "#2ca02c"


def given(*sets: str) -> Inputs:
    return inputs([], {}, sets)


def quotes(figure: Figure) -> list[str]:
    """δ_bid and δ_ask against q, exact and closed form, at low and at high risk."""
    told = []
    for axes, (name, sets) in zip(
        figure.subplots(1, 2), (("calm", CALM), ("risky", RISKY)), strict=True
    ):
        params = given(*sets).market
        q = np.linspace(-10, 10, 81)
        for exact, line in ((True, "-"), (False, "--")):
            found = [glft.shape(params, float(at), exact) for at in q]
            kind = "exact" if exact else "closed form"
            axes.plot(
                q, [s.half_spread + s.skew for s in found], line, color=BID, label=f"bid, {kind}"
            )
            axes.plot(
                q, [s.half_spread - s.skew for s in found], line, color=ASK, label=f"ask, {kind}"
            )
        axes.set(xlabel="inventory q, lots", ylabel="depth δ, bps")
        axes.set_title(
            f"γ = {params.gamma}, κ = {params.kappa}, A = {params.arrival}, σ = {params.sigma}",
            fontsize=9,
        )
        exact_bid, closed_bid = (_bid(params, 5.0, exact) for exact in (True, False))
        told.append(
            f"{name}: α/η = {glft.steepness_of(params):.3g}, bid at q = 5 "
            f"{exact_bid:.4f} bps exact, {closed_bid:.4f} closed form"
        )
    axes.legend(fontsize=8)
    return told


def _bid(params: MarketParams, q: float, exact: bool) -> float:
    found = glft.shape(params, q, exact)
    return found.half_spread + found.skew


def closed_form(figure: Figure) -> list[str]:
    """The closed form's error in units of 1/κ: it depends on α/η, q and Q alone."""
    axes = figure.subplots()
    steepness = np.logspace(-6, 4, 121)
    base = given("kappa=1", "gamma=0.1", "A=1", "sigma=1", "fee=0", "Q=30").market
    told = []
    for q, shade in ((0, "0.0"), (2, "0.3"), (5, "0.5"), (10, "0.65"), (20, "0.8")):
        errors = [_error(base, at, q) for at in steepness]
        axes.loglog(steepness, np.maximum(np.abs(errors), 1e-9), color=shade, label=f"q = {q}")
        shown = ", ".join(f"{_error(base, at, q):+.2g}" for at in (1e-4, 1e-2, 1.0, 100.0))
        told.append(f"q = {q}: error {shown} of 1/κ at α/η = 0.0001, 0.01, 1, 100")
    for number, (name, place) in enumerate(presets().items()):
        axes.axvline(place, color=BID, lw=0.6)
        axes.text(1.15 * place, 3e-6 * 6 ** (number % 3), name, color=BID, fontsize=8)
    axes.set(
        xlabel="α/η", ylabel="|closed form - exact|, in 1/κ", ylim=(1e-6, 3e3), xlim=(1e-6, 1e4)
    )
    axes.legend(fontsize=8, loc="upper left")
    listed = ", ".join(f"{name} {value:.2g}" for name, value in presets().items())
    return [*told, f"α/η of the presets at γ = 0.05: {listed}"]


def _error(base: MarketParams, steepness: float, q: int) -> float:
    """κ·(closed form - exact) of the bid; σ is what makes α/η as asked."""
    params = replace(base, sigma=math.sqrt(steepness / glft.steepness_of(base)))
    exact = glft.exact_shape(params, q, cached=False)
    closed = glft.closed_form(params, q)
    return closed.half_spread + closed.skew - exact.half_spread - exact.skew


def presets() -> dict[str, float]:
    """α/η of each generated market at its true parameters and the default γ."""
    found = {}
    for name, scenario in PRESETS.items():
        true = truth(scenario)
        sets = (
            f"kappa={true.kappa}",
            f"A={true.arrival}",
            f"sigma={true.sigma}",
            f"adverse_bps={true.adverse_bps}",
        )
        found[name] = glft.steepness_of(given(*sets).market)
    return found


def levers(figure: Figure) -> list[str]:
    """What m does to the flat half-spread: as a factor of the width, and as one of γ."""
    told = []
    multipliers = np.linspace(0.05, 1.0, 39)
    for axes, name in zip(figure.subplots(1, 2, sharey=True), ("liquid", "thin"), strict=True):
        true = truth(PRESETS[name])
        params = given(f"kappa={true.kappa}", f"A={true.arrival}", f"sigma={true.sigma}").market
        full = glft.shape(params, 0.0).half_spread
        gamma = [
            glft.shape(replace(params, gamma=params.gamma * float(m)), 0.0).half_spread / full
            for m in multipliers
        ]
        axes.plot(multipliers, multipliers, color=BID, label="width: m·h")
        axes.plot(multipliers, gamma, color=ASK, label="gamma: h at γ·m")
        axes.axhline(1.0 / (params.kappa * full), color="0.6", lw=0.8, ls=":", label="1/κ")
        axes.set(xlabel="m", ylim=(0, 1.3), title=f"{name}, γ = {params.gamma}")
        at = glft.shape(replace(params, gamma=0.3 * params.gamma), 0.0).half_spread
        told.append(f"{name}: m = 0.3 leaves {at / full:.2f} of h by γ, 0.30 by the width")
        if name == "liquid":
            axes.set_ylabel("half-spread, share of h")
            axes.legend(fontsize=8)
    return told


def long_run(figure: Figure) -> list[str]:
    """Where inventory spends its time, and what γ trades for what."""
    left, right = figure.subplots(1, 2)
    for gamma, colour in ((0.005, OTHER), (0.05, BID), (0.2, ASK)):
        run = stationary(given(*LIQUID, f"gamma={gamma}").market)
        q = range(-run.bound, run.bound + 1)
        left.plot(q, run.probability, "o-", ms=3, lw=1, color=colour, label=f"γ = {gamma}")
    left.set(xlabel="inventory q, lots", ylabel="share of time")
    left.legend(fontsize=8)
    found: Explanation = explain(given(*LIQUID))
    risk = [row.risk_usd_per_sqrt_h for row in found.gammas]
    edge = [row.edge_usd_per_h for row in found.gammas]
    right.plot(risk, edge, "o-", ms=4, color=BID)
    for row in found.gammas[2:]:
        at = (row.risk_usd_per_sqrt_h, row.edge_usd_per_h)
        right.annotate(f"γ = {row.gamma:g}", at, (6, -9), textcoords="offset points", fontsize=8)
    right.set(xlabel="± USD/√h by moves of S", ylabel="edge, USD/h", xlim=(0, 1.25 * max(risk)))
    return [
        f"γ = {row.gamma:g}: inventory ± {row.inventory_sd_lots:.2f} lots, "
        f"{row.edge_usd_per_h:.0f} USD/h ± {row.risk_usd_per_sqrt_h:.1f} USD/√h"
        for row in found.gammas
        if row.gamma in (0.005, 0.05, 0.2)
    ]


def ladder(figure: Figure) -> list[str]:
    """Shares of the lot by level, for three entropies, at the optimum and while reducing."""
    told = []
    for axes, q in zip(figure.subplots(1, 2, sharey=True), (0, 3), strict=True):
        for ratio, offset, colour in ((0.5, -0.27, OTHER), (0.8, 0.0, BID), (0.95, 0.27, ASK)):
            found = explain(given(*LIQUID, f"q={q}", f"strategy.entropy_ratio={ratio}")).ask
            sizes = [float(rung.size) for rung in found.levels]
            shares = [size / sum(sizes) for size in sizes]
            places = [rung.level + offset for rung in found.levels]
            axes.bar(places, shares, width=0.25, color=colour, label=f"ρ = {ratio}")
            shown = " ".join(f"{share:.2f}" for share in shares)
            told.append(f"ask at q = {q}, ρ = {ratio}: {shown}; edge {found.edge_bps:.2f} bps")
        axes.set(
            xlabel=f"level of the ask, at q = {q} (level 1 at {found.levels[0].depth_bps:.1f} bps)"
        )
    axes.legend(fontsize=8)
    figure.axes[0].set_ylabel("share of the lot")
    return told


def costs(figure: Figure) -> list[str]:
    """What it costs that each side bears its own adverse move, where they differ."""
    axes = figure.subplots()
    told = []
    for name, colour in (("liquid", BID), ("toxic", ASK)):
        true = truth(PRESETS[name])
        sets = (f"kappa={true.kappa}", f"A={true.arrival}", f"sigma={true.sigma}", "min_edge_bps=0")
        even = given(*sets, "adverse_bps=2").market
        gaps = np.linspace(0.0, 4.0, 17)
        kept = [share_kept(even, float(gap)) for gap in gaps]
        axes.plot(gaps, kept, color=colour, label=name)
        told.append(
            f"{name}: own costs keep {share_kept(even, 1.0):.1%} at 2.5 and 1.5 bps, "
            f"{share_kept(even, 4.0):.1%} at 4 and 0"
        )
    axes.set(xlabel="a_bid - a_ask, bps, of mean 2", ylabel="certainty equivalent, share kept")
    axes.legend(fontsize=8)
    return told


def share_kept(even: MarketParams, gap: float) -> float:
    """Worth of quotes that bear their own side's cost ÷ that of the mean's on both sides."""
    split = {
        "adverse_bid_bps": even.adverse_bid_bps + 0.5 * gap,
        "adverse_ask_bps": even.adverse_ask_bps - 0.5 * gap,
    }
    true = replace(even, **split)
    return worth(true, true) / worth(true, even)


def worth(true: MarketParams, believed: MarketParams) -> float:
    """Certainty equivalent per second, bps·lot, in the long run, of the quotes for `believed`.

    E[e^(-γW)] grows at the greatest eigenvalue of the generator of q, tilted by what fills earn
    and what S does to q.
    """
    bound, gamma = true.max_inventory_lots, true.gamma
    tilted = np.zeros((2 * bound + 1, 2 * bound + 1))
    for place, q in enumerate(range(-bound, bound + 1)):
        quote = glft.quote(believed, float(q))
        tilted[place, place] = 0.5 * (gamma * true.sigma * q) ** 2
        for side in (quote.bid, quote.ask):
            if side is not None:
                rate = intensity(true, side.depth_bps)
                edge = side.depth_bps - cost_per_fill(true, side.side)
                tilted[place, place] -= rate
                tilted[place, place + side.side] = rate * math.exp(-gamma * edge)
    return -float(np.linalg.eigvals(tilted).real.max()) / gamma
