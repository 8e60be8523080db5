"""The pretended venue of paper trading: the matching of a recording, driven by live data."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Final

from mm.adapters.hyperliquid.nonce import NonceAllocator
from mm.adapters.hyperliquid.public_feed import Public
from mm.app.config_paper import PaperConfig
from mm.app.paper_market import USER, PaperMarket, as_one_message
from mm.model.actions import Action, Cancel, CancelAll, Modify, Place
from mm.model.events import (
    Account,
    ActionBudget,
    Bbo,
    Book,
    Event,
    OrderClosed,
    OrderOpened,
    RejectCode,
    Rejected,
    RequestKind,
    Trades,
)
from mm.model.exchange import FeeRates, OrderRow
from mm.model.instrument import Instrument
from mm.model.units import BPS, NS_PER_MS, Ns, seconds
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.latency import Lognormal
from mm.sim.queue import Conservative, ProRata, QueueModel

BLOCK_MS: Final = 70
QUEUES: Final[dict[str, QueueModel]] = {"pro_rata": ProRata, "conservative": Conservative}


class PaperExchange:
    """One account in some markets, in the time of receipt.

    An order acts a round trip after it was sent, and its answer comes at once then: so it meets the
    events that it would have met. Nobody reacts to it.
    """

    def __init__(
        self,
        coins: Mapping[str, tuple[Instrument, Callable[[Event], None]]],
        paper: PaperConfig,
        now: Callable[[], Ns],
        round_trip: Callable[[str, float], None],
    ) -> None:
        """`coins`: each with its rules, and who is told what happens there."""
        self._now = now
        self._round_trip = round_trip
        self._delay = Lognormal(paper.round_trip_ms, paper.round_trip_log_sd)
        self._rng = Random(paper.seed)  # noqa: S311 - delays, not secrets
        nonces = NonceAllocator()
        self._markets = {coin: PaperMarket(*of, nonces) for coin, of in coins.items()}
        options = ExchangeOptions(
            block_ms=BLOCK_MS,
            faucet=False,
            fees=FeeRates(_rate(paper.maker_fee_bps), _rate(paper.taker_fee_bps)),
            queue=QUEUES[paper.queue],
            seed=paper.seed,
        )
        lives = [market.live for market in self._markets.values()]
        self._exchange = Exchange(lives, now() // NS_PER_MS, options)
        self._wire: deque[tuple[Ns, str, tuple[Action, ...]]] = deque()
        self._sent: dict[str, tuple[RequestKind, Ns]] = {}
        self._ahead_ms = 0

    def open_account(self, coin: str, position: Decimal, cash: Decimal) -> None:
        """Add to it. `cash` USD: all of its equity but the position's worth."""
        self._exchange.restore(USER, coin, position, cash)

    # -- our orders -----------------------------------------------------------------------------

    def send(self, coin: str, actions: Sequence[Action]) -> None:
        """On their way; one connection carries them, so none overtakes another."""
        now = self._now()
        last = self._wire[-1][0] if self._wire else now
        due = max(last, now + int(self._delay.one_way_ms(self._rng) * NS_PER_MS))
        self._wire.append((due, coin, tuple(actions)))
        for action in actions:
            if isinstance(action, Place | Modify | Cancel):
                self._sent[action.cloid] = (action.kind, now)

    def open_orders(self) -> Sequence[OrderRow]:
        """Of all coins."""
        return self._exchange.open_orders(USER)

    def withdraw(self, why: str) -> None:
        """Cancel all at once, also what is on its way.

        Twice: what waited for its block when this began rests after it.
        """
        for _, coin, actions in self._wire:
            self._refuse(self._markets[coin], actions, why)
        self._wire.clear()
        self._sent.clear()  # the refusals above are no answers
        for _ in range(2 if self._may_rest else 0):
            for market in self._markets.values():
                market.submit(self._exchange, (CancelAll(why),), self._now_ms())
            self._ahead_ms = self._now_ms() + 2 * BLOCK_MS
            self.run()

    @property
    def _may_rest(self) -> bool:
        waits = self._exchange.next_ms() <= self._now_ms() + BLOCK_MS
        return waits or bool(self.open_orders())

    def _refuse(self, market: PaperMarket, actions: Iterable[Action], why: str) -> None:
        now, code = self._now(), RejectCode.UNSENT
        for action in actions:
            if isinstance(action, Place | Modify):
                gone = isinstance(action, Modify)
                market.tell(Rejected(now, action.cloid, action.kind, code, why, gone))

    # -- time -----------------------------------------------------------------------------------

    def next_ts(self) -> Ns:
        """When `run` next has something to do, if nothing is sent or heard before."""
        due = self._exchange.next_ms() * NS_PER_MS
        return min(due, self._wire[0][0]) if self._wire else due

    def run(self) -> None:
        """Let all happen that is due."""
        self._deliver()
        for market, told in self._advance():
            market.tell_all(told)
            market.settle(told)
            if any(isinstance(one, OrderOpened | OrderClosed) for one in told):
                market.show_touch(self._now(), self._exchange)

    def _deliver(self) -> None:
        now = self._now()
        while self._wire and self._wire[0][0] <= now:
            due, coin, actions = self._wire.popleft()
            at_ms = max(self._ahead_ms, due // NS_PER_MS)
            self._markets[coin].submit(self._exchange, actions, at_ms)

    def _advance(self, venue_ts: Ns | None = None) -> list[tuple[PaperMarket, list[Event]]]:
        """What came of all that is due, by coin; `venue_ts`: of the print that it is due to."""
        now = self._now()
        self._exchange.look()
        outputs = self._exchange.advance(self._now_ms())
        told = []
        for market in self._markets.values() if outputs else ():
            mine = [output for output in outputs if market.concerns(output)]
            events = [e for output in mine for e in market.events(output, now, venue_ts)]
            self._clock(events, now)
            told.append((market, events))
        return told

    def _clock(self, events: Iterable[Event], now: Ns) -> None:
        """How long the answers took."""
        for event in events:
            if isinstance(event, OrderOpened | OrderClosed | Rejected):
                sent = self._sent.pop(event.cloid, None)
                if sent is not None:
                    self._round_trip(sent[0].value, seconds(now - sent[1]))

    def _now_ms(self) -> int:
        return max(self._ahead_ms, self._now() // NS_PER_MS)

    # -- the market -----------------------------------------------------------------------------

    def hear(self, coin: str, event: Public) -> None:
        market = self._markets[coin]
        if isinstance(event, Trades):
            self._prints(market, event)
            return
        market.take(event, self._now_ms())
        self.run()
        if isinstance(event, Book | Bbo):
            market.show(event, self._exchange)
        else:
            market.tell(event)

    def forget(self) -> None:
        """The feed was lost: what it showed says nothing of what comes."""
        for market in self._markets.values():
            market.live.forget()

    def _prints(self, market: PaperMarket, event: Trades) -> None:
        self.run()
        told: list[Event] = []
        for trade in event.trades:
            market.live.trade(self._now_ms(), trade)
            for whose, events in self._advance(trade.venue_ts):
                if whose is market:
                    told += events
                else:
                    whose.tell_all(events)
        market.tell_all(as_one_message(event.ts, told))

    # -- the account ----------------------------------------------------------------------------

    def account(self, coin: str) -> Account:
        return self._markets[coin].account(self._exchange, self._now())

    def budget(self) -> ActionBudget:
        """As an address of this volume would have, counted from the start of this run."""
        limit = self._exchange.rate_limit(USER)
        return ActionBudget(self._now(), limit.used, limit.cap, len(self._markets))


def _rate(bps: float) -> Decimal:
    return Decimal(str(bps)) / Decimal(int(BPS))
