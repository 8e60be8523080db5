"""The only file that asks what time it is."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from mm.model.units import NS_PER_S, Ns

AWAKE: Final = time.CLOCK_MONOTONIC
SINCE_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", AWAKE)


def since_boot_ns() -> Ns:
    """Counts while the machine is suspended, where the system has such a clock: what was fresh
    before is old afterwards."""
    return time.clock_gettime_ns(SINCE_BOOT)


def awake_ns() -> Ns:
    """Stands still while the machine is suspended, as all timers do."""
    return time.clock_gettime_ns(AWAKE)


class WallClock:
    """Wall time at start plus elapsed: never steps back, whatever NTP does meanwhile."""

    def __init__(
        self,
        wall_ns: Callable[[], Ns] = time.time_ns,
        elapsed_ns: Callable[[], Ns] = since_boot_ns,
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
