"""The watchdog's own process: `python -m mm.app.watchdog_process`, with its charge on stdin.

The first line of stdin is the charge, each further line a heartbeat; `bye` ends it. Where the pipe
ends without that, or falls silent, the daemon is dead or stuck, and its orders are cancelled.
"""

import os
import select
import sys
from collections.abc import Callable

import msgspec

from mm.adapters.hyperliquid.warden import Charge, Warden, WardenError
from mm.adapters.logs import configure, log
from mm.app.clock import WallClock, awake_ns
from mm.model.units import NS_PER_MS, nanoseconds

BYE = b"bye"
PAUSE_S, MAX_PAUSE_S = 0.5, 15.0
READ_BYTES = 4096


class Pipe:
    """Heartbeats. `closed` and `bye` say how it ended."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held = b""
        self.closed = False
        self.bye = False

    def line(self) -> bytes:
        """The first one, waited for."""
        while b"\n" not in self._held and not self.closed:
            self._read()
        first, _, self._held = self._held.partition(b"\n")
        return first

    def beats(self, within_s: float) -> bool:
        """Did it beat, or end, within this time?"""
        ready, _, _ = select.select([self._descriptor], [], [], within_s)
        if ready:
            self._read()
            self.bye = self.bye or BYE in self._held
            self._held = self._held[-len(BYE) :]
        return bool(ready)

    def _read(self) -> None:
        data = os.read(self._descriptor, READ_BYTES)
        self.closed = not data
        self._held += data


class Watch:
    """Waits while the heart beats; sweeps while it does not."""

    def __init__(self, pipe: Pipe, charge: Charge, warden: Warden, clock: WallClock) -> None:
        self._pipe = pipe
        self._charge = charge
        self._warden = warden
        self._clock = clock

    def run(self) -> int:
        """The exit code: 0 where nothing was left to do."""
        while True:
            alive = self._pipe.beats(self._charge.silence_s)
            if self._pipe.bye:
                return 0
            if self._pipe.closed:
                _say("error", "The daemon died: its orders are cancelled")
                return 0 if self._sweep(lambda: False) else 1
            if not alive:
                _say("error", "No sign of life from the daemon: its orders are cancelled")
                self._sweep(lambda: self._pipe.beats(0.0))
                self._wait_for_life()

    def _wait_for_life(self) -> None:
        while not self._pipe.beats(self._charge.silence_s):
            pass
        if not self._pipe.closed:
            _say("warning", "The daemon lives again")

    def _sweep(self, interrupted: Callable[[], bool]) -> bool:
        """Until nothing rests and nothing can be on its way; False where that never came."""
        began, pause_s, cancelled = self._clock.now(), PAUSE_S, 0
        settled = began + nanoseconds(self._charge.expires_s + 1.0)
        until = began + nanoseconds(self._charge.give_up_s)
        while self._clock.now() < until and not interrupted():
            try:
                found = self._warden.sweep()
                cancelled += found
                pause_s = PAUSE_S
                if not found and self._clock.now() > settled:
                    _say("warning", "Nothing of it rests any more", cancelled=cancelled)
                    return True
            except WardenError as error:
                pause_s = min(2.0 * pause_s, MAX_PAUSE_S)
                _say("error", "Orders may rest", reason=str(error))
            select.select([], [], [], pause_s)
        return False


def _say(level: str, text: str, **data: int | str) -> None:
    log(level, "watchdog", text, None, **data)


def main() -> int:
    configure()
    pipe = Pipe(sys.stdin.fileno())
    charge = msgspec.json.decode(pipe.line(), type=Charge)
    clock = WallClock(elapsed_ns=awake_ns)  # its patience is for what it can try
    warden = Warden(charge, lambda: clock.now() // NS_PER_MS)
    return Watch(pipe, charge, warden, clock).run()


if __name__ == "__main__":
    sys.exit(main())
