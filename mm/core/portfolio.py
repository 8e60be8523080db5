"""The guard over several instruments of one account: limits on what they hold together.

A fold over what each engine would hold at worst; what it leaves to an engine goes there as an
`Allowance` event, so that each engine's journal holds all that its actions are a function of.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_DOWN, Decimal

from msgspec import Struct

from mm.core.kill_switch import LOSSES
from mm.core.risk import leverage
from mm.core.settings import PortfolioSettings
from mm.core.state import State
from mm.model.actions import Action, Halt
from mm.model.events import Allowance
from mm.model.units import Ns, Side, exact

ZERO = Decimal(0)
CENT = Decimal("0.01")
BOUNDLESS = Decimal(10) ** 12


class Member(Struct, frozen=True, gc=False):
    """One instrument of the account. `pool`: those with the same one share equity and margin."""

    name: str
    pool: str
    max_position_usd: Decimal
    leverage: Decimal
    lot_usd: Decimal

    @classmethod
    def of(cls, state: State, pool: str) -> "Member":
        risk, instrument = state.settings.risk, state.instrument
        most = instrument.leverage_at(risk.max_position_usd)
        limit, lot = exact(risk.max_position_usd), exact(state.settings.strategy.lot_usd)
        return cls(instrument.name, pool, limit, leverage(risk, most), lot)


class Exposure(Struct, frozen=True, gc=False):
    """What one instrument may come to hold, USD, signed. `long`: its position with every bid
    filled; `short`: minus its position with every ask filled. `pnl`, `equity`: None before a price.
    `wants`: would take new risk, so room for a lot of it is kept free. `equity` is without what
    others on the account hold; `bids`, `asks`: foreign orders here, which margin bears as ours.
    """

    long: Decimal = ZERO
    short: Decimal = ZERO
    pnl: Decimal | None = None
    equity: Decimal | None = None
    wants: bool = True
    bids: Decimal = ZERO
    asks: Decimal = ZERO

    @property
    def gross(self) -> Decimal:
        return max(self.long, self.short)

    @property
    def borne(self) -> Decimal:
        """By margin."""
        return max(self.long + self.bids, self.short + self.asks)

    @classmethod
    def of(cls, state: State) -> "Exposure":
        """Without a price a position counts as the largest that is allowed."""
        position, wants, beside = state.pnl.position, not state.kill.halted, state.margin.beside
        if state.book.fair is None:
            most = exact(state.settings.risk.max_position_usd) if position else ZERO
            return cls(long=most, short=most, wants=wants, bids=beside.bids, asks=beside.asks)
        price, equity = exact(state.book.fair), state.margin_equity
        return cls(
            long=(position + state.orders.worst_case(Side.BID)) * price,
            short=(state.orders.worst_case(Side.ASK) - position) * price,
            pnl=state.pnl.worth,
            equity=None if equity is None else equity - beside.margin,
            wants=wants,
            bids=beside.bids,
            asks=beside.asks,
        )


class Taken(Struct, frozen=True, gc=False):
    """What of each limit counts as taken, by one instrument or by all. `margin`: of its pool."""

    gross: Decimal
    long: Decimal
    short: Decimal
    margin: Decimal


class Portfolio:
    """Turns are taken one after another, so what one engine takes the next one lacks.

    Gross: Σ of each instrument's worst case, either way. Net: what is left of it when longs and
    shorts of different instruments offset each other. Margin: Σ worst case / leverage ≤ equity
    less what others on the account hold.
    Of each limit a lot of every other instrument, or an even share if that is less, stays free for
    it: whoever quotes first does not keep the others from quoting at all.

    No allowance forbids a reduction, so one that hedged another position may take net beyond its
    limit, never gross or margin; then only what brings it back is quoted.
    """

    def __init__(self, settings: PortfolioSettings, members: Iterable[Member]) -> None:
        self._members = {member.name: member for member in members}
        self._gross = _usd(settings.max_gross_usd)
        self._net = _usd(settings.max_net_usd)
        self._seen = {name: Exposure() for name in self._members}
        self._equity: dict[str, Decimal] = {}
        """By pool, as last seen."""
        self._began: dict[str, Decimal] = {}
        self._told = {
            name: Allowance(0, member.max_position_usd, member.max_position_usd, ZERO)
            for name, member in self._members.items()
        }
        self._count()

    def see(self, name: str, exposure: Exposure) -> list[str]:
        """This instrument's exposure is now that; the others that have less room than they know."""
        self._seen[name] = exposure
        if exposure.equity is not None:
            self._equity[self._members[name].pool] = exposure.equity
        self._count()
        if exposure.pnl is not None:
            self._began.setdefault(name, exposure.pnl)
        return [other for other in self._members if other != name and self._is_short(other)]

    def allowance(self, name: str, ts: Ns) -> Allowance | None:
        """What this engine is to be told; None where it knows."""
        long_usd, short_usd = self._room(name)
        found = Allowance(ts, long_usd, short_usd, self._others_pnl(name))
        told = self._told[name]
        if _same(found, told):
            return None
        self._told[name] = found
        return found

    @property
    def exposures(self) -> Mapping[str, Exposure]:
        return self._seen

    def _is_short(self, name: str) -> bool:
        told, (long_usd, short_usd) = self._told[name], self._room(name)
        return long_usd < told.long_usd or short_usd < told.short_usd

    def _count(self) -> None:
        """Each instrument's share of the limits, and the sums: anybody's room is what is left."""
        self._taken = {name: self._share(member) for name, member in self._members.items()}
        shares = self._taken.values()
        self._gross_taken = _sum(share.gross for share in shares)
        self._long_taken = _sum(share.long for share in shares)
        self._short_taken = _sum(share.short for share in shares)
        self._margin_taken: dict[str, Decimal] = {}
        for name, member in self._members.items():
            before = self._margin_taken.get(member.pool, ZERO)
            self._margin_taken[member.pool] = before + self._taken[name].margin

    def _share(self, member: Member) -> Taken:
        seen, equity = self._seen[member.name], self._equity.get(member.pool, BOUNDLESS)
        by_margin = self._kept(member, seen.borne, max(ZERO, equity) * member.leverage)
        return Taken(
            gross=self._kept(member, seen.gross, self._gross),
            long=self._kept(member, seen.long, self._net),
            short=self._kept(member, seen.short, self._net),
            margin=by_margin / member.leverage,
        )

    def _kept(self, member: Member, taken: Decimal, limit: Decimal) -> Decimal:
        """What it has, and at least room for a lot, or for an even share if that is less."""
        if taken < 0 or not self._seen[member.name].wants:
            return taken
        return max(taken, min(member.lot_usd, limit / len(self._members)))

    def _room(self, name: str) -> tuple[Decimal, Decimal]:
        """Worst cases, long and short, that the others leave to this one; never negative."""
        member, own = self._members[name], self._taken[name]
        equity = self._equity.get(member.pool, BOUNDLESS)
        margin = (equity - self._margin_taken[member.pool] + own.margin) * member.leverage
        either = min(member.max_position_usd, self._gross - self._gross_taken + own.gross)
        seen = self._seen[name]
        long_usd = min(either, self._net - self._long_taken + own.long, margin - seen.bids)
        short_usd = min(either, self._net - self._short_taken + own.short, margin - seen.asks)
        return _floor(long_usd), _floor(short_usd)

    def _others_pnl(self, name: str) -> Decimal:
        pool = self._members[name].pool
        pnl = ZERO
        for other, seen in self._seen.items():
            beside = other != name and self._members[other].pool == pool
            if beside and seen.pnl is not None:
                pnl += seen.pnl - self._began[other]
        return pnl.quantize(CENT)


def loss(actions: Iterable[Action]) -> str:
    """The reason of a halt that concerns the whole account, "" where there is none."""
    halts = (action.reason for action in actions if isinstance(action, Halt))
    return next((reason for reason in halts if reason.startswith(LOSSES)), "")


def _same(one: Allowance, other: Allowance) -> bool:
    return (one.long_usd, one.short_usd, one.others_pnl) == (
        other.long_usd,
        other.short_usd,
        other.others_pnl,
    )


def _usd(limit: float | None) -> Decimal:
    return BOUNDLESS if limit is None else exact(limit)


def _sum(values: Iterable[Decimal]) -> Decimal:
    return sum(values, ZERO)


def _floor(usd: Decimal) -> Decimal:
    return max(ZERO, usd).quantize(CENT, ROUND_DOWN)
