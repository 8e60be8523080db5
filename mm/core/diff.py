"""From what rests to what should: per level, with hysteresis, never touching what is in flight."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct

from mm.core.orders import Order, OrderState
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.quote import Ladder, Level
from mm.model.units import BPS, Side

OPEN = OrderState.OPEN
GROW = Decimal("1.25")
"""A level is resized when it should hold this much more than rests (after a partial fill)..."""
SHRINK = Decimal("1.10")
"""...and when it rests this much larger than it should."""


class Band(Struct, frozen=True, gc=False):
    """How far an order may lie from its wanted price before it is moved.

    `outward_bps`: further from the market than wanted. `inward_*`: closer to it, where each bp
    eats into the edge: at most what the wanted depth has over its floor.
    """

    outward_bps: float
    inward_bid_bps: float
    inward_ask_bps: float


class Tolerance(Struct, frozen=True, gc=False):
    """`near` for level 1, which takers meet first; `deep` for those behind it."""

    near: Band
    deep: Band


def even(bps: float) -> Tolerance:
    """The same for every level and direction."""
    return Tolerance(Band(bps, bps, bps), Band(bps, bps, bps))


def within(order: Order, level: Level, tolerance: Tolerance) -> bool:
    """True where the resting order is close enough to the wanted level to be left alone."""
    price, band = float(level.price), tolerance.near if level.level == 1 else tolerance.deep
    above = (order.shown[1] - price) / price * BPS
    if level.side > 0:
        close = -band.outward_bps <= above <= band.inward_bid_bps
    else:
        close = -band.outward_bps <= -above <= band.inward_ask_bps
    if not close or order.reduce_only != level.reduce_only:
        return False
    remaining, size = order.remaining, level.size
    return remaining == size or (size <= remaining * GROW and remaining <= size * SHRINK)


def too_near(order: Order, first: Level, tolerance: Tolerance) -> bool:
    """True where the resting order, of whatever level, lies closer to the market than the first one
    may: what it earns does not pay for what it costs."""
    price, near = float(first.price), tolerance.near
    inward_bps = near.inward_bid_bps if first.side is Side.BID else near.inward_ask_bps
    return first.side * (order.shown[1] - price) / price * BPS > inward_bps


def diff(
    wanted: Ladder, orders: Iterable[Order], tolerance: Tolerance, new_cloid: Iterator[str]
) -> list[Action]:
    """The fewest actions from what rests to what is wanted; cancels first, then touch outward.

    Orders in flight are skipped: their answer decides, next cycle. After all answers, applying the
    result leaves exactly the wanted ladder within tolerance.
    """
    cancels: list[Action] = []
    changes: list[Action] = []
    working = [o for o in orders if not o.ended and not o.flatten]
    for side, levels in ((Side.BID, wanted.bids), (Side.ASK, wanted.asks)):
        slots = _by_level([o for o in working if o.side is side], cancels)
        for level in levels:
            order = slots.pop(level.level, None)
            if order is None:
                changes.append(_place(level, next(new_cloid)))
            elif order.state is OPEN and not within(order, level, tolerance):
                changes += _modify(level, order)
        cancels += [Cancel(o.cloid) for o in slots.values() if o.state is OPEN]
    return cancels + sorted(changes, key=_urgency)


def _by_level(orders: Iterable[Order], cancels: list[Action]) -> dict[int, Order]:
    """One order per level; a second one on a level is cancelled."""
    slots: dict[int, Order] = {}
    for order in orders:
        if order.level not in slots:
            slots[order.level] = order
        elif order.state is OPEN:
            cancels.append(Cancel(order.cloid))
    return slots


def _place(level: Level, cloid: str) -> Place:
    return Place(cloid, level.side, level.level, level.price, level.size, level.reduce_only)


def _modify(level: Level, order: Order) -> list[Modify]:
    """None of an order whose venue id is not known yet."""
    if order.oid is None:
        return []
    wanted = level.side, level.level, level.price, level.size, level.reduce_only
    return [Modify(order.cloid, order.oid, *wanted)]


def _urgency(action: Action) -> int:
    return action.level if isinstance(action, Place | Modify) else 0
