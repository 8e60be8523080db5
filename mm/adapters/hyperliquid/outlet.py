"""The way out for events: in order, and without market snapshots that are already overtaken."""

import asyncio
from collections.abc import Callable, Iterable

from mm.model.events import Bbo, Book, Event, Fill, Trades


class Outlet:
    """Collects the events of one turn of the event loop, then hands them over.

    Frames that piled up while the loop was busy are read in one turn. Of those a Book or Bbo that
    a newer one follows is dropped, unless a trade or fill stands between: that is to be measured
    against it. Nothing else is ever dropped.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._pending: list[Event | None] = []
        self._latest: dict[type, int] = {}
        self._due: asyncio.Handle | None = None
        self._broken = asyncio.Event()
        self.conflated = 0
        self.failure: Exception | None = None
        """What `emit` raised. Nothing is handed over after that: its state is not to be trusted."""

    async def watch(self) -> None:
        """Never ends, unless `emit` raises: then with its exception, for the caller to die of."""
        await self._broken.wait()
        if self.failure is not None:
            raise self.failure

    def put(self, event: Event) -> None:
        if isinstance(event, Book | Bbo):
            self._supersede(type(event))
        elif isinstance(event, Trades | Fill):
            self._latest.clear()
        self._pending.append(event)
        if self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self.flush)

    def put_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self.put(event)

    def flush(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        pending, self._pending = self._pending, []
        self._latest.clear()
        try:
            for event in pending:
                if event is not None and self.failure is None:
                    self._emit(event)
        except Exception as error:  # noqa: BLE001 - whatever it is: `watch` raises it
            self.failure = error
            self._broken.set()

    def _supersede(self, kind: type) -> None:
        at = self._latest.get(kind)
        if at is not None:
            self._pending[at] = None
            self.conflated += 1
        self._latest[kind] = len(self._pending)
