"""Who owns what: cash in micro-USD, positions in lots, margin; every cent has two sides."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mm.model.exchange import FillReport, FundingReport
from mm.sim.authority import Authority
from mm.sim.fees import Volumes
from mm.sim.margin import Tiers, leverage_at, maintenance
from mm.sim.orders import Order

HISTORY_ORDERS = 2000  # the venue forgets older ones
HISTORY_FILLS = 10_000

ASSETS = 10_000
"""Asset ids of each exchange: the venue's own begin at 0, the first builder's at 110,000."""

Marks = Callable[[int], int]
"""Micro-USD per lot of an asset, at its mark price."""


@dataclass(slots=True)
class Position:
    """`size` in lots, signed. `cost`: micro-USD paid for what is open, signed like `size`.

    `buys` and `sells`: micro-USD of resting orders that may increase it (not reduce-only).
    `margin`: micro-USD of the account's cash that an isolated position lives on, and nothing else.
    """

    leverage: int
    tiers: Tiers
    is_cross: bool = True
    size: int = 0
    cost: int = 0
    buys: int = 0
    sells: int = 0
    margin: int = 0
    funding_since_open: int = 0
    funding_all_time: int = 0

    def trade(self, lots: int, unit: int) -> int:
        """Add signed `lots` at `unit` micro-USD per lot; returns the realised profit.

        A reduction takes its share of `cost` (average entry), rounded to the micro-dollar;
        profit + change of unrealised profit is exact all the same.
        """
        if self.size * lots >= 0:
            self._open(lots, unit)
            return 0
        closed = min(abs(lots), abs(self.size))
        share = self.cost * closed // abs(self.size)
        self.margin -= self.margin * closed // abs(self.size)
        direction = 1 if self.size > 0 else -1
        self.size -= direction * closed
        self.cost -= share
        self._open(lots + direction * closed, unit)
        return direction * closed * unit - share

    def _open(self, lots: int, unit: int) -> None:
        if not self.size:
            self.funding_since_open = self.margin = 0
        self.size += lots
        self.cost += lots * unit
        if not self.is_cross:
            self.margin += abs(lots) * unit // self.leverage

    @property
    def max_leverage(self) -> int:
        return self.tiers[0][1]

    def unrealised(self, unit: int) -> int:
        return self.size * unit - self.cost

    def initial_margin(self, unit: int) -> int:
        return abs(self.size) * unit // self.leverage

    def maintenance_margin(self, unit: int) -> int:
        return maintenance(abs(self.size) * unit, self.tiers)

    def margin_used(self, unit: int) -> int:
        """What nothing else may use: of an isolated position all that it lives on."""
        return self.initial_margin(unit) if self.is_cross else self.margin + self.unrealised(unit)

    def worst(self, unit: int, buy: int = 0, sell: int = 0) -> int:
        """Notional with all resting orders of the worse side filled, and `buy` or `sell`."""
        notional = self.size * unit
        return max(abs(notional), notional + self.buys + buy, self.sells + sell - notional)

    def requirement(self, unit: int, buy: int = 0, sell: int = 0) -> int:
        """`margin_used` with the initial margin of what would come on top at `worst`."""
        worst = self.worst(unit, buy, sell)
        return self.margin_used(unit) + worst // self.leverage - self.initial_margin(unit)

    def bears(self, leverage: int, unit: int, buy: int = 0, sell: int = 0) -> bool:
        """Whether the tier that it would grow to allows this leverage."""
        return leverage <= leverage_at(self.worst(unit, buy, sell), self.tiers)


@dataclass(slots=True, eq=False)
class Purse:
    """Money on one exchange, the venue's own or a builder's, and the positions that live on it.

    `cash` excludes unrealised profit.
    """

    cash: int = 0
    positions: dict[int, Position] = field(default_factory=dict)

    def equity(self, marks: Marks) -> int:
        return self.cash + sum(p.unrealised(marks(a)) for a, p in self.positions.items() if p.size)

    def margin_used(self, marks: Marks) -> int:
        return sum(p.margin_used(marks(a)) for a, p in self.positions.items() if p.size)

    def maintenance(self, marks: Marks) -> int:
        """Of the cross pool."""
        return sum(
            p.maintenance_margin(marks(a))
            for a, p in self.positions.items()
            if p.size and p.is_cross
        )

    def pool(self, marks: Marks) -> int:
        """Equity that the cross positions share: all but what isolated ones live on."""
        alone = (p.margin_used(marks(a)) for a, p in self.positions.items() if not p.is_cross)
        return self.equity(marks) - sum(alone)

    def failing(self, marks: Marks) -> list[int]:
        """Assets of positions that their margin no longer bears."""
        held = [(a, p) for a, p in self.positions.items() if p.size]
        alone = [(a, p, marks(a)) for a, p in held if not p.is_cross]
        found = [a for a, p, unit in alone if p.margin_used(unit) < p.maintenance_margin(unit)]
        needed = self.maintenance(marks)
        if needed and self.pool(marks) < needed:
            found += [a for a, p in held if p.is_cross]
        return found

    def requirement(self, marks: Marks) -> int:
        return sum(p.requirement(marks(a)) for a, p in self.positions.items())


@dataclass(slots=True, eq=False)
class Account:
    """`orders` are open; `history` includes them. `purses` by `exchange_of`, each with its own of
    all the `positions`."""

    user: str
    purses: dict[int, Purse] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    cloids: dict[str, int] = field(default_factory=dict)
    history: dict[int, Order] = field(default_factory=dict)
    fills: deque[FillReport] = field(default_factory=lambda: deque(maxlen=HISTORY_FILLS))
    fundings: deque[FundingReport] = field(default_factory=lambda: deque(maxlen=HISTORY_FILLS))
    volume: int = 0
    volumes: Volumes = field(default_factory=Volumes)
    requests: int = 0
    spare_ms: int = 0
    """When an action was last let through on an exhausted budget."""
    cancel_at_ms: int | None = None
    triggered: tuple[int, int] = (0, 0)
    """The day (UTC) on which the dead-man switch last cancelled, and how often it did that day."""

    def triggers_on(self, day: int) -> int:
        return self.triggered[1] if self.triggered[0] == day else 0

    def remember(self, order: Order) -> None:
        """Keep the order in the history, and forget the oldest closed one past the bound."""
        self.history[order.oid] = order
        if order.cloid is not None:
            self.cloids[order.cloid] = order.oid
        if len(self.history) <= HISTORY_ORDERS:
            return
        oldest = next((oid for oid in self.history if oid not in self.orders), None)
        if oldest is None:
            return
        gone = self.history.pop(oldest)
        if gone.cloid is not None and self.cloids.get(gone.cloid) == oldest:
            del self.cloids[gone.cloid]

    def find(self, target: int | str) -> Order | None:
        """An order by oid or client id (the latest that had it), open or remembered."""
        oid = target if isinstance(target, int) else self.cloids.get(target.lower())
        return None if oid is None else self.history.get(oid)

    def lots(self, asset: int) -> int:
        position = self.positions.get(asset)
        return 0 if position is None else position.size

    @property
    def cash(self) -> int:
        """On all exchanges."""
        return sum(purse.cash for purse in self.purses.values())

    def purse(self, asset: int) -> Purse:
        """Of the exchange that this asset is listed on."""
        return self.purses.setdefault(exchange_of(asset), Purse())

    def hold(self, asset: int, position: Position) -> None:
        self.positions[asset] = self.purse(asset).positions[asset] = position


@dataclass(slots=True)
class Accounts:
    """All parties: clients, the background (`house_*`), and the fees taken."""

    faucet: int
    """Micro-USD that a new address is given on each of `exchanges`."""
    exchanges: tuple[int, ...] = (0,)
    by_user: dict[str, Account] = field(default_factory=dict)
    authority: Authority = field(default_factory=Authority)
    deposits: int = 0
    fees: int = 0
    house_cash: int = 0
    """Micro-USD that the background has received less paid, positions not valued."""
    house_lots: dict[int, int] = field(default_factory=dict)

    def known(self, user: str) -> Account | None:
        """The account of this address; with a faucet, a new address is given one with money."""
        account = self.by_user.get(user)
        if account is None and self.faucet and not self.authority.is_nobody(user):
            account = self.open(user)
            for number in self.exchanges:
                self.deposit(account, self.faucet, number * ASSETS)
        return account

    def open(self, user: str) -> Account:
        return self.by_user.setdefault(user, Account(user))

    def deposit(self, account: Account, amount: int, asset: int = 0) -> None:
        """On the exchange of this asset."""
        account.purse(asset).cash += amount
        self.deposits += amount

    def carry_over(self, account: Account, asset: int, lots: int, cash: int) -> None:
        """Cash and the other side of a position that began before this exchange did."""
        self.deposit(account, cash, asset)
        self.house_lots[asset] = self.house_lots.get(asset, 0) - lots

    def bail_out(self, purse: Purse, loss: int) -> None:
        """The background bears a loss that the purse would; a profit it keeps."""
        paid = max(0, loss)
        purse.cash += paid
        self.house_cash -= paid

    def imbalance(self) -> int:
        """Micro-USD created from nothing: 0, always."""
        clients = sum(
            a.cash - sum(p.cost for p in a.positions.values()) for a in self.by_user.values()
        )
        return clients + self.house_cash + self.fees - self.deposits

    def net_lots(self, asset: int) -> int:
        """Sum of all positions, the background's included: 0, always."""
        return self.house_lots.get(asset, 0) + sum(a.lots(asset) for a in self.by_user.values())


def exchange_of(asset: int) -> int:
    """0 for the venue's own; each builder's is a clearing house of its own."""
    return asset // ASSETS


def fee(notional: int, rate_e9: int) -> int:
    """Rounded half-up to the micro-dollar, per fill; `rate_e9` in units of 10^-9."""
    return (notional * rate_e9 + 500_000_000) // 1_000_000_000
