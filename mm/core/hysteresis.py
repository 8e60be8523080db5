"""How far an order may lie from its wanted price before it is moved, and the room for that."""

import math

from msgspec import structs

from mm.core.diff import Band, Tolerance
from mm.core.ration import DEEP, Pace
from mm.core.settings import StrategySettings
from mm.model.market_params import MarketParams
from mm.model.quote import Binding, Quote, SideQuote, Term
from mm.model.units import Side

TOLERANCE_PER_KAPPA = 0.3
"""Hysteresis never exceeds this share of 1/κ, or fill rates would differ from the model's; but for
what the action budget asks for."""
ROOM_PER_KAPPA = 1.0
"""Nor is the room made for it ever larger than this: what is filled earns actions."""


def free_bps(settings: StrategySettings, params: MarketParams, tick_bps: float) -> float:
    """What we would take whatever actions cost: some σ√dt, a tick at least (rounding flips it), a
    share of 1/κ at the most."""
    drift = settings.hysteresis_sigmas * params.sigma * math.sqrt(settings.quote_interval_s)
    drift = max(drift, 1.01 * tick_bps)
    return max(settings.hysteresis_min_bps, min(drift, TOLERANCE_PER_KAPPA / params.kappa))


def with_room(quote: Quote, params: MarketParams, pace: Pace, free: float, lots: float) -> Quote:
    """Depths from which an order may drift inward by the band of the action budget and still pay
    for itself. Where that is closer to the floor than the band is wide, the term "action_budget"
    makes up the difference, by at most 1/κ; a reducing side has no floor, so it needs none."""
    if pace.band_bps <= free:
        return quote
    bid, ask = (
        side if side is None or side.side * lots < 0.0 else _deeper(side, params, pace, free)
        for side in (quote.bid, quote.ask)
    )
    if bid is quote.bid and ask is quote.ask:
        return quote
    return structs.replace(quote, bid=bid, ask=ask)


def _deeper(side: SideQuote, params: MarketParams, pace: Pace, free: float) -> SideQuote:
    lacking = pace.band_bps - max(above_floor_bps(side, params), free)
    bps = min(lacking, ROOM_PER_KAPPA / params.kappa)
    if bps <= 0.0:
        return side
    terms = (*side.terms, Term("action_budget", bps))
    return SideQuote(side.side, side.depth_bps + bps, terms, Binding.BUDGET)


def tolerance(
    quote: Quote, params: MarketParams, pace: Pace, free: float, least: float, lots: float
) -> Tolerance:
    """The wider of the free band and the action budget's, inward no further than the floor."""
    near, deep = max(free, pace.band_bps), max(free, DEEP * pace.band_bps)
    bid = _inward_bps(quote.bid, params, pace, least, lots)
    ask = _inward_bps(quote.ask, params, pace, least, lots)
    return Tolerance(
        Band(near, min(near, bid), min(near, ask)), Band(deep, min(deep, bid), min(deep, ask))
    )


def _inward_bps(
    side: SideQuote | None, params: MarketParams, pace: Pace, least: float, lots: float
) -> float:
    if side is None:
        return least
    room = max(least, above_floor_bps(side, params))
    return max(room, pace.band_bps) if side.side * lots < 0.0 else room


def above_floor_bps(quote: SideQuote, params: MarketParams) -> float:
    """How far the wanted depth lies above fee + adverse + min_edge, bps."""
    a = params.adverse_bid_bps if quote.side is Side.BID else params.adverse_ask_bps
    return quote.depth_bps - params.maker_fee_bps - max(a, 0.0) - params.min_edge_bps
