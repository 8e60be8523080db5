"""Limits per IP address: connections, messages, request weight, subscriptions, users."""

from collections import deque

from mm.adapters.hyperliquid.server.options import Limits
from mm.model.units import NS_PER_S, Ns

MINUTE: Ns = 60 * NS_PER_S


class Window:
    """At most `limit` units in any minute."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._spent: deque[tuple[Ns, int]] = deque()

    def is_spent(self, now: Ns) -> bool:
        while self._spent and now - self._spent[0][0] >= MINUTE:
            self._used -= self._spent.popleft()[1]
        return self._used >= self._limit

    def spend(self, now: Ns, units: int = 1) -> None:
        self._used += units
        self._spent.append((now, units))

    def take(self, now: Ns, units: int = 1) -> bool:
        """Spend, unless the minute's budget is gone."""
        if self.is_spent(now):
            return False
        self.spend(now, units)
        return True


class Caller:
    """One IP address."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.connections = 0
        self.opened = Window(limits.connections_per_min)
        self.messages = Window(limits.messages_per_min)
        self.weight = Window(limits.weight_per_min)
        self.posts = 0
        """Actions over websockets that have not been answered yet."""
        self.subscriptions = 0
        self.users: dict[str, int] = {}
        """Subscriptions by user."""

    def connect(self, now: Ns) -> bool:
        if self.connections >= self._limits.connections or not self.opened.take(now):
            return False
        self.connections += 1
        return True

    def refusal(self, user: str | None) -> str | None:
        """Why one more subscription is too many, or None."""
        if self.subscriptions >= self._limits.subscriptions:
            return f"Cannot have more than {self._limits.subscriptions} total subscriptions."
        known = user is None or user in self.users
        if not known and len(self.users) >= self._limits.users:
            return f"Cannot track more than {self._limits.users} total users."
        return None

    def subscribed(self, user: str | None) -> None:
        self.subscriptions += 1
        if user is not None:
            self.users[user] = self.users.get(user, 0) + 1

    def unsubscribed(self, user: str | None) -> None:
        self.subscriptions -= 1
        if user is not None:
            self.users[user] -= 1
            if not self.users[user]:
                del self.users[user]
