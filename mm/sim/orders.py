"""A client's order inside the exchange, and the venue's words for what became of it."""

from enum import StrEnum

from msgspec import Struct

from mm.model.exchange import OrderRow, Tif
from mm.model.units import Side
from mm.sim.grid import Grid
from mm.sim.queue import Place


class Status(StrEnum):
    """Statuses as the venue spells them (orderUpdates, orderStatus)."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    SCHEDULED = "scheduledCancel"
    SELF_TRADE = "selfTradeCanceled"
    REDUCE_ONLY = "reduceOnlyCanceled"
    MARGIN = "marginCanceled"
    LIQUIDATED = "liquidatedCanceled"
    TICK_REJECTED = "tickRejected"
    MIN_NOTIONAL_REJECTED = "minTradeNtlRejected"
    MARGIN_REJECTED = "perpMarginRejected"
    MAX_POSITION_REJECTED = "perpMaxPositionRejected"
    REDUCE_ONLY_REJECTED = "reduceOnlyRejected"
    ALO_REJECTED = "badAloPxRejected"
    IOC_REJECTED = "iocCancelRejected"
    ORACLE_REJECTED = "oracleRejected"
    TOO_MANY_REJECTED = "tooManyOpenOrdersRejected"


class Order(Struct, eq=False):
    """Price and sizes in the instrument's integers. `told`: `remaining` at the last status change.

    `place`: in the background's queue; None while the display never reached this price.
    """

    oid: int
    user: str
    asset: int
    side: Side
    price: int
    original: int
    remaining: int
    tif: Tif
    reduce_only: bool
    cloid: str | None
    placed_ms: int
    status: Status = Status.OPEN
    status_ms: int = 0
    told: int = 0
    place: Place | None = None

    @property
    def ahead(self) -> int:
        """Background lots that trade before this order."""
        return 0 if self.place is None else self.place.ahead

    @property
    def key(self) -> int:
        """Grows with aggressiveness on both sides: price of a bid, minus the price of an ask."""
        return self.side * self.price


def order_row(order: Order, grid: Grid, remaining: int | None = None) -> OrderRow:
    """The order as listed, with what remains now unless another size is given."""
    return OrderRow(
        coin=grid.instrument.name,
        oid=order.oid,
        cloid=order.cloid,
        side=order.side,
        price=grid.price_out(order.price),
        remaining=grid.size_out(order.remaining if remaining is None else remaining),
        original=grid.size_out(order.original),
        tif=order.tif,
        reduce_only=order.reduce_only,
        placed_ms=order.placed_ms,
    )
