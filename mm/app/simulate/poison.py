"""A task's coroutine into which nature may throw."""

from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any


class Injected(Exception):  # noqa: N818 - a fault on purpose, not an error of ours
    """Thrown into a task at its next await, to see what dies with it."""


class Poisonable(Coroutine[Any, Any, Any]):
    """A task's coroutine, into which an exception can be thrown from outside."""

    __slots__ = ("_coro", "poison")

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self._coro = coro
        self.poison: Exception | None = None

    def send(self, value: Any) -> Any:  # noqa: ANN401 - whatever is awaited
        if self.poison is None:
            return self._coro.send(value)
        poison, self.poison = self.poison, None
        return self._coro.throw(poison)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        trace: TracebackType | None = None,
    ) -> Any:  # noqa: ANN401 - whatever is awaited
        """As a coroutine's: an exception, or in the old form its type and then itself."""
        error = kind if isinstance(kind, BaseException) else value
        return self._coro.throw(error if isinstance(error, BaseException) else kind)

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Generator[Any, None, Any]:
        raise TypeError("only a task runs this")

    @property
    def __name__(self) -> str:
        return getattr(self._coro, "__qualname__", type(self._coro).__name__)
