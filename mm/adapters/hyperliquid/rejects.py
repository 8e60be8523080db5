"""The venue's refusals: from its words to a reason, which names the remedy."""

import re
from typing import Final

from msgspec import Struct

from mm.model.events import RejectCode

GONE_DURING_MODIFY: Final = "Error placing new order during modify"
"""The cancel half was done: the old order rests no more. What follows is the reason."""

NO_VOLUME_FOR_DEAD_MAN: Final = "Cannot set scheduled cancel time until enough volume"


class Row(Struct, frozen=True):
    """`words`: how texts of this reason begin. `statuses`: of an order refused after its answer."""

    code: RejectCode
    words: tuple[str, ...]
    statuses: tuple[str, ...] = ()


TABLE: Final = (
    # -- retry later
    Row(RejectCode.RATE, ("Too many requests", "429", "too many pending post requests")),
    Row(RejectCode.BUDGET, ("Too many cumulative requests",)),
    Row(RejectCode.NONCE, ("Invalid nonce",)),
    Row(RejectCode.UPGRADE, ("Only post-only orders allowed immediately after network upgrade",)),
    Row(
        RejectCode.OPEN_INTEREST,
        ("Order would increase open interest",),
        (
            "positionIncreaseAtOpenInterestCapRejected",
            "positionFlipAtOpenInterestCapRejected",
            "openInterestIncreaseRejected",
        ),
    ),
    # -- reprice
    Row(
        RejectCode.POST_ONLY,
        ("Post only order would have immediately matched",),
        ("badAloPxRejected",),
    ),
    Row(
        RejectCode.TICK,
        ("Price must be divisible by tick size", "Order has invalid price"),
        ("tickRejected",),
    ),
    Row(
        RejectCode.ORACLE,
        (
            "Order price too far from oracle",
            "Order price cannot be more than",
            "Order rejected due to price more aggressive than oracle while at open interest cap",
        ),
        ("oracleRejected", "tooAggressiveAtOpenInterestCapRejected"),
    ),
    # -- resize
    Row(
        RejectCode.MARGIN,
        ("Insufficient margin", "Order would cause position to exceed margin tier"),
        ("perpMarginRejected", "perpMaxPositionRejected", "insufficientSpotBalanceRejected"),
    ),
    Row(RejectCode.SIZE, ("Order has zero size", "Order has invalid size")),
    Row(RejectCode.MIN_NOTIONAL, ("Order must have minimum value",), ("minTradeNtlRejected",)),
    # -- drop
    Row(
        RejectCode.NOT_OPEN,
        (
            "Order was never placed, already canceled, or filled",
            "Cannot modify canceled or filled order",
        ),
    ),
    Row(RejectCode.EXPIRED, ("Action already expired",)),
    Row(
        RejectCode.NO_MATCH,
        (
            "Order could not immediately match against any resting orders",
            "No liquidity available for market order",
        ),
        ("iocCancelRejected", "marketOrderNoLiquidityRejected"),
    ),
    Row(
        RejectCode.REDUCE_ONLY,
        ("Reduce only order would increase position",),
        ("reduceOnlyRejected",),
    ),
    Row(RejectCode.TOO_MANY_OPEN, ("Too many open orders",), ("tooManyOpenOrdersRejected",)),
    Row(RejectCode.TRIGGER, ("Invalid TP/SL price",), ("badTriggerPxRejected",)),
    Row(
        RejectCode.SETTING,
        (
            "Scheduled cancel time too early",
            NO_VOLUME_FOR_DEAD_MAN,
            "Invalid leverage value",
            "Cannot switch leverage type with open position",
        ),
    ),
    Row(
        RejectCode.MALFORMED,
        (
            "422",
            "Failed to deserialize",
            "Signed action over weight limit",
            "Orders are empty",
            "Order has invalid asset",
            "Spot is not supported by this exchange",
            "Order with this cloid is already open",
        ),
    ),
    # -- halt
    Row(
        RejectCode.AUTH,
        ("User or API Wallet", "Unable to recover signer", "Vault not registered"),
    ),
    Row(RejectCode.DEPOSIT, ("Must deposit before performing actions",)),
    Row(RejectCode.BUILDER, ("Builder fee has not been approved",)),
)
"""What the venue may say, by remedy: `RejectCode.remedy` is what the daemon then does."""

_WORDS: Final = tuple((words.lower(), row.code) for row in TABLE for words in row.words)
_LOW_NONCE: Final = re.compile(r"invalid nonce: nonce too low \d+ < (\d{1,18})\b")
_STATUSES: Final = {status: row.code for row in TABLE for status in row.statuses}


def classify(message: str) -> RejectCode:
    """Of an item's error or a whole action's: matched by prefix, as texts end in ` asset=N`."""
    text = _inner(message).lower()
    return next((code for words, code in _WORDS if text.startswith(words)), RejectCode.OTHER)


def classify_status(status: str) -> RejectCode:
    """Of an order status that ends in `Rejected`."""
    return _STATUSES.get(status, RejectCode.OTHER)


def lowest_nonce(message: str) -> int | None:
    """The nonce that ours had to be above, where it was refused as too low."""
    found = _LOW_NONCE.match(_inner(message).lower())
    return int(found[1]) if found else None


def order_gone(message: str) -> bool:
    """Did the venue say, refusing a modify, that the old order was cancelled nevertheless?"""
    return message.removeprefix("L1 error: ").startswith(GONE_DURING_MODIFY)


def _inner(message: str) -> str:
    """Without what stands before the venue's own words."""
    text = message
    for wrap in ("L1 error:", GONE_DURING_MODIFY, ":", "HTTP"):
        text = text.strip().removeprefix(wrap)
    return text.strip()
