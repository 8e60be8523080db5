"""Nonces: one allocator per signer, strictly increasing whatever the clock does."""

from collections.abc import Callable


class NonceAllocator:
    """`max(last + 1, now)` in milliseconds.

    The venue keeps the 100 highest nonces of a signer and takes only unused ones above the
    smallest kept: two actions of one millisecond, or a clock that steps back, must not repeat.
    """

    __slots__ = ("_last", "_now_ms")

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._last = 0

    def next(self) -> int:
        self._last = max(self._last + 1, self._now_ms())
        return self._last
