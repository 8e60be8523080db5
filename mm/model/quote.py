"""A quote with its reasons: itemised terms and the one that binds."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from mm.model.units import Side


class Binding(StrEnum):
    """The rule that set the price of a side's first level."""

    GLFT = "glft"  # the formula itself
    FLOOR = "floor"  # fee + adverse + min_edge
    CLAMP = "clamp"  # S itself, or one tick behind the opposite touch
    BUDGET = "budget"  # room for the wide bands of a short action budget
    CAP = "cap"  # a bound on premia or depth


class Term(Struct, frozen=True, gc=False):
    """One additive piece of a depth: fee, adverse, half_spread, skew, premium, floor, clamp."""

    name: str
    bps: float


class SideQuote(Struct, frozen=True, gc=False):
    """Level-1 depth of one side; the terms sum to `depth_bps`."""

    side: Side
    depth_bps: float
    terms: tuple[Term, ...]
    binding: Binding


class Quote(Struct, frozen=True, gc=False):
    """None on a side: no quote there, and `blocked_*` says why."""

    bid: SideQuote | None
    ask: SideQuote | None
    half_spread_bps: float
    """h(q), the full-width GLFT half-spread before the calibration multiplier."""
    skew_bps: float
    blocked_bid: str = ""
    blocked_ask: str = ""


class Level(Struct, frozen=True, gc=False):
    """A desired resting order. `level` counts from 1 at the touch."""

    side: Side
    level: int
    price: Decimal
    size: Decimal
    reduce_only: bool = False


class Ladder(Struct, frozen=True, gc=False):
    """All that we want to rest, best first on each side; entropies in nats, after all filters."""

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    entropy_bid: float = 0.0
    entropy_ask: float = 0.0
    blocked_bid: str = ""
    blocked_ask: str = ""
    clamped_bid: bool = False
    clamped_ask: bool = False
    """Whether S or the opposite touch keeps the first level from its quote's depth."""

    def levels(self, side: Side) -> tuple[Level, ...]:
        return self.bids if side is Side.BID else self.asks
