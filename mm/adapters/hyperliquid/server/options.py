"""What an operator of the local exchange may set: address, cadences, limits, misbehaviour."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from mm.model.units import Ns


class Clock(Protocol):
    """Nanoseconds since the epoch; never steps back."""

    def now(self) -> Ns: ...


class Cadence(Struct, frozen=True, kw_only=True):
    """Seconds between pushes of one stream, the venue's by default.

    `pump_s` is the longest that a new request waits before the exchange looks at its block clock.
    """

    pump_s: float = 0.02
    book_s: float = 5.0
    fast_book_s: float = 0.5
    mids_s: float = 5.0
    context_s: float = 1.0
    account_s: float = 5.0


class Limits(Struct, frozen=True, kw_only=True):
    """Per IP address, as the venue has them."""

    connections: int = 100
    connections_per_min: int = 30
    subscriptions: int = 1000
    users: int = 15
    messages_per_min: int = 2000
    weight_per_min: int = 1200
    posts_in_flight: int = 100
    idle_s: float = 60.0
    send_queue: int = 1024
    """Frames that wait for a slow consumer before its connection is dropped."""
    body_bytes: int = 1_000_000


class Options(Struct, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one; `start` returns it."""
    seed: int = 1
    """Of the relative order of fills, order updates and answers."""
    cadence: Cadence = Cadence()
    limits: Limits = Limits()
    on_reply: Callable[[], float | None] | None = None
    """Asked after an action was executed and before its reply is sent: seconds to wait, or None
    to lose the reply and drop the connection."""
