"""Carries out one admitted request about orders: place, cancel, modify."""

from mm.model.exchange import (
    CancelOrders,
    Done,
    Filled,
    Item,
    Modification,
    ModifyOrders,
    OrderRef,
    OrderRequest,
    OrderSpec,
    PlaceOrders,
    Request,
    Resting,
    Tif,
)
from mm.sim import checks, refusals
from mm.sim.accounts import Account
from mm.sim.clerk import Clerk
from mm.sim.floor import Floor
from mm.sim.orders import Order, Status
from mm.sim.pit import Pit
from mm.sim.refusals import Refusal
from mm.sim.trading import Trading

SPOT_ASSETS = range(10_000, 100_000)


def phase(request: Request) -> int:
    """When a request executes inside its block: post-only and the rest, cancels, then takers."""
    match request:
        case CancelOrders():
            return 1
        case PlaceOrders(orders=orders):
            return 0 if all(spec.tif is Tif.ALO for spec in orders) else 2
        case ModifyOrders(items=changes, always_place=True):
            return 0 if all(change.order.tif is Tif.ALO for change in changes) else 2
        case _:
            return 0


class Desk:
    """Requests in, items out; the floor and the matching do the work."""

    def __init__(self, floor: Floor, trading: Trading, clerk: Clerk) -> None:
        self._floor = floor
        self._trading = trading
        self._pits = floor.pits
        self._clerk = clerk

    def execute(self, request: OrderRequest, account: Account) -> tuple[Item, ...]:
        """The items that answer the request."""
        match request:
            case PlaceOrders(orders=orders):
                return tuple([self._place(account, spec) for spec in orders])
            case CancelOrders(refs=refs):
                return tuple([self._cancel(account, ref) for ref in refs])
            case ModifyOrders(items=changes, always_place=always):
                return tuple([self._modify(account, change, always) for change in changes])

    # -- orders ---------------------------------------------------------------------------------

    def _place(self, account: Account, spec: OrderSpec) -> Item:
        placed = self._try_place(account, spec)
        return placed.at(spec.asset) if isinstance(placed, Refusal) else placed

    def _try_place(self, account: Account, spec: OrderSpec) -> Resting | Filled | Refusal:
        pit = self._pits.get(spec.asset)
        if pit is None:
            return refusals.SPOT if spec.asset in SPOT_ASSETS else refusals.UNKNOWN_ASSET
        form = checks.integers(spec, pit.grid)
        if isinstance(form, Refusal):
            return form
        self._clerk.position(account, spec.asset)
        order = self._order(account, spec, *form)
        refusal = checks.refusal(order, spec, account, pit, self._floor.marks)
        if refusal is not None:
            return self._reject(account, order, refusal)
        return self._trade_and_rest(account, order, pit)

    def _order(self, account: Account, spec: OrderSpec, price: int, size: int) -> Order:
        return Order(
            oid=self._floor.next_oid(),
            user=account.user,
            asset=spec.asset,
            side=spec.side,
            price=price,
            original=size,
            remaining=size,
            tif=spec.tif,
            reduce_only=spec.reduce_only,
            cloid=None if spec.cloid is None else spec.cloid.lower(),
            placed_ms=self._floor.now_ms,
        )

    def _reject(self, account: Account, order: Order, refusal: Refusal) -> Refusal:
        if refusal.status is not None:
            account.remember(order)
            self._floor.report(order, refusal.status)
        return refusal

    def _trade_and_rest(
        self, account: Account, order: Order, pit: Pit
    ) -> Resting | Filled | Refusal:
        floor = self._floor
        if order.reduce_only:
            self._make_room(account, order)
        wanted = order.remaining
        account.remember(order)
        floor.report(order, Status.OPEN)
        notional = (
            self._trading.match(order, -order.side * order.price) if order.tif is not Tif.ALO else 0
        )
        filled = wanted - order.remaining
        if order.tif is Tif.IOC or not order.remaining:
            if not filled:  # only its owner's own orders were in the way
                return self._reject(account, order, refusals.IOC)
            floor.report(order, Status.FILLED)
        else:
            floor.rest(account, order)
        if not filled:
            return Resting(order.oid, order.cloid)
        average = pit.grid.average_price(notional, filled)
        return Filled(order.oid, order.cloid, pit.grid.size_out(filled), average)

    def _make_room(self, account: Account, order: Order) -> None:
        """A reduce-only order is cut to the position, and older ones beyond it are cancelled."""
        lots = abs(account.lots(order.asset))
        order.remaining = min(order.remaining, lots)
        older = [o for o in account.orders.values() if o.reduce_only and o.asset == order.asset]
        excess = sum(o.remaining for o in older) + order.remaining - lots
        for other in older:
            if excess <= 0:
                return
            excess -= other.remaining
            self._floor.close(other, Status.REDUCE_ONLY)

    def _cancel(self, account: Account, ref: OrderRef) -> Item:
        target = ref.cloid if ref.oid is None else ref.oid
        order = self._open_order(account, target)
        if order is None or order.asset != ref.asset:
            return refusals.NOT_OPEN.at(ref.asset)
        self._floor.close(order, Status.CANCELED)
        return Done()

    def _modify(self, account: Account, change: Modification, always: bool) -> Item:
        """Cancel and replace. Unless `always`, the replacement is post-only whatever it asked."""
        spec = change.order
        old = self._open_order(account, change.target)
        if old is None:
            if not always:
                return refusals.NOT_MODIFIABLE.at(spec.asset)
        else:
            self._floor.close(old, Status.CANCELED)
        placed = self._replace(account, spec, old, always)
        if isinstance(placed, Refusal):
            return refusals.in_modify(placed).at(spec.asset)
        return placed

    def _replace(
        self, account: Account, spec: OrderSpec, old: Order | None, always: bool
    ) -> Resting | Filled | Refusal:
        cloid = old.cloid if old is not None and spec.cloid is None else spec.cloid
        tif = spec.tif
        if not always:
            if tif is Tif.IOC:
                return refusals.IOC
            tif = Tif.ALO
        return self._try_place(
            account,
            OrderSpec(spec.asset, spec.side, spec.price, spec.size, tif, spec.reduce_only, cloid),
        )

    @staticmethod
    def _open_order(account: Account, target: int | str | None) -> Order | None:
        order = None if target is None else account.find(target)
        return order if order is not None and order.oid in account.orders else None
