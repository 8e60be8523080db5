"""The venue's refusals: from its words to what they ask of us (protocol 3.3)."""

from typing import Final

from mm.model.events import RejectCode

GONE_DURING_MODIFY: Final = "Error placing new order during modify"
"""The cancel half was done: the old order rests no more."""

NO_VOLUME_FOR_DEAD_MAN: Final = "Cannot set scheduled cancel time until enough volume"

_PREFIXES: Final[tuple[tuple[str, RejectCode], ...]] = (
    ("Price must be divisible by tick size", RejectCode.TICK),
    ("Order has invalid price", RejectCode.TICK),
    ("Order has zero size", RejectCode.SIZE),
    ("Order has invalid size", RejectCode.SIZE),
    ("Order must have minimum value", RejectCode.MIN_NOTIONAL),
    ("Insufficient margin", RejectCode.MARGIN),
    ("Order would cause position to exceed margin tier", RejectCode.MARGIN),
    ("Must deposit before performing actions", RejectCode.AUTH),
    ("Reduce only order would increase position", RejectCode.REDUCE_ONLY),
    ("Post only order would have immediately matched", RejectCode.POST_ONLY),
    ("Order would increase open interest", RejectCode.OPEN_INTEREST),
    (
        "Order rejected due to price more aggressive than oracle while at open interest cap",
        RejectCode.OPEN_INTEREST,
    ),
    ("Order price too far from oracle", RejectCode.ORACLE),
    ("Order price cannot be more than", RejectCode.ORACLE),
    ("Order was never placed, already canceled, or filled", RejectCode.NOT_OPEN),
    ("Cannot modify canceled or filled order", RejectCode.NOT_OPEN),
    ("User or API Wallet", RejectCode.AUTH),
    ("Unable to recover signer", RejectCode.AUTH),
    ("Vault not registered", RejectCode.AUTH),
    ("Invalid nonce", RejectCode.NONCE),
    ("Action already expired", RejectCode.EXPIRED),
    ("Too many cumulative requests", RejectCode.BUDGET),
    ("Signed action over weight limit", RejectCode.RATE),
    ("too many pending post requests", RejectCode.RATE),
    ("Too many requests", RejectCode.RATE),
    ("Too Many Requests", RejectCode.RATE),
    ("429", RejectCode.RATE),
)

_STATUSES: Final[dict[str, RejectCode]] = {
    "tickRejected": RejectCode.TICK,
    "minTradeNtlRejected": RejectCode.MIN_NOTIONAL,
    "perpMarginRejected": RejectCode.MARGIN,
    "perpMaxPositionRejected": RejectCode.MARGIN,
    "insufficientSpotBalanceRejected": RejectCode.MARGIN,
    "reduceOnlyRejected": RejectCode.REDUCE_ONLY,
    "badAloPxRejected": RejectCode.POST_ONLY,
    "oracleRejected": RejectCode.ORACLE,
    "positionIncreaseAtOpenInterestCapRejected": RejectCode.OPEN_INTEREST,
    "positionFlipAtOpenInterestCapRejected": RejectCode.OPEN_INTEREST,
    "tooAggressiveAtOpenInterestCapRejected": RejectCode.OPEN_INTEREST,
    "openInterestIncreaseRejected": RejectCode.OPEN_INTEREST,
}


def classify(message: str) -> RejectCode:
    """Of an item's error or a whole action's: matched by prefix, as texts end in ` asset=N`."""
    text = _inner(message)
    for prefix, code in _PREFIXES:
        if text.startswith(prefix):
            return code
    return RejectCode.OTHER


def classify_status(status: str) -> RejectCode:
    """Of an order status that ends in `Rejected`."""
    return _STATUSES.get(status, RejectCode.OTHER)


def order_gone(message: str) -> bool:
    """Did the venue say, refusing a modify, that the old order was cancelled nevertheless?"""
    return message.removeprefix("L1 error: ").startswith(GONE_DURING_MODIFY)


def _inner(message: str) -> str:
    text = message.removeprefix("L1 error: ").strip()
    if text.startswith(GONE_DURING_MODIFY):
        text = text.removeprefix(GONE_DURING_MODIFY).lstrip(": ")
    return text
