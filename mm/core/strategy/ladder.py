"""One lot over several levels: entropy-based order distribution (docs/model.md, The ladder)."""

import math
import operator
from decimal import Decimal
from functools import lru_cache

from msgspec import Struct

from mm.core.strategy.distribution import allocate, entropy, shares
from mm.model.instrument import Instrument
from mm.model.market_params import MarketParams
from mm.model.quote import Ladder, Level, Quote, SideQuote
from mm.model.units import Side, depth_bps, price_at

ZERO = Decimal(0)


class Frame(Struct, frozen=True, kw_only=True):
    """What bounds the orders of this cycle, besides the quote itself."""

    instrument: Instrument
    lot_size: Decimal
    """What the ladder of one side totals."""
    room_bid: Decimal
    """How much more may rest on the side by the risk limits."""
    room_ask: Decimal
    best_bid: float | None
    """Touch without our own orders; None: that side is empty."""
    best_ask: float | None
    levels: int
    entropy_ratio: float
    spacing_per_kappa: float


class Rungs(Struct, frozen=True, gc=False):
    levels: tuple[Level, ...] = ()
    entropy: float = 0.0
    blocked: str = ""
    clamped: bool = False


def build(quote: Quote, params: MarketParams, frame: Frame) -> Ladder:
    """All that we want to rest; a side that cannot be quoted is empty and says why."""
    bids = _side(quote.bid, quote.blocked_bid, params, frame, Side.BID)
    asks = _side(quote.ask, quote.blocked_ask, params, frame, Side.ASK)
    if bids.levels and asks.levels and bids.levels[0].price >= asks.levels[0].price:
        crossed = Rungs(blocked="own bid and ask would cross")
        bids = crossed if quote.skew_bps >= 0.0 else bids
        asks = crossed if quote.skew_bps <= 0.0 else asks
    return Ladder(
        bids.levels,
        asks.levels,
        bids.entropy,
        asks.entropy,
        bids.blocked,
        asks.blocked,
        bids.clamped,
        asks.clamped,
    )


def _side(
    side_quote: SideQuote | None, blocked: str, params: MarketParams, frame: Frame, side: Side
) -> Rungs:
    if side_quote is None:
        return Rungs(blocked=blocked or "no quote")
    wanted = side_quote.depth_bps
    if not math.isfinite(wanted):
        return Rungs(blocked="depth not finite")
    room = frame.room_bid if side is Side.BID else frame.room_ask
    total = frame.instrument.round_size(max(min(frame.lot_size, room), ZERO))
    if total <= 0:
        return Rungs(blocked="risk limit" if room < frame.lot_size else "lot below one size step")
    try:
        prices, depths = rung_prices(side_quote, params, frame)
    except ValueError as error:
        return Rungs(blocked=str(error))
    utilities = _utilities(params.kappa, wanted, depths)
    return _fill(prices, utilities, total, frame, side, depths[0] != wanted)


def rung_prices(
    side_quote: SideQuote, params: MarketParams, frame: Frame
) -> tuple[list[Decimal], list[float]]:
    """Valid, post-only, strictly outward prices; ValueError where there is none.

    None is beyond S: λ is A there and further on, so that a reducing quote through S would give
    edge away and be filled no sooner.

    With each the depth that it stands for: before rounding to the tick, so that the sizes that
    follow from it do not dance with every move of S.
    """
    side, instrument, fair = side_quote.side, frame.instrument, params.fair
    opposite = frame.best_ask if side is Side.BID else frame.best_bid
    clamp = None if opposite is None else instrument.behind(opposite, side)
    spacing = max(instrument.tick_bps(fair), frame.spacing_per_kappa / params.kappa)
    outward = operator.lt if side is Side.BID else operator.gt
    nearest = max(side_quote.depth_bps, 0.0)
    depths = [nearest + index * spacing for index in range(frame.levels)]
    targets = [price_at(side, depth, fair) for depth in depths]
    while len(targets) > 1 and not targets[-1] > 0.0:
        targets.pop()
    prices = instrument.round_prices(targets, side)
    for index, price in enumerate(prices):
        allowed = clamp if clamp is not None and outward(clamp, price) else price
        if index and not outward(allowed, prices[index - 1]):
            last = prices[index - 1]
            allowed = last - side * instrument.tick(float(last))
        if allowed is not price:
            prices[index], depths[index] = allowed, depth_bps(side, float(allowed), fair)
    return prices, depths[: len(prices)]


def _fill(
    prices: list[Decimal],
    utilities: tuple[int, ...],
    total: Decimal,
    frame: Frame,
    side: Side,
    clamped: bool,
) -> Rungs:
    step = frame.instrument.size_step
    minimum = frame.instrument.each_min_steps(prices)
    sizes, spread = allocation(utilities, int(total / step), minimum, frame.entropy_ratio)
    if not sizes:
        return Rungs(blocked="below the venue's minimum notional")
    levels = [
        Level(side, index, price, size * step)
        for index, (price, size) in enumerate(zip(prices, sizes, strict=False), start=1)
    ]
    return Rungs(tuple(levels), spread, "", clamped)


@lru_cache(maxsize=4096)
def allocation(
    utilities: tuple[int, ...], steps: int, minimum: tuple[int, ...], ratio: float
) -> tuple[tuple[int, ...], float]:
    """Steps for the most levels that the minima allow, () where not even one is; their entropy.

    A pure function, so the cache is no history: what it is asked repeats with the ladder's shape.
    """
    for count in range(len(utilities), 0, -1):
        if sum(minimum[:count]) <= steps:
            wanted = shares(utilities[:count], ratio)
            sizes = allocate(wanted, steps, minimum[:count], ratio)
            return tuple(sizes), entropy(sizes)
    return (), 0.0


def _utilities(kappa: float, wanted: float, depths: list[float]) -> tuple[int, ...]:
    """u = λ(δ)·(δ - c), what a fill at these depths earns per second, in millionths of its most.

    c is what a fill costs us in all: fee, adverse selection and the inventory that it brings.
    `wanted`, the depth of the quote, is where u is largest; where λ = A·e^(-κδ) that is c + 1/κ, so
    c = wanted - 1/κ. (With c = fee + a alone, the deep levels of a reducing side would get the
    most, as if being rid of the position were worth nothing.)
    """
    nearest = max(wanted, 0.0)
    utilities = []
    for depth in depths:
        reached = math.exp(kappa * (nearest - depth))
        utilities.append(round(1e6 * reached * (1.0 + kappa * (depth - wanted))))
    return tuple(utilities)
