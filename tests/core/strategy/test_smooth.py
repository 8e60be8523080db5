"""No cliffs: along each input, from end to end, nowhere does a quote jump."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mm.core.strategy import glft
from mm.model.market_params import MarketParams

STEPS = 40
HALVINGS = 30
JUMP_BPS = 0.001
BASE = MarketParams(
    ts=0, fair=100.0, sigma=1.0, kappa=1.0, arrival=1.0, gamma=0.01, maker_fee_bps=1.5,
    adverse_bid_bps=0.5, adverse_ask_bps=0.5, min_edge_bps=0.5, max_inventory_lots=20,
)  # fmt: skip
RANGES = {
    "sigma": (0.05, 2.0),
    "kappa": (0.05, 1.5),
    "arrival": (0.01, 5.0),
    "gamma": (0.001, 0.1),
    "adverse_bid_bps": (0.0, 6.0),
    "maker_fee_bps": (-0.3, 4.5),
    "min_edge_bps": (0.1, 8.0),
    "calibration_gamma_mult": (0.3, 1.0),
    "inventory": (0.0, 9.5),
}


def depth(p: MarketParams, name: str, value: float, lots: float) -> float:
    inventory = name == "inventory"
    quote = glft.quote(
        p if inventory else replace(p, **{name: value}), value if inventory else lots
    )
    assert quote.bid is not None
    return quote.bid.depth_bps


@pytest.mark.parametrize("name", RANGES)
@settings(max_examples=10)
@given(data=st.data())
def test_a_quote_has_no_cliff_along(name: str, data: st.DataObject) -> None:
    """Where a step makes the most difference, half of it makes less, and so on to nothing.

    At no inventory one jump is meant: what reduces a position may be closer than the floor.
    """
    drawn = {n: data.draw(st.floats(*RANGES[n]), n) for n in RANGES}
    lots = drawn.pop("inventory")
    p = replace(BASE, **drawn)
    low, high = RANGES[name]
    at = [low + n / STEPS * (high - low) for n in range(STEPS + 1)]
    depths = {value: depth(p, name, value, lots) for value in at}

    low, high = max(pairwise(at), key=lambda ends: abs(depths[ends[1]] - depths[ends[0]]))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        depths[middle] = depth(p, name, middle, lots)
        halves = ((low, middle), (middle, high))
        low, high = max(halves, key=lambda ends: abs(depths[ends[1]] - depths[ends[0]]))

    assert abs(depths[high] - depths[low]) < JUMP_BPS
