"""The vocabulary of an exchange: what it is asked, what it answers, what it reports.

The border between the local exchange's server (wire, sockets, signatures) and its sans-I/O
matching: neither imports the other. Times are the venue's milliseconds, addresses lower case.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeAlias

from msgspec import Struct

from mm.model.custody import AccountRequest, NamedAgent, Standing, SubAccount
from mm.model.events import Levels
from mm.model.instrument import Instrument
from mm.model.units import Side


class Tif(StrEnum):
    ALO = "Alo"
    IOC = "Ioc"
    GTC = "Gtc"


# -- requests -----------------------------------------------------------------------------------


class OrderSpec(Struct, frozen=True, gc=False):
    asset: int
    side: Side
    price: Decimal
    size: Decimal
    tif: Tif
    reduce_only: bool = False
    cloid: str | None = None


class OrderRef(Struct, frozen=True, gc=False):
    """An order by the venue's id or by client id (exactly one is given)."""

    asset: int
    oid: int | None = None
    cloid: str | None = None


class PlaceOrders(Struct, frozen=True, gc=False, tag=True):
    orders: tuple[OrderSpec, ...]


class CancelOrders(Struct, frozen=True, gc=False, tag=True):
    refs: tuple[OrderRef, ...]


class Modification(Struct, frozen=True, gc=False):
    target: int | str
    """oid, or client id."""
    order: OrderSpec


class ModifyOrders(Struct, frozen=True, gc=False, tag=True):
    items: tuple[Modification, ...]
    always_place: bool = False


OrderRequest: TypeAlias = PlaceOrders | CancelOrders | ModifyOrders
Request: TypeAlias = OrderRequest | AccountRequest


class Signed(Struct, frozen=True, gc=False):
    """A request whose signature has been verified: `signer` is the recovered address."""

    signer: str
    nonce: int
    request: Request
    vault: str | None = None
    expires_after_ms: int | None = None


# -- answers ------------------------------------------------------------------------------------


class Resting(Struct, frozen=True, gc=False, tag=True):
    oid: int
    cloid: str | None


class Filled(Struct, frozen=True, gc=False, tag=True):
    oid: int
    cloid: str | None
    total_size: Decimal
    average_price: Decimal


class Done(Struct, frozen=True, gc=False, tag=True):
    """An item that succeeded with nothing to tell (cancel)."""


class Refused(Struct, frozen=True, gc=False, tag=True):
    """The venue's own words, with the ` asset=N` suffix where it has one."""

    message: str


Item: TypeAlias = Resting | Filled | Done | Refused


class Answer(Struct, frozen=True, gc=False, tag=True):
    """The outcome of the request with this ticket. `error`: the whole action was refused.

    `items` align with the request's; () for requests that have none. `opened`: the address of the
    sub-account that was created.
    """

    ticket: int
    items: tuple[Item, ...] = ()
    error: str | None = None
    opened: str | None = None


# -- reports ------------------------------------------------------------------------------------


class BboReport(Struct, frozen=True, gc=False, tag=True):
    """The touch changed: (price, size, orders) or None for an empty side."""

    coin: str
    time_ms: int
    bid: tuple[Decimal, Decimal, int] | None
    ask: tuple[Decimal, Decimal, int] | None


class TradeReport(Struct, frozen=True, gc=False, tag=True):
    coin: str
    time_ms: int
    aggressor: Side
    price: Decimal
    size: Decimal
    trade_id: int
    buyer: str
    seller: str
    hash: str


class FillReport(Struct, frozen=True, gc=False, tag=True):
    """One party's side of a trade; `start_position` is the signed position before it."""

    user: str
    trade: TradeReport
    side: Side
    oid: int
    cloid: str | None
    crossed: bool
    fee: Decimal
    start_position: Decimal
    direction: str
    closed_pnl: Decimal
    liquidated_user: str | None = None


class OrderRow(Struct, frozen=True, gc=False):
    """An order as the venue lists it; `remaining` now, `original` as placed."""

    coin: str
    oid: int
    cloid: str | None
    side: Side
    price: Decimal
    remaining: Decimal
    original: Decimal
    tif: Tif
    reduce_only: bool
    placed_ms: int


class OrderReport(Struct, frozen=True, gc=False, tag=True):
    user: str
    order: OrderRow
    status: str
    time_ms: int


