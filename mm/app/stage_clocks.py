"""Clocks on named stages of running code, for benchmarks: put on, read, taken off."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeAlias

from mm.app.clock import stopwatch_ns

Places: TypeAlias = dict[str, tuple[Any, str]]
"""Stage -> the class or module, and the name in it, that is called. None lies inside another."""


class StageClocks:
    """How long each stage took in each stretch between `begin` and `end`, ns."""

    def __init__(self, places: Places) -> None:
        self.taken: dict[str, list[int]] = {name: [] for name in places}
        self._places = places
        self.last: dict[str, int] = {}
        """Of the last stretch, kept or not."""
        self._now: dict[str, int] | None = None

    def begin(self) -> None:
        self._now = {}

    def end(self, keep: bool = True) -> None:
        """The stretch is over; it counts if `keep`."""
        self.last, self._now = self._now or {}, None
        if keep:
            for name, spent in self.last.items():
                self.taken[name].append(spent)

    @contextmanager
    def running(self) -> Iterator[None]:
        kept = {name: vars(owner)[attribute] for name, (owner, attribute) in self._places.items()}
        for name, (owner, attribute) in self._places.items():
            setattr(owner, attribute, self._timed(name, kept[name]))
        try:
            yield
        finally:
            for name, (owner, attribute) in self._places.items():
                setattr(owner, attribute, kept[name])

    def _timed(self, name: str, called: Any) -> Any:  # noqa: ANN401 - a function or a method of any kind
        """The same, with a clock; a static or class method stays one."""
        inner: Callable[..., Any] = getattr(called, "__func__", called)

        @wraps(inner)
        def clocked(*args: object, **more: object) -> object:
            began = stopwatch_ns()
            result = inner(*args, **more)
            if self._now is not None:
                self._now[name] = self._now.get(name, 0) + stopwatch_ns() - began
            return result

        return type(called)(clocked) if isinstance(called, staticmethod | classmethod) else clocked
