"""The local exchange: markets, accounts and a block clock in time that is handed in."""

from collections.abc import Sequence
from decimal import Decimal

from mm.model.custody import SubAccount
from mm.model.exchange import Answer, BboReport, OrderRequest, Report, Signed
from mm.sim.admission import Admission
from mm.sim.authority import DAY_MS, Wallet
from mm.sim.clerk import Clerk, ClerkRules
from mm.sim.desk import Desk, phase
from mm.sim.floor import Floor
from mm.sim.funding import next_hour
from mm.sim.grid import micro_usd
from mm.sim.market import Background, FundingRate, Market, Taker
from mm.sim.orders import Status
from mm.sim.pit import NEVER, Pit
from mm.sim.register import ExchangeOptions as ExchangeOptions
from mm.sim.register import Register
from mm.sim.trading import Trading


class Exchange(Register):
    """Satisfies `mm.model.exchange.LocalExchange`. Deterministic: no clock, no hidden randomness.

    Actions execute at the first multiple of `block_ms` after their submission, market events at
    their own millisecond; at equal times the block goes first, so cancels and post-only orders
    beat takers. Raises ValueError for no market, or two with one coin or asset id.
    """

    def __init__(
        self, markets: Sequence[Market], start_ms: int, options: ExchangeOptions | None = None
    ) -> None:
        options = options or ExchangeOptions()
        super().__init__(markets, start_ms, options)
        self._floor = Floor(self._accounts, self._pits, self._fees, options.seed, start_ms)
        self._trading = Trading(self._floor)
        self._admission = Admission(self._accounts, options.enforce_budget)
        rules = ClerkRules(
            schedule_cancel_volume=options.schedule_cancel_volume,
            default_leverage=options.default_leverage,
        )
        self._clerk = Clerk(self._floor, rules)
        self._desk = Desk(self._floor, self._trading, self._clerk)
        self._queued: list[tuple[int, int, Signed]] = []
        self._tickets = 0
        self._block_ms = self._cancel_ms = NEVER
        self._funding_ms = next_hour(start_ms)
        self._margin_ms = 0

    # -- set-up ---------------------------------------------------------------------------------

    def register_agent(
        self, master: str, agent: str, name: str = "", until_ms: int | None = None
    ) -> None:
        """Let `agent` sign for `master`."""
        user = master.lower()
        self._accounts.known(user) or self._accounts.open(user)
        self._accounts.authority.enrol(agent.lower(), Wallet(user, name, until_ms))

    def register_vault(self, leader: str, vault: str) -> None:
        """Let `leader`, and API wallets of its, act for the account `vault`."""
        self._accounts.authority.register_vault(leader.lower(), vault.lower())
        self._accounts.open(vault.lower())

    def deposit(self, user: str, usdc: Decimal) -> None:
        """On the venue's own exchange."""
        self._accounts.deposit(self._accounts.open(user.lower()), micro_usd(usdc))

    def restore(self, user: str, coin: str, position: Decimal, cash: Decimal) -> None:
        """An account of an earlier life; `cash` USD is all of its equity but the position's worth.

        Raises ValueError for a position off the grid.
        """
        grid, account = self._coins[coin].grid, self._accounts.open(user.lower())
        asset, lots = grid.instrument.asset, grid.exact_size(position)
        if lots is None:
            raise ValueError(f"position {position} {coin} is no multiple of the size step")
        self._clerk.position(account, asset).size += lots
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
        request = signed.request
        if isinstance(request, OrderRequest):
            return Answer(ticket, self._desk.execute(request, account))
        result = self._clerk.execute(request, account)
        if isinstance(result, SubAccount):
            return Answer(ticket, opened=result.address)
        return Answer(ticket, error=result)

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
            for purse in list(account.purses.values()):
                if failing := purse.failing(marks):
                    self._trading.liquidate(account, failing)

    def _next_cancel(self) -> int:
        times = [a.cancel_at_ms for a in self._accounts.by_user.values() if a.cancel_at_ms]
        return min(times, default=NEVER)

    def _scheduled_cancels(self, at_ms: int) -> None:
        for account in self._accounts.by_user.values():
            if account.cancel_at_ms is not None and account.cancel_at_ms <= at_ms:
                account.cancel_at_ms = None
                day = at_ms // DAY_MS
                account.triggered = day, account.triggers_on(day) + 1
                self._floor.cancel_all(account, Status.SCHEDULED)
        self._cancel_ms = self._next_cancel()
