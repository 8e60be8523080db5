"""The floor: every change of an order, a position or a balance goes through here."""

from collections.abc import Container
from decimal import Decimal

from mm.model.exchange import FillReport, FundingReport, OrderReport, TradeReport
from mm.model.units import Side
from mm.sim.accounts import Account, Accounts, Position, fee
from mm.sim.authority import DAY_MS
from mm.sim.fees import Fees, rate_on
from mm.sim.funding import RATE_DECIMALS
from mm.sim.grid import usd
from mm.sim.orders import Order, Status, order_row
from mm.sim.outbox import Outbox
from mm.sim.pit import Pit

BACKGROUND_MAKER = "0x" + "0" * 38 + "a1"
BACKGROUND_TAKER = "0x" + "0" * 38 + "a2"
TID_BITS = 50
FEE_UNIT = 10**9
FUNDING_UNIT = 10**RATE_DECIMALS


class Floor:
    """Accounts and pits, with what their changes at `now_ms` have to tell in `outbox`."""

    def __init__(
        self, accounts: Accounts, pits: dict[int, Pit], fees: Fees, seed: int, first_oid: int
    ) -> None:
        self.accounts = accounts
        self.pits = pits
        self.outbox = Outbox()
        self.now_ms = 0
        self._fees = fees
        self._seed = seed
        self._oid = first_oid

    def next_oid(self) -> int:
        self._oid += 1
        return self._oid

    def marks(self, asset: int) -> int:
        return self.pits[asset].mark_unit

    # -- orders ---------------------------------------------------------------------------------

    def report(self, order: Order, status: Status) -> None:
        """Move the order to `status` and tell its owner."""
        order.status, order.status_ms, order.told = status, self.now_ms, order.remaining
        row = order_row(order, self.pits[order.asset].grid)
        self.outbox.updates.append(OrderReport(order.user, row, status, self.now_ms))

    def rest(self, account: Account, order: Order) -> None:
        self.pits[order.asset].book.half(order.side).add(order)
        account.orders[order.oid] = order
        self._reserve(account, order, order.remaining)

    def close(self, order: Order, status: Status) -> None:
        """A resting order leaves the book unfilled."""
        account = self.accounts.by_user[order.user]
        self.pits[order.asset].book.half(order.side).remove(order)
        del account.orders[order.oid]
        self._reserve(account, order, -order.remaining)
        self.report(order, status)

    def _reserve(self, account: Account, order: Order, lots: int) -> None:
        """Count resting notional that may increase the position."""
        if order.reduce_only:
            return
        position = account.positions[order.asset]
        notional = self.pits[order.asset].grid.notional(order.price, lots)
        if order.side is Side.BID:
            position.buys += notional
        else:
            position.sells += notional

    def cancel_all(
        self, account: Account, status: Status, assets: Container[int] | None = None
    ) -> None:
        """All orders, or those in these assets."""
        for order in list(account.orders.values()):
            if assets is None or order.asset in assets:
                self.close(order, status)

    # -- a trade --------------------------------------------------------------------------------

    def trade(
        self,
        pit: Pit,
        aggressor: Side,
        terms: tuple[int, int],
        parties: tuple[Order | None, Order | None],
        liquidated: str | None = None,
    ) -> None:
        """Print a trade and settle both sides. `terms`: price, size; `parties`: taker, maker."""
        taker, maker = parties
        oids = (
            taker.oid if taker is not None else self.next_oid(),
            maker.oid if maker is not None else self.next_oid(),
        )
        users = (
            taker.user if taker is not None else BACKGROUND_TAKER,
            maker.user if maker is not None else BACKGROUND_MAKER,
        )
        bought = 0 if aggressor is Side.BID else 1
        tid = trade_id(oids[bought], oids[1 - bought], self._seed)
        trade = TradeReport(
            coin=pit.coin,
            time_ms=self.now_ms,
            aggressor=aggressor,
            price=pit.grid.price_out(terms[0]),
            size=pit.grid.size_out(terms[1]),
            trade_id=tid,
            buyer=users[bought],
            seller=users[1 - bought],
            hash=f"0x{self.now_ms:016x}{tid:048x}",
        )
        pit.print(trade, *terms)
        self.outbox.trades.append(trade)
        if taker is None and maker is None:
            return
        for order, side in ((taker, aggressor), (maker, aggressor.opposite)):
            if order is None:
                self._settle_house(pit, side, *terms)
            else:
                self._settle(pit, order, terms, trade, liquidated)
        for order in parties:
            if order is not None:
                self._trim_reduce_only(self.accounts.by_user[order.user], order.asset)

    def _settle_house(self, pit: Pit, side: Side, price: int, size: int) -> None:
        accounts, asset = self.accounts, pit.grid.instrument.asset
        accounts.house_lots[asset] = accounts.house_lots.get(asset, 0) + side * size
        accounts.house_cash -= side * pit.grid.notional(price, size)

    def _settle(
        self,
        pit: Pit,
        order: Order,
        terms: tuple[int, int],
        trade: TradeReport,
        liquidated: str | None,
    ) -> None:
        """Move one client's position and cash, report the fill, close the order when it is done."""
        account = self.accounts.by_user[order.user]
        position = account.positions[order.asset]
        price, size = terms
        before, notional = position.size, pit.grid.notional(price, size)
        crossed = order.side is trade.aggressor
        cost = fee(notional, self._rate(pit, account, crossed))
        profit = position.trade(order.side * size, price * pit.grid.micro)
        account.purse(order.asset).cash += profit - cost
        account.volume += notional
        account.volumes.add(self.now_ms // DAY_MS, notional)
        self.accounts.fees += cost
        fill = FillReport(
            user=order.user,
            trade=trade,
            side=order.side,
            oid=order.oid,
            cloid=order.cloid,
            crossed=crossed,
            fee=usd(cost),
            start_position=pit.grid.size_out(before),
            direction=direction(before, position, liquidated == order.user),
            closed_pnl=usd(profit),
            liquidated_user=liquidated,
        )
        account.fills.append(fill)
        self.outbox.fills.append(fill)
        if order.oid in account.orders:
            self._reserve(account, order, -size)
            if not order.remaining:
                del account.orders[order.oid]
                self.report(order, Status.FILLED)

    def _rate(self, pit: Pit, account: Account, crossed: bool) -> int:
        """In units of 10^-9."""
        rates = account.volumes.rates(self.now_ms // DAY_MS, self._fees)
        return int(rate_on(pit.coin, rates.taker if crossed else rates.maker) * FEE_UNIT)

    def _trim_reduce_only(self, account: Account, asset: int) -> None:
        """Resting reduce-only orders together never exceed the position: the newest keep it."""
        lots = account.lots(asset)
        left = abs(lots)
        for order in reversed([o for o in account.orders.values() if o.reduce_only]):
            if order.asset != asset:
                continue
            allowed = left if order.side * lots < 0 else 0
            if not allowed:
                self.close(order, Status.REDUCE_ONLY)
                continue
            order.remaining = min(order.remaining, allowed)
            left -= order.remaining

    # -- funding --------------------------------------------------------------------------------

    def pay_funding(self, asset: int) -> None:
        """Longs pay shorts at the oracle price; the background takes the other side."""
        pit = self.pits[asset]
        rate = round(pit.funding.settle(self.now_ms) * FUNDING_UNIT)
        pit.close_hour()
        price = pit.mark if pit.oracle is None else pit.oracle
        for account in self.accounts.by_user.values():
            position = account.positions.get(asset)
            if position is not None and position.size:
                self._fund(account, pit, price, rate)

    def _fund(self, account: Account, pit: Pit, price: int, rate: int) -> None:
        grid = pit.grid
        purse = account.purse(grid.instrument.asset)
        position = purse.positions[grid.instrument.asset]
        owed = grid.notional(price, position.size) * rate
        paid = (owed + FUNDING_UNIT // 2) // FUNDING_UNIT
        purse.cash -= paid
        if not position.is_cross:
            position.margin -= paid
        self.accounts.house_cash += paid
        position.funding_since_open -= paid
        position.funding_all_time -= paid
        report = FundingReport(
            user=account.user,
            coin=pit.coin,
            time_ms=self.now_ms,
            usdc=usd(-paid),
            position=grid.size_out(position.size),
            rate=Decimal(rate).scaleb(-RATE_DECIMALS),
        )
        account.fundings.append(report)
        self.outbox.fundings.append(report)


def direction(before: int, position: Position, liquidated: bool) -> str:
    """The venue's label of a fill, from the signed position before and after it."""
    after = position.size
    side = "Long" if before > 0 else "Short"
    if liquidated:
        return f"Liquidated {'Cross' if position.is_cross else 'Isolated'} {side}"
    if before * after < 0:
        return "Long > Short" if before > 0 else "Short > Long"
    if abs(after) < abs(before):
        return f"Close {side}"
    return "Open Long" if after > 0 else "Open Short"


def trade_id(buyer_oid: int, seller_oid: int, seed: int) -> int:
    """50 bits from the two order ids (splitmix64 finaliser): both parties see the same."""
    mask = (1 << 64) - 1
    x = (buyer_oid * 0x9E3779B97F4A7C15 ^ seller_oid * 0xC2B2AE3D27D4EB4F ^ seed) & mask
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & mask
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & mask
    return (x ^ (x >> 31)) >> (64 - TID_BITS)
