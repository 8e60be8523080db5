"""Who we are at the venue: account, signer, nonces, and the venue's time."""

from contextlib import suppress
from typing import Any, Final

from mm.adapters.hyperliquid import skew
from mm.adapters.hyperliquid.encode import WireAction
from mm.adapters.hyperliquid.nonce import allocator_of
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.settings import Clock, Signer, VenueSettings
from mm.model.units import NS_PER_MS, Ns, nanoseconds

GRACE_S: Final = 1.0
"""For the error of our idea of the venue's clock."""


class Seat:
    """Signs as the account. `assets`, by coin, and `skew_ms` are known after the bootstrap."""

    def __init__(self, settings: VenueSettings, signer: Signer, clock: Clock) -> None:
        self.settings = settings
        self.account = (settings.account_address or signer.address).lower()
        self.assets: dict[str, int] = {}
        self.skew_ms = 0
        self._signer = signer
        self._clock = clock
        self._nonces = allocator_of(signer.address)

    @property
    def signer_address(self) -> str:
        return self._signer.address.lower()

    def now(self) -> Ns:
        return self._clock.now()

    def venue_ms(self) -> int:
        return self._clock.now() // NS_PER_MS + self.skew_ms

    def expiry(self) -> Ns:
        """When, on our clock, an action signed now can no longer be executed."""
        return self.now() + nanoseconds(self.settings.expires_after_s + GRACE_S)

    def outrank(self, nonce: int) -> None:
        """Our next nonce is above this one."""
        self._nonces.outrank(nonce)

    def hear_time(self, told_ms: int, asked: Ns) -> None:
        """The venue's time, in an answer to what was asked at `asked`; 0: it does not say.

        Ours falls behind while the machine is suspended, and drifts for want of NTP: by more than
        an expiry, and the venue refuses everything, cancels too.
        """
        if told_ms:
            asked_ms, now_ms = asked // NS_PER_MS, self.now() // NS_PER_MS
            self.skew_ms = skew.heard(self.skew_ms, told_ms, asked_ms, now_ms)

    async def ask_time(self, rest: Rest) -> None:
        """Where actions expire on arrival, our idea of the venue's clock may be to blame."""
        asked = self.now()
        with suppress(RestError):
            self.hear_time((await rest.clearinghouse(self.account, urgent=True)).time, asked)

    def envelope(self, action: WireAction, nonce: int | None = None) -> dict[str, Any]:
        """The signed body of an /exchange request, with an expiry and, where none is given, a nonce
        of its own.

        Both are in the venue's time: nonces of a clock that was ahead would outrank all those of
        the next run, for as long as it was ahead.
        """
        settings = self.settings
        nonce = self._nonces.next(self.venue_ms()) if nonce is None else nonce
        expires = self.venue_ms() + int(settings.expires_after_s * 1000)
        vault = settings.vault.lower() if settings.vault else None
        signature = self._signer.sign(action, nonce, vault, expires, settings.network == "mainnet")
        return {
            "action": action,
            "nonce": nonce,
            "signature": signature,
            "vaultAddress": vault,
            "expiresAfter": expires,
        }
