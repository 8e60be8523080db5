"""How aggressors meet the book: clients' orders, the market's takers, a moving background."""

import math
from collections.abc import Sequence

from mm.model.exchange import Tif
from mm.model.units import Side
from mm.sim.accounts import Account, Position
from mm.sim.floor import BACKGROUND_TAKER, Floor
from mm.sim.market import Background, Taker
from mm.sim.matching import ANY_PRICE, Half, Take
from mm.sim.orders import Order, Status
from mm.sim.pit import Pit

PRICE_SLACK = 1e-6  # of a price unit: a float limit this near to a price is that price


class Trading:
    """Finds the trades; the floor carries them out."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._trade = floor.trade

    def match(self, taker: Order, bound: int, liquidation: bool = False) -> int:
        """Trade a client's order against everything in reach; returns micro-USD traded.

        Own resting orders in the way are cancelled (expire maker), others pass a margin check.
        """
        pit = self._floor.pits[taker.asset]
        half = pit.book.half(taker.side.opposite)
        notional = 0
        while taker.remaining and (take := half.next_take(bound, taker.remaining)) is not None:
            if not self._admits(pit, take, taker.user):
                continue
            half.consume(take)
            taker.remaining -= take.size
            price = half.side * take.key
            notional += pit.grid.notional(price, take.size)
            liquidated = taker.user if liquidation else None
            self._trade(pit, taker.side, (price, take.size), (taker, take.maker), liquidated)
        return notional

    def take(self, pit: Pit, taker: Taker) -> None:
        """The market's own aggressor: a sweep of all in reach, or a recording's print."""
        half = pit.book.half(taker.aggressor.opposite)
        bound = _bound(pit, taker)
        if taker.size is None:
            self._sweep(pit, half, bound)
        else:
            self._print(pit, half, bound, pit.grid.size(taker.size))

    def _sweep(self, pit: Pit, half: Half, bound: int) -> None:
        """Everything up to `bound`, price-time. The background is refilled at once.

        It is a display of the generator's mid, so it must not move with a taker that the mid
        knows nothing of (the truth is exact).
        """
        for key, size in half.shown_to(bound):
            self._sweep_orders(pit, half, key + 1)
            self._trade(pit, half.side.opposite, (half.side * key, size), (None, None))
        self._sweep_orders(pit, half, bound)

    def _sweep_orders(self, pit: Pit, half: Half, bound: int) -> None:
        while (key := half.own_best()) is not None and key >= bound:
            self._hit(pit, half, key, None)

    def _hit(self, pit: Pit, half: Half, key: int, wanted: int | None) -> int:
        """Fill the first client order at `key` from the background; returns the lots traded."""
        order = half.levels[key][0]
        size = order.remaining if wanted is None else min(wanted, order.remaining)
        take = Take(order, key, size)
        if not self._admits(pit, take, BACKGROUND_TAKER):
            return 0
        half.consume(take)
        self._trade(pit, half.side.opposite, (half.side * key, size), (None, order))
        return size

    def _print(self, pit: Pit, half: Half, key: int, size: int) -> None:
        """A recorded trade at `key`: orders of ours at better prices first, then the queue at it.

        A taker gives no more than it had: together they get at most `size`, and what they do not
        take goes on the tape as it was recorded.
        """
        left, passed = size, 0
        while left and (own := half.own_best()) is not None and own > key:
            left -= self._hit(pit, half, own, left)
        for better, shown in half.shown_to(key + 1):
            half.take_shown(better, shown)
        while left and (order := half.front(key)) is not None:
            if order.ahead:
                queue = min(order.ahead, left)
                half.take_shown(key, queue)
                passed += queue
                left -= queue
            else:
                left -= self._hit(pit, half, key, left)
        if left:
            half.take_shown(key, left)
        if passed + left:
            price = half.side * key
            self._trade(pit, half.side.opposite, (price, passed + left), (None, None))

    def show(self, pit: Pit, background: Background) -> None:
        """Replace the background; where it crosses client orders, they trade as makers."""
        pit.book.bids.show(background.bids)
        pit.book.asks.show(background.asks)
        self._uncross(pit, pit.book.bids, pit.book.asks)
        self._uncross(pit, pit.book.asks, pit.book.bids)

    def _uncross(self, pit: Pit, own: Half, other: Half) -> None:
        while (key := own.own_best()) is not None and (shown := other.shown_best()) is not None:
            if key + shown < 0:
                return
            size = self._hit(pit, own, key, other.shown_size(shown))
            other.take_shown(shown, size)

    def _admits(self, pit: Pit, take: Take, taker: str) -> bool:
        """Whether the maker may trade; else its order is gone (self-trade, margin)."""
        maker = take.maker
        if maker is None:
            return True
        if maker.user == taker:
            self._floor.close(maker, Status.SELF_TRADE)
            return False
        purse = self._floor.accounts.by_user[maker.user].purse(maker.asset)
        position = purse.positions[maker.asset]
        after = abs(position.size + maker.side * take.size)
        if after <= abs(position.size):
            return True
        unit = pit.mark_unit
        extra = after * unit // position.leverage - position.initial_margin(unit)
        if purse.margin_used(self._floor.marks) + extra <= purse.equity(self._floor.marks):
            return True
        self._floor.close(maker, Status.MARGIN)
        return False

    def liquidate(self, account: Account, assets: Sequence[int]) -> None:
        """Cancel what shares the margin of these positions, which are in one purse, then close them
        at whatever price the book gives.

        What an isolated one loses beyond its margin is not its owner's: the background pays.
        """
        purse = account.purse(assets[0])
        pooled = [a for a, p in purse.positions.items() if p.is_cross]
        shared = set(assets).union(pooled if set(assets) & set(pooled) else ())
        self._floor.cancel_all(account, Status.LIQUIDATED, shared)
        for asset in assets:
            position = account.positions[asset]
            before = purse.cash - position.margin
            self._close(account, asset, position)
            if not position.is_cross:
                self._floor.accounts.bail_out(purse, before - (purse.cash - position.margin))

    def _close(self, account: Account, asset: int, position: Position) -> None:
        side = Side.ASK if position.size > 0 else Side.BID
        lots = abs(position.size)
        order = Order(
            oid=self._floor.next_oid(),
            user=account.user,
            asset=asset,
            side=side,
            price=0,
            original=lots,
            remaining=lots,
            tif=Tif.IOC,
            reduce_only=True,
            cloid=None,
            placed_ms=self._floor.now_ms,
        )
        self.match(order, ANY_PRICE, liquidation=True)


def _bound(pit: Pit, taker: Taker) -> int:
    """The resting side's key that the limit reaches: an integer price never beyond the limit."""
    key = -taker.aggressor * taker.limit * pit.grid.price_scale
    return math.ceil(key - PRICE_SLACK)
