"""What funding pays for holding moves the quotes: sign, size, bounds, and one term that says so."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mm.core.engine import Engine
from mm.core.strategy import glft
from mm.model.events import Reference
from mm.model.market_params import MarketParams, Premium
from mm.model.quote import SideQuote
from mm.model.units import Side
from tests.core.stage import INSTRUMENT, Stage, settings

PARAMS = MarketParams(
    ts=0,
    fair=100.0,
    sigma=0.5,
    kappa=0.3,
    arrival=0.1,
    gamma=0.05,
    maker_fee_bps=1.5,
    adverse_bid_bps=0.0,
    adverse_ask_bps=0.0,
    min_edge_bps=0.1,
    max_inventory_lots=40,
)


def rate_for(target_lots: float, params: MarketParams = PARAMS) -> float:
    """The hourly funding whose target is this."""
    return -target_lots * params.gamma * params.sigma**2 * 3600.0 / 1e4


def sides(quote_of: MarketParams, q: float, target: float) -> tuple[SideQuote, SideQuote]:
    quote = glft.quote(quote_of, q, target_lots=target)
    assert quote.bid is not None
    assert quote.ask is not None
    return quote.bid, quote.ask


def funding_term(side: SideQuote) -> float:
    return next((term.bps for term in side.terms if term.name == "funding"), 0.0)


def with_drift(params: MarketParams, drift_bps_per_s: float) -> tuple[np.ndarray, np.ndarray]:
    """δ_bid and δ_ask, costs left out, from the paper's matrix with a trend: αq² - κμq."""
    bound = params.max_inventory_lots
    q = np.arange(-bound, bound + 1.0)
    alpha = 0.5 * params.kappa * params.gamma * params.sigma**2
    discount = math.exp(-glft.log_discount(params.gamma, params.kappa))
    eta = glft.effective_arrival(params) * discount
    off = np.full(2 * bound, -eta)
    matrix = np.diag(alpha * q**2 - params.kappa * drift_bps_per_s * q)
    matrix += np.diag(off, 1) + np.diag(off, -1)
    v = np.abs(np.linalg.eigh(matrix)[1][:, 0])
    base = glft.base_depth(params.gamma, params.kappa)
    bid = base + np.log(v[:-1] / v[1:]) / params.kappa
    ask = base + np.log(v[1:] / v[:-1]) / params.kappa
    return bid[bound : bound + 3], ask[bound - 1 : bound + 2]


@pytest.mark.parametrize("target", [-1.0, -0.4, 0.25, 1.0])
def test_it_is_the_papers_solution_with_a_trend(target: float) -> None:
    """To 0.03 bps, where a lot moves them by 1.0: h stays, and between lots we interpolate."""
    drift = target * PARAMS.gamma * PARAMS.sigma**2
    assert glft.target_inventory(PARAMS, rate_for(target)) == pytest.approx(target)
    bids, asks = with_drift(PARAMS, drift)
    for q in (0, 1, 2):
        bid, ask = sides(PARAMS, q, target)
        assert bid.depth_bps - 1.5 == pytest.approx(bids[q], abs=0.03)
        assert ask.depth_bps - 1.5 == pytest.approx(asks[q], abs=0.03)


def test_where_longs_pay_bids_step_back_and_asks_come_forward() -> None:
    target = glft.target_inventory(PARAMS, +0.001)
    assert -1.0 <= target < -0.1
    plain, (bid, ask) = sides(PARAMS, 0.0, 0.0), sides(PARAMS, 0.0, target)
    moved = bid.depth_bps - plain[0].depth_bps
    assert moved > 0.05
    assert ask.depth_bps - plain[1].depth_bps == pytest.approx(-moved)
    assert funding_term(bid) == pytest.approx(moved)
    assert funding_term(ask) == pytest.approx(-moved)
    assert all(funding_term(side) == 0.0 for side in plain)


@given(
    rate=st.floats(-1.0, 1.0) | st.just(math.nan),
    sigma=st.floats(1e-4, 1e3),
    gamma=st.floats(1e-9, 1e3),
)
def test_the_target_never_exceeds_a_lot_whatever_the_rate(
    rate: float, sigma: float, gamma: float
) -> None:
    target = glft.target_inventory(replace(PARAMS, sigma=sigma, gamma=gamma), rate)
    assert abs(target) <= 1.0
    assert target == 0.0 or rate * target < 0.0


def test_the_usual_rate_moves_nothing() -> None:
    """0.00125 % an hour: a term of thousandths of a basis point would only be noise."""
    assert glft.target_inventory(PARAMS, 1.25e-5) == 0.0


@given(q=st.floats(-3.0, 3.0), target=st.floats(-1.0, 1.0), premium=st.floats(0.0, 5.0))
def test_swapping_sides_position_and_payer_swaps_the_quotes(
    q: float, target: float, premium: float
) -> None:
    params = replace(PARAMS, premia=(Premium("stale", premium, premium),))
    bid, ask = sides(params, q, target)
    mirrored_bid, mirrored_ask = sides(params, -q, -target)
    assert bid.depth_bps == pytest.approx(mirrored_ask.depth_bps)
    assert ask.depth_bps == pytest.approx(mirrored_bid.depth_bps)
    for side in (bid, ask):
        assert math.fsum(term.bps for term in side.terms) == pytest.approx(side.depth_bps)


def test_a_flat_book_is_never_sold_below_cost_for_funding() -> None:
    """The floor goes by the position: what would open one keeps its edge."""
    tight = replace(PARAMS, calibration_gamma_mult=0.05, sigma=2.0, gamma=0.3)
    plain, (bid, ask) = sides(tight, 0.0, 0.0), sides(tight, 0.0, -1.0)
    assert ask.depth_bps >= 1.5 + 0.1 - 1e-12
    assert bid.depth_bps > plain[0].depth_bps


@pytest.mark.parametrize("side", list(Side))
def test_the_venues_funding_rate_reaches_an_order(side: Side) -> None:
    def first_depth(rate: float) -> float:
        stage = Stage(Engine(settings(), INSTRUMENT))
        stage.start(position=Decimal(0))
        for number in range(10):
            stage.tick(stage.mid * (1.0 + 1e-4 * (number % 2)))
        stage.happen(Reference(stage.ts, stage.ts, 100.0, 100.0, rate))
        stage.tick()
        quote = stage.engine.quoting.side(side)
        assert quote is not None
        return quote.depth_bps

    assert side * (first_depth(+0.02) - first_depth(-0.02)) > 0.1
