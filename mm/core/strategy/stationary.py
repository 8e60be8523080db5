"""What quotes lead to where the model is true: arrivals, edge, and how far inventory strays."""

import math
from collections.abc import Sequence

from msgspec import Struct

from mm.core.strategy import glft
from mm.model.market_params import MarketParams
from mm.model.quote import SideQuote
from mm.model.units import Side


class Stationary(Struct, frozen=True):
    """The long run of one-lot quotes. `probability[i]` is that of i - Q lots."""

    probability: tuple[float, ...]
    arrivals_per_s: float
    """Of both sides together."""
    edge_bps_per_s: float
    """Depth less fee and adverse move, per second: bps·lot."""

    @property
    def bound(self) -> int:
        return len(self.probability) // 2

    @property
    def mean_lots(self) -> float:
        return math.fsum((i - self.bound) * p for i, p in enumerate(self.probability))

    @property
    def sd_lots(self) -> float:
        mean = self.mean_lots
        spread = ((i - self.bound - mean) ** 2 * p for i, p in enumerate(self.probability))
        return math.sqrt(math.fsum(spread))

    @property
    def rms_lots(self) -> float:
        """√E[q²]: times σ, what S moves in the account's value per √s."""
        return math.hypot(self.mean_lots, self.sd_lots)


class Sweep(Struct, frozen=True, gc=False):
    """What the arrivals of one side bring, when each takes every level up to its reach."""

    arrivals_per_s: float
    share_per_arrival: float
    """Of what rests on the side; all of it is 1."""
    edge_bps: float
    """Of what is filled, by size: depth less fee and adverse move."""


def intensity(params: MarketParams, depth_bps: float) -> float:
    """λ(δ) = A·e^(-κ·max(δ,0)), arrivals per second on one side."""
    return params.arrival * math.exp(-params.kappa * max(depth_bps, 0.0))


def cost_per_fill(params: MarketParams, side: Side) -> float:
    """fee + max(a, 0) of a side, bps: what a fill costs, as quotes count it."""
    a = params.adverse_bid_bps if side is Side.BID else params.adverse_ask_bps
    return params.maker_fee_bps + max(a, 0.0)


def stationary(params: MarketParams, exact: bool = True, target_lots: float = 0.0) -> Stationary:
    """Inventory under `glft.quote` as a birth-death chain: π_{q+1}/π_q = λ_bid(q)/λ_ask(q+1).

    One lot an arrival, at the depth of the first level, q whole. ValueError where a side that
    has room does not quote.
    """
    bound = params.max_inventory_lots
    quotes = [glft.quote(params, float(q), exact, target_lots) for q in range(-bound, bound + 1)]
    bids = [_side(params, quote.bid) for quote in quotes[:-1]]
    asks = [_side(params, quote.ask) for quote in quotes[1:]]
    logs = [0.0]
    for (log_bid, _), (log_ask, _) in zip(bids, asks, strict=True):
        logs.append(logs[-1] + log_bid - log_ask)
    most = max(logs)
    weights = [math.exp(value - most) for value in logs]
    total = math.fsum(weights)
    probability = tuple(weight / total for weight in weights)
    pairs = [*zip(probability[:-1], bids, strict=True), *zip(probability[1:], asks, strict=True)]
    rates = [(p * math.exp(log_rate), edge) for p, (log_rate, edge) in pairs]
    return Stationary(
        probability,
        math.fsum(rate for rate, _ in rates),
        math.fsum(rate * edge for rate, edge in rates),
    )


def _side(params: MarketParams, quote: SideQuote | None) -> tuple[float, float]:
    """ln λ and edge of a first level: rates may be too small for a float, their ratios are not."""
    if quote is None:
        raise ValueError("a side with room does not quote")
    log_rate = math.log(params.arrival) - params.kappa * max(quote.depth_bps, 0.0)
    return log_rate, quote.depth_bps - cost_per_fill(params, quote.side)


def sweep(
    params: MarketParams, side: Side, depths_bps: Sequence[float], shares: Sequence[float]
) -> Sweep:
    """Levels from the touch outward, and the share of the side's size that rests on each."""
    if not depths_bps:
        return Sweep(0.0, 0.0, 0.0)
    first = intensity(params, depths_bps[0])
    cost = cost_per_fill(params, side)
    reached = [
        math.exp(-params.kappa * (max(depth, 0.0) - max(depths_bps[0], 0.0)))
        for depth in depths_bps
    ]
    filled = [chance * share for chance, share in zip(reached, shares, strict=True)]
    share = math.fsum(filled)
    edge = math.fsum(f * (d - cost) for f, d in zip(filled, depths_bps, strict=True))
    return Sweep(first, share, edge / share)
