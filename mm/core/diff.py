"""From what rests to what should: per level, with hysteresis, never touching what is in flight."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct

from mm.core.orders import Order, OrderState
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.quote import Ladder, Level
from mm.model.units import BPS, Side

GROW = Decimal("1.25")
"""A level is resized when it should hold this much more than rests (after a partial fill)..."""
SHRINK = Decimal("1.10")
"""...and when it rests this much larger than it should."""


class Tolerance(Struct, frozen=True, gc=False):
    """An order within `price_bps` of its level's price is left alone and keeps its queue place."""

    price_bps: float


def within(order: Order, level: Level, tolerance: Tolerance) -> bool:
    """True where the resting order is close enough to the wanted level to be left alone."""
    distance = abs(float(order.price - level.price)) / float(level.price) * BPS
    sized = order.remaining * GROW >= level.size and order.remaining <= level.size * SHRINK
    return distance <= tolerance.price_bps and sized and order.reduce_only == level.reduce_only


def diff(
    wanted: Ladder, orders: Iterable[Order], tolerance: Tolerance, new_cloid: Iterator[str]
) -> list[Action]:
    """The fewest actions from what rests to what is wanted; cancels first, then touch outward.

    Orders in flight are skipped: their answer decides, next cycle. After all answers, applying the
    result leaves exactly the wanted ladder within tolerance.
    """
    cancels: list[Action] = []
    changes: list[Action] = []
    working = [o for o in orders if o.state not in (OrderState.LINGERING, OrderState.CLOSED)]
    for side, levels in ((Side.BID, wanted.bids), (Side.ASK, wanted.asks)):
        slots = _by_level((o for o in working if o.side is side and not o.flatten), cancels)
        for level in levels:
            change = _change(slots.pop(level.level, None), level, tolerance, new_cloid)
            if change is not None:
                changes.append(change)
        cancels += [Cancel(o.cloid) for o in slots.values() if o.state is OrderState.OPEN]
    return cancels + sorted(changes, key=_urgency)


def _by_level(orders: Iterable[Order], cancels: list[Action]) -> dict[int, Order]:
    """One order per level; a second one on a level is cancelled."""
    slots: dict[int, Order] = {}
    for order in orders:
        if order.level not in slots:
            slots[order.level] = order
        elif order.state is OrderState.OPEN:
            cancels.append(Cancel(order.cloid))
    return slots


def _change(
    order: Order | None, level: Level, tolerance: Tolerance, new_cloid: Iterator[str]
) -> Place | Modify | None:
    if order is None:
        return Place(
            next(new_cloid), level.side, level.level, level.price, level.size, level.reduce_only
        )
    if order.busy or order.oid is None or within(order, level, tolerance):
        return None
    return Modify(
        order.cloid,
        order.oid,
        level.side,
        level.level,
        level.price,
        level.size,
        level.reduce_only,
    )


def _urgency(action: Action) -> int:
    return action.level if isinstance(action, Place | Modify) else 0
