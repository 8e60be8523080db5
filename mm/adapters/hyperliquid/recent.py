"""A dict that forgets its oldest entries."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(dict[K, V]):
    """At most `limit` entries, those that were set last."""

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, key: K, value: V) -> None:
        self.pop(key, None)  # else it keeps the place of its first time
        super().__setitem__(key, value)
        if len(self) > self.limit:
            del self[next(iter(self))]
