"""Everything that can happen. Frozen; `ts` is our receipt time in ns, `venue_ts` the venue's."""

from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from mm.model.beside import NOTHING_BESIDE, Beside
from mm.model.instrument import Instrument
from mm.model.refusal import RejectCode as RejectCode
from mm.model.refusal import Remedy as Remedy
from mm.model.units import UNBOUNDED, Ns, Side

Levels: TypeAlias = tuple[tuple[float, float], ...]
"""(price, size), best first. Zero-size levels never appear."""


class Stamped(Struct, frozen=True, tag=True, gc=False):
    ts: Ns


class FromVenue(Stamped, frozen=True, tag=True, gc=False):
    venue_ts: Ns


# -- the market ---------------------------------------------------------------------------------


class Book(FromVenue, frozen=True, tag=True, gc=False):
    """A snapshot of the visible depth, our own orders included."""

    bids: Levels
    asks: Levels


class Bbo(FromVenue, frozen=True, tag=True, gc=False):
    """The touch, our own orders included; None where a side is empty."""

    bid: tuple[float, float] | None
    ask: tuple[float, float] | None


class Trade(Struct, frozen=True, gc=False):
    """One print. `aggressor` BID: a buyer lifted asks. Both parties' fills carry `trade_id`."""

    venue_ts: Ns
    price: float
    size: float
    aggressor: Side
    trade_id: int


class OwnPrint(Struct, frozen=True, gc=False):
    """A public print that names our account. `side` BID: we bought. Its `Fill` has the same
    `trade_id` and `venue_ts`, and may come before, after, or (on a silent stream) not at all."""

    venue_ts: Ns
    trade_id: int
    side: Side
    size: Decimal


class Trades(Stamped, frozen=True, tag=True, gc=False):
    """One websocket message of public prints, whatever its length; `own`: those of ours."""

    trades: tuple[Trade, ...]
    own: tuple[OwnPrint, ...] = ()


class Reference(FromVenue, frozen=True, tag=True, gc=False):
    """The venue's oracle and mark price and its hourly funding rate (positive: longs pay)."""

    oracle: float
    mark: float
    funding_rate: float


# -- our account --------------------------------------------------------------------------------


class Fill(FromVenue, frozen=True, tag=True, gc=False):
    """An execution of one of our account's orders. Unique by `trade_id` (+ `venue_ts`).

    `side` BID: we bought. `fee` in USD, positive paid. `quote`: a resting maker order of our own
    strategy (False: taker, liquidation, foreign or flatten: moves position and PnL only).
    """

    trade_id: int
    cloid: str | None
    oid: int
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    start_position: Decimal
    quote: bool


class Funding(FromVenue, frozen=True, tag=True, gc=False):
    """Hourly funding; `amount` in USD, negative paid by us."""

    amount: Decimal
    rate: float


class OrderOpened(FromVenue, frozen=True, tag=True, gc=False):
    """The venue says that this order rests (answer or update); a modify gives it a new `oid`."""

    cloid: str
    oid: int


class OrderClosed(FromVenue, frozen=True, tag=True, gc=False):
    """The venue says that this order id rests no more. `oid` None: whatever its oid is.

    `reason` is the venue's status: filled, canceled, scheduledCancel, ...
    """

    cloid: str
    oid: int | None
    reason: str


class RequestKind(StrEnum):
    PLACE = "place"
    MODIFY = "modify"
    CANCEL = "cancel"


class Rejected(Stamped, frozen=True, tag=True, gc=False):
    """The venue refused a request: nothing was done, unless `gone`."""

    cloid: str
    kind: RequestKind
    code: RejectCode
    message: str
    gone: bool = False
    """True where the venue said that the order rests no more (cancel half of a modify done)."""
    echo: bool = False
    """True where one word refused a whole action, and was told of another order of it already."""


class Unresolved(Stamped, frozen=True, tag=True, gc=False):
    """A request with unknown outcome (timeout, lost socket). Only a cancel is sent again blindly.

    The port resolves it by client id and reports OrderOpened, OrderClosed or Rejected. `overtaken`:
    no answer was lost; the venue says that the target rests no more (a fill, most often), and
    whether it was replaced before is to be asked.
    """

    cloid: str
    kind: RequestKind
    overtaken: bool = False


