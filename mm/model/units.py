"""Units: nanoseconds, basis points, sides, exact money."""

from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import TypeAlias

Ns: TypeAlias = int

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
BPS = 1e4
UNBOUNDED = 1e9
"""So many that nothing is limited by them; unlike infinity it can be written down."""


class Side(IntEnum):
    """The side on which an order rests; of a taker, BID is a buyer."""

    BID = 1
    ASK = -1

    label: str
    opposite: "Side"


Side.BID.label, Side.ASK.label = "bid", "ask"
Side.BID.opposite, Side.ASK.opposite = Side.ASK, Side.BID
SIDES = (Side.BID, Side.ASK)
"""As `Side` is iterated, for the hot path: an enumeration's own iterator is ten times slower."""


def seconds(duration: Ns) -> float:
    return duration / NS_PER_S


def nanoseconds(duration_s: float) -> Ns:
    return round(duration_s * NS_PER_S)


def depth_bps(side: Side, price: float, fair: float) -> float:
    """Distance of a quote from the fair price, positive away from the market."""
    return side * BPS * (fair - price) / fair


def price_at(side: Side, depth: float, fair: float) -> float:
    """Inverse of `depth_bps`."""
    return fair * (1.0 - side * depth / BPS)


@lru_cache(maxsize=256)
def exact(value: float) -> Decimal:
    """The decimal that a float was written as: exact for any price or size with up to 15 digits."""
    return Decimal(repr(value))
