"""What was in force when, by venue time: books and fills come in either order."""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable
from operator import itemgetter
from typing import Generic, TypeVar

from mm.model.units import Ns

Value = TypeVar("Value")
Key = TypeVar("Key", bound=Hashable)

SLACK = 512
"""Stale entries that may pile up before they are cut off: keeps `prune` O(1) amortised."""


class Timeline(Generic[Value]):
    """A short history of one quantity; a late entry finds its place."""

    __slots__ = ("_times", "_values")

    def __init__(self) -> None:
        self._times: list[Ns] = []
        self._values: list[Value] = []

    def __len__(self) -> int:
        return len(self._times)

    def put(self, at: Ns, value: Value) -> None:
        """`value` is in force from `at` (inclusive) until the next entry."""
        times = self._times
        if not times or at >= times[-1]:
            times.append(at)
            self._values.append(value)
            return
        index = bisect_right(times, at)
        times.insert(index, at)
        self._values.insert(index, value)

    def before(self, at: Ns) -> Value | None:
        """The last value put strictly before `at`; None where history does not reach."""
        index = bisect_left(self._times, at)
        return self._values[index - 1] if index else None

    def at(self, at: Ns) -> Value | None:
        """The value in force at `at`."""
        index = bisect_right(self._times, at)
        return self._values[index - 1] if index else None

    def prune(self, horizon: Ns) -> None:
        """Forget what `before(t)` and `at(t)` need for no t >= horizon (not always at once)."""
        stale = bisect_left(self._times, horizon) - 1
        if stale > SLACK:
            del self._times[:stale]
            del self._values[:stale]


def remember(times: dict[Key, Ns], key: Key, at: Ns) -> None:
    """Put `key` where its time belongs: news may come late."""
    times.pop(key, None)
    late = bool(times) and at < times[next(reversed(times))]
    times[key] = at
    if late:
        ordered = sorted(times.items(), key=itemgetter(1))
        times.clear()
        times.update(ordered)


def forget(times: dict[Key, Ns], horizon: Ns, most: int | None = None) -> None:
    """Drop the leading entries that are older than `horizon` (all of them, if put by `remember`)
    or beyond the latest `most`."""
    while times:
        key = next(iter(times))
        if times[key] >= horizon and (most is None or len(times) <= most):
            return
        del times[key]
