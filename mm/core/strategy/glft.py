"""Optimal quotes of Guéant, Lehalle, Fernandez-Tapia (2013): closed form and exact."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from msgspec import Struct

from mm.model.market_params import MarketParams
from mm.model.quote import Binding, Quote, SideQuote, Term
from mm.model.units import BPS, Side

Ratio: TypeAlias = Callable[[int], float]
"""ln(v_{q+1}/v_q), by q from 0."""

LATTICE = 0.01
"""Spacing in ln(α/η) of the cached solutions; δ between them is the cubic through four."""
SMALL = 1e-8
FLAT = 1e-20
"""α/η at and below which risk is nil."""
STEEP = 1e30
GAMMA_BOUNDS = (1e-9, 1e3)
MOST_TARGET = 1.0
"""Lots: no rate of funding makes us want to hold more."""
LEAST_TARGET = 0.01
"""Lots: less would move quotes by thousandths of a basis point."""


def effective_gamma(gamma: float, multiplier: float = 1.0) -> float:
    """γ·m, m being 1 unless the calibration's lever is γ. Inside what formulas can bear.

    No factor for the regime: σ follows the market within minutes and enters squared, so that a
    second one on γ would count volatility twice, and would narrow h, for ∂c1/∂γ < 0.
    """
    low, high = GAMMA_BOUNDS
    return min(max(gamma * multiplier, low), high)


def cost_bps(params: MarketParams) -> float:
    """c = fee + mean over sides of max(a, 0)."""
    adverse = max(params.adverse_bid_bps, 0.0) + max(params.adverse_ask_bps, 0.0)
    return params.maker_fee_bps + 0.5 * adverse


def base_depth(gamma: float, kappa: float) -> float:
    """c1 = ln(1 + γ/κ)/γ, bps."""
    x = gamma / kappa
    return (1.0 - 0.5 * x if x < SMALL else math.log1p(x) / x) / kappa


def log_discount(gamma: float, kappa: float) -> float:
    """(1 + κ/γ)·ln(1 + γ/κ): 1 at γ → 0."""
    x = gamma / kappa
    return 1.0 + 0.5 * x if x < SMALL else (1.0 + 1.0 / x) * math.log1p(x)


def skew_slope(gamma: float, kappa: float, arrival: float) -> float:
    """c2 = sqrt(γ/(2Aκ)·(1 + γ/κ)^(1 + κ/γ)), per lot and per σ."""
    return math.sqrt(gamma / (2.0 * arrival * kappa) * math.exp(log_discount(gamma, kappa)))


def effective_arrival(params: MarketParams) -> float:
    """A_eff = A·e^(-κc): a cost per fill thins the intensity that counts."""
    exponent = -params.kappa * cost_bps(params)
    return max(params.arrival * math.exp(min(max(exponent, -600.0), 600.0)), 1e-300)


class Shape(Struct, frozen=True, gc=False):
    """h and skew at one inventory, bps, at the optimum without costs."""

    half_spread: float
    skew: float


# -- closed form --------------------------------------------------------------------------------


def closed_form(params: MarketParams, inventory: float) -> Shape:
    """δ_bid = c1 + c2·σ·(½ + q), δ_ask = c1 + c2·σ·(½ - q): no inventory bound."""
    slope = params.sigma * skew_slope(params.gamma, params.kappa, effective_arrival(params))
    return Shape(base_depth(params.gamma, params.kappa) + 0.5 * slope, slope * inventory)


# -- exact --------------------------------------------------------------------------------------


def log_ratios(steepness: float, bound: int) -> tuple[float, ...]:
    """ln(v_{q+1}/v_q) for q = 0..Q-1 of the ground state, `steepness` = α/η.

    v > 0 solves (αq² - λ)·v_q = η·(v_{q+1} + v_{q-1}), so the ratios satisfy
    r_{q-1} = 1/(α/η·q² + l - r_q) from r_Q = 0, l = -λ/η, and l = 2·r_0 by symmetry. A plain
    eigenvector underflows; the ratios do not. l is found by bisection in (0, 2].
    """
    squares = [steepness * q * q for q in range(bound, 0, -1)]
    low, high = 0.0, 2.0
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        ratio = 0.0
        for square in squares:
            gap = square + middle - ratio
            if gap <= 0.0:
                ratio = math.inf
                break
            ratio = 1.0 / gap
        if middle < 2.0 * ratio:
            low = middle
        else:
            high = middle
    ratio, ratios = 0.0, []
    for square in squares:
        ratio = 1.0 / (square + high - ratio)
        ratios.append(math.log(ratio))
    return tuple(reversed(ratios))


@lru_cache(maxsize=4096)
def lattice_ratios(index: int, bound: int) -> tuple[float, ...]:
    """`log_ratios` at a point of the lattice: a pure function, so the cache is no history."""
    return log_ratios(math.exp(index * LATTICE), bound)


@lru_cache(maxsize=4096)
def neighbours(index: int, bound: int) -> tuple[tuple[float, ...], ...]:
    """For q = 0..Q-1 the solutions at the four lattice points around [index, index + 1]."""
    points = (lattice_ratios(index + step, bound) for step in (-1, 0, 1, 2))
    return tuple(zip(*points, strict=True))


def interpolated_ratios(steepness: float, bound: int) -> Ratio:
    """Lagrange's cubic in ln(α/η), within 1e-9 of the solution.

    Continuous, so that no quote jumps where the lattice does.
    """
    place = math.log(min(max(steepness, FLAT), STEEP)) / LATTICE
    index = math.floor(place)
    s = place - index
    rows, before, after = neighbours(index, bound), s * (s - 2.0) / 2.0, (s * s - 1.0) / 2.0
    first, second = before * (1.0 - s) / 3.0, after * (s - 2.0)
    third, fourth = -before * (s + 1.0), after * s / 3.0

    def ratio(q: int) -> float:
        a, b, c, d = rows[q]
        return first * a + second * b + third * c + fourth * d

    return ratio


def solved_ratios(steepness: float, bound: int) -> Ratio:
    return log_ratios(steepness, bound).__getitem__


def steepness_of(params: MarketParams) -> float:
    """α/η = ½κγσ² / (A_eff·(1 + γ/κ)^-(1 + κ/γ))."""
    alpha = 0.5 * params.kappa * params.gamma * params.sigma * params.sigma
    return alpha / effective_arrival(params) * math.exp(log_discount(params.gamma, params.kappa))


def exact_shape(params: MarketParams, inventory: float, cached: bool = True) -> Shape:
    """h(q) and skew(q) under |q| <= Q, linear between whole lots, beyond ±Q as at ±Q."""
    bound = params.max_inventory_lots
    steepness = steepness_of(params)
    solve = interpolated_ratios if cached else solved_ratios
    ratio = solve(steepness, bound)
    base = base_depth(params.gamma, params.kappa)
    q = min(max(inventory, -bound), bound)
    whole = min(math.floor(q), bound - 1)
    low = node(ratio, bound, whole, base, params.kappa)
    part = q - whole
    if not part:
        return low
    high = node(ratio, bound, whole + 1, base, params.kappa)
    return Shape(
        low.half_spread + part * (high.half_spread - low.half_spread),
        low.skew + part * (high.skew - low.skew),
    )


def node(ratio: Ratio, bound: int, q: int, base: float, kappa: float) -> Shape:
    """h and skew at a whole inventory; at ±Q, h is the neighbour's and one side remains."""
    if q < 0:
        mirrored = node(ratio, bound, -q, base, kappa)
        return Shape(mirrored.half_spread, -mirrored.skew)
    if q == bound:
        half_spread = node(ratio, bound, q - 1, base, kappa).half_spread
        return Shape(half_spread, half_spread - (base + ratio(q - 1) / kappa))
    bid = base - ratio(q) / kappa
    ask = base + ratio(q - 1) / kappa if q else bid
    return Shape(0.5 * (bid + ask), 0.5 * (bid - ask))


