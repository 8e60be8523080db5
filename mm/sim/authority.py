"""Who may act for whom: API wallets for their masters, owners for sub-accounts and vaults."""

from hashlib import sha256

from msgspec import Struct

from mm.model.custody import NamedAgent, Standing, SubAccount
from mm.sim import refusals

NOBODY = "0x" + "0" * 40
DAY_MS = 86_400_000
DEFAULT_LIFE_MS, LONGEST_LIFE_MS = 90 * DAY_MS, 180 * DAY_MS
NAMED_AGENTS, AGENTS_PER_SUB_ACCOUNT = 3, 2
SUB_ACCOUNTS = 10
UNTIL = " valid_until "


class Wallet(Struct, frozen=True):
    """An API wallet. `name` "": the unnamed one, which does not expire."""

    master: str
    name: str
    until_ms: int | None


class Owned(Struct, frozen=True):
    """A sub-account, or with no name a vault."""

    owner: str
    name: str | None


class Authority:
    """Addresses are lower case. An address that was an API wallet once is nothing else ever."""

    __slots__ = ("_former", "_owned", "_wallets")

    def __init__(self) -> None:
        self._wallets: dict[str, Wallet] = {}
        self._former: set[str] = set()
        self._owned: dict[str, Owned] = {}

    # -- API wallets ----------------------------------------------------------------------------

    def enrol(self, agent: str, wallet: Wallet) -> None:
        """Without asking whether that may be; a former one of that name is replaced."""
        for address, known in list(self._wallets.items()):
            if wallet.name and (known.master, known.name) == (wallet.master, wallet.name):
                self._drop(address)
        self._former.discard(agent)
        self._wallets[agent] = wallet

    def approve(self, master: str, agent: str, name: str, now_ms: int) -> str | None:
        """Let `agent` sign for `master` in place of its namesake; NOBODY only ends that one.

        A name may end with ` valid_until <ms>`. Returns the venue's refusal.
        """
        name, _, until = name.partition(UNTIL)
        latest_ms = now_ms + LONGEST_LIFE_MS
        if until and not (until.isdigit() and now_ms < int(until) <= latest_ms):
            return refusals.AGENT_LIFE
        namesake = self._namesake(master, name)
        if agent == NOBODY:
            self._drop(namesake)
            return None
        if self.stands_for_another(agent, master):
            return refusals.AGENT_TAKEN
        if name and namesake is None and len(self.agents(master, now_ms)) >= self._room(master):
            return refusals.TOO_MANY_AGENTS
        if namesake != agent:
            self._drop(namesake)
        until_ms = int(until) if until else now_ms + DEFAULT_LIFE_MS if name else None
        self._wallets[agent] = Wallet(master, name, until_ms)
        return None

    def stands_for_another(self, address: str, master: str) -> bool:
        """Whether the address is, or was, an API wallet of another account, or is owned."""
        wallet = self._wallets.get(address)
        taken = wallet is not None and wallet.master != master
        return taken or address in self._former or address in self._owned

    def agents(self, master: str, now_ms: int) -> list[NamedAgent]:
        return [
            NamedAgent(wallet.name, address, wallet.until_ms)
            for address, wallet in self._wallets.items()
            if wallet.master == master and wallet.until_ms is not None and wallet.until_ms > now_ms
        ]

    def _namesake(self, master: str, name: str) -> str | None:
        wanted = (master, name)
        found = (a for a, w in self._wallets.items() if (w.master, w.name) == wanted)
        return next(found, None)

    def _room(self, master: str) -> int:
        return NAMED_AGENTS + AGENTS_PER_SUB_ACCOUNT * len(self.sub_accounts(master))

    def _drop(self, agent: str | None) -> None:
        if agent is not None:
            del self._wallets[agent]
            self._former.add(agent)

    # -- sub-accounts and vaults ----------------------------------------------------------------

    def create(self, owner: str, name: str) -> SubAccount | str:
        """A new sub-account, or the venue's refusal."""
        others = self.sub_accounts(owner)
        if any(one.name == name for one in others):
            return refusals.SUB_ACCOUNT_NAME
        if len(others) >= SUB_ACCOUNTS:
            return refusals.TOO_MANY_SUB_ACCOUNTS
        seed = f"{owner} {len(others)}"
        made = SubAccount(name, "0x" + sha256(seed.encode()).hexdigest()[:40])
        self._owned[made.address] = Owned(owner, name)
        return made

    def register_vault(self, leader: str, vault: str) -> None:
        self._owned[vault] = Owned(leader, None)

    def sub_accounts(self, owner: str) -> list[SubAccount]:
        return [
            SubAccount(owned.name, address)
            for address, owned in self._owned.items()
            if owned.owner == owner and owned.name is not None
        ]

    def owner(self, address: str) -> str | None:
        """Whose sub-account or vault the address is; None if it is neither."""
        owned = self._owned.get(address)
        return None if owned is None else owned.owner

    # -- both -----------------------------------------------------------------------------------

    def master(self, signer: str, now_ms: int) -> str | None:
        """The account that a signer acts for: its own, or its master's; None if for none."""
        wallet = self._wallets.get(signer)
        if wallet is None:
            return None if self.is_nobody(signer) else signer
        return wallet.master if wallet.until_ms is None or now_ms < wallet.until_ms else None

    def is_nobody(self, address: str) -> bool:
        """No account of its own: an API wallet, past or present, or owned by another."""
        return address in self._former or address in self._wallets or address in self._owned

    def standing(self, address: str, now_ms: int) -> Standing | None:
        """None for an address that is an account of its own, or nothing at all."""
        owned, wallet = self._owned.get(address), self._wallets.get(address)
        if owned is not None:
            return Standing("vault" if owned.name is None else "subAccount", owned.owner)
        if wallet is not None and self.master(address, now_ms) is not None:
            return Standing("agent", wallet.master)
        return Standing("missing") if self.is_nobody(address) else None
