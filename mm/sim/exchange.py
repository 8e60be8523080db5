"""The local exchange: markets, accounts and a block clock in time that is handed in."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from mm.model.events import Levels
from mm.model.exchange import (
    AccountState,
    Answer,
    AssetContext,
    BboReport,
    FeeRates,
    FillReport,
    FundingReport,
    OrderRow,
    RateLimit,
    Report,
    Signed,
    TradeReport,
)
from mm.model.instrument import Instrument
from mm.model.units import Side
from mm.sim.accounts import Account, Accounts
from mm.sim.admission import Admission, request_cap
from mm.sim.desk import Desk, DeskRules, phase
from mm.sim.floor import Floor
from mm.sim.funding import Funding, next_hour
from mm.sim.grid import micro_usd, usd
from mm.sim.listing import account_state, chosen_leverage
from mm.sim.market import Background, FundingRate, Market, Taker
from mm.sim.orders import Order, Status, order_row
from mm.sim.pit import NEVER, Pit
from mm.sim.queue import Conservative, QueueModel
from mm.sim.trading import Trading


class ExchangeOptions(Struct, frozen=True, kw_only=True):
    """`funding_rate` None: the premium formula. `schedule_cancel_volume` None: no requirement."""

    block_ms: int = 70
    faucet: bool = True
    faucet_usdc: Decimal = Decimal(100_000)
    fees: FeeRates = FeeRates(maker=Decimal("0.00015"), taker=Decimal("0.00045"))
    enforce_budget: bool = True
    schedule_cancel_volume: Decimal | None = Decimal(1_000_000)
    funding_rate: Decimal | None = None
    default_leverage: int = 20
    queue: QueueModel = Conservative
    seed: int = 1


class Exchange:
    """Satisfies `mm.model.exchange.LocalExchange`. Deterministic: no clock, no hidden randomness.

    Actions execute at the first multiple of `block_ms` after their submission, market events at
    their own millisecond; at equal times the block goes first, so cancels and post-only orders
    beat takers. Raises ValueError for no market, or two with one coin or asset id.
    """

    def __init__(
        self, markets: Sequence[Market], start_ms: int, options: ExchangeOptions | None = None
    ) -> None:
        options = options or ExchangeOptions()
        rate = None if options.funding_rate is None else float(options.funding_rate)
        pits = [Pit(market, options.queue, Funding(start_ms, rate)) for market in markets]
        self._pits = {pit.grid.instrument.asset: pit for pit in pits}
        self._coins = {pit.coin: pit for pit in pits}
        if not pits or len(self._pits) < len(pits) or len(self._coins) < len(pits):
            raise ValueError("an exchange needs markets, each with its own coin and asset id")
        self._options = options
        self._accounts = Accounts(micro_usd(options.faucet_usdc) if options.faucet else 0)
        self._floor = Floor(self._accounts, self._pits, options.fees, options.seed, start_ms)
        self._trading = Trading(self._floor)
        self._admission = Admission(self._accounts, options.enforce_budget)
        rules = DeskRules(
            schedule_cancel_volume=options.schedule_cancel_volume,
            default_leverage=options.default_leverage,
        )
        self._desk = Desk(self._floor, self._trading, rules)
        self._queued: list[tuple[int, int, Signed]] = []
        self._tickets = 0
        self._block_ms = self._cancel_ms = NEVER
        self._funding_ms = next_hour(start_ms)
        self._margin_ms = 0
        self._now_ms = start_ms

    # -- set-up ---------------------------------------------------------------------------------

    def register_agent(self, master: str, agent: str) -> None:
        """Let `agent` sign for `master`."""
        self._accounts.known(master.lower()) or self._accounts.open(master.lower())
        self._accounts.agents[agent.lower()] = master.lower()

    def deposit(self, user: str, usdc: Decimal) -> None:
        self._accounts.deposit(self._accounts.open(user.lower()), micro_usd(usdc))

    def restore(self, user: str, coin: str, position: Decimal, cash: Decimal) -> None:
        """An account of an earlier life; `cash` USD is all of its equity but the position's worth.

        Raises ValueError for a position off the grid.
        """
        grid, account = self._coins[coin].grid, self._accounts.open(user.lower())
        asset, lots = grid.instrument.asset, grid.exact_size(position)
        if lots is None:
            raise ValueError(f"position {position} {coin} is no multiple of the size step")
        self._desk.position(account, asset).size += lots
        self._accounts.carry_over(account, asset, lots, micro_usd(cash))

    # -- time -----------------------------------------------------------------------------------

    def look(self) -> None:
        """Take notice of events that a market fed from outside has received."""
        for pit in self._pits.values():
            pit.look_ahead()

    def submit(self, signed: Signed, now_ms: int) -> int:
        """Queue for the next block boundary after `now_ms`, which may lie in the future."""
        block = self._options.block_ms
        due_ms = (max(now_ms, self._now_ms) // block + 1) * block
        self._tickets += 1
        self._queued.append((due_ms, self._tickets, signed))
        self._block_ms = min(self._block_ms, due_ms)
        return self._tickets

    def next_ms(self) -> int:
        events = min([pit.market_ms for pit in self._pits.values()])
        return min(events, self._block_ms, self._funding_ms, self._cancel_ms)

    @property
    def ended(self) -> bool:
        """Whether every recording has ended; the books stay at their last state."""
        return all(pit.market_ms == NEVER for pit in self._pits.values())

    def advance(self, now_ms: int) -> list[Answer | Report]:
        """Execute all that is due up to `now_ms`; a time before the last one changes nothing."""
        told: list[Answer | Report] = []
        self._now_ms = max(self._now_ms, now_ms)
        while (at_ms := self.next_ms()) <= now_ms:
            self._floor.now_ms = at_ms
            self._clockwork(at_ms)
            moved = False
            for pit in self._pits.values():
                if pit.market_ms <= at_ms:
                    pit.funding.sample(at_ms, pit.premium)
                    self._market(pit, at_ms)
                    moved = True
            if moved and at_ms >= self._margin_ms:
                self._margin_ms = at_ms + self._options.block_ms
                self._liquidations()
            self._floor.outbox.drain(self._touches(at_ms), told)
        return told

    def _clockwork(self, at_ms: int) -> None:
        if self._funding_ms <= at_ms:
            for asset, pit in self._pits.items():
                pit.funding.sample(at_ms, pit.premium)
                self._floor.pay_funding(asset)
            self._funding_ms = next_hour(at_ms)
        if self._cancel_ms <= at_ms:
            self._scheduled_cancels(at_ms)
        if self._block_ms <= at_ms:
            self._block(at_ms)

    def _block(self, at_ms: int) -> None:
        due = [item for item in self._queued if item[0] <= at_ms]
        self._queued = [item for item in self._queued if item[0] > at_ms]
        self._block_ms = min([item[0] for item in self._queued], default=NEVER)
        for pit in self._pits.values():
            pit.funding.sample(at_ms, pit.premium)
        for _, ticket, signed in sorted(due, key=lambda item: phase(item[2].request)):
            self._floor.outbox.answers.append(self._answer(ticket, signed, at_ms))
        self._cancel_ms = self._next_cancel()

    def _answer(self, ticket: int, signed: Signed, at_ms: int) -> Answer:
        account = self._admission.admit(signed, at_ms)
        if isinstance(account, str):
            return Answer(ticket, error=account)
        result = self._desk.execute(signed.request, account)
        return Answer(ticket, error=result) if isinstance(result, str) else Answer(ticket, result)

    def _market(self, pit: Pit, at_ms: int) -> None:
        """All events of this market up to `at_ms`, in its order."""
        while pit.market_ms <= at_ms:
            event = pit.market.pop()
            if isinstance(event, Background):
                self._trading.show(pit, event)
            elif isinstance(event, Taker):
                self._trading.take(pit, event)
            elif isinstance(event, FundingRate):
                pit.funding.announce(event.rate)
            else:
                pit.oracle = pit.grid.price(event.price)
            pit.look_ahead()

    def _touches(self, at_ms: int) -> list[BboReport]:
        reports = [pit.bbo(at_ms) for pit in self._pits.values()]
        return [report for report in reports if report is not None]

    def _liquidations(self) -> None:
        marks = self._floor.marks
        for account in self._accounts.by_user.values():
            maintenance = account.maintenance(marks)
            if maintenance and account.equity(marks) < maintenance:
                self._trading.liquidate(account)

    def _next_cancel(self) -> int:
        times = [a.cancel_at_ms for a in self._accounts.by_user.values() if a.cancel_at_ms]
        return min(times, default=NEVER)

    def _scheduled_cancels(self, at_ms: int) -> None:
        for account in self._accounts.by_user.values():
            if account.cancel_at_ms is not None and account.cancel_at_ms <= at_ms:
                account.cancel_at_ms = None
                self._floor.cancel_all(account, Status.SCHEDULED)
        self._cancel_ms = self._next_cancel()

    # -- reading: markets -----------------------------------------------------------------------

    def instruments(self) -> Sequence[Instrument]:
        return [pit.grid.instrument for pit in self._pits.values()]

    def book(self, coin: str, depth: int) -> tuple[Levels, Levels]:
        """Bids and asks, background and clients together, best first."""
        pit = self._coins[coin]
        return pit.levels(Side.BID, depth), pit.levels(Side.ASK, depth)

    def book_counts(self, coin: str, depth: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Orders per level; the background counts as one."""
        pit = self._coins[coin]
        return pit.counts(Side.BID, depth), pit.counts(Side.ASK, depth)

    def context(self, coin: str) -> AssetContext:
        pit = self._coins[coin]
        asset = pit.grid.instrument.asset
        longs = [max(0, a.lots(asset)) for a in self._accounts.by_user.values()]
        return pit.context(sum(longs) + max(0, self._accounts.house_lots.get(asset, 0)))

    def recent_trades(self, coin: str) -> Sequence[TradeReport]:
        """Oldest first."""
        return tuple(self._coins[coin].trades)

    def funding_history(self, coin: str, start_ms: int) -> Sequence[tuple[int, Decimal, Decimal]]:
        return self._coins[coin].funding.since(start_ms)

    # -- reading: accounts ----------------------------------------------------------------------

    def account(self, user: str, now_ms: int) -> AccountState:
        """All zeros for an agent's address, or an unknown one where there is no faucet."""
        return account_state(self._accounts.known(user.lower()), self._pits)

    def is_agent(self, user: str) -> bool:
        return user.lower() in self._accounts.agents

    def open_orders(self, user: str) -> Sequence[OrderRow]:
        return [self._row(order) for order in self._account(user).orders.values()]

    def order_status(self, user: str, target: int | str) -> tuple[OrderRow, str, int] | None:
        """By oid or client id; None where it is unknown or forgotten.

        `remaining` is as of the last status change, as on the venue: `open_orders` has it live.
        """
        order = self._account(user).find(target)
        if order is None:
            return None
        row = order_row(order, self._pits[order.asset].grid, order.told)
        return row, order.status, order.status_ms

    def historical_orders(self, user: str) -> Sequence[tuple[OrderRow, str, int]]:
        """Oldest first, the last 2000."""
        orders = self._account(user).history.values()
        return [(self._row(order), order.status, order.status_ms) for order in orders]

    def fills(self, user: str) -> Sequence[FillReport]:
        """Oldest first, the last 10,000."""
        return tuple(self._account(user).fills)

    def fundings(self, user: str) -> Sequence[FundingReport]:
        """Oldest first."""
        return tuple(self._account(user).fundings)

    def rate_limit(self, user: str) -> RateLimit:
        account = self._account(user)
        return RateLimit(usd(account.volume), account.requests, request_cap(account))

    def fee_rates(self, user: str) -> FeeRates:
        return self._options.fees

    def leverage(self, user: str, coin: str) -> tuple[int, bool]:
        default = self._options.default_leverage
        return chosen_leverage(self._account(user), self._coins[coin].grid.instrument, default)

    def _account(self, user: str) -> Account:
        """The account to read; an empty one, not kept, where there is none."""
        return self._accounts.by_user.get(user.lower()) or Account(user)

    def _row(self, order: Order) -> OrderRow:
        return order_row(order, self._pits[order.asset].grid)
