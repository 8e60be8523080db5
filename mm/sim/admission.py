"""Who may act now: signers and agents, nonces, expiry, batch weight, the address's budget."""

from bisect import bisect_left, insort

from mm.model.custody import AddAgent, CreateSubAccount, MoveFunds
from mm.model.exchange import CancelOrders, ModifyOrders, PlaceOrders, Request, Signed
from mm.sim import refusals
from mm.sim.accounts import Account, Accounts

KEPT_NONCES = 100
DAY_MS = 86_400_000
MAX_ITEMS = 200
FREE_REQUESTS = 10_000
CANCEL_ALLOWANCE = 100_000
SPARE_INTERVAL_MS = 10_000
STALE_WEIGHT = 5
MICRO = 1_000_000
OWNERS_ONLY = AddAgent | CreateSubAccount | MoveFunds
"""An API wallet may trade, not dispose of the account."""


class Nonces:
    """The highest 100 nonces of one signer."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: list[int] = []

    def use(self, nonce: int, now_ms: int) -> str | None:
        """Burn the nonce; returns the venue's refusal if it may not be used."""
        kept = self._kept
        lowest = now_ms - 2 * DAY_MS
        if len(kept) == KEPT_NONCES:
            lowest = max(lowest, kept[0])
        at = bisect_left(kept, nonce)
        if at < len(kept) and kept[at] == nonce:
            return refusals.duplicate_nonce(nonce)
        if nonce <= lowest:
            return refusals.low_nonce(nonce, lowest)
        if nonce >= now_ms + DAY_MS:
            return refusals.high_nonce(nonce, now_ms + DAY_MS)
        insort(kept, nonce)
        if len(kept) > KEPT_NONCES:
            del kept[0]
        return None


def items(request: Request) -> int:
    """What the request counts against the address's budget."""
    match request:
        case PlaceOrders(orders=batch):
            return len(batch)
        case CancelOrders(refs=refs):
            return len(refs)
        case ModifyOrders(items=changes):
            return len(changes)
        case _:
            return 1


def request_cap(account: Account) -> int:
    return FREE_REQUESTS + account.volume // MICRO


class Admission:
    """Decides on whole actions, before any of their items is looked at."""

    __slots__ = ("_accounts", "_enforce_budget", "_nonces")

    def __init__(self, accounts: Accounts, enforce_budget: bool) -> None:
        self._accounts = accounts
        self._enforce_budget = enforce_budget
        self._nonces: dict[str, Nonces] = {}

    def admit(self, signed: Signed, now_ms: int) -> Account | str:
        """The account to act for, or the venue's words. Uses up the nonce and the budget."""
        account = self._account(signed, now_ms)
        if isinstance(account, str):
            return account
        nonces = self._nonces.get(signed.signer)
        if nonces is None:
            nonces = self._nonces[signed.signer] = Nonces()
        count = items(signed.request)
        refusal = nonces.use(signed.nonce, now_ms) or self._form(signed, count, account, now_ms)
        return refusal or self._spend(signed.request, count, account, now_ms) or account

    def _account(self, signed: Signed, now_ms: int) -> Account | str:
        """Of the signer, of its master, or of the sub-account or vault that it acts for."""
        authority = self._accounts.authority
        user = authority.master(signed.signer, now_ms)
        if user is None or (user != signed.signer and isinstance(signed.request, OWNERS_ONLY)):
            return refusals.unknown_user(signed.signer)
        if signed.vault is not None:
            if authority.owner(signed.vault) != user:
                return refusals.unknown_vault(signed.vault)
            user = signed.vault
        account = self._accounts.known(user)
        if account is None:
            return refusals.unknown_user(signed.signer)
        if account.cash <= 0 and not any(p.size for p in account.positions.values()):
            return refusals.no_deposit(user)
        return account

    @staticmethod
    def _form(signed: Signed, count: int, account: Account, now_ms: int) -> str | None:
        if signed.expires_after_ms is not None and signed.expires_after_ms < now_ms:
            account.requests += STALE_WEIGHT * count
            return refusals.EXPIRED
        if count > MAX_ITEMS:
            return refusals.OVER_WEIGHT
        return None if count else refusals.EMPTY

    def _spend(self, request: Request, count: int, account: Account, now_ms: int) -> str | None:
        cap = request_cap(account)
        if isinstance(request, CancelOrders):
            cap = min(cap + CANCEL_ALLOWANCE, 2 * cap)
        used = account.requests + count
        if self._enforce_budget and used > cap:
            if now_ms - account.spare_ms < SPARE_INTERVAL_MS:
                return refusals.budget(used, cap, account.volume / MICRO)
            account.spare_ms = now_ms
        account.requests = used
        return None
