"""How a client order queues behind the background size that was there before it."""

from collections.abc import Callable
from typing import Protocol, TypeAlias


class Place(Protocol):
    """An order's place in the queue at its price. Sizes in lots."""

    @property
    def ahead(self) -> int:
        """Background size that trades before the order."""
        ...

    def printed(self, size: int) -> None:
        """`size` of the background traded at the order's price."""
        ...

    def shown(self, size: int) -> None:
        """The background now shows `size` at the order's price."""
        ...


QueueModel: TypeAlias = Callable[[int], Place]
"""Makes the place of an order that joins a level which shows so much."""


class Conservative:
    """Whoever cancels stood behind us, until that is impossible: ahead <= least size ever shown.

    A book and a tape both tell of a trade, in either order: prints pay for the last drop of the
    display first, so that it counts once.
    """

    __slots__ = ("_least_shown", "_unprinted")

    def __init__(self, shown: int) -> None:
        self._unprinted = self._least_shown = shown

    @property
    def ahead(self) -> int:
        return min(self._unprinted, self._least_shown)

    def printed(self, size: int) -> None:
        self._unprinted = max(0, self._unprinted - size)

    def shown(self, size: int) -> None:
        if size < self._least_shown:
            self._unprinted = self.ahead
            self._least_shown = size


class ProRata:
    """Cancels are spread evenly over the level: the share ahead of us shrinks with the whole.

    Prints pay for the last drop of the display first, as above: that much was no cancel after all,
    and left from the front.
    """

    __slots__ = ("_before", "_paid", "_shown", "ahead")

    def __init__(self, shown: int) -> None:
        self.ahead = self._shown = shown
        self._paid = 0
        self._before = (0, 1)
        """(ahead, shown) before the last drop."""

    def printed(self, size: int) -> None:
        told = min(size, self._paid)
        fresh = size - told
        ahead, shown = self._before
        self._paid -= told
        self._shown = max(0, self._shown - fresh)
        self.ahead = max(0, self.ahead - fresh - (told - told * ahead // shown))

    def shown(self, size: int) -> None:
        gone = max(0, self._shown - size)
        if gone:
            self._before = (self.ahead, self._shown)
            self.ahead -= self.ahead * gone // self._shown
        self._paid, self._shown = gone, size
        self.ahead = min(self.ahead, size)