def shape(params: MarketParams, inventory: float, exact: bool = True) -> Shape:
    return exact_shape(params, inventory) if exact else closed_form(params, inventory)


# -- the quote ----------------------------------------------------------------------------------


def target_inventory(params: MarketParams, funding_rate: float) -> float:
    """q* = μ/(γσ²) lots, μ = -funding per second: what funding pays for holding.

    With a drift μ of S the matrix has αq² - κμq = α(q - q*)² + const. on its diagonal (Guéant,
    Lehalle, Fernandez-Tapia 2013, section on the trend), so that the skew is that of q - q*, and
    for what a position earns funding is such a drift. `funding_rate`: share of the notional per
    hour, positive: longs pay. 0.00125 % moves nothing; what does is 0.1 % where σ is small.
    """
    drift = -BPS * funding_rate / 3600.0
    target = drift / (params.gamma * params.sigma * params.sigma)
    if not abs(target) >= LEAST_TARGET:
        return 0.0
    return min(max(target, -MOST_TARGET), MOST_TARGET)


def quote(
    params: MarketParams, inventory_lots: float, exact: bool = True, target_lots: float = 0.0
) -> Quote:
    """Level-1 depths with their terms. m scales h only, never the skew.

    The term "funding" is what the skew gains by being measured from `target_lots`. Bounds, floor
    and premia go by the position itself. A side is None, with its reason, at the inventory bound
    or where a depth is not finite.
    """
    found = shape(params, inventory_lots, exact)
    bound = params.max_inventory_lots
    funding = 0.0
    if target_lots:
        funding = shape(params, inventory_lots - target_lots, exact).skew - found.skew
    if not (math.isfinite(found.half_spread) and math.isfinite(found.skew)):
        reason = "depth not finite"
        return Quote(None, None, 0.0, 0.0, reason, reason)
    full_long, full_short = inventory_lots >= bound, inventory_lots <= -bound
    return Quote(
        None if full_long else side_quote(params, Side.BID, found, inventory_lots, funding),
        None if full_short else side_quote(params, Side.ASK, found, inventory_lots, funding),
        found.half_spread,
        found.skew,
        "inventory at its bound" if full_long else "",
        "inventory at its bound" if full_short else "",
    )


def side_quote(
    params: MarketParams, side: Side, found: Shape, inventory: float, funding: float
) -> SideQuote:
    """fee + max(a,0) + m·h ± (skew + funding) + premia, at least the floor; a reducing side has
    neither premia nor floor."""
    a = params.adverse_bid_bps if side is Side.BID else params.adverse_ask_bps
    adverse = max(a, 0.0)
    terms = [
        Term("fee", params.maker_fee_bps),
        Term("adverse", adverse),
        Term("half_spread", params.calibration_gamma_mult * found.half_spread),
        Term("skew", side * found.skew + 0.0),
    ]
    if funding:
        terms.append(Term("funding", side * funding))
    binding = Binding.GLFT
    reducing = side * inventory < 0.0
    for premium in () if reducing else params.premia:
        bps = premium.bid_bps if side is Side.BID else premium.ask_bps
        terms.append(Term(premium.name, bps))
        binding = Binding.CAP if premium.name == "cap" and bps < 0.0 else binding
    depth = math.fsum([t.bps for t in terms])
    short = params.maker_fee_bps + adverse + params.min_edge_bps - depth
    if short > 0.0 and not reducing:
        terms.append(Term("floor", short))
        binding = Binding.FLOOR
        depth = math.fsum([t.bps for t in terms])
    return SideQuote(side, depth, tuple(terms), binding)
