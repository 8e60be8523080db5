"""From events to estimators: what each component is shown, and when."""

from mm.core.pnl import Pnl
from mm.core.settings import EngineSettings
from mm.core.state import State
from mm.core.stochastic.checkpoint import is_sealed
from mm.core.stochastic.components import StochasticComponents
from mm.model.actions import Note, Severity
from mm.model.events import (
    Bbo,
    Book,
    Event,
    Fill,
    FromVenue,
    OrderClosed,
    OrderOpened,
    Rejected,
    Start,
    Trades,
    Unresolved,
)
from mm.model.units import SIDES, Ns, Side

OF_ONE_ORDER = (Fill, OrderOpened, OrderClosed, Rejected, Unresolved)


class Learning:
    """Feeds `StochasticComponents`; owns nothing but what it last showed them."""

    def __init__(self, settings: EngineSettings) -> None:
        self.components = StochasticComponents(settings.stochastic, settings.strategy)
        self._shown: dict[Side, tuple[float, ...]] = {Side.BID: (), Side.ASK: ()}

    def restore(self, event: Start, pnl: Pnl) -> list[Note]:
        """Bring back a checkpoint; one that does not fit is refused, said, and learning is cold."""
        if event.checkpoint is None:
            return []
        try:
            parts = self.components.restore(event.checkpoint, event.ts)
        except ValueError as error:
            text = "Checkpoint refused: estimators start cold"
            return [Note(event.ts, Severity.WARNING, "estimate", text, {"error": str(error)})]
        if parts is not None:
            pnl.load(parts)
        text = "Checkpoint restored: estimators are warm"
        if not is_sealed(event.checkpoint):
            text = "Checkpoint of the first form restored: it has no checksum of its own"
            return [Note(event.ts, Severity.WARNING, "estimate", text)]
        return [Note(event.ts, Severity.INFO, "estimate", text)]

    def learn_market(self, state: State, event: Book | Bbo) -> None:
        book = state.book
        half_spread = book.half_spread_bps()
        if book.fair is not None and half_spread is not None:
            self.components.learn_fair(event.ts, event.venue_ts, book.fair, half_spread)

    def forget_fair(self, state: State, ts: Ns) -> None:
        """The link is down: from here on S is unknown, and nothing is exposed to it."""
        self.components.learn_fair(ts, state.book.touch_ts, None, 0.0)

    def learn_trades(self, state: State, event: Trades) -> None:
        self.components.learn_trades(event, state.book.bids, state.book.asks)

    def learn_fill(self, fill: Fill) -> None:
        """Each unique fill of our quotes, to κ, markouts and (`record_fill`) the controller."""
        self.components.learn_fill(fill)

    def follow_orders(self, state: State, event: Event) -> None:
        """Show the prices that takers can hit, whenever that set has changed."""
        sides: tuple[Side, ...] = SIDES
        if isinstance(event, OF_ONE_ORDER):
            order = state.orders.get(event.cloid)
            sides = () if order is None else (order.side,)
        venue_ts = event.venue_ts if isinstance(event, FromVenue) else event.ts
        for side in sides:
            prices = state.orders.live_prices(side)
            if prices != self._shown[side]:
                self._shown[side] = prices
                self.components.learn_levels(event.ts, venue_ts, side, prices)

    def flush(self, ts: Ns) -> None:
        self.components.flush(ts)

    def update_calibration_status(self, ts: Ns) -> None:
        """Before each quote cycle, whether or not volatility is warm."""
        self.components.update_calibration_status(ts)
