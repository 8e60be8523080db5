"""The long run of the quotes, against the null space of its generator and simulation."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.linalg import eigh_tridiagonal, null_space

from mm.core.strategy import glft
from mm.core.strategy.stationary import intensity, stationary, sweep
from mm.model.market_params import MarketParams, Premium
from mm.model.units import Side

PARAMS = MarketParams(
    ts=0,
    fair=100.0,
    sigma=1.0,
    kappa=0.25,
    arrival=0.05,
    gamma=0.05,
    maker_fee_bps=1.5,
    adverse_bid_bps=1.0,
    adverse_ask_bps=0.5,
    min_edge_bps=0.1,
    max_inventory_lots=8,
    premia=(Premium("stale", 0.5, 2.0),),
    calibration_gamma_mult=0.7,
)


def rates(p: MarketParams) -> tuple[list[float], list[float], list[float], list[float]]:
    """λ and edge of bid and ask at every inventory, zero at the bounds: from the quotes."""
    bound = p.max_inventory_lots
    columns: tuple[list[float], list[float], list[float], list[float]] = ([], [], [], [])
    for q in range(-bound, bound + 1):
        quote = glft.quote(p, q)
        adverse = (max(p.adverse_bid_bps, 0.0), max(p.adverse_ask_bps, 0.0))
        for place, side in enumerate((quote.bid, quote.ask)):
            depth = math.inf if side is None else side.depth_bps
            edge = 0.0 if side is None else depth - p.maker_fee_bps - adverse[place]
            columns[2 * place].append(p.arrival * math.exp(-p.kappa * max(depth, 0.0)))
            columns[2 * place + 1].append(edge)
    return columns


def test_the_distribution_is_the_null_space_of_the_generator() -> None:
    up, up_edge, down, down_edge = rates(PARAMS)
    generator = np.diag(up[:-1], 1) + np.diag(down[1:], -1)
    generator -= np.diag(generator.sum(axis=1))
    vector = null_space(generator.T)[:, 0]
    want = vector / vector.sum()

    found = stationary(PARAMS)

    q = np.arange(-8, 9)
    mean = float(want @ q)
    assert found.probability == pytest.approx(want, abs=1e-12)
    assert found.mean_lots == pytest.approx(mean)
    assert found.sd_lots == pytest.approx(math.sqrt(float(want @ (q - mean) ** 2)))
    assert found.rms_lots == pytest.approx(math.sqrt(float(want @ q**2)))
    assert found.arrivals_per_s == pytest.approx(float(want @ np.add(up, down)))
    edges = np.multiply(up, up_edge) + np.multiply(down, down_edge)
    assert found.edge_bps_per_s == pytest.approx(float(want @ edges))


def test_a_simulated_chain_spends_its_time_so() -> None:
    up, up_edge, down, down_edge = rates(PARAMS)
    random, place, weighted, earned, total = Random(5), 8, 0.0, 0.0, 0.0
    for _ in range(60_000):
        span = random.expovariate(up[place] + down[place])
        weighted += span * (place - 8) ** 2
        total += span
        rises = random.random() * (up[place] + down[place]) < up[place]
        earned += up_edge[place] if rises else down_edge[place]
        place += 1 if rises else -1

    found = stationary(PARAMS)

    assert math.sqrt(weighted / total) == pytest.approx(found.rms_lots, rel=0.03)
    assert 60_000 / total == pytest.approx(found.arrivals_per_s, rel=0.03)
    assert earned / total == pytest.approx(found.edge_bps_per_s, rel=0.03)


def test_the_optimum_without_costs_stays_where_its_ground_state_is() -> None:
    """λ_bid(q)/λ_ask(q+1) = (v_{q+1}/v_q)², so π ∝ v², while no depth is negative."""
    p = MarketParams(
        ts=0,
        fair=100.0,
        sigma=0.3,
        kappa=0.3,
        arrival=0.9,
        gamma=0.01,
        maker_fee_bps=0.0,
        adverse_bid_bps=0.0,
        adverse_ask_bps=0.0,
        min_edge_bps=0.0,
        max_inventory_lots=5,
    )
    alpha, eta = 0.5 * p.kappa * p.gamma * p.sigma**2, p.arrival * (1 + 1 / 30) ** -31
    q = np.arange(-5, 6)
    _, vectors = eigh_tridiagonal(alpha * q**2, np.full(10, -eta), select="i", select_range=(0, 0))
    assert stationary(p).probability == pytest.approx(vectors[:, 0] ** 2, rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    gamma=st.floats(1e-6, 5.0),
    kappa=st.floats(1e-3, 10.0),
    arrival=st.floats(1e-7, 100.0),
    sigma=st.floats(1e-3, 100.0),
    bound=st.integers(1, 40),
    exact=st.booleans(),
)
def test_wherever_the_parameters_are_it_is_a_symmetric_distribution(
    gamma: float, kappa: float, arrival: float, sigma: float, bound: int, exact: bool
) -> None:
    p = replace(PARAMS, gamma=gamma, kappa=kappa, arrival=arrival, sigma=sigma)
    p = replace(p, adverse_bid_bps=0.5, premia=(), max_inventory_lots=bound)
    found = stationary(p, exact)
    assert math.fsum(found.probability) == pytest.approx(1.0)
    assert min(found.probability) >= 0.0
    assert found.probability == pytest.approx(found.probability[::-1], abs=1e-9)
    assert abs(found.mean_lots) < 1e-6 * bound
    assert 0.0 <= found.arrivals_per_s <= 2.0 * arrival * (1 + 1e-9)


def test_more_risk_aversion_holds_inventory_closer() -> None:
    spreads = [stationary(replace(PARAMS, gamma=g)).sd_lots for g in (0.001, 0.01, 0.1, 0.5)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] > 3 * spreads[-1]


def test_a_side_that_cannot_be_quoted_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not quote"):
        stationary(replace(PARAMS, sigma=math.nan), exact=False)


def test_inside_the_market_every_arrival_reaches_a_quote() -> None:
    assert intensity(PARAMS, -3.0) == intensity(PARAMS, 0.0) == PARAMS.arrival
    assert intensity(PARAMS, 4.0) == pytest.approx(PARAMS.arrival * math.exp(-1.0))


def test_a_sweep_takes_each_level_as_often_as_it_is_reached() -> None:
    """By drawing the reach of arrivals, and counting what they take and at which edge."""
    depths, shares = (-1.0, 2.0, 5.0), (0.5, 0.3, 0.2)
    random, reached, taken, earned = Random(3), 0, 0.0, 0.0
    for _ in range(40_000):
        reach = random.expovariate(PARAMS.kappa)
        levels = [i for i, depth in enumerate(depths) if reach >= max(depth, 0.0)]
        reached += bool(levels)
        taken += sum(shares[i] for i in levels)
        earned += sum(shares[i] * (depths[i] - 1.5 - 1.0) for i in levels)

    found = sweep(PARAMS, Side.BID, depths, shares)

    assert found.arrivals_per_s == pytest.approx(PARAMS.arrival * reached / 40_000)
    assert found.share_per_arrival == pytest.approx(taken / reached, rel=0.01)
    assert found.edge_bps == pytest.approx(earned / taken, abs=0.03)
    assert sweep(PARAMS, Side.ASK, (), ()).arrivals_per_s == 0.0
