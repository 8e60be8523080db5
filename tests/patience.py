"""Time that stands still while the machine does something else."""

import asyncio
import selectors
import threading
import time
from typing import Final, Self

from mm.model.units import NS_PER_S, Ns

NAP_S: Final = 0.1
OVERSLEPT_S, OVERWORKED_S = 0.01, 0.05
"""So much longer than asked a wait may take, and so long what is done between two waits: what goes
beyond is the machine's doing."""


class PatientSelector(selectors.DefaultSelector):
    """Waits in naps, and counts how long the process did not run."""

    def __init__(self) -> None:
        super().__init__()
        self._stalled_s = 0.0
        self._woke = time.monotonic()

    def time(self) -> float:
        """Never steps back."""
        worked_s = min(time.monotonic() - self._woke, OVERWORKED_S)
        return self._woke + worked_s - self._stalled_s

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        nap_s = NAP_S if timeout is None else max(0.0, min(timeout, NAP_S))
        began = time.monotonic()
        self._stalled_s += max(0.0, began - self._woke - OVERWORKED_S)
        found = super().select(nap_s)
        self._woke = time.monotonic()
        self._stalled_s += max(0.0, self._woke - began - nap_s - OVERSLEPT_S)
        return found


class PatientLoop(asyncio.SelectorEventLoop):
    """Timers and timeouts of all that run on it, server and client alike, wait for it."""

    def __init__(self) -> None:
        self._patience = PatientSelector()
        super().__init__(self._patience)

    def time(self) -> float:
        return self._patience.time()


class Stopwatch:
    """How long something took, less what the machine did not run even who only watches."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        over = False
        while not over:
            began = time.monotonic()
            over = self._over.wait(NAP_S)
            self.elapsed_s += min(time.monotonic() - began, NAP_S + OVERSLEPT_S)


def now_ns() -> Ns:
    """Wall time, less all that the running loop did not run; never steps back while it runs."""
    try:
        loop_s = asyncio.get_running_loop().time()
    except RuntimeError:
        return time.time_ns()
    return _EPOCH + int(loop_s * NS_PER_S)


_EPOCH: Final = time.time_ns() - time.monotonic_ns()
