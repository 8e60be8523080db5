"""Engines side by side: what one takes the other lacks, and each journal alone explains its own."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm.adapters.journal import JournalWriter, header
from mm.adapters.metrics import Metrics
from mm.app.daemon import JournalRecorder, Narrator
from mm.app.live import Runner
from mm.app.ports import Recorder
from mm.app.replay import replay
from mm.app.traders import Trader, Traders, Watch
from mm.core.engine import Engine
from mm.core.portfolio import Exposure, Member, Portfolio
from mm.core.settings import PortfolioSettings
from mm.model.actions import Action, CancelAll, Halt, Place
from mm.model.events import (
    Account,
    Allowance,
    Book,
    Command,
    Event,
    Fees,
    Fill,
    Link,
    OrderClosed,
    OrderOpened,
    Start,
    Tick,
)
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_S, Ns, Side
from tests.core.stage import settings as engine_settings

COINS = ("BTC", "ETH")
LOT_USD = 1000
START: Ns = 1_000 * NS_PER_S


class Desk:
    """A venue that opens what it is sent, and fills when told."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.ts = START
        self.sent: list[Action] = []
        self._oid = 0

    def send(self, actions: Sequence[Action]) -> None:
        self.sent += actions
        for action in actions:
            if isinstance(action, CancelAll):
                for order in list(self._runner.engine.state.orders):
                    gone = OrderClosed(self.ts, self.ts, order.cloid, None, "canceled")
                    self._runner.handle(gone)
            elif not isinstance(action, Halt):
                self._answer(action.cloid, opened=not type(action).__name__.startswith("Cancel"))

    def _answer(self, cloid: str, *, opened: bool) -> None:
        self._oid += 1
        if opened:
            self._runner.handle(OrderOpened(self.ts, self.ts, cloid, self._oid))
        else:
            self._runner.handle(OrderClosed(self.ts, self.ts, cloid, None, "canceled"))

    def fill(self, side: Side) -> None:
        """All that rests on this side."""
        for order in [o for o in self._runner.engine.state.orders.side(side) if o.live]:
            self._oid += 1
            assert order.oid is not None
            self._runner.handle(
                Fill(
                    ts=self.ts,
                    venue_ts=self.ts,
                    trade_id=self._oid,
                    cloid=order.cloid,
                    oid=order.oid,
                    side=side,
                    price=order.price,
                    size=order.remaining,
                    fee=Decimal(0),
                    start_position=self._runner.engine.state.pnl.position,
                    quote=True,
                )
            )


class Kept:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event, step: object) -> None:
        self.events.append(event)


