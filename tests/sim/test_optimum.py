"""The optimum of a generated market: against an eigenvalue, other policies, and its own takers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mm.model.units import BPS
from mm.sim.gauge import Watched
from mm.sim.market import Taker
from mm.sim.optimum import Maker, Optimum, cost_bps, evaluate, optimum, running
from mm.sim.scenarios import PRESETS, preset, truth
from mm.sim.truth import Truth

LIQUID = truth(preset("liquid"))
MAKER = Maker(gamma=0.05, bound=10, fee_bps=1.5)


def eigenvalue(true: Truth, maker: Maker) -> float:
    """-1/κ times the smallest eigenvalue: ρ if more takers came for prices worse than S."""
    hop = true.arrival * math.exp(-1.0 - true.kappa * cost_bps(true, maker))
    size = 2 * maker.bound + 1
    matrix = np.diag(-true.kappa * running(true, maker))
    matrix -= hop * (np.eye(size, k=1) + np.eye(size, k=-1))
    return float(-np.linalg.eigvalsh(matrix)[0] / true.kappa)


@pytest.mark.parametrize("name", ["liquid", "toxic", "jumpy", "trending"])
def test_the_rate_is_an_eigenvalue_where_no_quote_lies_beyond_the_mid(name: str) -> None:
    true, timid = truth(preset(name)), structs.replace(MAKER, gamma=0.002)
    found = optimum(true, timid)

    assert min(*found.bids, *found.asks) > 0.0
    assert found.utility == pytest.approx(eigenvalue(true, timid), rel=1e-9)
    assert optimum(true, MAKER).utility <= eigenvalue(true, MAKER)


@pytest.mark.parametrize("name", PRESETS)
def test_its_own_depths_lead_to_its_rate(name: str) -> None:
    true = truth(preset(name))
    found = optimum(true, MAKER)

    performance = evaluate(true, MAKER, found.bids, found.asks)
    assert performance.utility == pytest.approx(found.utility, rel=1e-9)
    assert min(*found.bids, *found.asks) >= 0.0
    assert found.bids[-1] == found.asks[0] == math.inf


@given(
    st.sampled_from(sorted(PRESETS)),
    st.floats(1e-3, 0.2),
    st.lists(st.floats(-3.0, 3.0), min_size=21, max_size=21),
)
def test_no_other_depths_do_better(name: str, gamma: float, moves: list[float]) -> None:
    true, maker = truth(preset(name)), structs.replace(MAKER, gamma=gamma)
    found = optimum(true, maker)
    bids = [depth + move for depth, move in zip(found.bids, moves, strict=True)]
    asks = [depth - move for depth, move in zip(found.asks, moves, strict=True)]

    other = evaluate(true, maker, bids, asks)
    assert other.utility <= found.utility + 1e-9 * max(1.0, abs(found.utility))


def test_without_drift_it_is_symmetric_and_more_inventory_is_worth_less() -> None:
    found = optimum(LIQUID, MAKER)

    assert found.bids == pytest.approx(found.asks[::-1])
    assert found.value[MAKER.bound] == 0.0
    assert all(b < a for a, b in zip(found.value[10:], found.value[11:], strict=False))
    assert list(found.bids) == sorted(found.bids)


def test_with_drift_it_leans() -> None:
    found = optimum(truth(preset("trending")), MAKER)

    assert found.bids[MAKER.bound] < found.asks[MAKER.bound]


def test_without_risk_aversion_it_earns_what_a_fixed_depth_does() -> None:
    """γ → 0, no bound in sight: 2·A·e^(-κ(c + 1/κ))/κ, less what the bound forbids."""
    free = structs.replace(MAKER, gamma=1e-9, bound=200)
    cost = cost_bps(LIQUID, free)
    best = 2.0 * LIQUID.arrival * math.exp(-LIQUID.kappa * cost - 1.0) / LIQUID.kappa

    assert optimum(LIQUID, free).utility == pytest.approx(best, rel=1e-3)


def test_kept_to_on_the_markets_own_takers_it_earns_its_rate() -> None:
    """Four hours of takers met at the optimum's depths: edge and change of θ, less risk."""
    found = optimum(LIQUID, MAKER)
    gains, time_s = played(found, 4.0 * 3600.0)

    risk = math.fsum(gain * gain for gain in gains)
    assert len(gains) > 2_000
    assert math.fsum(gains) / time_s == pytest.approx(
        found.utility, abs=4.0 * math.sqrt(risk) / time_s
    )


def played(found: Optimum, horizon_s: float) -> tuple[list[float], float]:
    """What each fill brings, the risk since the last one taken off."""
    start_ms = 1_700_000_000_000
    market = Watched(preset("liquid"), 3, start_ms)
    cost, worth = cost_bps(LIQUID, MAKER), found.value
    here = running(LIQUID, MAKER).tolist()
    gains, risk, place, last_ms = [], 0.0, MAKER.bound, start_ms
    while last_ms < start_ms + 1e3 * horizon_s:
        event = market.pop()
        risk += (event.time_ms - last_ms) / 1e3 * here[place]
        last_ms = event.time_ms
        if not isinstance(event, Taker):
            continue
        side = event.aggressor.opposite
        depth = (found.bids if side > 0 else found.asks)[place]
        if event.aggressor * (event.limit / market.mid - 1.0) * BPS >= depth:
            gains.append(depth - cost + worth[place + side] - worth[place] + risk)
            place, risk = place + side, 0.0
    return gains, (last_ms - start_ms) / 1e3