class OpenOrder(Struct, frozen=True, gc=False):
    cloid: str | None
    oid: int
    side: Side
    price: Decimal
    remaining: Decimal
    reduce_only: bool


class Account(FromVenue, frozen=True, tag=True, gc=False):
    """The venue's own word on our account in this instrument, for start and audit.

    `orders` None: this snapshot did not ask for them. `request_ts`: when we first asked, so that
    orders sent later are not called missing; `asked_ts`: when for what the venue answered at
    `venue_ts`, 0 where it is not another machine. `repaired`: fills and ends of orders that the
    port had to find out since the last audit, long after its streams should have told of them.
    """

    request_ts: Ns
    position: Decimal
    equity: Decimal
    orders: tuple[OpenOrder, ...] | None
    repaired: int = 0
    beside: Beside = NOTHING_BESIDE
    asked_ts: Ns = 0


class Fees(Stamped, frozen=True, tag=True, gc=False):
    maker_bps: float
    taker_bps: float


class ActionBudget(Stamped, frozen=True, tag=True, gc=False):
    """What may be sent to the venue, shared evenly by `sharers` engines.

    The address has `used` of `cap` actions; limits by the minute leave `per_s` in the long run,
    `at_once` now.
    """

    used: int
    cap: int
    sharers: int = 1
    per_s: float = UNBOUNDED
    at_once: float = UNBOUNDED


class Rules(Stamped, frozen=True, tag=True, gc=False):
    """The venue changed what it allows: tick, lot or leverage, from now on."""

    instrument: Instrument


# -- the daemon ---------------------------------------------------------------------------------


class Link(Stamped, frozen=True, tag=True, gc=False):
    """The connection to the venue: up only after resubscription and reconciliation are complete."""

    up: bool
    reason: str


class Tick(Stamped, frozen=True, tag=True, gc=False):
    """The quote timer."""


class Command(Stamped, frozen=True, tag=True, gc=False):
    """The operator, or a guard above. `verb`: pause, resume, halt, flatten (halt and exit)."""

    verb: str
    source: str
    reason: str = ""


class Allowance(Stamped, frozen=True, tag=True, gc=False):
    """What the portfolio leaves to this instrument, and what the others have made.

    `long_usd`, `short_usd`: the most that its position with all orders of a side filled may come
    to. `others_pnl`: USD of the instruments beside it that share its equity, since the start.
    """

    long_usd: Decimal
    short_usd: Decimal
    others_pnl: Decimal


class EquityMark(Struct, frozen=True, gc=False):
    """The account's equity at some moment, and what it had come from; USD.

    `pnl`: this instrument's, since the ledger began. `transferred`: deposits less withdrawals that
    were told from profit until then, so that marks of before and after can be compared.
    """

    equity: Decimal
    pnl: Decimal
    transferred: Decimal


class Start(Stamped, frozen=True, tag=True, gc=False):
    """First event of every run: what the ledger remembers.

    `run_id` makes client ids unique per run (8 hex digits). `halted` is the latched reason, or "";
    `paused` and `flatten` are commands of an earlier run that no resume has ended.
    """

    run_id: str
    position: Decimal
    cash: Decimal
    """Σ -side·price·size - fees + funding since the ledger began: all but the position's worth."""
    halted: str
    peak_equity: Decimal | None
    day_equity: Decimal | None
    checkpoint: bytes | None
    paused: str = ""
    flatten: bool = False
    midnight_equity: Decimal | None = None
    """First equity of the UTC day; `day_equity` is the first since the last resume."""
    last_mark: EquityMark | None = None
    """Of the former run: what was paid in or out since is neither profit nor loss."""
    venue_ts: Ns = 0
    """The venue's clock as it told what it knows of us: later fills are ours to tell. 0: `ts`."""


Event: TypeAlias = (
    Book
    | Bbo
    | Trades
    | Reference
    | Fill
    | Funding
    | OrderOpened
    | OrderClosed
    | Rejected
    | Unresolved
    | Account
    | Fees
    | ActionBudget
    | Rules
    | Link
    | Tick
    | Command
    | Allowance
    | Start
)
