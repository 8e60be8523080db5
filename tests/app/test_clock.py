"""What time it is."""

import sys
import time

import pytest

from mm.app.clock import WallClock, awake_ns
from mm.model.units import NS_PER_S

ASLEEP_NS = 600 * NS_PER_S


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no clock counts in a suspension")
def test_a_suspension_makes_old_what_was_fresh_but_spends_no_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the kernel's clocks CLOCK_BOOTTIME alone goes on."""
    clock, patience = WallClock(), WallClock(elapsed_ns=awake_ns)
    before, tried = clock.now(), patience.now()
    real = time.clock_gettime_ns

    def after(which: int) -> int:
        return real(which) + (ASLEEP_NS if which == time.CLOCK_BOOTTIME else 0)

    monkeypatch.setattr(time, "clock_gettime_ns", after)

    assert clock.now() - before >= ASLEEP_NS
    assert patience.now() - tried < ASLEEP_NS


def test_it_is_now() -> None:
    early = time.time_ns()
    now = WallClock().now()
    assert early - NS_PER_S < now < time.time_ns() + NS_PER_S
