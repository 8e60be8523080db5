"""What the drivers need from outside. Adapters fit these by shape; they do not import them."""

from collections.abc import Sequence
from typing import Protocol

from mm.model.actions import Action, Step
from mm.model.events import Event
from mm.model.units import Ns


class Clock(Protocol):
    """Wall time at start plus elapsed: never steps back."""

    def now(self) -> Ns: ...
    async def sleep_until(self, ts: Ns) -> None: ...


class Turner(Protocol):
    """Whatever takes events: one engine's runner, or all of them."""

    def handle(self, event: Event) -> None: ...


class Outbox(Protocol):
    """Where one engine's actions go."""

    def send(self, actions: Sequence[Action]) -> None:
        """Queue actions for the wire; never blocks. Answers come back as events."""
        ...


class Venue(Outbox, Protocol):
    """One account on one venue. Events go to the `emit` callable that it was built with."""

    async def run(self) -> None:
        """Connect, subscribe, reconcile, reconnect. Raises only what cannot heal."""
        ...

    async def cancel_all(self) -> int:
        """Cancel own orders and verify that none rests; returns how many are left."""
        ...


class Recorder(Protocol):
    """Told of every turn, in order, before its actions are sent: ledger, journal, metrics, log."""

    def record(self, event: Event, step: Step) -> None: ...
