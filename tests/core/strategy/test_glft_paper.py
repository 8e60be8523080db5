"""The quotes against the papers' own equations: their ODE run to rest, and no better policy."""

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from mm.core.strategy import glft
from mm.model.market_params import MarketParams

Vector = NDArray[np.float64]
Policy = Callable[[int], tuple[float | None, float | None]]
CLOSE_BPS = 1e-6

PARAMS = MarketParams(
    ts=0,
    fair=100.0,
    sigma=1.0,
    kappa=0.25,
    arrival=0.1,
    gamma=0.05,
    maker_fee_bps=1.5,
    adverse_bid_bps=0.8,
    adverse_ask_bps=0.8,
    min_edge_bps=-1e6,
    max_inventory_lots=6,
)


def at_rest(steepness: float, bound: int) -> Vector:
    """ln(v_{q+1}/v_q), q >= 0, of v' = -M·v run backwards from v = 1 until it only decays.

    Guéant, Lehalle, Fernandez-Tapia (2013), theorem 1, in units of 1/η and for θ = ln v, which
    does not underflow: θ'_q = -α/η·q² + e^(θ_{q+1}-θ_q) + e^(θ_{q-1}-θ_q) in time to go.
    """
    q = np.arange(-bound, bound + 1.0)

    def drift(_: float, theta: Vector) -> Vector:
        ratio = np.exp(np.diff(theta))
        rate = -steepness * q * q
        rate[:-1] += ratio
        rate[1:] += 1.0 / ratio
        return rate

    def jacobian(_: float, theta: Vector) -> Vector:
        ratio = np.exp(np.diff(theta))
        bands = np.zeros((3, theta.size))
        bands[0, 1:], bands[2, :-1] = ratio, 1.0 / ratio
        bands[1, :-1] -= ratio
        bands[1, 1:] -= 1.0 / ratio
        return bands

    relaxation = 1.0 / min(2.0 * math.sqrt(steepness) + 1.0 / (bound + 1) ** 2, 1.0)
    solution = solve_ivp(
        drift,
        (0.0, 60.0 * relaxation),
        np.zeros(q.size),
        method="LSODA",
        jac=jacobian,
        lband=1,
        uband=1,
        rtol=1e-10,
        atol=1e-10,
    )
    assert solution.success
    ratios: Vector = np.diff(solution.y[:, -1])[bound:]
    return ratios


@settings(max_examples=40, deadline=None)
@given(
    log_steepness=st.floats(math.log(1e-9), math.log(1e8)),
    bound=st.integers(1, 200),
    kappa=st.floats(0.005, 5.0),
)
def test_quotes_are_those_of_the_papers_equations_run_to_rest(
    log_steepness: float, bound: int, kappa: float
) -> None:
    """For any α of the operating range and Q up to 200, each inventory, both sides: solved, and
    from the cache, as they are quoted."""
    p = replace(PARAMS, kappa=kappa, maker_fee_bps=0.0, adverse_bid_bps=0.0, adverse_ask_bps=0.0)
    p = replace(p, max_inventory_lots=bound)
    steepness = math.exp(log_steepness)
    p = replace(p, sigma=math.sqrt(steepness / glft.steepness_of(p)))
    rest = at_rest(glft.steepness_of(p), bound)
    base = math.log1p(p.gamma / p.kappa) / p.gamma
    for q, cached in product({0, 1, bound // 2, bound - 1, bound}, (False, True)):
        found = glft.exact_shape(p, float(q), cached)
        ask = base + (rest[q - 1] if q else -rest[0]) / kappa
        assert abs(found.half_spread - found.skew - ask) < CLOSE_BPS
        if q < bound:
            bid = base - rest[q] / kappa
            assert abs(found.half_spread + found.skew - bid) < CLOSE_BPS


# -- nothing does better ------------------------------------------------------------------------


def growth(p: MarketParams, policy: Policy) -> float:
    """Certainty equivalent per second, bps·lot, of any depths in the long run.

    E[e^(-γW)] grows at the greatest eigenvalue of the generator of q, tilted by what each fill
    earns and by what S does to q: no value function, no first-order condition.
    """
    bound = p.max_inventory_lots
    tilted = np.zeros((2 * bound + 1, 2 * bound + 1))
    costs = (p.maker_fee_bps + p.adverse_bid_bps, p.maker_fee_bps + p.adverse_ask_bps)
    for place, q in enumerate(range(-bound, bound + 1)):
        tilted[place, place] = 0.5 * (p.gamma * p.sigma * q) ** 2
        for depth, cost, step in zip(policy(q), costs, (1, -1), strict=True):
            if depth is not None:
                rate = p.arrival * math.exp(-p.kappa * depth)
                tilted[place, place] -= rate
                tilted[place, place + step] = rate * math.exp(-p.gamma * (depth - cost))
    return -float(np.linalg.eigvals(tilted).real.max()) / p.gamma


def quoted(p: MarketParams) -> Policy:
    def policy(q: int) -> tuple[float | None, float | None]:
        quote = glft.quote(p, float(q))
        bid, ask = quote.bid, quote.ask
        return bid.depth_bps if bid else None, ask.depth_bps if ask else None

    return policy


@pytest.mark.parametrize("gamma", [0.005, 0.05, 0.3])
@pytest.mark.parametrize("sigma", [0.2, 1.0, 3.0])
def test_no_other_depths_are_worth_more(gamma: float, sigma: float) -> None:
    """Moving any one depth either way, or all of them at random, loses certainty equivalent."""
    p = replace(PARAMS, gamma=gamma, sigma=sigma)
    best = quoted(p)
    worth = growth(p, best)
    generator = np.random.default_rng(7)
    moves = [np.zeros((13, 2)) for _ in range(26)]
    for number, move in enumerate(moves):
        move[number // 2, number % 2] = 0.5
    moves += [-move for move in moves]
    moves += [generator.normal(0.0, 0.5, (13, 2)) for _ in range(50)]
    for move in moves:

        def shifted(q: int, move: Vector = move) -> tuple[float | None, float | None]:
            bid, ask = best(q)
            by = move[q + p.max_inventory_lots]
            return None if bid is None else bid + by[0], None if ask is None else ask + by[1]

        assert growth(p, shifted) < worth + 1e-12
