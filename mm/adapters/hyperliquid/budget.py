"""Two budgets of the venue: cumulative actions of an address, request weight of an IP."""

from collections import deque
from collections.abc import Callable
from typing import Final

from mm.model.events import ActionBudget
from mm.model.units import NS_PER_S, Ns, seconds

IP_WEIGHT: Final = 1200
"""What the venue grants an IP address in a minute."""
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
        self._told: tuple[int, int] | None = None

    def spend(self, items: int) -> None:
        """A batch of n items counts n, failed ones included."""
        self.used += items

    def sync(self, used: int, cap: int) -> None:
        self.used, self.cap = used, cap

    def news(self, ts: Ns) -> ActionBudget | None:
        """An event if anything changed since the last."""
        if self._told == (self.used, self.cap):
            return None
        self._told = (self.used, self.cap)
        return ActionBudget(ts=ts, used=self.used, cap=self.cap)


class WeightMeter:
    """Request weight spent in the last 60 s, whatever minute the venue counts by.

    It only counts. What is left last is kept for what matters most: deep books are left out below
    half of the limit, audits and other polls below a quarter, other questions wait below a sixth,
    orders that add risk are not sent below a twenty-fourth; cancels and the way out always go.
    """

    __slots__ = ("_now", "_refused", "_spent", "_total", "limit")

    def __init__(self, now: Callable[[], Ns], limit: int = IP_WEIGHT) -> None:
        self._now = now
        self.limit = limit
        self._spent: deque[tuple[Ns, int]] = deque()
        self._total = 0
        self._refused: Ns | None = None

    def spend(self, weight: int) -> None:
        if weight:
            self._spent.append((self._now(), weight))
            self._total += weight

    def refused(self) -> None:
        """The venue says that the address's weight is spent, though by our count it is not."""
        self._refused = self._now()

    @property
    def spare(self) -> int:
        """What is left of the limit; nothing so soon after the venue said so: the little that comes
        free is for cancels."""
        self._forget()
        if self._refused is not None and self._now() - self._refused < REFUSED:
            return 0
        return max(0, self.limit - self._total)

    @property
    def may_look(self) -> bool:
        return self.spare * 2 >= self.limit

    @property
    def may_poll(self) -> bool:
        return self.spare * 4 >= self.limit

    @property
    def may_add_risk(self) -> bool:
        return self.spare * 24 >= self.limit

    def wait_s(self, weight: int) -> float:
        """How long a question of this weight has to wait; 0.0: it may be asked now."""
        now, kept = self._now(), self.limit // 6
        self._forget()
        over = weight + kept + self._total - self.limit
        due = now if self._refused is None else self._refused + REFUSED
        for ts, spent in self._spent:
            if over <= 0:
                break
            due = max(due, ts + MINUTE)
            over -= spent
        return max(0.0, seconds(due - now))

    def _forget(self) -> None:
        now = self._now()
        while self._spent and now - self._spent[0][0] >= MINUTE:
            self._total -= self._spent.popleft()[1]
