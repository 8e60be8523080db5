"""What a turn of the engine costs, measured over the events of a real run."""

from collections import defaultdict
from pathlib import Path

from msgspec import Struct

from mm.adapters.journal import read_journal
from mm.app.clock import stopwatch_ns
from mm.core.engine import Engine
from mm.core.settings import EngineSettings


class Cost(Struct, frozen=True):
    """Microseconds of `Engine.step`, for one kind of event."""

    event: str
    count: int
    median_us: float
    p99_us: float
    max_us: float
    share: float
    """Of the time of all events."""


def costs(journal: Path) -> list[Cost]:
    """Dearest first; the last row is all events together. Raises JournalError."""
    header, entries = read_journal(journal)
    engine = Engine(header.settings_as(EngineSettings), header.instrument)
    taken: dict[str, list[int]] = defaultdict(list)
    for event, _ in entries:
        began = stopwatch_ns()
        engine.step(event)
        taken[type(event).__name__].append(stopwatch_ns() - began)
    total = sum(map(sum, taken.values()))
    rows = [_cost(name, times, total) for name, times in taken.items()]
    everything = [time for times in taken.values() for time in times]
    return [*sorted(rows, key=lambda row: -row.share), _cost("all", everything or [0], total)]


def table(rows: list[Cost]) -> list[str]:
    lines = [f"{'event':<14}{'count':>9}{'p50 us':>9}{'p99 us':>9}{'max us':>9}{'time':>7}"]
    return lines + [
        f"{row.event:<14}{row.count:>9}{row.median_us:>9.1f}{row.p99_us:>9.1f}"
        f"{row.max_us:>9.0f}{row.share:>7.0%}"
        for row in rows
    ]


def _cost(name: str, times: list[int], total: int) -> Cost:
    ranked = sorted(times)
    at = [ranked[min(len(ranked) - 1, int(q * len(ranked)))] / 1e3 for q in (0.5, 0.99, 1.0)]
    return Cost(name, len(times), at[0], at[1], at[2], sum(times) / total if total else 0.0)
