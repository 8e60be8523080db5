"""Where the local exchange's market comes from: a generator with known truth, or a recording."""

from typing import Protocol, TypeAlias

from msgspec import Struct

from mm.model.events import Levels
from mm.model.instrument import Instrument
from mm.model.units import Side


class Background(Struct, frozen=True, gc=False):
    """The whole visible depth of everybody but the exchange's own clients, from this time on."""

    time_ms: int
    bids: Levels
    asks: Levels


class Taker(Struct, frozen=True, gc=False):
    """A marketable order of the market's own. Takes price-time priority up to `limit`.

    `size` None: everything that rests up to the limit (docs/model.md). A print of a recording has
    a size, and the queue ahead of our orders at its price goes first.
    """

    time_ms: int
    aggressor: Side
    limit: float
    size: float | None


class Oracle(Struct, frozen=True, gc=False):
    time_ms: int
    price: float


class FundingRate(Struct, frozen=True, gc=False):
    """The hourly rate that a real venue announces; from now on it stands for the formula's."""

    time_ms: int
    rate: float


MarketEvent: TypeAlias = Background | Taker | Oracle | FundingRate


class Market(Protocol):
    """An endless (or ending) stream of market events in time order, pulled by the exchange."""

    instrument: Instrument

    def next_ms(self) -> int | None:
        """Time of the next event; None when the recording has ended."""
        ...

    def pop(self) -> MarketEvent: ...
