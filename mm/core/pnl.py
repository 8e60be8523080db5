"""Position, cash and the split of profit, exact to the last digit. The one PnL of live and sim.

total = cash + position·S, and at every moment
total = carried + spread - adverse + inventory - fees + funding, where
spread = Σ side·(S_t - price)·size, S_t the fair price just before the fill;
adverse = Σ -side·(S_{t+τ} - S_t)·size over quote fills whose primary horizon has passed;
inventory = everything else that S did to the position;
carried = what the total of earlier runs is beyond the parts that their last checkpoint told.
"""

from bisect import insort
from decimal import Decimal

from msgspec import Struct

from mm.model.events import Fill, Funding
from mm.model.units import Ns, exact

ZERO = Decimal(0)
MOST = Decimal(10**15)
"""USD: no part of a checkpoint is larger."""


class PnlState(Struct, frozen=True):
    """How the total came about, for a checkpoint; the total itself is the ledger's."""

    spread: Decimal
    adverse: Decimal
    fees: Decimal
    funding: Decimal
    drift: Decimal

    def check(self) -> None:
        """ValueError where a part cannot be."""
        parts = (self.spread, self.adverse, self.fees, self.funding, self.drift)
        if not all(part.is_finite() and abs(part) <= MOST for part in parts):
            raise ValueError("checkpoint: PnL out of bounds")


class Pnl:
    """USD since the ledger began; `cash` and `position` continue from it."""

    def __init__(self, horizon: Ns) -> None:
        self.position = ZERO
        self.cash = ZERO
        """Σ -side·price·size - fees + funding: what the position's worth is added to."""
        self.fees = ZERO
        self.funding = ZERO
        self.spread = ZERO
        self.adverse = ZERO
        self.carried = ZERO
        self._drift = ZERO
        self._mark: Decimal | None = None
        self.horizon = horizon
        self._markouts: list[tuple[Ns, Decimal, Decimal]] = []
        """Due by the venue's clock, signed size, S_t; soonest first."""

    def restore(self, position: Decimal, cash: Decimal) -> None:
        """Continue from the ledger; how earlier runs earned what they did, `load` may tell."""
        self.position, self.cash = position, cash
        self.carried = cash

    def state(self) -> PnlState:
        return PnlState(self.spread, self.adverse, self.fees, self.funding, self._drift)

    def load(self, state: PnlState) -> None:
        """After `restore`, before any mark: the parts of earlier runs."""
        self.spread, self.adverse = state.spread, state.adverse
        self.fees, self.funding = state.fees, state.funding
        self._drift = state.drift
        self.carried = self.total - self._parts()

    def mark(self, fair: float, venue_ts: Ns) -> None:
        """S is `fair` from `venue_ts` on: book the drift of the position, complete markouts whose
        horizon lies before."""
        mark = exact(fair)
        while self._markouts and self._markouts[0][0] < venue_ts:
            _, signed, at_fill = self._markouts.pop(0)
            self.adverse -= signed * ((self._mark or mark) - at_fill)
        if self._mark is None:
            self._begin(mark)
        elif mark != self._mark:
            self._drift += self.position * (mark - self._mark)
            self._mark = mark

    def _begin(self, mark: Decimal) -> None:
        self._mark = mark
        self.carried = self.total - self._parts()

    def fill(self, fill: Fill, fair_before: float | None, fair_after: float | None = None) -> None:
        """Account for a unique fill, S_t being `fair_before` (None: the mark, then the price).

        `fair_after`: S at its horizon, where that has passed before the fill reached us.
        """
        at_fill = exact(fair_before) if fair_before is not None else self._mark or fill.price
        if self._mark is None:
            self._begin(at_fill)
        mark = self._mark or at_fill
        signed = fill.side * fill.size
        self.position += signed
        self.cash -= signed * fill.price + fill.fee
        self.fees += fill.fee
        self.spread += signed * (at_fill - fill.price)
        self._drift += signed * (mark - at_fill)
        if fill.quote and fair_after is not None:
            self.adverse -= signed * (exact(fair_after) - at_fill)
        elif fill.quote:
            insort(self._markouts, (fill.venue_ts + self.horizon, signed, at_fill))

    def fund(self, event: Funding) -> None:
        self.cash += event.amount
        self.funding += event.amount

    def adopt(self, position: Decimal) -> None:
        """Take over the venue's word on the position at the mark, so that PnL does not jump."""
        if self._mark is not None:
            self.cash -= (position - self.position) * self._mark
        self.position = position

    @property
    def total(self) -> Decimal:
        return self.cash + self.position * (self._mark or ZERO)

    @property
    def worth(self) -> Decimal | None:
        """`total`; None while a position has no price."""
        return None if self._mark is None and self.position else self.total

    @property
    def inventory(self) -> Decimal:
        return self._drift + self.adverse

    def _parts(self) -> Decimal:
        return self.spread - self.adverse + self.inventory - self.fees + self.funding

    @property
    def split_total(self) -> Decimal:
        """The sum of the parts: equal to `total`, always."""
        return self.carried + self._parts()
