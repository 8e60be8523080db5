"""The only file that asks what time it is."""

import asyncio
import time
from collections.abc import Callable

from mm.model.units import NS_PER_S, Ns


class WallClock:
    """Wall time at start plus monotonic elapsed: never steps back, whatever NTP does meanwhile."""

    def __init__(
        self,
        wall_ns: Callable[[], Ns] = time.time_ns,
        elapsed_ns: Callable[[], Ns] = time.monotonic_ns,
    ) -> None:
        self._elapsed_ns = elapsed_ns
        self._origin = wall_ns() - elapsed_ns()

    def now(self) -> Ns:
        return self._origin + self._elapsed_ns()

    async def sleep_until(self, ts: Ns) -> None:
        await asyncio.sleep(max(0, ts - self.now()) / NS_PER_S)


def stopwatch_ns() -> Ns:
    """For durations only: loop lag, cycle time, benchmarks."""
    return time.perf_counter_ns()


def cpu_ns() -> Ns:
    """Of this process, for benchmarks: waiting for a core does not count."""
    return time.process_time_ns()
