"""What can be asked of the local exchange: its markets, and what it knows of each account."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from mm.model.custody import NamedAgent, Standing, SubAccount
from mm.model.events import Levels
from mm.model.exchange import (
    AccountState,
    AssetContext,
    FeeRates,
    FeeTier,
    FillReport,
    FundingReport,
    OrderRow,
    RateLimit,
    TradeReport,
)
from mm.model.instrument import Instrument, dex_of
from mm.model.units import Side
from mm.sim.accounts import Account, Accounts, exchange_of
from mm.sim.admission import request_cap
from mm.sim.authority import DAY_MS
from mm.sim.fees import Fees
from mm.sim.funding import Funding
from mm.sim.grid import micro_usd, usd
from mm.sim.listing import account_state, chosen_leverage
from mm.sim.market import Market
from mm.sim.orders import Order, order_row
from mm.sim.pit import Pit
from mm.sim.queue import Conservative, QueueModel


class ExchangeOptions(Struct, frozen=True, kw_only=True):
    """`funding_rate` None: the premium formula. `schedule_cancel_volume` None: no requirement."""

    block_ms: int = 70
    faucet: bool = True
    faucet_usdc: Decimal = Decimal(100_000)
    fees: FeeRates = FeeRates(maker=Decimal("0.00015"), taker=Decimal("0.00045"))
    fee_tiers: tuple[FeeTier, ...] = ()
    enforce_budget: bool = True
    schedule_cancel_volume: Decimal | None = Decimal(1_000_000)
    funding_rate: Decimal | None = None
    default_leverage: int = 20
    queue: QueueModel = Conservative
    seed: int = 1


class Register:
    """Markets and accounts, read only. Raises ValueError for no market, or two with one coin or
    asset id."""

    def __init__(self, markets: Sequence[Market], start_ms: int, options: ExchangeOptions) -> None:
        rate = None if options.funding_rate is None else float(options.funding_rate)
        pits = [Pit(market, options.queue, Funding(start_ms, rate)) for market in markets]
        self._pits = {pit.grid.instrument.asset: pit for pit in pits}
        self._coins = {pit.coin: pit for pit in pits}
        if not pits or len(self._pits) < len(pits) or len(self._coins) < len(pits):
            raise ValueError("an exchange needs markets, each with its own coin and asset id")
        self._options = options
        self._fees = Fees(options.fees, options.fee_tiers)
        listed = {dex_of(pit.coin): exchange_of(asset) for asset, pit in self._pits.items()}
        self._exchanges = {"": 0} | listed
        faucet = micro_usd(options.faucet_usdc) if options.faucet else 0
        self._accounts = Accounts(faucet, tuple(self._exchanges.values()))
        self._now_ms = start_ms

    # -- markets --------------------------------------------------------------------------------

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

    def mid(self, coin: str) -> Decimal | None:
        """Between the best prices; None where a side is empty."""
        return self._coins[coin].mid

    def recent_trades(self, coin: str) -> Sequence[TradeReport]:
        """Oldest first."""
        return tuple(self._coins[coin].trades)

    def funding_history(self, coin: str, start_ms: int) -> Sequence[tuple[int, Decimal, Decimal]]:
        return self._coins[coin].funding.since(start_ms)

    # -- accounts -------------------------------------------------------------------------------

    def account(self, user: str, now_ms: int, dex: str = "") -> AccountState:
        """On the venue's own exchange, or a builder's. All zeros for an agent's address, or an
        unknown one where there is no faucet, or an exchange that is not there."""
        account, number = self._accounts.known(user.lower()), self._exchanges.get(dex, -1)
        return account_state(account.purses.get(number) if account else None, self._pits)

    def position(self, user: str, coin: str) -> Decimal:
        """What is held, signed: that of `account`, without the rest of it."""
        grid = self._coins[coin].grid
        return grid.size_out(self._account(user).lots(grid.instrument.asset))

    def standing(self, address: str) -> Standing:
        """A user may be one whom the faucet would serve; without it strangers are missing."""
        accounts, user = self._accounts, address.lower()
        known = accounts.authority.standing(user, self._now_ms)
        return known or Standing("user" if accounts.known(user) is not None else "missing")

    def agents(self, user: str) -> Sequence[NamedAgent]:
        """The named API wallets that may still sign."""
        return self._accounts.authority.agents(user.lower(), self._now_ms)

    def sub_accounts(self, user: str) -> Sequence[SubAccount]:
        return self._accounts.authority.sub_accounts(user.lower())

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
        used, cap = account.requests, request_cap(account)
        return RateLimit(usd(account.volume), max(0, used), cap, surplus=max(0, -used))

    def fee_rates(self, user: str) -> FeeRates:
        return self._account(user).volumes.rates(self._now_ms // DAY_MS, self._fees)

    def fee_schedule(self) -> tuple[FeeRates, tuple[FeeTier, ...]]:
        return self._fees.base, self._fees.tiers

    def leverage(self, user: str, coin: str) -> tuple[int, bool]:
        default = self._options.default_leverage
        return chosen_leverage(self._account(user), self._coins[coin].grid.instrument, default)

    def _account(self, user: str) -> Account:
        """The account to read; an empty one, not kept, where there is none."""
        return self._accounts.by_user.get(user.lower()) or Account(user)

    def _row(self, order: Order) -> OrderRow:
        return order_row(order, self._pits[order.asset].grid)
