"""What the adapter is told, what it finds at start, and what it needs of others (by shape)."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, Protocol, TypeAlias

from msgspec import Struct

from mm.adapters.hyperliquid.budget import IP_MESSAGES, IP_POSTS, IP_WEIGHT
from mm.model.actions import Note
from mm.model.instrument import Instrument
from mm.model.units import Ns

Network: TypeAlias = Literal["mainnet", "testnet", "local"]

BASE_URLS: Final[dict[str, str]] = {
    "mainnet": "https://api.hyperliquid.xyz",
    "testnet": "https://api.hyperliquid-testnet.xyz",
}


class VenueError(Exception):
    """The venue cannot be used as configured. The text is one line that names the fix."""


class Clock(Protocol):
    """Wall time at start plus elapsed, ns: never steps back."""

    def now(self) -> Ns: ...


class Signer(Protocol):
    @property
    def address(self) -> str: ...

    def sign(
        self,
        action: Mapping[str, Any],
        nonce: int,
        vault: str | None,
        expires_after: int | None,
        mainnet: bool,
    ) -> dict[str, str | int]: ...


BOOK_WEIGHT: Final = 2
BOOKS_SHARE: Final = 0.2


class Asking(Struct, frozen=True, kw_only=True):
    """How often the venue is asked what no stream tells."""

    full_book_poll_s: float | None = None
    """None: 1 s on a local exchange, else 2 s."""
    audit_s: float = 20.0
    budget_poll_s: float = 60.0
    ip_weight_share: float = 1.0
    """Of the request weight that the venue grants our IP address, and of the messages and posts
    over websockets: how much is ours."""

    @property
    def weight_per_min(self) -> int:
        return int(IP_WEIGHT * self.ip_weight_share)

    @property
    def messages_per_min(self) -> int:
        return int(IP_MESSAGES * self.ip_weight_share)

    @property
    def posts_in_flight(self) -> int:
        return int(IP_POSTS * self.ip_weight_share)


class VenueSettings(Struct, frozen=True, kw_only=True):
    """`account_address`: the master or sub-account traded for, where the key is an API wallet's.

    `vault`: set where the account is a sub-account or vault that the key's master controls.
    """

    network: Network
    coins: tuple[str, ...]
    """What is traded, on one connection; those of a builder's exchange as "dex:COIN"."""
    base_url: str = ""
    """"" for the network's own; `http://127.0.0.1:PORT` for a local exchange."""
    account_address: str | None = None
    vault: str | None = None
    request_timeout_s: float = 3.0
    expires_after_s: float = 5.0
    """The venue refuses an action that it comes to later than this: bounds every doubt."""
    ping_s: float = 15.0
    book_stale_s: float = 5.0
    asking: Asking = Asking()
    dead_man_s: float | None = 60.0
    """scheduleCancel ahead by this much; it cancels *all* the account's orders. None: never."""
    cancel_all_s: float = 4.0
    reconnect_max_s: float = 30.0

    @property
    def coin(self) -> str:
        """The first, or only, one."""
        return self.coins[0]

    @property
    def url(self) -> str:
        """Raises VenueError for a local network without an address."""
        url = (self.base_url or BASE_URLS.get(self.network, "")).rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise VenueError("venue.base_url must be http(s)://HOST:PORT for network 'local'")
        return url

    @property
    def ws_url(self) -> str:
        return "ws" + self.url.removeprefix("http") + "/ws"

    @property
    def poll_book_s(self) -> float:
        """Between questions for a deep book, at one coin after the other: they take at most a fifth
        of our request weight, however many coins there are."""
        wanted = self.asking.full_book_poll_s
        if wanted is None:
            wanted = 1.0 if self.network == "local" else 2.0
        least = BOOK_WEIGHT * 60.0 / (BOOKS_SHARE * self.asking.weight_per_min)
        return max(least, wanted / len(self.coins))


class Bootstrap(Struct, frozen=True, kw_only=True):
    """The venue's word at start, on one coin and the account that trades it.

    `equity` is that of the coin's exchange: a builder's has a balance of its own. `venue_ms`: the
    venue's time when position and equity were read.
    """

    instrument: Instrument
    account: str
    maker_bps: float
    taker_bps: float
    position: Decimal
    equity: Decimal
    venue_ms: int
    skew_ms: int
    """Venue's clock minus ours, as well as one request can tell."""
    actions_used: int
    actions_cap: int
    account_mode: str
    """`default`, `disabled`, `unifiedAccount`, ...; "" where the venue does not say."""


def _ignore_note(note: Note) -> None:
    del note


def _ignore_round_trip(kind: str, elapsed_s: float) -> None:
    del kind, elapsed_s


class Hooks(Struct, frozen=True, kw_only=True):
    """Where the shell listens in. All are called on the event loop and must not block."""

    note: Callable[[Note], None] = _ignore_note
    frame: Callable[[Ns, str], None] | None = None
    """(receive time, raw frame): the recorder."""
    round_trip: Callable[[str, float], None] = _ignore_round_trip
    """(place | modify | cancel, seconds from send to answer)."""


NO_HOOKS: Final = Hooks()
