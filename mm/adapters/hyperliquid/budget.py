"""What the venue allows: actions of an address; weight, messages and posts of an IP."""

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import structs

from mm.model.events import ActionBudget
from mm.model.units import NS_PER_S, UNBOUNDED, Ns, seconds

IP_WEIGHT: Final = 1200
"""What the venue grants an IP address in a minute."""
IP_MESSAGES: Final = 2000
"""So many frames it reads in a minute, over all of the address's websockets: it may cut off who
sends more (what it does is not documented)."""
IP_POSTS: Final = 100
"""So many requests over websockets may wait for their answers at a time."""
MINUTE: Final[Ns] = 60 * NS_PER_S
REFUSED: Final[Ns] = 5 * NS_PER_S
"""Somebody else at our address has spent it: nothing is asked for so long."""


class AddressBudget:
    """Actions sent against 10,000 + 1 per USDC traded; the venue's own count overrides ours.

    We only count: past the cap the venue still takes cancels (up to twice as many), and the core
    decides how fast to quote.
    """

    __slots__ = ("_told", "cap", "used")

    def __init__(self) -> None:
        self.used = 0
        self.cap = 10_000
        self._told: ActionBudget | None = None

    @property
    def is_spent(self) -> bool:
        return self.used >= self.cap

    def spend(self, items: int) -> None:
        """A batch of n items counts n, failed ones included."""
        self.used += items

    def refused(self) -> None:
        """The venue says that it is spent, whatever we counted; whoever heard so is to hear what is
        known next, be it what was told before."""
        self.used, self._told = max(self.used, self.cap), None

    def sync(self, used: int, cap: int) -> None:
        self.used, self.cap = used, cap

    def news(
        self, ts: Ns, per_s: float = UNBOUNDED, at_once: float = UNBOUNDED
    ) -> ActionBudget | None:
        """An event if anything changed since the last. `per_s`, `at_once`: what the minute leaves,
        to two digits."""
        leaves = (float(f"{per_s:.2g}"), float(f"{at_once:.2g}"))
        fresh = ActionBudget(0, self.used, self.cap, 1, *leaves)
        if self._told == fresh:
            return None
        self._told = fresh
        return structs.replace(fresh, ts=ts)


class Minute:
    """Units spent within the last 60 s, whatever minute the venue counts by."""

    __slots__ = ("_spent", "_total", "now")

    def __init__(self, now: Callable[[], Ns]) -> None:
        self.now = now
        self._spent: deque[tuple[Ns, int]] = deque()
        self._total = 0

    def spend(self, units: int) -> None:
        if units:
            self._spent.append((self.now(), units))
            self._total += units

    @property
    def total(self) -> int:
        now = self.now()
        while self._spent and now - self._spent[0][0] >= MINUTE:
            self._total -= self._spent.popleft()[1]
        return self._total

    def freed(self, units: int) -> Ns:
        """When so many of them, or all, will have been spent more than a minute ago; 0: none."""
        due: Ns = 0
        for ts, spent in self._spent:
            if units <= 0:
                break
            due = ts + MINUTE
            units -= spent
        return due


class WeightMeter:
    """Request weight spent in the last minute.

    It only counts. What is left last is kept for what matters most: deep books are left out below
    half of the limit, audits and other polls below a quarter, other questions wait below a sixth,
    those of a new connection below a twelfth, orders that add risk are not sent below a
    twenty-fourth; cancels and the way out always go.
    """

    __slots__ = ("_acted", "_actions", "_refused", "_spent", "limit")

    def __init__(self, now: Callable[[], Ns], limit: int = IP_WEIGHT) -> None:
        self.limit = limit
        self._spent = Minute(now)
        self._acted, self._actions = Minute(now), Minute(now)
        self._refused: Ns | None = None

    def spend(self, weight: int) -> None:
        self._spent.spend(weight)

    def act(self, weight: int, actions: int) -> None:
        """A batch of so many."""
        self._spent.spend(weight)
        self._acted.spend(weight)
        self._actions.spend(actions)

    def refused(self) -> None:
        """The venue says that the address's weight is spent, though by our count it is not."""
        self._refused = self._spent.now()

    @property
    def spare(self) -> int:
        """What is left of the limit; nothing so soon after the venue said so: the little that comes
        free is for cancels."""
        if self._refused is not None and self._spent.now() - self._refused < REFUSED:
            return 0
        return max(0, self.limit - self._spent.total)

    @property
    def may_look(self) -> bool:
        return self.spare * 2 >= self.limit

    @property
    def may_poll(self) -> bool:
        return self.spare * 4 >= self.limit

    @property
    def may_relink(self) -> bool:
        return self.spare * 12 >= self.limit

    @property
    def may_add_risk(self) -> bool:
        return self.spare * 24 >= self.limit

    @property
    def actions_per_s(self) -> float:
        """So many leave to questions what they took in the last minute, and the quarter below which
        there are none; in batches as large as they were."""
        asked = self._spent.total - self._acted.total
        free = max(self.limit - self.limit / 4 - asked, self.limit / 24)
        return free / seconds(MINUTE) * self._a_batch

    @property
    def actions_at_once(self) -> float:
        """What is left after them is for orders that must retreat, and sides that have none."""
        return max(0.0, self.spare - self.limit / 8) * self._a_batch

    @property
    def _a_batch(self) -> float:
        """Actions that weigh 1, as they were sent in the last minute."""
        return max(1.0, self._actions.total / max(1, self._acted.total))

    def wait_s(self, weight: int) -> float:
        """How long a question of this weight has to wait; 0.0: it may be asked now."""
        over = weight + self.limit // 6 + self._spent.total - self.limit
        due = 0 if self._refused is None else self._refused + REFUSED
        return max(0.0, seconds(max(due, self._spent.freed(over)) - self._spent.now()))


class MessageMeter:
    """Websocket frames that we sent in the last minute, pings and subscriptions included.

    It only counts. Below a tenth of the limit no order is sent that adds risk, nothing is looked
    at more closely and no channel subscribed to anew for being silent; below a twentieth cancels
    go by REST. The rest is for pings.
    """

    __slots__ = ("_spent", "limit")

    def __init__(self, now: Callable[[], Ns], limit: int = IP_MESSAGES) -> None:
        self.limit = limit
        self._spent = Minute(now)

    def spend(self) -> None:
        self._spent.spend(1)

    @property
    def spare(self) -> int:
        return max(0, self.limit - self._spent.total)

    @property
    def may_add_risk(self) -> bool:
        return self.spare * 10 >= self.limit

    @property
    def may_cancel(self) -> bool:
        return self.spare * 20 >= self.limit

    def wait_s(self, frames: int) -> float:
        """How long a new connection that begins with so many has to wait."""
        over = frames + self._spent.total - self.limit
        return max(0.0, seconds(self._spent.freed(over) - self._spent.now()))
