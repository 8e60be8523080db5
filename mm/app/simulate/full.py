"""Sides that the portfolio's limit leaves no order, by what is held and rests at the venue."""

from decimal import Decimal
from typing import Final

from mm.app.simulate.venue_side import USER
from mm.app.simulate.world import World
from mm.model.units import SIDES, Side

ZERO: Final = Decimal(0)


def is_full(world: World, coin: str, side: Side) -> bool:
    """Would even the smallest order of `side` take what the portfolio holds beyond its limit?

    Each other coin counts with what it may come to hold, and a lot at least, which is promised to
    it. Summed from the venue's word: a daemon that wrongly believes the limit taken is not excused.
    """
    limit = world.plan.number("portfolio.max_gross_usd")
    mid, position = world.venue.exchange.mid(coin), world.venue.exchange.position(USER, coin)
    if not (limit and mid and side * position > 0):
        return False
    lot = world.plan.number("strategy.lot_usd")
    kept = min(lot, limit / len(world.plan.coins))
    others = (other for other in world.plan.coins if other != coin)
    room = limit - sum(max(kept, _gross(world, other)) for other in others)
    price = Decimal(str(mid))
    smallest = world.maker.engines[coin].state.instrument.min_size(price)
    return float((abs(position) + smallest) * price) > room


def _gross(world: World, coin: str) -> float:
    """Its position with all orders of a side filled, USD, whichever side is worse."""
    position, mid = world.venue.exchange.position(USER, coin), world.venue.exchange.mid(coin)
    rows = [row for row in world.venue.orders() if row.coin == coin]
    sides = (
        side * position + sum((r.remaining for r in rows if r.side is side), ZERO) for side in SIDES
    )
    return float(max(sides)) * float(mid or 0)
