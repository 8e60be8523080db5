"""How a client order queues behind the background size that was there before it."""

from typing import Protocol

from msgspec import Struct


class QueueModel(Protocol):
    """Sizes in lots. `ahead` is the background size that trades before the order at its price."""

    def joined(self, displayed: int) -> int:
        """Size ahead of an order that joins a level which shows `displayed`."""
        ...

    def printed(self, ahead: int, size: int) -> int:
        """After `size` of the background traded at the order's price."""
        ...

    def displayed(self, ahead: int, before: int, now: int) -> int:
        """After the displayed size changed otherwise: cancels and arrivals that we cannot see."""
        ...


class Conservative(Struct, frozen=True):
    """Whoever cancels stood behind us: the queue ahead shrinks only when it no longer fits."""

    def joined(self, displayed: int) -> int:
        return displayed

    def printed(self, ahead: int, size: int) -> int:
        return max(0, ahead - size)

    def displayed(self, ahead: int, before: int, now: int) -> int:
        return min(ahead, now)


class ProRata(Struct, frozen=True):
    """Cancels are spread evenly over the level: the share ahead of us shrinks with the whole."""

    def joined(self, displayed: int) -> int:
        return displayed

    def printed(self, ahead: int, size: int) -> int:
        return max(0, ahead - size)

    def displayed(self, ahead: int, before: int, now: int) -> int:
        if 0 <= now < before:
            ahead -= ahead * (before - now) // before
        return min(ahead, now)
