"""The instruments of this process: an engine each, one turn after another, a guard over them."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from mm.adapters.journal import JournalWriter
from mm.adapters.metrics import Metrics
from mm.app.daemon import Narrator
from mm.app.live import Runner
from mm.core.portfolio import Exposure, Portfolio, loss
from mm.model.actions import Step
from mm.model.events import Allowance, Bbo, Book, Command, Event, Reference, Trades
from mm.model.units import Ns

PASSING = (Book, Bbo, Trades, Reference, Allowance)
"""Events that alone change no exposure worth telling before the next Tick."""


class Trader(Struct):
    """One instrument: its engine's runner and what watches it."""

    coin: str
    run_id: str
    runner: Runner
    metrics: Metrics
    narrator: Narrator
    journal: JournalWriter | None


class Traders:
    """What concerns all of them goes through `handle`; `portfolio` None: nothing to share."""

    def __init__(self, traders: Sequence[Trader], portfolio: Portfolio | None) -> None:
        self._of = {trader.coin: trader for trader in traders}
        self._portfolio = portfolio

    def __iter__(self) -> Iterator[Trader]:
        return iter(self._of.values())

    def __len__(self) -> int:
        return len(self._of)

    def begin(self, ts: Ns) -> None:
        """After each has its Start: what the ledger left to one the others lack from the first."""
        if self._portfolio is None:
            return
        for trader in self:
            self._portfolio.see(trader.coin, Exposure.of(trader.runner.engine.state))
        for trader in self:
            self.tell(trader.coin, ts)

    def handle(self, event: Event) -> None:
        """Each in turn, after what the others leave to it."""
        for trader in self:
            self.tell(trader.coin, event.ts)
            trader.runner.handle(event)

    def tell(self, coin: str, ts: Ns) -> None:
        if self._portfolio is not None:
            news = self._portfolio.allowance(coin, ts)
            if news is not None:
                self._of[coin].runner.handle(news)

    def watch(self, coin: str, event: Event, step: Step) -> None:
        """After a turn and before its actions are sent: what it took the others lack at once.

        A loss is the account's: if it halts one, it halts all.
        """
        portfolio = self._portfolio
        if portfolio is None or (isinstance(event, PASSING) and not step.actions):
            return
        state = self._of[coin].runner.engine.state
        for other in portfolio.see(coin, Exposure.of(state)):
            self.tell(other, event.ts)
        reason = loss(step.actions)
        for trader in self if reason else ():
            if trader.coin != coin:
                why = f"{coin}: {reason}"
                trader.runner.handle(Command(event.ts, "halt", "portfolio", why))


class Watch:
    """The guard as a recorder of one instrument's turns."""

    def __init__(self, coin: str) -> None:
        self._coin = coin
        self.traders: Traders | None = None

    def record(self, event: Event, step: Step) -> None:
        if self.traders is not None:
            self.traders.watch(self._coin, event, step)