class FundingReport(Struct, frozen=True, gc=False, tag=True):
    user: str
    coin: str
    time_ms: int
    usdc: Decimal
    position: Decimal
    rate: Decimal


Report: TypeAlias = BboReport | TradeReport | FillReport | OrderReport | FundingReport


# -- state that can be asked for ----------------------------------------------------------------


class PositionRow(Struct, frozen=True, gc=False):
    coin: str
    size: Decimal
    entry_price: Decimal
    leverage: int
    is_cross: bool
    max_leverage: int
    margin_used: Decimal
    notional: Decimal
    unrealized_pnl: Decimal
    liquidation_price: Decimal | None
    funding_since_open: Decimal
    funding_all_time: Decimal


class AccountState(Struct, frozen=True, gc=False):
    """Of one exchange: each builder's has a balance of its own. `equity` = cash + unrealised PnL at
    mark."""

    equity: Decimal
    cash: Decimal
    margin_used: Decimal
    notional: Decimal
    maintenance_margin: Decimal
    withdrawable: Decimal
    positions: tuple[PositionRow, ...]


class AssetContext(Struct, frozen=True, gc=False):
    funding: Decimal
    open_interest: Decimal
    previous_day_price: Decimal
    day_notional: Decimal
    day_base: Decimal
    premium: Decimal | None
    oracle: Decimal
    mark: Decimal
    mid: Decimal | None
    impact_bid: Decimal | None
    impact_ask: Decimal | None


class RateLimit(Struct, frozen=True, gc=False):
    """`surplus`: reserved requests that are not used yet."""

    cumulative_volume: Decimal
    used: int
    cap: int
    surplus: int = 0


class FeeRates(Struct, frozen=True, gc=False):
    """Fractions: 0.00015 is 1.5 bps. Negative maker: a rebate."""

    maker: Decimal
    taker: Decimal


class FeeTier(Struct, frozen=True, gc=False):
    """Rates from so much volume in USD on."""

    volume_usd: Decimal
    rates: FeeRates


class LocalExchange(Protocol):
    """What the server needs of an exchange. Time is handed in and never goes back.

    `submit` queues an action for the next block and returns its ticket; `advance` executes every
    block and market event up to `now_ms` and returns answers and reports in the order in which
    they are to be told. Everything else reads.
    """

    def instruments(self) -> Sequence[Instrument]: ...
    def submit(self, signed: Signed, now_ms: int) -> int: ...
    def advance(self, now_ms: int) -> list[Answer | Report]: ...
    def next_ms(self) -> int:
        """When `advance` next has something to do, if nothing is submitted before."""

    def book(self, coin: str, depth: int) -> tuple[Levels, Levels]: ...
    def book_counts(self, coin: str, depth: int) -> tuple[tuple[int, ...], tuple[int, ...]]: ...
    def context(self, coin: str) -> AssetContext: ...
    def recent_trades(self, coin: str) -> Sequence[TradeReport]: ...
    def funding_history(
        self, coin: str, start_ms: int
    ) -> Sequence[tuple[int, Decimal, Decimal]]: ...
    def account(self, user: str, now_ms: int, dex: str = "") -> AccountState: ...
    def standing(self, address: str) -> Standing: ...
    def agents(self, user: str) -> Sequence[NamedAgent]: ...
    def sub_accounts(self, user: str) -> Sequence[SubAccount]: ...
    def open_orders(self, user: str) -> Sequence[OrderRow]: ...
    def order_status(self, user: str, target: int | str) -> tuple[OrderRow, str, int] | None: ...
    def historical_orders(self, user: str) -> Sequence[tuple[OrderRow, str, int]]: ...
    def fills(self, user: str) -> Sequence[FillReport]: ...
    def fundings(self, user: str) -> Sequence[FundingReport]: ...
    def rate_limit(self, user: str) -> RateLimit: ...
    def fee_rates(self, user: str) -> FeeRates: ...
    def fee_schedule(self) -> tuple[FeeRates, tuple[FeeTier, ...]]:
        """Rates of those who trade little, and of others by their volume."""

    def leverage(self, user: str, coin: str) -> tuple[int, bool]:
        """What the account has set for this coin, and whether its margin is the common one."""
