"""What /exchange and /info answer, decoded (protocol sections 2 and 3.3)."""

from decimal import Decimal
from typing import TypeAlias

import msgspec
from msgspec import Raw, Struct

from mm.adapters.hyperliquid.wire import UNREADABLE, OrderCore, WireFill, WireFunding
from mm.model.exchange import Done, Filled, Item, Refused, Resting
from mm.model.units import BPS


class Whole(Refused, frozen=True, gc=False, tag=True):
    """A refusal of the whole action, in one word: nothing of it was done."""


class _Rested(Struct):
    oid: int
    cloid: str | None = None


class _Filled(Struct, rename="camel"):
    total_sz: Decimal
    avg_px: Decimal
    oid: int
    cloid: str | None = None


class _Status(Struct):
    resting: _Rested | None = None
    filled: _Filled | None = None
    error: str | None = None


class _Data(Struct):
    statuses: list[str | _Status]


class _Response(Struct):
    type: str
    data: _Data | None = None


class _Envelope(Struct):
    status: str
    response: Raw


_envelope = msgspec.json.Decoder(_Envelope)
_response = msgspec.json.Decoder(_Response, strict=False)
_text = msgspec.json.Decoder(str)


def items(payload: bytes | Raw, count: int) -> tuple[Item, ...]:
    """One item for each of `count` requested, whatever shape the answer has.

    A refusal of the whole action, and a single refusal for a batch, are `Whole` and apply to all.
    Raises msgspec.DecodeError where it is no answer at all: then the outcome is unknown.
    """
    try:
        return _items(payload, count)
    except UNREADABLE as error:
        raise msgspec.DecodeError(str(error)) from None


def _items(payload: bytes | Raw, count: int) -> tuple[Item, ...]:
    envelope = _envelope.decode(payload)
    if envelope.status != "ok":
        return (Whole(message=_words(envelope.response)),) * count
    data = _response.decode(envelope.response).data
    if data is None:
        return (Done(),) * count
    found = tuple(_item(status) for status in data.statuses)
    if len(found) == count:
        return found
    if len(found) == 1 and isinstance(found[0], Refused):
        return (Whole(message=found[0].message),) * count
    raise msgspec.DecodeError(f"{len(found)} statuses for {count} items")


def _words(response: Raw) -> str:
    try:
        return _text.decode(response)
    except UNREADABLE:
        return bytes(response).decode(errors="replace")


def _item(status: str | _Status) -> Item:
    if isinstance(status, str):
        return Done()
    if status.error is not None:
        return Refused(message=status.error)
    if status.resting is not None:
        return Resting(oid=status.resting.oid, cloid=status.resting.cloid)
    if status.filled is not None:
        filled = status.filled
        return Filled(
            oid=filled.oid,
            cloid=filled.cloid,
            total_size=filled.total_sz,
            average_price=filled.avg_px,
        )
    raise msgspec.DecodeError("a status of no known kind")


# -- /info --------------------------------------------------------------------------------------


class Asset(Struct, rename="camel"):
    name: str
    sz_decimals: int
    max_leverage: int = 1
    is_delisted: bool | None = None
    margin_table_id: int | None = None


class MarginTier(Struct, rename="camel"):
    """From this notional on, USD."""

    lower_bound: float
    max_leverage: int


class MarginTable(Struct, rename="camel"):
    margin_tiers: list[MarginTier]


class Meta(Struct, rename="camel"):
    """`collateral_token`: what margin and profit are counted in; 0 is USDC."""

    universe: list[Asset]
    collateral_token: int | None = 0
    margin_tables: list[tuple[int, MarginTable]] = []

    def tiers(self, asset: Asset) -> tuple[tuple[float, int], ...]:
        """(notional from which, leverage at most); () where one holds for all."""
        tables = {number: table.margin_tiers for number, table in self.margin_tables}
        found = tables.get(-1 if asset.margin_table_id is None else asset.margin_table_id, [])
        return tuple((tier.lower_bound, tier.max_leverage) for tier in found[1:])


class Dex(Struct):
    name: str


class _Leverage(Struct, frozen=True):
    value: int
    type: str = "cross"


class ActiveAsset(Struct):
    leverage: _Leverage


class Held(Struct, rename="camel"):
    """A position. `margin_used`: USD, of an isolated one all that it lives on; `position_value`:
    USD at the mark, unsigned."""

    coin: str
    szi: Decimal
    position_value: Decimal = Decimal(0)
    margin_used: Decimal = Decimal(0)
    leverage: _Leverage = _Leverage(1)

    @property
    def is_cross(self) -> bool:
        return self.leverage.type != "isolated"


class _AssetPosition(Struct):
    position: Held


class _Margin(Struct, rename="camel"):
    account_value: Decimal


class Clearinghouse(Struct, rename="camel"):
    asset_positions: list[_AssetPosition]
    margin_summary: _Margin
    time: int = 0

    def position(self, coin: str) -> Decimal:
        return next((held.szi for held in self.positions if held.coin == coin), Decimal(0))

    @property
    def positions(self) -> list[Held]:
        return [one.position for one in self.asset_positions]

    @property
    def equity(self) -> Decimal:
        return self.margin_summary.account_value


class FoundOrder(Struct, rename="camel"):
    order: OrderCore
    status: str
    status_timestamp: int = 0


class OrderStatus(Struct):
    """`order` None: the venue knows no such order (any more)."""

    status: str
    order: FoundOrder | None = None


class _FundingDelta(Struct, rename="camel"):
    type: str
    coin: str = ""
    usdc: Decimal = Decimal(0)
    funding_rate: float = 0.0


class PaidFunding(Struct):
    time: int
    delta: _FundingDelta

    @property
    def row(self) -> WireFunding:
        """As the stream tells it."""
        return WireFunding(self.time, self.delta.coin, self.delta.usdc, self.delta.funding_rate)


class UserFees(Struct, rename="camel"):
    """Fractions of notional."""

    user_cross_rate: float
    user_add_rate: float

    @property
    def maker_bps(self) -> float:
        return round(self.user_add_rate * BPS, 6)

    @property
    def taker_bps(self) -> float:
        return round(self.user_cross_rate * BPS, 6)


class RateLimit(Struct, rename="camel"):
    """`cum_vlm`: USD traded since ever."""

    n_requests_used: int
    n_requests_cap: int
    cum_vlm: float = 0.0


class _RoleData(Struct):
    """`user`: the master of an API wallet. `master`: the owner of a sub-account."""

    user: str | None = None
    master: str | None = None


class ExtraAgent(Struct, rename="camel"):
    """A named API wallet; `valid_until` in ms."""

    name: str
    address: str
    valid_until: int | None = None


class UserRole(Struct):
    role: str
    data: _RoleData | None = None

    @property
    def of(self) -> str | None:
        """The master of an API wallet, the owner of a sub-account; lower case."""
        found = None if self.data is None else self.data.user or self.data.master
        return None if found is None else found.lower()


Orders: TypeAlias = list[OrderCore]
Fills: TypeAlias = list[WireFill]
