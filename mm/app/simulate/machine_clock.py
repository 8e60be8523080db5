"""The clocks of the daemon's machine, none of which need be right."""

from typing import Final

from mm.app.simulate.host import current_host
from mm.app.simulate.loop import SimLoop
from mm.app.simulate.plan import Plan
from mm.model.units import Ns

PPM: Final = 1_000_000


class MachineClock:
    """What it says of the time; the plan sets how far off it is at the start and how it drifts."""

    def __init__(self, loop: SimLoop, plan: Plan) -> None:
        self.stepped_ns: Ns = 0
        """By how much somebody has set the wall clock wrong; a process reads it once."""
        self._stood_still_ns: Ns = 0
        self._read_ns: Ns = 0
        """What a process was last told."""
        self._loop, self._plan = loop, plan
        self._booted = loop.elapsed_ns()

    def elapsed_ns(self) -> Ns:
        """Never steps back."""
        true = self._loop.elapsed_ns()
        drift = (true - self._booted) * self._plan.drift_ppm // PPM
        told = true + drift - self._stood_still_ns
        if current_host() is not None:
            self._read_ns = told
        return told

    def has_stood_since(self, told: Ns) -> None:
        """It counts on from what `elapsed_ns` told then: the machine was suspended, so that nobody
        was told more, else AssertionError."""
        if self._read_ns > told:
            raise AssertionError("a process runs on a suspended machine: its clock would step back")
        self._stood_still_ns += self.elapsed_ns() - told

    def wall_ns(self) -> Ns:
        return self._plan.start_ns + self.elapsed_ns() + self._plan.ahead_ns + self.stepped_ns

    def error_ns(self, told: Ns) -> Ns:
        """Of a clock that says so now."""
        return told - self._plan.start_ns - self._loop.elapsed_ns()
