"""Nonces: one allocator per signer, strictly increasing whatever the clock does."""

from typing import Final

KEPT: Final = 100
"""So many of a signer's nonces the venue keeps, the highest."""


class NonceAllocator:
    """`max(last + 1, now)` in milliseconds.

    The venue keeps the 100 highest nonces of a signer and takes only unused ones above the
    smallest kept: two actions of one millisecond, or a clock that steps back, must not repeat.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = 0

    def next(self, now_ms: int) -> int:
        self._last = max(self._last + 1, now_ms)
        return self._last

    def outrank(self, nonce: int) -> None:
        """The venue has kept this one as its lowest: the next is above all that it has kept, had
        they no gaps; those of a clock that was ahead have none."""
        self._last = max(self._last, nonce + KEPT - 1)


_of_signer: dict[str, NonceAllocator] = {}


def allocator_of(address: str) -> NonceAllocator:
    """This process's only allocator for the signer: several venues may share a key."""
    return _of_signer.setdefault(address.lower(), NonceAllocator())


def forget_all() -> None:
    """As a new process: for a simulation, which starts many in one."""
    _of_signer.clear()