class Room:
    """Two traders with a guard, in time that the test moves."""

    def __init__(
        self, limits: PortfolioSettings, recorders: dict[str, list[Recorder]], equity: int
    ) -> None:
        self.limits, self.ts = limits, START
        self.kept = {coin: Kept() for coin in COINS}
        self.desks: dict[str, Desk] = {}
        watches = {coin: Watch(coin) for coin in COINS}
        crew = []
        for number, coin in enumerate(COINS):
            engine = Engine(engine_settings(), instrument(coin))
            told = [self.kept[coin], *recorders.get(coin, []), watches[coin]]
            runner = Runner(engine, told)
            self.desks[coin] = Desk(runner)
            runner.attach(self.desks[coin])
            silent = Narrator(lambda *_: None)
            crew.append(Trader(coin, f"{number:08x}", runner, Metrics(coin), silent, None))
        members = [Member.of(one.runner.engine.state, "") for one in crew]
        self.traders = Traders(crew, Portfolio(limits, members))
        for trader in crew:
            for event in first_events(trader.run_id, equity):
                trader.runner.handle(event)
        for watch in watches.values():
            watch.traders = self.traders
        self.traders.begin(START)
        for _ in range(8):
            self.second()

    def second(self, mid: float = 100.0) -> None:
        self.ts += NS_PER_S
        for trader in self.traders:
            self.desks[trader.coin].ts = self.ts
            trader.runner.handle(book(self.ts, mid * (1.0 + 1e-5 * (self.ts // NS_PER_S % 2))))
        self.traders.handle(Tick(self.ts))

    def exposures(self) -> list[Exposure]:
        return [Exposure.of(trader.runner.engine.state) for trader in self.traders]

    def gross(self) -> float:
        return float(sum(one.gross for one in self.exposures()))

    def halted(self) -> list[str]:
        return [trader.runner.engine.state.kill.halted for trader in self.traders]


def instrument(coin: str) -> Instrument:
    return Instrument(name=coin, asset=COINS.index(coin), size_decimals=3, price_decimals=3)


def first_events(run_id: str, equity: int) -> list[Event]:
    zero = Decimal(0)
    return [
        Start(START, run_id, zero, zero, "", None, None, None),
        Fees(START, 1.5, 4.5),
        Account(START, START, START, zero, Decimal(equity), None),
        Link(START, True, "test"),
    ]


def book(ts: Ns, mid: float) -> Book:
    bids = tuple((round(mid * (1 - 5e-4 - 1e-4 * i), 3), 50.0) for i in range(5))
    asks = tuple((round(mid * (1 + 5e-4 + 1e-4 * i), 3), 50.0) for i in range(5))
    return Book(ts, ts, bids, asks)


def room(
    recorders: dict[str, list[Recorder]] | None = None, equity: int = 10_000, **limits: float
) -> Room:
    return Room(PortfolioSettings(**limits), recorders or {}, equity)


def test_without_limits_both_quote_and_are_told_nothing() -> None:
    both = room()

    for coin in COINS:
        assert {a.side for a in both.desks[coin].sent if isinstance(a, Place)} == set(Side)
        assert not [e for e in both.kept[coin].events if isinstance(e, Allowance)]


def test_two_lots_that_do_not_fit_are_cut_alike() -> None:
    both = room(max_gross_usd=1.5 * LOT_USD)

    for one in both.exposures():
        assert float(one.gross) == pytest.approx(0.75 * LOT_USD, rel=0.02)
    assert both.gross() <= 1.5 * LOT_USD


fates = st.lists(
    st.tuples(st.sampled_from(COINS), st.sampled_from(Side), st.integers(1, 3)), max_size=12
)


@settings(max_examples=15, deadline=None)
@given(fates)
def test_gross_holds_after_every_second_whatever_fills(taken: list[tuple[str, Side, int]]) -> None:
    limit = 2.5 * LOT_USD
    both = room(max_gross_usd=limit, max_net_usd=1.5 * LOT_USD)
    for coin, side, seconds in taken:
        both.desks[coin].fill(side)
        for _ in range(seconds):
            both.second()
            assert both.gross() <= 1.001 * limit


@settings(max_examples=10, deadline=None)
@given(fates)
def test_a_small_accounts_margin_covers_all_orders_of_both(
    taken: list[tuple[str, Side, int]],
) -> None:
    """Five times 300 USD is the worst case of everything together; each alone would use it up."""
    both = room(equity=300)
    assert all(one.gross > 0 for one in both.exposures())
    for coin, side, seconds in taken:
        both.desks[coin].fill(side)
        for _ in range(seconds):
            both.second()
            equity = min(one.equity or Decimal(0) for one in both.exposures())
            assert both.gross() <= 5 * 1.001 * float(equity)


def test_an_operator_halts_one_and_the_other_goes_on() -> None:
    both = room()
    btc, eth = both.traders
    eth.runner.handle(Command(both.ts, "halt", "operator", "lunch"))
    both.second()

    assert both.halted() == ["", "operator: lunch"]
    assert len(btc.runner.engine.state.orders) > 0
    assert not [o for o in eth.runner.engine.state.orders if not o.ended]


def test_a_loss_on_one_halts_both_and_says_whose_it_was() -> None:
    both = room()
    for _ in range(3):
        both.desks["BTC"].fill(Side.BID)
        both.second()
    both.second(mid=80.0)

    btc, eth = both.halted()
    assert btc.startswith(("daily loss", "drawdown"))
    assert eth == f"portfolio: BTC: {btc}"


def test_each_journal_replays_alone(tmp_path: Path) -> None:
    writers = {
        coin: JournalWriter(
            tmp_path / f"{coin}.mmj", header("0", "0", instrument(coin), engine_settings())
        )
        for coin in COINS
    }
    recorders: dict[str, list[Recorder]] = {c: [JournalRecorder(w)] for c, w in writers.items()}
    both = room(recorders, max_gross_usd=1.5 * LOT_USD)
    for number in range(6):
        both.desks[COINS[number % 2]].fill(Side(1 - 2 * (number % 2)))
        both.second()
    for writer in writers.values():
        writer.close()

    assert any(isinstance(event, Allowance) for event in both.kept["ETH"].events)
    for coin in COINS:
        replayed = replay(tmp_path / f"{coin}.mmj")
        assert replayed.mismatch is None
        assert replayed.acting > 0
