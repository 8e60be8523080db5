"""What a run earned, beside what paper would have earned on the same market at the same time.

The journal has what the run saw. A twin of its engine is given that by the exchange that paper
trading uses, so what the twin's orders meet is decided as on paper: the gap between the two is how
far paper flatters here. The book is shown to the twin without the run's own orders.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from itertools import chain
from math import sqrt
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct, structs

from mm.adapters.journal import JournalError, JournalHeader, is_closed, read_journal
from mm.app.config_paper import PaperConfig
from mm.app.paper_exchange import PaperExchange
from mm.core.engine import Engine
from mm.core.orders import Orders
from mm.core.settings import EngineSettings
from mm.model.events import (
    Account,
    ActionBudget,
    Allowance,
    Bbo,
    Book,
    Command,
    Event,
    Fees,
    Fill,
    Funding,
    Levels,
    Link,
    Reference,
    Rules,
    Start,
    Tick,
    Trades,
)
from mm.model.units import BPS, Ns, Side, nanoseconds, seconds

HORIZONS_S = (0.0, 1.0, 5.0, 30.0)
DUST = 1e-9
Samples: TypeAlias = list[tuple[float, float]]
"""(USD, bps) of each fill."""


class Mean(Struct, frozen=True):
    """bps, weighted by volume. `se` is of independent fills, which those of a sweep are not; None
    of a single one."""

    mean: float
    se: float | None
    n: int


class Earned(Struct, frozen=True, kw_only=True):
    """Of orders that quoted, since the start. `after_bps`: horizon in s -> how far S then is on our
    side of the price that was paid, fee included; at 0 s the spread captured.
    """

    fills: int
    fills_per_h: float
    volume_usd: float
    fees_usd: float
    usd: float
    """What fills, fees and funding came to at the last S."""
    after_bps: dict[float, Mean | None]
    by_level: dict[str, dict[float, Mean | None]]
    """The same of each side and level, by names like "bid 1"."""


class Gap(Struct, frozen=True, kw_only=True):
    run_id: str
    hours: float
    live: Earned
    paper: Earned
    cut: bool
    """The journal ends without its closing: the last events of the run may be missing."""


class Tally:
    """Counts fills and follows each to its horizons."""

    def __init__(self) -> None:
        self.start: Ns = 0
        self._fills: list[float] = []
        self._seen: set[tuple[int, Ns]] = set()
        self._fees = self._cash = self._held = 0.0
        self._due: dict[float, deque[tuple[Ns, Fill, str]]] = {h: deque() for h in HORIZONS_S}
        self._found: dict[str, dict[float, Samples]] = {}

    def take(self, event: Event, own: Orders) -> None:
        """Before the engine is told: then the order that was filled may be forgotten."""
        if isinstance(event, Funding):
            self._cash += float(event.amount)
        elif isinstance(event, Fill) and self._is_news(event):
            notional = float(event.price * event.size)
            self._fills.append(notional)
            self._fees += float(event.fee)
            self._cash -= event.side * notional + float(event.fee)
            self._held += event.side * float(event.size)
            order = own.get(event.cloid)
            name = "" if order is None else f"{order.side.label} {order.level}"
            for horizon_s, due in self._due.items():
                due.append((event.ts + nanoseconds(horizon_s), event, name))

    def _is_news(self, fill: Fill) -> bool:
        key = (fill.trade_id, fill.venue_ts)
        if not fill.quote or key in self._seen or fill.venue_ts < self.start:
            return False
        self._seen.add(key)
        return True

    def look(self, ts: Ns, fair: float | None) -> None:
        """S now: what is due is measured."""
        for horizon_s, due in self._due.items():
            while fair is not None and due and due[0][0] <= ts:
                _, fill, name = due.popleft()
                price, size = float(fill.price), float(fill.size)
                gain = fill.side * (fair - price) * size - float(fill.fee)
                found = self._found.setdefault(name, {h: [] for h in HORIZONS_S})
                found[horizon_s].append((price * size, gain / (price * size) * BPS))

    def earned(self, hours: float, fair: float | None) -> Earned:
        return Earned(
            fills=len(self._fills),
            fills_per_h=len(self._fills) / hours if hours else 0.0,
            volume_usd=sum(self._fills),
            fees_usd=self._fees,
            usd=self._cash + self._held * (fair or 0.0),
            after_bps={
                h: _mean(chain(*(of[h] for of in self._found.values()))) for h in HORIZONS_S
            },
            by_level={
                name: {h: _mean(of[h]) for h in HORIZONS_S}
                for name, of in sorted(self._found.items())
                if name
            },
        )


def _mean(samples: Iterable[tuple[float, float]]) -> Mean | None:
    found = list(samples)
    total = sum(weight for weight, _ in found)
    if not total:
        return None
    mean = sum(weight * value for weight, value in found) / total
    spread = sum((weight * (value - mean)) ** 2 for weight, value in found)
    return Mean(mean, sqrt(spread) / total if len(found) > 1 else None, len(found))


class Twin:
    """The same engine from the same start on the same market, its orders on paper."""

    def __init__(self, header: JournalHeader, paper: PaperConfig, start: Start) -> None:
        self.engine = Engine(header.settings_as(EngineSettings), header.instrument)
        self.tally = Tally()
        self.tally.start = self._now = start.ts
        self._coin = header.instrument.name
        self._told: list[Event] = []
        market = {self._coin: (header.instrument, self._told.append)}
        self._paper = PaperExchange(market, paper, lambda: self._now, lambda *_: None)
        self._paper.open_account(self._coin, start.position, Decimal(str(paper.equity_usd)))
        self._clean: dict[Side, Levels] = {Side.BID: (), Side.ASK: ()}

    def hear(self, event: Event, own: Orders) -> None:
        """What the run was told next; `own`: its orders, which the twin does not see."""
        while self._paper.next_ts() < event.ts:
            self._now = max(self._now, self._paper.next_ts())
            self._paper.run()
            self._flush()
        self._now = max(self._now, event.ts)
        if isinstance(event, Book | Bbo | Trades | Reference):
            self._paper.hear(self._coin, self._public(event, own))
        elif isinstance(event, Link):
            self._link(event)
        elif isinstance(event, Account):
            self._told.append(self._paper.account(self._coin))
        elif isinstance(event, ActionBudget):
            self._told.append(self._paper.budget())
        elif isinstance(event, Start | Tick | Fees | Command | Allowance | Rules):
            self._told.append(event)
        self._flush()

    def _link(self, event: Link) -> None:
        if event.up:
            self._told.append(self._paper.account(self._coin))
        else:
            self._paper.forget()
            self._paper.withdraw("feed lost")
        self._told.append(event)

    def _public(
        self, event: Book | Bbo | Trades | Reference, own: Orders
    ) -> Book | Bbo | Trades | Reference:
        if isinstance(event, Trades):
            return structs.replace(event, own=())
        if isinstance(event, Reference):
            return event
        bids, asks = (
            (event.bids, event.asks)
            if isinstance(event, Book)
            else tuple((one,) if one else () for one in (event.bid, event.ask))
        )
        clean = {
            Side.BID: without(bids, own, Side.BID),
            Side.ASK: without(asks, own, Side.ASK),
        }
        if isinstance(event, Book):
            self._clean = clean
            return structs.replace(event, bids=clean[Side.BID], asks=clean[Side.ASK])
        touch = {side: (levels or self._clean[side])[:1] for side, levels in clean.items()}
        bid, ask = (touch[side][0] if touch[side] else None for side in (Side.BID, Side.ASK))
        return structs.replace(event, bid=bid, ask=ask)

    def _flush(self) -> None:
        """What the exchange tells goes to the engine; its orders may make it tell more."""
        while self._told:
            event = self._told.pop(0)
            self.tally.take(event, self.engine.state.orders)
            step = self.engine.step(event)
            if step.actions:
                self._paper.send(self._coin, step.actions)


def without(levels: Levels, own: Orders, side: Side) -> Levels:
    """What others show of these levels."""
    ours: dict[float, float] = {}
    for order in own.side(side):
        if order.live:
            price = float(order.price)
            ours[price] = ours.get(price, 0.0) + float(order.remaining)
    left = ((price, size - ours.get(price, 0.0)) for price, size in levels)
    return tuple([level for level in left if level[1] > DUST])


def compare(path: Path, paper: PaperConfig) -> Gap:
    """Raises JournalError where the file is none, is damaged, or ends before anything began."""
    start, known = _opening(path, paper)
    header, entries = read_journal(path)
    live, mine = Engine(header.settings_as(EngineSettings), header.instrument), Tally()
    twin, ts = Twin(header, known, start), start.ts
    mine.start = start.ts
    for event, _ in entries:
        mine.take(event, live.state.orders)
        live.step(event)
        twin.hear(event, live.state.orders)
        ts = event.ts
        for tally in (mine, twin.tally):
            tally.look(ts, live.state.book.fair)
    hours, fair = seconds(ts - start.ts) / 3600.0, live.state.book.fair
    return Gap(
        run_id=header.run_id,
        hours=hours,
        live=mine.earned(hours, fair),
        paper=twin.tally.earned(hours, fair),
        cut=not is_closed(path),
    )


def _opening(path: Path, paper: PaperConfig) -> tuple[Start, PaperConfig]:
    """How the run began, and paper with its equity and fees."""
    start, account, fees, mid = None, None, None, None
    for event, _ in read_journal(path)[1]:
        if isinstance(event, Start):
            start = event
        elif isinstance(event, Account):
            account = account or event
        elif isinstance(event, Fees):
            fees = fees or event
        elif isinstance(event, Book) and event.bids:
            mid = mid or event.bids[0][0]
        if start and account and fees and mid:
            cash = float(account.equity) - float(account.position) * mid
            known = {"equity_usd": cash, "maker_fee_bps": fees.maker_bps}
            return start, paper.model_copy(update={**known, "taker_fee_bps": fees.taker_bps})
    raise JournalError(f"{path} ends before the run had an account, fees and a price")
