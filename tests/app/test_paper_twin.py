"""Paper against the truth: the same strategy on paper, and really trading on a twin of the market.

`MM_TWIN_S=3600 pytest tests/app/test_paper_twin.py -s` prints the figures of docs/going-live.md.
"""

import os
import sys
from collections.abc import Iterable
from decimal import Decimal

import pytest
from msgspec import Struct, structs

from mm.app.backtest import Agenda, Backtest, Pace
from mm.app.config import engine_settings, load
from mm.app.config_paper import PaperConfig
from mm.app.paper_exchange import PaperExchange
from mm.app.translate import Translator
from mm.app.turn import turn
from mm.core.engine import Engine
from mm.model.actions import Step
from mm.model.events import Book, Event, Fees, Fill, Link, Reference, Start, Tick, Trades
from mm.model.units import NS_PER_MS, NS_PER_S, Ns
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenario import Depth, Scenario
from mm.sim.scenarios import build_market, preset

START_MS = 1_800_000_000_000
LAG_MS = 100
"""One way, of news as of orders."""
SECONDS = int(os.environ.get("MM_TWIN_S", "400"))
FAST_LEVELS, FAST_NS = 5, 540 * NS_PER_MS
NEVER: Ns = (START_MS + 10**9) * NS_PER_MS
ZERO = Decimal(0)

WIDE = preset("liquid")
"""The public's touch is 6 bps from the middle: our quotes stand before it."""
TIGHT = structs.replace(
    WIDE, depth=Depth(half_spread_bps=0.5, levels=20, level_gap_bps=0.5, level_size_usd=5_000.0)
)
"""The public's touch is at half a basis point: our quotes stand behind it."""


class Fills(Struct):
    """All fills of a run, and what they earned before inventory."""

    count: int = 0
    volume_usd: float = 0.0
    edge_usd: float = 0.0

    def record(self, event: Event, _: Step) -> None:
        if isinstance(event, Fill):
            self.count += 1
            self.volume_usd += float(event.price * event.size)

    @property
    def edge_bps(self) -> float:
        """Spread less adverse selection and fees, of the volume."""
        return 1e4 * self.edge_usd / self.volume_usd

    def close(self, engine: Engine) -> "Fills":
        pnl = engine.view().pnl
        self.edge_usd = float(pnl.spread - pnl.adverse - pnl.fees)
        return self


def public(scenario: Scenario, seed: int) -> Exchange:
    market = build_market(scenario, seed, START_MS, 1.0)
    return Exchange([market], START_MS, ExchangeOptions(enforce_budget=False))


def engine_on(exchange: Exchange) -> Engine:
    settings = load(environ={}, assignments=["stochastic.policy=off", "strategy.levels=1"])
    return Engine(engine_settings(settings), exchange.instruments()[0])


def really(scenario: Scenario, seed: int) -> Fills:
    exchange, fills = public(scenario, seed), Fills()
    engine = engine_on(exchange)
    Backtest(engine, exchange, START_MS, Pace(latency_ms=LAG_MS), [fills]).run(
        START_MS + 1000 * SECONDS
    )
    return fills.close(engine)


class OnPaper:
    """The public's frames, as late as they are for everybody, to a paper exchange."""

    def __init__(self, scenario: Scenario, seed: int, queue: str) -> None:
        self.now: Ns = START_MS * NS_PER_MS
        self.fills = Fills()
        self._venue = public(scenario, seed)
        self.engine = engine_on(self._venue)
        instrument = self._venue.instruments()[0]
        settings = {"round_trip_ms": 2 * LAG_MS, "round_trip_log_sd": 0, "queue": queue}
        paper = PaperConfig.model_validate(settings)
        self._told: list[Event] = []
        self._paper = PaperExchange(
            {"BTC": (instrument, self._told.append)}, paper, lambda: self.now, lambda *_: None
        )
        self._paper.open_account("BTC", ZERO, Decimal(100_000))
        self._heard = Translator(instrument, "nobody", LAG_MS * NS_PER_MS)
        self._frames = Agenda()
        self._frames.put(NEVER, Tick(NEVER))
        self._shown = self._ticked = self.now

    def run(self) -> Fills:
        start = self.now
        for event in (
            Start(start, "00000001", ZERO, ZERO, "", None, None, None),
            Fees(start, 1.5, 4.5),
            self._paper.account("BTC"),
            Link(start, True, "virtual"),
        ):
            self._turn(event)
        self._push()
        end = start + SECONDS * NS_PER_S
        while (due := min(self._due())) <= end:
            self.now = max(self.now, due)
            self._step()
        return self.fills.close(self.engine)

    def _due(self) -> Iterable[Ns]:
        yield self._venue.next_ms() * NS_PER_MS
        yield self._shown + FAST_NS
        yield self._ticked + NS_PER_S
        yield self._paper.next_ts()
        yield self._frames.next_ts

    def _step(self) -> None:
        if self._venue.next_ms() * NS_PER_MS <= self.now:
            self._publish()
        if self._shown + FAST_NS <= self.now:
            self._push()
        while self._frames.next_ts <= self.now:
            _, frame = self._frames.pop()
            assert not isinstance(frame, tuple)
            self._paper.hear("BTC", frame)  # type: ignore[arg-type]  # only market data is put there
            self._flush()
        self._paper.run()
        self._flush()
        if self._ticked + NS_PER_S <= self.now:
            self._ticked += NS_PER_S
            self._turn(Tick(self.now))

    def _publish(self) -> None:
        reports = self._venue.advance(self.now // NS_PER_MS)
        told = [event for report in reports for event in self._heard.events(report, self.now)]
        prints = tuple(t for event in told if isinstance(event, Trades) for t in event.trades)
        self._frames.put_all(event for event in told if not isinstance(event, Trades))
        if prints:
            ts = self.now + LAG_MS * NS_PER_MS
            self._frames.put(ts, Trades(ts, prints))

    def _push(self) -> None:
        self._shown = self.now
        ts = self.now + LAG_MS * NS_PER_MS
        bids, asks = self._venue.book("BTC", FAST_LEVELS)
        self._frames.put(ts, Book(ts, self.now, bids, asks))
        oracle = float(self._venue.context("BTC").oracle)
        self._frames.put(ts, Reference(ts, ts, oracle, oracle, 0.0))

    def _flush(self) -> None:
        """What the exchange told goes to the engine; its orders may make it tell more."""
        while self._told:
            self._turn(self._told.pop(0))

    def _turn(self, event: Event) -> None:
        step = turn(self.engine, [self.fills], event)
        if step.actions:
            self._paper.send("BTC", step.actions)


@pytest.mark.parametrize(
    ("name", "scenario", "low", "high"),
    [("behind the touch", TIGHT, 0.75, 1.25), ("before the touch", WIDE, 0.3, 1.1)],
)
def test_paper_fills_at_a_rate_like_the_truth(
    name: str, scenario: Scenario, low: float, high: float
) -> None:
    """Before the touch it is blind to takers that would come no further than to us."""
    true, paper = really(scenario, 1), OnPaper(scenario, 1, "pro_rata").run()

    sys.stdout.write(
        f"{name}: {paper.count} fills of {true.count}, volume "
        f"{paper.volume_usd / true.volume_usd:.2f}, "
        f"edge {paper.edge_bps:+.2f} bps of {true.edge_bps:+.2f}\n"
    )
    assert true.count > 30
    assert low < paper.count / true.count < high
