"""What is left of a ladder while only the way out of a position is open."""

from decimal import Decimal

from mm.core.strategy.distribution import entropy
from mm.model.instrument import Instrument
from mm.model.quote import Ladder, Level


def only_reducing(wanted: Ladder, position: Decimal, instrument: Instrument, reason: str) -> Ladder:
    """Keep the side that brings the position to zero, no larger than the position."""
    bids = _within(wanted.bids, abs(position), instrument)
    asks = _within(wanted.asks, abs(position), instrument)
    return Ladder(
        bids=bids if position < 0 else (),
        asks=asks if position > 0 else (),
        entropy_bid=_entropy(bids) if position < 0 else 0.0,
        entropy_ask=_entropy(asks) if position > 0 else 0.0,
        blocked_bid=wanted.blocked_bid if position < 0 else reason,
        blocked_ask=wanted.blocked_ask if position > 0 else reason,
        clamped_bid=wanted.clamped_bid,
        clamped_ask=wanted.clamped_ask,
    )


def _entropy(levels: tuple[Level, ...]) -> float:
    """Of the sizes that are left after all filters."""
    return entropy([float(level.size) for level in levels])


def _within(levels: tuple[Level, ...], size: Decimal, instrument: Instrument) -> tuple[Level, ...]:
    """The levels from the touch outward whose sizes fit, all reduce-only.

    The last one takes the rest where that is too little for an order of its own: only the whole
    position may be closed below the venue's minimum.
    """
    kept: list[Level] = []
    for level in levels:
        take = min(level.size, size)
        if take <= 0:
            break
        if size - take < instrument.min_size(level.price):
            take = size
        kept.append(Level(level.side, level.level, level.price, take, reduce_only=True))
        size -= take
    return tuple(kept)
