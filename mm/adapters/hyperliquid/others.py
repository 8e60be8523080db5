"""What else stands on our account, by hand or by another program, and the margin that it takes."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Final

from mm.adapters.hyperliquid.answers import Clearinghouse, Held
from mm.adapters.hyperliquid.convert import side_of
from mm.adapters.hyperliquid.desks import Desks
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.questions import Questions
from mm.adapters.hyperliquid.rest import Rest
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.wire import OrderCore
from mm.model.beside import Beside
from mm.model.units import NS_PER_S, Ns, Side

ZERO: Final = Decimal(0)
CUSHION: Final = Decimal("0.01")
"""Of the notional of others' cross positions: what they may lose, or take more, until we look
again."""
PAUSE_S: Final = 10.0
"""An audit weighs a twentieth of the minute's requests: others may act all the time."""
KEPT: Final[Ns] = 3600 * NS_PER_S


class Others:
    """Of one exchange at a time: each builder's has a balance and a margin of its own.

    From what every audit asks anyway. Our own positions and orders are left out one by one, not
    taken off a sum: the venue's sums are older than our latest orders.
    """

    def __init__(
        self, seat: Seat, rest: Rest, desks: Desks, ask: Questions, health: Health
    ) -> None:
        self._seat = seat
        self._rest = rest
        self._desks = desks
        self._ask = ask
        self._health = health
        self._chosen: dict[str, tuple[int, Ns]] = {}
        """Leverage, and when it was told: for coins in which others have orders and no position."""
        self._seen = 0
        """Updates of others' orders that the latest look came after."""

    async def watch(self, look: Callable[[], Awaitable[None]]) -> None:
        """Look again soon after anybody else has acted on the account."""
        while True:
            await asyncio.sleep(PAUSE_S)
            if self._health.foreign_updates != self._seen:
                await look()

    def look(self) -> None:
        """What the venue is asked from now on is no older than what was told."""
        self._seen = self._health.foreign_updates

    async def beside(self, dex: str, state: Clearinghouse) -> dict[str, Beside]:
        """By coin of ours, as of `state` and the latest listing. Raises RestError."""
        ours = {desk.coin for desk in self._desks.on(dex)}
        for held in state.positions:
            self._chosen[held.coin] = held.leverage.value, self._seat.now()
        return await found_beside(state, self._ask.foreign(dex), ours, self._leverage)

    async def _leverage(self, coin: str) -> int:
        """Asked of the venue (weight 20), and after an hour again; 1 where it does not say."""
        chosen, asked = self._chosen.get(coin, (0, 0))
        if not chosen or self._seat.now() - asked > KEPT:
            chosen = await self._rest.leverage(self._seat.account, coin) or 1
            self._chosen[coin] = chosen, self._seat.now()
        return chosen


async def found_beside(
    state: Clearinghouse,
    foreign: Iterable[OrderCore],
    ours: AbstractSet[str],
    leverage: Callable[[str], Awaitable[int]],
) -> dict[str, Beside]:
    """By coin of ours. `leverage`: set for a coin in which others have no position."""
    held = {row.coin: row for row in state.positions}
    resting: defaultdict[str, list[OrderCore]] = defaultdict(list)
    for order in foreign:
        if takes_margin(order):
            resting[order.coin].append(order)
    taken = sum((aside(held[coin]) for coin in ours & held.keys()), ZERO)
    for coin in sorted((held.keys() | resting.keys()) - ours):
        row = held.get(coin)
        times = await leverage(coin) if row is None else row.leverage.value
        taken += margin_of(row, resting[coin], max(1, times))
    return {coin: Beside(taken, *notionals(held.get(coin), resting[coin])) for coin in ours}


def margin_of(held: Held | None, orders: Iterable[OrderCore], leverage: int) -> Decimal:
    """USD that a coin which we do not quote keeps from us.

    A position's own margin, or all that an isolated one lives on; on top, as the venue reckons, its
    growth with all orders of the worse side filled.
    """
    bids, asks = notionals(held, orders)
    if held is None:
        return max(bids, asks) / leverage
    notional, signed = held.position_value, held.position_value.copy_sign(held.szi)
    worst = max(notional, signed + bids, asks - signed)
    cushion = CUSHION * notional if held.is_cross else ZERO
    return held.margin_used + cushion + (worst - notional) / leverage


def notionals(held: Held | None, orders: Iterable[OrderCore]) -> tuple[Decimal, Decimal]:
    """USD of bids at their prices, and of asks at the mark where that is known and higher."""
    mark = held.position_value / abs(held.szi) if held is not None and held.szi else ZERO
    bids = asks = ZERO
    for order in orders:
        if side_of(order.side) is Side.BID:
            bids += order.limit_px * order.sz
        else:
            asks += max(order.limit_px, mark) * order.sz
    return bids, asks


def aside(held: Held) -> Decimal:
    """USD that an isolated position of ours holds beyond its share of our own count."""
    if held.is_cross:
        return ZERO
    return max(ZERO, held.margin_used - held.position_value / max(1, held.leverage.value))


def takes_margin(order: OrderCore) -> bool:
    """Spot orders hold a spot balance ("@107", "PURR/USDC"), triggers nothing before their time."""
    is_spot = order.coin.startswith("@") or "/" in order.coin
    return not (is_spot or order.reduce_only or order.is_trigger)
