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

    connections: int = 10
    connections_per_min: int = 30
    subscriptions: int = 1000
    users: int = 15
    messages_per_min: int = 2000
    weight_per_min: int = 1200
    posts_in_flight: int = 100
    idle_s: float = 60.0
    send_queue: int = 1024
    """Frames that wait for a slow consumer before its connection is dropped."""
    send_queue_bytes: int = 8_000_000
    body_bytes: int = 1_000_000


class FrameFaults(Struct, frozen=True, kw_only=True):
    """What happens to websocket frames, answers included, on a connection that stays up."""

    late: float = 0.0
    """Share that is held back, each for itself: later frames overtake it."""
    late_mean_s: float = 0.5
    twice: float = 0.0
    garbled: float = 0.0
    """Share that is cut short: it does not parse."""
    garbled_answer: float = 0.0
    """Share of HTTP answers that are cut short, whatever was done."""
    duplicate_snapshot: float = 0.0
    """Share of snapshots that are sent twice."""
    lost_update: float = 0.0
    """Share of orderUpdates frames that are never sent."""
    muted: tuple[str, ...] = ()
    """Subscription types of which nothing more is told, first values apart."""


class RuleFaults(Struct, frozen=True, kw_only=True):
    """Rules of the venue that bite harder than usual."""

    idle_s: float = 0.0
    """Cut a websocket to which nothing was sent for so long; 0: `Limits.idle_s`."""
    weight_factor: int = 1
    """Requests weigh so many times as much of the IP address's budget."""
    single_status: float = 0.0
    """Share of batches of orders that are refused with one status for all of them."""
    no_dead_man: bool = False
    """scheduleCancel is refused for want of volume, whatever was traded."""


class Faults(Struct, frozen=True, kw_only=True):
    """How often the server misbehaves. Shares are of 1; a mean of 0 s is never."""

    lost_reply: float = 0.0
    """Share of actions that are executed and never answered: the connection is cut instead."""
    late_reply: float = 0.0
    late_reply_s: float = 3.0
    bad_gateway: float = 0.0
    """Share of actions sent by HTTP that are executed and then answered with 502."""
    too_many: float = 0.0
    """Share of HTTP requests refused with 429 before anything is done."""
    server_error: float = 0.0
    """Share of HTTP requests refused with 500 before anything is done."""
    drop_mean_s: float = 0.0
    """Mean time between abrupt ends of all websockets."""
    silence_mean_s: float = 0.0
    """Mean time between half-open links: every websocket of that moment goes silent."""
    bad_nonce: float = 0.0
    """Share of actions refused for their nonce, whatever it is."""
    post_only: bool = False
    """Only post-only orders are taken, as for a while after a network upgrade."""
    spent_budget: bool = False
    """The address has no actions left: nothing but cancels is taken."""
    forgetful: bool = False
    """orderStatus knows of no order that is not open, as of old ones on a busy account."""
    frames: FrameFaults = FrameFaults()
    rules: RuleFaults = RuleFaults()


FAULTS = {
    "none": Faults(),
    "drops": Faults(drop_mean_s=20.0),
    "half-open": Faults(silence_mean_s=60.0),
    "lost-replies": Faults(lost_reply=0.05, late_reply=0.05, bad_gateway=0.05),
    "errors": Faults(too_many=0.05, server_error=0.05),
    "lost-updates": Faults(frames=FrameFaults(lost_update=0.1, duplicate_snapshot=0.5)),
    "frames": Faults(frames=FrameFaults(late=0.1, twice=0.1, garbled=0.02)),
    "upgrade": Faults(
        post_only=True,
        bad_nonce=0.05,
        frames=FrameFaults(garbled_answer=0.05),
        rules=RuleFaults(single_status=0.05),
    ),
    "spent-budget": Faults(spent_budget=True),
    "forgetful": Faults(forgetful=True, lost_reply=0.05),
    "idle": Faults(rules=RuleFaults(idle_s=5.0)),
    "ip-weight": Faults(rules=RuleFaults(weight_factor=20)),
    "no-dead-man": Faults(rules=RuleFaults(no_dead_man=True)),
    "storm": Faults(
        lost_reply=0.02,
        late_reply=0.02,
        bad_gateway=0.02,
        too_many=0.02,
        server_error=0.02,
        drop_mean_s=30.0,
        silence_mean_s=120.0,
        frames=FrameFaults(duplicate_snapshot=0.3, lost_update=0.05),
    ),
}
"""Bad days by name."""


def faults_named(name: str) -> Faults:
    """Raises ValueError that lists the names."""
    if name not in FAULTS:
        raise ValueError(f"no faults named {name!r}: one of {', '.join(FAULTS)}")
    return FAULTS[name]


class Options(Struct, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one; `start` returns it."""
    seed: int = 1
    """Of the relative order of fills, order updates and answers."""
    cadence: Cadence = Cadence()
    limits: Limits = Limits()
    faults: Faults = Faults()
    on_reply: Callable[[], float | None] | None = None
    """Asked after an action was executed and before its reply is sent: seconds to wait, or None
    to lose the reply and drop the connection. Comes before `faults`."""
