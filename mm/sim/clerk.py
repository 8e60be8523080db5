"""Carries out one admitted request about an account: leverage, margin, dead-man, wallets, money."""

from decimal import Decimal

from msgspec import Struct

from mm.model.custody import (
    AccountRequest,
    AddAgent,
    AdjustMargin,
    CreateSubAccount,
    MoveFunds,
    ReserveRequests,
    ScheduleCancel,
    SubAccount,
    UpdateLeverage,
)
from mm.sim import refusals
from mm.sim.accounts import Account, Position
from mm.sim.authority import DAY_MS
from mm.sim.floor import Floor
from mm.sim.grid import MICRO_DECIMALS
from mm.sim.margin import tiers_of

SCHEDULE_NOTICE_MS = 5_000
TRIGGERS = 10
"""How often a day the dead-man switch may cancel."""
MICRO_PER_REQUEST = 500


class ClerkRules(Struct, frozen=True, kw_only=True):
    schedule_cancel_volume: Decimal | None
    default_leverage: int


class Clerk:
    """Touches no order: the desk does that."""

    def __init__(self, floor: Floor, rules: ClerkRules) -> None:
        self._floor, self._rules = floor, rules
        self._accounts, self._authority = floor.accounts, floor.accounts.authority

    def execute(self, request: AccountRequest, account: Account) -> SubAccount | str | None:
        """The sub-account that was created, the words that refuse the request, or None."""
        match request:
            case ScheduleCancel(time_ms=time_ms):
                return self._schedule(account, time_ms)
            case UpdateLeverage():
                return self._leverage(account, request)
            case AdjustMargin(asset=asset, micro_usd=amount):
                return self._adjust(account, asset, amount)
            case AddAgent(agent=agent, name=name):
                return self._approve(account, agent, name)
            case CreateSubAccount(name=name):
                return self._create(account, name)
            case MoveFunds(account=other, micro_usd=amount):
                return self._move(account, other, amount)
            case ReserveRequests(count=count):
                return self._reserve(account, count)
            case _:
                return None

    def position(self, account: Account, asset: int) -> Position:
        """The account's, made where there is none yet."""
        position = account.positions.get(asset)
        if position is None:
            tiers = tiers_of(self._floor.pits[asset].grid.instrument)
            leverage = min(tiers[0][1], self._rules.default_leverage)
            position = Position(leverage, tiers)
            account.hold(asset, position)
        return position

    def _schedule(self, account: Account, time_ms: int | None) -> str | None:
        """Set or clear the dead-man switch; both need the volume."""
        required = self._rules.schedule_cancel_volume
        volume = Decimal(account.volume).scaleb(-MICRO_DECIMALS)
        if required is not None and volume < required:
            return refusals.schedule_volume(int(required), float(volume))
        if time_ms is not None and time_ms < self._floor.now_ms + SCHEDULE_NOTICE_MS:
            return refusals.TOO_EARLY
        if time_ms is not None and account.triggers_on(self._floor.now_ms // DAY_MS) >= TRIGGERS:
            return refusals.TOO_MANY_TRIGGERS
        account.cancel_at_ms = time_ms
        return None

    # -- margin ---------------------------------------------------------------------------------

    def _leverage(self, account: Account, request: UpdateLeverage) -> str | None:
        """An isolated position that is given less leverage takes what it lacks from the pool."""
        pit = self._floor.pits.get(request.asset)
        if pit is None:
            return refusals.LEVERAGE
        position, unit = self.position(account, request.asset), pit.mark_unit
        if request.leverage < 1 or not position.bears(request.leverage, unit):
            return refusals.LEVERAGE
        if position.size and position.is_cross is not request.is_cross:
            return refusals.LEVERAGE_TYPE
        lacking = 0
        if not request.is_cross and request.leverage < position.leverage:
            needed = abs(position.size) * unit // request.leverage
            lacking = max(0, needed - position.margin_used(unit))
        if lacking > self._free(account, request.asset):
            return refusals.NO_FUNDS
        position.leverage, position.is_cross = request.leverage, request.is_cross
        position.margin += lacking
        return None

    def _adjust(self, account: Account, asset: int, amount: int) -> str | None:
        """Give an isolated position more, or take back what is above its initial margin."""
        position = account.positions.get(asset)
        if position is None or not position.size or position.is_cross:
            return refusals.NO_ISOLATED
        unit = self._floor.marks(asset)
        spare = position.margin_used(unit) - position.initial_margin(unit)
        if amount > self._free(account, asset) or -amount > max(0, spare):
            return refusals.NO_FUNDS
        position.margin += amount
        return None

    # -- wallets and money ----------------------------------------------------------------------

    def _approve(self, account: Account, agent: str, name: str) -> str | None:
        if agent in self._accounts.by_user:
            return refusals.AGENT_TAKEN
        return self._authority.approve(account.user, agent, name, self._floor.now_ms)

    def _create(self, account: Account, name: str) -> SubAccount | str:
        made = self._authority.create(account.user, name)
        if isinstance(made, SubAccount):
            self._accounts.open(made.address)
        return made

    def _move(self, account: Account, other: str, amount: int) -> str | None:
        """On the venue's own exchange."""
        if self._authority.owner(other) != account.user:
            return refusals.unknown_vault(other)
        theirs = self._accounts.open(other)
        if abs(amount) > self._free(account if amount > 0 else theirs):
            return refusals.NO_FUNDS
        account.purse(0).cash -= amount
        theirs.purse(0).cash += amount
        return None

    def _reserve(self, account: Account, count: int) -> str | None:
        """Each reserved request costs 0.0005 USDC."""
        cost = MICRO_PER_REQUEST * count
        if cost > self._free(account):
            return refusals.NO_FUNDS
        account.purse(0).cash -= cost
        self._accounts.fees += cost
        account.requests -= count
        return None

    def _free(self, account: Account, asset: int = 0) -> int:
        """Micro-USD on this asset's exchange that neither positions nor resting orders need."""
        purse, marks = account.purse(asset), self._floor.marks
        return purse.equity(marks) - purse.requirement(marks)
