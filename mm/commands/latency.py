"""Tick to order over loopback sockets: the daemon, the bare stack and the official SDK's."""

import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TypeAlias

import typer

from mm.app.latency import bare, ours, stock
from mm.app.latency.market import market
from mm.app.latency.samples import STAGES, Row, Samples, row
from mm.app.latency.setting import WARM_S

Measure: TypeAlias = Callable[[str, float], Samples]

GRACE_S = 60.0
RUNS: tuple[tuple[str, int, Measure], ...] = (
    ("mm", 1, ours.measure),
    ("mm", 100, ours.measure),
    ("bare", 1, bare.measure),
    ("bare", 100, bare.measure),
    ("sdk as installed", 1, stock.as_installed),
    ("sdk with coincurve", 1, stock.measure),
)
MISSING = (
    "the SDK's stack is not measured: install the development dependency hyperliquid-python-sdk"
)


def measure(duration_s: float) -> list[Row]:
    """Each stack in a process of its own, one after the other, each on a fresh market."""
    quiet = not sys.stderr.isatty()
    runs = list(_possible())
    with typer.progressbar(runs, label="tick to order", file=sys.stderr, hidden=quiet) as bar:
        return [row(stack, load, isolated(load, run, duration_s)) for stack, load, run in bar]


def table(rows: list[Row]) -> list[str]:
    head = f"{'stack':<20}{'load':>5}{'frames/s':>10}{'orders':>8}{'p50 us':>9}{'p90':>9}{'p99':>9}"
    lines = [head + "".join(f"{name:>9}" for name in STAGES)]
    for one in rows:
        whole = one.tick_to_order
        stages = "".join(f"{one.stages[name].p50_us:>9.0f}" for name in STAGES)
        lines.append(
            f"{one.stack:<20}{one.load:>4}x{one.frames_per_s:>10.0f}{whole.count:>8}"
            f"{whole.p50_us:>9.0f}{whole.p90_us:>9.0f}{whole.p99_us:>9.0f}{stages}"
        )
    lines += list(_compared({(one.stack, one.load): one for one in rows}))
    return lines if _sdk() else [*lines, MISSING]


def _compared(rows: dict[tuple[str, int], Row]) -> Iterator[str]:
    mine = rows["mm", 1].tick_to_order
    yield f"mm at 1x: p99 is {mine.p99_us / max(mine.p50_us, 1e-9):.1f} times the median"
    for (stack, load), one in rows.items():
        if stack != "mm" and load == 1:
            ratio = one.tick_to_order.p50_us / max(mine.p50_us, 1e-9)
            yield f"{stack}: {ratio:.2f} times the median of mm"
    for load in (1, 100):
        one = rows["mm", load]
        yield (
            f"mm at {load}x: {one.conflated} overtaken snapshots dropped; "
            f"longest pause of the garbage collector {one.gc_max_us / 1e3:.2f} ms"
        )


def _possible() -> Iterator[tuple[str, int, Measure]]:
    return (run for run in RUNS if _sdk() or not run[0].startswith("sdk"))


def _sdk() -> bool:
    return find_spec("hyperliquid") is not None


def isolated(load: int, run: Measure, duration_s: float) -> Samples:
    """Threads of the SDK take long to end: the process is ended when its figures are here."""
    context = get_context("spawn")
    mine, theirs = context.Pipe()
    with market(load) as url:
        process = context.Process(target=_run, args=(theirs, run, url, duration_s), daemon=True)
        process.start()
        try:
            if not mine.poll(WARM_S + duration_s + GRACE_S):
                raise TimeoutError("a measured stack did not end in time")
            found: Samples = mine.recv()
        finally:
            process.terminate()
            process.join()
    return found


def _run(pipe: Connection, run: Measure, url: str, duration_s: float) -> None:
    pipe.send(run(url, duration_s))
