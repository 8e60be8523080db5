"""Room for wide bands: an order may drift inward only as far as it still pays for itself."""

import math

from hypothesis import given
from hypothesis import strategies as st

from mm.core.hysteresis import above_floor_bps, free_bps, tolerance, with_room
from mm.core.ration import Pace
from mm.core.settings import StrategySettings
from mm.core.strategy import glft
from mm.model.market_params import MarketParams
from mm.model.quote import Binding, Quote, SideQuote

RICH = Pace(math.inf, 0.0, 5)


def params(multiplier: float = 1.0, kappa: float = 0.25) -> MarketParams:
    return MarketParams(
        ts=0,
        fair=100.0,
        sigma=1.0,
        kappa=kappa,
        arrival=0.1,
        gamma=0.05,
        maker_fee_bps=1.5,
        adverse_bid_bps=1.0,
        adverse_ask_bps=0.0,
        min_edge_bps=0.1,
        max_inventory_lots=10,
        calibration_gamma_mult=multiplier,
    )


def sides(quote: Quote) -> tuple[SideQuote, SideQuote]:
    assert quote.bid is not None
    assert quote.ask is not None
    return quote.bid, quote.ask


def test_a_rich_budget_changes_nothing() -> None:
    given_params, settings = params(), StrategySettings()
    quote, free = glft.quote(given_params, 2.0), free_bps(settings, given_params, 0.01)
    assert with_room(quote, given_params, RICH, free, 2.0) is quote
    band = tolerance(quote, given_params, RICH, free, 0.2, 2.0)
    assert band.near.outward_bps == band.deep.outward_bps == free == 1.2


def test_a_quote_at_its_floor_makes_room_and_says_why() -> None:
    at_floor, pace = params(0.0), Pace(0.1, 3.0, 1)
    quote = glft.quote(at_floor, 0.0)
    roomy = with_room(quote, at_floor, pace, 1.0, 0.0)
    for before, after in zip(sides(quote), sides(roomy), strict=True):
        lacking = 3.0 - max(above_floor_bps(before, at_floor), 1.0)
        assert after.terms[-1].name == "action_budget"
        assert math.isclose(after.terms[-1].bps, lacking)
        assert math.isclose(after.depth_bps, math.fsum(term.bps for term in after.terms))
        assert after.binding is Binding.BUDGET


def test_a_reducing_side_stays_where_it_is_and_may_lag() -> None:
    """No floor there, so none to keep clear of: the way out of a position is not made longer."""
    market, pace = params(), Pace(0.1, 5.0, 1)
    quote = glft.quote(market, 8.0)
    roomy = with_room(quote, market, pace, 1.2, 8.0)
    assert roomy.ask is quote.ask
    assert tolerance(roomy, market, pace, 1.2, 0.2, 8.0).near.inward_ask_bps == 5.0


@given(
    multiplier=st.floats(0.0, 1.0),
    kappa=st.floats(0.02, 2.0),
    band=st.floats(0.0, 500.0),
    lots=st.floats(-9.0, 9.0),
)
def test_no_quote_below_its_floor_nor_out_of_reach(
    multiplier: float, kappa: float, band: float, lots: float
) -> None:
    market, pace, least = params(multiplier, kappa), Pace(1.0, band, 1), 0.2
    quote, free = glft.quote(market, lots), free_bps(StrategySettings(), params(), 0.01)
    roomy = with_room(quote, market, pace, free, lots)
    bands = tolerance(roomy, market, pace, free, least, lots)
    assert bands.near.outward_bps == max(free, band)
    inward = bands.near.inward_bid_bps, bands.near.inward_ask_bps
    for before, after, limit in zip(sides(quote), sides(roomy), inward, strict=True):
        assert 0.0 <= after.depth_bps - before.depth_bps <= 1.0 / kappa + 1e-9
        if after.side * lots >= 0.0:
            assert limit <= max(least, above_floor_bps(after, market)) + 1e-9


def test_both_sides_have_a_band_where_only_one_may_quote() -> None:
    full = glft.quote(params(), 10.0)
    assert full.bid is None
    pace = Pace(0.1, 5.0, 1)
    roomy = with_room(full, params(), pace, 1.0, 10.0)
    assert roomy.bid is None
    assert tolerance(roomy, params(), pace, 1.0, 0.2, 10.0).near.inward_bid_bps == 0.2
