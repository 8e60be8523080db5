"""What the venue looks at before it takes an order, in its order."""

from decimal import Decimal

from mm.model.exchange import OrderSpec, Tif
from mm.model.units import Side
from mm.sim import refusals
from mm.sim.accounts import Account, Marks
from mm.sim.grid import Grid, micro_usd
from mm.sim.orders import Order
from mm.sim.pit import Pit
from mm.sim.refusals import Refusal

MAX_VALUE = Decimal(10) ** 12  # beyond any price or size that exists
BAND_PERCENT = 80
FREE_ORDERS = 1000
MAX_ORDERS = 5000
ORDER_PER_MICRO = 5_000_000 * 10**6


def integers(spec: OrderSpec, grid: Grid) -> tuple[int, int] | Refusal:
    """Price and size on the grid, or why they are malformed."""
    if not (spec.size.is_finite() and 0 <= spec.size < MAX_VALUE):
        return refusals.INVALID_SIZE
    if not spec.size:
        return refusals.ZERO_SIZE
    size = grid.exact_size(spec.size)
    if size is None:
        return refusals.INVALID_SIZE
    if not (spec.price.is_finite() and 0 < spec.price < MAX_VALUE):
        return refusals.INVALID_PRICE
    price = grid.exact_price(spec.price)
    return refusals.INVALID_PRICE if price is None else (price, size)


def refusal(
    order: Order, spec: OrderSpec, account: Account, pit: Pit, marks: Marks
) -> Refusal | None:
    """Why a well-formed order is not taken; None lets it trade. Shrinks nothing."""
    grid = pit.grid
    if not grid.instrument.is_valid_price(spec.price):
        return refusals.TICK
    lots = account.lots(order.asset)
    if order.reduce_only and order.side * lots >= 0:
        return refusals.REDUCE_ONLY
    if _too_small(order, lots, grid):
        return refusals.MIN_NOTIONAL
    reference = pit.oracle or pit.mark
    if reference and abs(order.price - reference) * 100 > BAND_PERCENT * reference:
        return refusals.ORACLE
    return (
        _capacity(order, account) or _immediate(order, pit) or _margin(order, account, marks, pit)
    )


def _too_small(order: Order, lots: int, grid: Grid) -> bool:
    """Below the minimum notional, unless it closes the whole position."""
    if order.reduce_only and order.remaining >= abs(lots):
        return False
    return grid.notional(order.price, order.remaining) < micro_usd(grid.instrument.min_notional)


def _capacity(order: Order, account: Account) -> Refusal | None:
    if order.cloid is not None and account.cloids.get(order.cloid) in account.orders:
        return refusals.DUPLICATE_CLOID
    count = len(account.orders)
    limit = min(MAX_ORDERS, FREE_ORDERS + account.volume // ORDER_PER_MICRO)
    if order.tif is not Tif.IOC and (
        count >= limit or (order.reduce_only and count >= FREE_ORDERS)
    ):
        return refusals.TOO_MANY
    return None


def _immediate(order: Order, pit: Pit) -> Refusal | None:
    """Post-only that would match, or immediate-or-cancel that would not."""
    crosses = pit.book.crosses(order.side, order.price)
    if order.tif is Tif.ALO and crosses:
        return refusals.post_only(*(_shown(pit, side) for side in (Side.BID, Side.ASK)))
    if order.tif is Tif.IOC and not crosses:
        return refusals.IOC
    return None


def _shown(pit: Pit, side: Side) -> str:
    best = pit.book.half(side).best()
    return "" if best is None else f"{pit.grid.price_out(side * best).normalize():f}"


def _margin(order: Order, account: Account, marks: Marks, pit: Pit) -> Refusal | None:
    """Initial margin with this order filled must not exceed equity, if the order raises it."""
    if order.reduce_only:
        return None
    unit = marks(order.asset)
    purse = account.purse(order.asset)
    position = purse.positions[order.asset]
    if order.side is Side.BID:
        buy, sell = pit.grid.notional(order.price, order.remaining), 0
    else:
        buy, sell = 0, order.remaining * max(order.price * pit.grid.micro, unit)
    now = position.requirement(unit)
    needed = position.requirement(unit, buy, sell)
    if needed > now and not position.bears(position.leverage, unit, buy, sell):
        return refusals.TIER
    if needed > now and purse.requirement(marks) - now + needed > purse.equity(marks):
        return refusals.MARGIN
    return None
