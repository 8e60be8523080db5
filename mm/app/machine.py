"""What the daemon takes from the machine it runs on, so that a simulated one can stand in."""

import gc
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mm.adapters.data_dir import DataDir
from mm.adapters.ledger import Ledger
from mm.app.clock import WallClock
from mm.app.ports import Recorder

if TYPE_CHECKING:
    from mm.app.wiring import Wired


def _unwatched(_: "Wired") -> None:
    """Nobody looks at what was put together."""


@contextmanager
def _settled() -> Iterator[None]:
    """What a start leaves in memory stays there: the collector, which stops everything while it
    looks, need not look at it again."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Clock, chance and disk of a real process. `recorders` and `watch` are for who looks on."""

    clock: WallClock = field(default_factory=WallClock)
    token: Callable[[int], str] = secrets.token_hex
    """So many random bytes, as hex digits: run ids, throw-away keys."""
    open_data: Callable[[Path], DataDir] = DataDir.open
    open_ledger: Callable[[Path], Ledger] = Ledger.open
    recorders: Callable[[str], tuple[Recorder, ...]] = lambda _: ()
    """Those of a coin's turns, told after all others."""
    watch: Callable[["Wired"], None] = _unwatched
    """Called once, when everything is put together and before it runs."""
    settled: Callable[[], AbstractContextManager[None]] = _settled
    """Entered once, when what a start needed is no longer needed, until the run ends."""
