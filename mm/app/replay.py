"""A journal through the engine again: the actions must be those that were taken, every one."""

from pathlib import Path

from msgspec import Struct

from mm.adapters.journal import actions_hash, is_closed, read_journal
from mm.core.engine import Engine
from mm.core.settings import EngineSettings


class Replayed(Struct, frozen=True):
    """`mismatch`: index of the first event whose actions differ; None where all agree."""

    run_id: str
    version: str
    events: int
    acting: int
    """Events that caused actions."""
    mismatch: int | None
    cut: bool = False
    """It ends without its closing: the last events of the run may be missing."""


def replay(path: Path) -> Replayed:
    """Raises JournalError where the file is no journal of this version, is damaged or has a gap."""
    header, entries = read_journal(path)
    engine = Engine(header.settings_as(EngineSettings), header.instrument)
    events = acting = 0
    for event, taken in entries:
        actions = actions_hash(engine.step(event))
        if actions != taken:
            return Replayed(header.run_id, header.version, events, acting, events)
        events += 1
        acting += actions != 0
    return Replayed(header.run_id, header.version, events, acting, None, not is_closed(path))
