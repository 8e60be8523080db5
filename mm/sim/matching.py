"""A price-time order book: clients' orders merged with the background depth of everybody else."""

from bisect import bisect_left, insort
from typing import NamedTuple

from mm.model.events import Levels
from mm.model.units import Side
from mm.sim.grid import Grid
from mm.sim.orders import Order
from mm.sim.queue import QueueModel

ANY_PRICE = -(10**18)  # a bound that every key reaches


class Take(NamedTuple):
    """The next thing that an aggressor meets. `maker` None: the background."""

    maker: Order | None
    key: int
    size: int


class Touch(NamedTuple):
    price: int
    size: int
    orders: int


class Half:
    """One side of the book. Levels are found by key = side·price, so the best key is the largest.

    An aggressor with limit L takes what has key >= side·L. The background is converted to integers
    only when somebody needs more than its touch: most updates are never looked at.
    """

    __slots__ = (
        "_grid",
        "_head",
        "_pending",
        "_queue",
        "_shown",
        "_sizes",
        "keys",
        "levels",
        "side",
    )

    def __init__(self, side: Side, grid: Grid, queue: QueueModel) -> None:
        self.side = side
        self.keys: list[int] = []
        self.levels: dict[int, list[Order]] = {}
        self._grid = grid
        self._queue = queue
        self._pending: Levels | None = None
        self._head: tuple[int, int] | None = None
        self._shown: list[int] = []
        self._sizes: list[int] = []

    # -- background -----------------------------------------------------------------------------

    def show(self, levels: Levels) -> None:
        """Replace the whole background of this side."""
        self._pending = levels
        self._head = self._peek(levels)
        if self.keys:
            self._requeue()

    def shown_best(self) -> int | None:
        """Key of the best background level."""
        return None if self._head is None else self._head[0]

    def _peek(self, levels: Levels) -> tuple[int, int] | None:
        """Key and lots of the first level, from the display itself where that is simple."""
        if levels:
            price, size = levels[0]
            whole, lots = self._grid.price(price), self._grid.size(size)
            if lots and (len(levels) == 1 or self._grid.price(levels[1][0]) != whole):
                return self.side * whole, lots
        self._convert()
        return self._converted_head()

    def _converted_head(self) -> tuple[int, int] | None:
        return (self._shown[-1], self._sizes[-1]) if self._shown else None

    def shown_size(self, key: int) -> int:
        """Background lots at `key`; 0 where there are none."""
        self._convert()
        at = bisect_left(self._shown, key)
        return self._sizes[at] if at < len(self._shown) and self._shown[at] == key else 0

    def shown_to(self, bound: int) -> list[tuple[int, int]]:
        """(key, lots) of the background levels that an aggressor reaching to `bound` meets."""
        if (best := self.shown_best()) is None or best < bound:
            return []
        self._convert()
        at = bisect_left(self._shown, bound)
        levels = zip(self._shown[at:], self._sizes[at:], strict=True)
        return list(levels)[::-1]

    def take_shown(self, key: int, size: int) -> None:
        """Remove up to `size` background lots at `key`; queues behind them move up."""
        self._convert()
        at = bisect_left(self._shown, key)
        if at < len(self._shown) and self._shown[at] == key:
            self._sizes[at] -= min(size, self._sizes[at])
            if not self._sizes[at]:
                del self._shown[at], self._sizes[at]
            self._head = self._converted_head()
        for order in self.levels.get(key, ()):
            if order.place is not None:
                order.place.printed(size)

    def _convert(self) -> None:
        pending = self._pending
        if pending is None:
            return
        self._pending = None
        shown: list[int] = []
        sizes: list[int] = []
        price_scale = self.side * self._grid.price_scale
        size_scale = self._grid.size_scale
        for price, size in reversed(pending):
            lots = round(size * size_scale)
            key = round(price * price_scale)
            if lots <= 0:
                continue
            if shown and shown[-1] == key:  # two background prices inside one of our ticks
                sizes[-1] += lots
            else:
                shown.append(key)
                sizes.append(lots)
        self._shown, self._sizes = shown, sizes

    def _last_visible(self) -> int:
        """Key of the worst price that the background display reaches to."""
        pending = self._pending
        if pending:
            return self.side * self._grid.price(pending[-1][0])
        self._convert()
        return self._shown[0] if self._shown else ANY_PRICE

    def _requeue(self) -> None:
        last = self._last_visible()
        for key in reversed(self.keys):
            if key < last:
                return
            orders = self.levels[key]
            waiting = [order for order in orders if order.place is None or order.ahead]
            if not waiting:
                continue
            size = self.shown_size(key)
            for order in waiting:
                if order.place is None:
                    order.place = self._queue(size)
                else:
                    order.place.shown(size)

    # -- client orders --------------------------------------------------------------------------

    def add(self, order: Order) -> None:
        key = order.key
        orders = self.levels.get(key)
        if orders is None:
            insort(self.keys, key)
            orders = self.levels[key] = []
        orders.append(order)
        if key >= self._last_visible():
            order.place = self._queue(self.shown_size(key))

    def remove(self, order: Order) -> None:
        """Take the order out. KeyError or ValueError where it does not rest here."""
        key = order.key
        orders = self.levels[key]
        orders.remove(order)
        if not orders:
            del self.levels[key]
            del self.keys[bisect_left(self.keys, key)]

    def own_best(self) -> int | None:
        return self.keys[-1] if self.keys else None

    def front(self, key: int) -> Order | None:
        """The client order that is first in time at `key`."""
        orders = self.levels.get(key)
        return orders[0] if orders else None

    # -- both -----------------------------------------------------------------------------------

    def best(self) -> int | None:
        shown, own = self.shown_best(), self.own_best()
        if shown is None or own is None:
            return own if shown is None else shown
        return max(shown, own)

    def touch(self) -> Touch | None:
        head, own = self._head, self.own_best()
        if head is None or (own is not None and own > head[0]):
            if own is None:
                return None
            head = (own, 0)
        key, shown = head
        orders = self.levels.get(key)
        if orders is None:
            return Touch(self.side * key, shown, 1)
        size = shown + sum([order.remaining for order in orders])
        return Touch(self.side * key, size, len(orders) + (shown > 0))

    def next_take(self, bound: int, wanted: int | None) -> Take | None:
        """What an aggressor that reaches to `bound` meets first; None when nothing is in reach."""
        key = self.best()
        if key is None or key < bound:
            return None
        order = self.front(key)
        if order is not None and (not order.ahead or not self.shown_size(key)):
            size, maker = order.remaining, order
        else:
            size, maker = self.shown_size(key), None
            if order is not None:
                size = min(size, order.ahead)
        return Take(maker, key, size if wanted is None else min(size, wanted))

    def consume(self, take: Take) -> None:
        """Execute a `next_take`; a maker that is spent leaves the book."""
        order = take.maker
        if order is None:
            self.take_shown(take.key, take.size)
            return
        order.remaining -= take.size
        if not order.remaining:
            self.remove(order)

    def sizes(self, depth: int) -> list[tuple[int, int]]:
        """(price, lots) of the best `depth` levels, background and clients together."""
        self._convert()
        lots = dict(zip(self._shown[-depth:], self._sizes[-depth:], strict=True))
        for key in self.keys[-depth:]:
            lots[key] = lots.get(key, 0) + sum([order.remaining for order in self.levels[key]])
        return [(self.side * key, lots[key]) for key in sorted(lots, reverse=True)[:depth]]

    def ladder(self, depth: int) -> list[Touch]:
        """The same, with how many orders each level holds; the background counts as one."""
        return [Touch(p, size, self._count(self.side * p)) for p, size in self.sizes(depth)]

    def _count(self, key: int) -> int:
        orders = self.levels.get(key)
        return 1 if orders is None else len(orders) + (self.shown_size(key) > 0)


class Book:
    __slots__ = ("asks", "bids")

    def __init__(self, grid: Grid, queue: QueueModel) -> None:
        self.bids = Half(Side.BID, grid, queue)
        self.asks = Half(Side.ASK, grid, queue)

    def half(self, side: Side) -> Half:
        return self.bids if side is Side.BID else self.asks

    def crosses(self, side: Side, price: int) -> bool:
        """Whether an order on `side` at `price` would match at once."""
        best = self.half(side.opposite).best()
        return best is not None and best >= -side * price
