"""A vocabulary for scenarios: an engine, a market around it, and a venue that answers."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import structs

from mm.core.engine import Engine
from mm.core.settings import EngineSettings, VolatilitySettings
from mm.model.actions import Action, Cancel, CancelAll, Modify, Note, Place, Step
from mm.model.beside import NOTHING_BESIDE, Beside
from mm.model.events import (
    Account,
    Book,
    Command,
    Event,
    Fees,
    Fill,
    Link,
    OpenOrder,
    OrderClosed,
    OrderOpened,
    Start,
    Tick,
)
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_S, Ns, Side

INSTRUMENT = Instrument(name="TEST", asset=0, size_decimals=3, price_decimals=3)


def settings(**risk: float) -> EngineSettings:
    """Defaults that are warm after five seconds; `risk` overrides limits."""
    base = EngineSettings()
    volatility = VolatilitySettings(min_observations=3, max_warmup_s=5.0)
    stochastic = structs.replace(base.stochastic, volatility=volatility)
    return structs.replace(base, stochastic=stochastic, risk=structs.replace(base.risk, **risk))


class Stage:
    """One engine and its world; every method is something that happens to it.

    The venue answers at once unless `silent`; each step's actions and notes are kept.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ts: Ns = 1_000 * NS_PER_S
        self.mid = 100.0
        self.silent = False
        self.actions: list[Action] = []
        self.notes: list[Note] = []
        self._oid = 0
        self._tid = 0

    # -- time and events ------------------------------------------------------------------------

    def happen(self, event: Event) -> Step:
        step = self.engine.step(event)
        self.actions += step.actions
        self.notes += step.notes
        if not self.silent:
            for action in step.actions:
                self.answer(action)
        return step

    def start(self, *, equity: str = "10000", **remembered: object) -> None:
        known: dict[str, object] = {
            "position": Decimal(0),
            "cash": Decimal(0),
            "halted": "",
            "peak_equity": None,
            "day_equity": None,
            "checkpoint": None,
        }
        event = Start(ts=self.ts, run_id="0000abcd", **{**known, **remembered})  # type: ignore[arg-type]  # scenario vocabulary
        self.happen(event)
        self.happen(Fees(self.ts, 1.5, 4.5))
        self.audit(equity=equity)
        self.happen(Link(self.ts, True, "test"))

    def warm(self, seconds: int = 8) -> None:
        """Enough moving books and ticks that it quotes."""
        for number in range(seconds):
            self.tick(self.mid * (1.0 + 1e-5 * (-1) ** number))

    def tick(self, mid: float | None = None) -> list[Action]:
        """A second passes: a book, then the quote timer; what was decided meanwhile."""
        before = len(self.actions)
        self.ts += NS_PER_S
        self.book(self.mid if mid is None else mid)
        self.lone_tick(0.3)
        return self.actions[before:]

    def lone_tick(self, after_s: float = 1.0) -> Step:
        """The timer without any news from the market."""
        self.ts += round(after_s * NS_PER_S)
        return self.happen(Tick(self.ts))

    def book(self, mid: float) -> Step:
        bids = tuple((round(mid * (1 - 5e-4 - 1e-4 * i), 3), 50.0) for i in range(5))
        asks = tuple((round(mid * (1 + 5e-4 + 1e-4 * i), 3), 50.0) for i in range(5))
        return self.happen(Book(self.ts, self.ts, bids, asks))

    def command(self, verb: str, reason: str = "test") -> Step:
        return self.happen(Command(self.ts, verb, "operator", reason))

    def audit(
        self,
        *,
        position: str | None = None,
        equity: str = "10000",
        orders: Sequence[OpenOrder] | None = None,
        beside: Beside = NOTHING_BESIDE,
    ) -> Step:
        held = self.engine.state.pnl.position if position is None else Decimal(position)
        rows = None if orders is None else tuple(orders)
        worth = Decimal(equity)
        return self.happen(Account(self.ts, self.ts, self.ts, held, worth, rows, 0, beside))

    # -- the venue ------------------------------------------------------------------------------

    def answer(self, action: Action) -> None:
        match action:
            case Place() | Modify():
                self._oid += 1
                self.happen(OrderOpened(self.ts, self.ts, action.cloid, self._oid))
            case Cancel():
                self.happen(OrderClosed(self.ts, self.ts, action.cloid, None, "canceled"))
            case CancelAll():
                for order in list(self.engine.state.orders):
                    self.happen(OrderClosed(self.ts, self.ts, order.cloid, None, "canceled"))

    def fill(self, side: Side, level: int = 1, size: str | None = None) -> Fill:
        """A taker hits our order of this level; returns the fill that we were told."""
        order = next(
            o for o in self.engine.state.orders if o.side is side and o.level == level and o.live
        )
        assert order.oid is not None
        self._tid += 1
        fill = Fill(
            ts=self.ts,
            venue_ts=self.ts,
            trade_id=self._tid,
            cloid=order.cloid,
            oid=order.oid,
            side=side,
            price=order.price,
            size=order.remaining if size is None else Decimal(size),
            fee=Decimal("0.01"),
            start_position=self.engine.state.pnl.position,
            quote=True,
        )
        self.happen(fill)
        return fill

    # -- questions ------------------------------------------------------------------------------

    def said(self, text: str) -> int:
        """How often a note with this beginning was made."""
        return sum(note.text.startswith(text) for note in self.notes)

    def prices(self, side: Side) -> list[Decimal]:
        live = [o.price for o in self.engine.state.orders.side(side) if o.live]
        return sorted(live, reverse=side is Side.BID)
