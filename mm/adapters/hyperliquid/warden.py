"""Cancelling what a dead daemon left, from outside it: one run's orders, over plain HTTP."""

import urllib.request
from collections.abc import Callable

import msgspec
from msgspec import Struct

from mm.adapters.hyperliquid import encode, rejects, skew
from mm.adapters.hyperliquid.nonce import NonceAllocator
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.wire import UNREADABLE

TIMEOUT_S = 3.0


class Charge(Struct, frozen=True, kw_only=True):
    """Whose orders, and by what right. It holds the key: it travels through a pipe, only there."""

    url: str
    mainnet: bool
    key: str
    account: str
    vault: str | None
    assets: dict[str, int]
    """By coin."""
    dexes: tuple[str, ...]
    prefixes: tuple[str, ...]
    """Of this run's client ids: neither foreign orders nor those of a later run have them."""
    silence_s: float
    """Without a heartbeat for longer, the daemon is taken for dead."""
    give_up_s: float = 3600.0
    """How long to go on asking a venue that does not answer."""
    expires_s: float
    """So long after it was sent the venue may still execute what the daemon sent."""

    def __repr__(self) -> str:
        return f"Charge({self.account}, {self.url})"


class Listed(Struct):
    coin: str
    cloid: str | None = None


class _State(Struct):
    time: int = 0


class _Answer(Struct):
    status: str
    response: msgspec.Raw = msgspec.Raw()


class WardenError(Exception):
    """The venue gave no usable answer: to be tried again."""


class Warden:
    """Imports little and keeps nothing: it may live beside the daemon for weeks."""

    def __init__(self, charge: Charge, now_ms: Callable[[], int]) -> None:
        self._charge = charge
        self._signer = Signer(charge.key)
        self._nonces = NonceAllocator()
        self._now_ms = now_ms
        self._skew_ms = 0

    def sweep(self) -> int:
        """Cancel this run's orders; how many were listed. Raises WardenError."""
        listed = [one for dex in self._charge.dexes for one in self._listed(dex)]
        coins = {one.cloid or "": one.coin for one in listed}
        cloids = list(coins)
        if cloids:
            self._learn_time()
        for start in range(0, len(cloids), encode.MAX_ITEMS):
            part = cloids[start : start + encode.MAX_ITEMS]
            self._cancel(part, lambda cloid: self._charge.assets[coins[cloid]])
        return len(cloids)

    def _listed(self, dex: str) -> list[Listed]:
        question = {"type": "frontendOpenOrders", "user": self._charge.account, "dex": dex}
        raw = self._post("/info", question)
        try:
            listed = msgspec.json.decode(raw, type=list[Listed])
        except UNREADABLE as error:
            raise WardenError(f"unreadable list of orders: {error}") from None
        prefixes, assets = self._charge.prefixes, self._charge.assets
        ours = (one for one in listed if (one.cloid or "").startswith(prefixes))
        return [one for one in ours if one.coin in assets]

    def _learn_time(self) -> None:
        """Ours may be as wrong as the daemon's, which knew: by it, cancels would have expired. Of a
        venue that does not say, we try with what we know."""
        asked_ms = self._now_ms()
        try:
            raw = self._post("/info", {"type": "clearinghouseState", "user": self._charge.account})
            told_ms = msgspec.json.decode(raw, type=_State).time
        except (WardenError, *UNREADABLE):
            return
        if told_ms:
            self._skew_ms = skew.heard(self._skew_ms, told_ms, asked_ms, self._now_ms())

    def _cancel(self, cloids: list[str], asset_of: Callable[[str], int]) -> None:
        charge, action = self._charge, encode.cancel(cloids, asset_of)
        now_ms = self._now_ms() + self._skew_ms
        nonce, expires = self._nonces.next(now_ms), now_ms + int(1000 * charge.expires_s)
        envelope = {
            "action": action,
            "nonce": nonce,
            "signature": self._signer.sign(action, nonce, charge.vault, expires, charge.mainnet),
            "vaultAddress": charge.vault,
            "expiresAfter": expires,
        }
        raw = self._post("/exchange", envelope)
        try:
            answer = msgspec.json.decode(raw, type=_Answer)
        except UNREADABLE as error:
            raise WardenError(f"unreadable answer: {error}") from None
        if answer.status != "ok":
            words = bytes(answer.response)[:200].decode(errors="replace").strip('"')
            if (lowest := rejects.lowest_nonce(words)) is not None:
                self._nonces.outrank(lowest)
            raise WardenError(f"the venue refuses to cancel: {words}")

    def _post(self, path: str, body: object) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked with the settings
            self._charge.url + path,
            msgspec.json.encode(body),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310 - as above
                return bytes(reply.read())
        except (OSError, ValueError) as error:
            raise WardenError(f"{self._charge.url}{path}: {error}") from None
