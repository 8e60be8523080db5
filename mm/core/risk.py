"""Pre-trade limits: nothing is sent whose worst case breaks one. A refusal is a value."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct, structs

from mm.core.orders import Orders
from mm.core.settings import RiskSettings
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.beside import Beside
from mm.model.events import Allowance
from mm.model.units import SIDES, Side, exact

ZERO, ONE = Decimal(0), Decimal(1)
OF_THE_VENUES = Decimal("0.99")
"""Of its leverage: it counts orders at their own prices and positions at its mark, we all at S."""
MOVE = Decimal("0.003")
"""Of the price: what a full position may lose between our sums and the venue's, whose mark is not S
and moves while an order is on its way."""
OTHERS = "other positions or orders hold the margin"


class Limits(Struct, frozen=True, gc=False):
    """Caps in base units and USD at one moment, from settings, price and equity.

    `share`: of `max_position`, what the venue's margin allows as far as its refusals tell.

    The user's limit is only ever lowered: equity times leverage may bind first, or what the
    portfolio leaves (`max_long`, `max_short`; None: no less than `max_position`), or what others on
    the account leave of its margin (`spare_long`, `spare_short`; below zero where foreign orders
    in this instrument want more than there is; None: there are no others).
    """

    max_position: Decimal
    max_order_usd: Decimal
    fair: Decimal
    max_long: Decimal | None = None
    max_short: Decimal | None = None
    share: Decimal = ONE
    spare_long: Decimal | None = None
    spare_short: Decimal | None = None

    @classmethod
    def at(
        cls,
        settings: RiskSettings,
        fair: float,
        equity: Decimal | None,
        max_leverage: int | None = None,
        allowance: Allowance | None = None,
    ) -> "Limits":
        """`max_leverage`: the venue's, for this account and instrument."""
        usd = exact(settings.max_position_usd)
        if equity is not None:
            usd = min(usd, max(ZERO, equity) * leverage(settings, max_leverage))
        price = exact(fair)
        own = (usd / price, exact(settings.max_order_usd), price)
        if allowance is None:
            return cls(*own)
        return cls(*own, allowance.long_usd / price, allowance.short_usd / price)

    def less(self, beside: Beside, free_usd: Decimal) -> "Limits":
        """`free_usd`: the most that margin allows where others have taken theirs."""
        long_usd, short_usd = free_usd - beside.bids, free_usd - beside.asks
        return structs.replace(
            self, spare_long=long_usd / self.fair, spare_short=short_usd / self.fair
        )

    def whole_lots(self, lot: Decimal) -> int:
        """Q of the quoting model: the nearest number, at least 1. A limit of two lots stays two as
        the price moves a little; where it came to one and back the half-spread would jump by a
        seventh."""
        return max(1, round(self.max_position / lot))

    def most(self, side: Side) -> Decimal:
        """What position and all orders of this side may come to together."""
        left = self.max_long if side is Side.BID else self.max_short
        most = self._by_margin(side) * self.share
        return most if left is None else min(left, most)

    def _by_margin(self, side: Side) -> Decimal:
        spare = self._spare(side)
        return self.max_position if spare is None else min(self.max_position, max(ZERO, spare))

    def _spare(self, side: Side) -> Decimal | None:
        return self.spare_long if side is Side.BID else self.spare_short

    def only_out(self, position: Decimal) -> str:
        """Why no order but a reduce-only one would be taken on the way out of it, or "".

        The venue takes those whatever the margin; of others that are no larger than the position
        it may find that, with foreign orders of their side, they lead beyond it.
        """
        spare = self._spare(Side.ASK if position > 0 else Side.BID)
        short = spare is not None and spare < 0 and position
        return f"risk limit: {OTHERS}" if short else ""

    def allowed(self, side: Side) -> str:
        """`most` in words, and whose limit it is."""
        if self._by_margin(side) < self.max_position:
            return OTHERS  # how much moves with each price: no number in the name of a reason
        return f"{self.most(side) * self.fair:.0f} USD {self._whose(side)}"

    def _whose(self, side: Side) -> str:
        if self.most(side) == self.max_position:
            return "allowed"
        by_venue = self.most(side) == self.max_position * self.share
        return "by the venue's margin" if by_venue else "by the portfolio"

    def room(self, side: Side, position: Decimal) -> Decimal:
        """How much a side may rest in all, every order of it filled at once."""
        return max(ZERO, self.most(side) - side * position)


def leverage(settings: RiskSettings, max_leverage: int | None) -> Decimal:
    """The user's, or a little less than the venue's where that binds."""
    wanted = exact(settings.max_leverage)
    if max_leverage is None:
        return wanted
    return min(wanted, ONE / (ONE / (max_leverage * OF_THE_VENUES) + MOVE))


class Refusal(Struct, frozen=True, gc=False):
    side: Side
    level: int
    reason: str


class Reviewed(Struct, frozen=True, gc=False):
    approved: list[Action]
    refused: list[Refusal]


def review(
    actions: Sequence[Action], orders: Orders, position: Decimal, limits: Limits
) -> Reviewed:
    """Approve in order, each against the worst case that those before it leave.

    Cancels always pass; a refused modify becomes a cancel, so that no stale quote is left standing.
    Worst case of a side: position and everything of ours on that side filled,
    a modify counting with its old and its new size until the venue has answered.
    """
    worst = {side: side * position + orders.worst_case(side) for side in SIDES}
    best = {side: _innermost(orders, side) for side in SIDES}
    most = {side: limits.most(side) for side in SIDES}
    approved: list[Action] = []
    refused: list[Refusal] = []
    for action in actions:
        if not isinstance(action, Place | Modify):
            approved.append(action)
            continue
        side = action.side
        after = worst[side] + action.size
        reason = _refusal_by_itself(action, best[side.opposite], limits)
        if not reason and after > most[side] and (side * position >= 0 or after > 0):
            reason = _over(after, limits)
        if reason:
            refused.append(Refusal(side, action.level, reason))
            if isinstance(action, Modify):
                approved.append(Cancel(action.cloid))
            continue
        approved.append(action)
        worst[side] = after
        best[side] = _inner(side, best[side], action.price)
    return Reviewed(approved, refused)


def _innermost(orders: Orders, side: Side) -> Decimal | None:
    standing = [order for order in orders.side(side) if not order.ended]
    prices = [order.price for order in standing]
    prices += [order.replacement.price for order in standing if order.replacement is not None]
    return max(prices, default=None) if side is Side.BID else min(prices, default=None)


def _inner(side: Side, best: Decimal | None, price: Decimal) -> Decimal:
    if best is None:
        return price
    return max(price, best) if side is Side.BID else min(price, best)


def _refusal_by_itself(action: Place | Modify, opposite: Decimal | None, limits: Limits) -> str:
    """Whatever the position; `opposite`: our own best price of the other side."""
    if action.size <= 0 or action.price <= 0:
        return "malformed order"
    if action.size * action.price > limits.max_order_usd:
        return "order above max_order_usd"
    if opposite is not None and action.side * (opposite - action.price) <= 0:
        return "would cross our own order"
    return ""


def _over(after: Decimal, limits: Limits) -> str:
    """Which limit a worst case of `after` breaks."""
    if after > limits.max_position:
        return "worst-case position above max_position_usd"
    return "worst-case position above what the portfolio or the venue's margin leaves"
