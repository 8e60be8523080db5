"""Requests about an account rather than its orders, and who acts for whom."""

from typing import TypeAlias

from msgspec import Struct


class ScheduleCancel(Struct, frozen=True, gc=False, tag=True):
    time_ms: int | None


class UpdateLeverage(Struct, frozen=True, gc=False, tag=True):
    asset: int
    is_cross: bool
    leverage: int


class AddAgent(Struct, frozen=True, gc=False, tag=True):
    agent: str  # may sign for us from now on
    name: str  # in place of our former one of that name; "": the unnamed


class Noop(Struct, frozen=True, gc=False, tag=True):
    pass


class CreateSubAccount(Struct, frozen=True, gc=False, tag=True):
    name: str


class MoveFunds(Struct, frozen=True, gc=False, tag=True):
    """Between an owner and a sub-account or vault of its; negative: back to the owner."""

    account: str
    micro_usd: int


class AdjustMargin(Struct, frozen=True, gc=False, tag=True):
    """Put money aside for an isolated position, or take it back."""

    asset: int
    micro_usd: int


class ReserveRequests(Struct, frozen=True, gc=False, tag=True):
    """Buy actions for the address's budget."""

    count: int


AccountRequest: TypeAlias = (
    ScheduleCancel
    | UpdateLeverage
    | AdjustMargin
    | AddAgent
    | CreateSubAccount
    | MoveFunds
    | ReserveRequests
    | Noop
)


class Standing(Struct, frozen=True, gc=False):
    """What an address is. `role` in the venue's words: user, agent, subAccount, vault, missing.

    `of`: the account that an agent signs for, or the owner of a sub-account or vault.
    """

    role: str
    of: str | None = None


class NamedAgent(Struct, frozen=True, gc=False):
    name: str
    address: str
    until_ms: int


class SubAccount(Struct, frozen=True, gc=False):
    name: str
    address: str
