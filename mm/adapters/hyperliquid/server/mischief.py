"""Draws the faults: which reply is lost, which request refused, when the sockets are cut."""

from random import Random

from mm.adapters.hyperliquid.server.options import Options
from mm.model.units import Ns, nanoseconds


class Mischief:
    """Reproducible: the same seed and the same traffic bring the same faults."""

    def __init__(self, options: Options) -> None:
        self._faults, self._on_reply = options.faults, options.on_reply
        self._random = Random(options.seed)  # noqa: S311  # faults are drawn, not secrets
        self._drop_due: Ns | None = None
        self._silence_due: Ns | None = None

    def refusal(self) -> int | None:
        """The HTTP status that this request is refused with before anything is done."""
        drawn = self._random.random()
        if drawn < self._faults.too_many:
            return 429
        return 500 if drawn < self._faults.too_many + self._faults.server_error else None

    def reply_delay(self) -> float | None:
        """Seconds to hold an executed action's reply; None: lose it."""
        if self._on_reply is not None:
            return self._on_reply()
        drawn = self._random.random()
        if drawn < self._faults.lost_reply:
            return None
        is_late = drawn < self._faults.lost_reply + self._faults.late_reply
        return self._faults.late_reply_s if is_late else 0.0

    def hides_reply(self) -> bool:
        """Whether an executed action is answered with 502."""
        return self._random.random() < self._faults.bad_gateway

    def copies_of_snapshot(self) -> int:
        return 1 + (self._random.random() < self._faults.duplicate_snapshot)

    def loses_update(self) -> bool:
        return self._random.random() < self._faults.lost_update

    def drops(self, now: Ns) -> bool:
        """Whether all websockets are to be cut now."""
        due, self._drop_due = self._next(self._drop_due, now, self._faults.drop_mean_s)
        return due

    def silences(self, now: Ns) -> bool:
        """Whether all websockets are to go silent now."""
        due, self._silence_due = self._next(self._silence_due, now, self._faults.silence_mean_s)
        return due

    def _next(self, due: Ns | None, now: Ns, mean_s: float) -> tuple[bool, Ns | None]:
        """Whether the appointed time has come, and the next one (exponential)."""
        if not mean_s or (due is not None and now < due):
            return False, due
        wait_s = self._random.expovariate(1.0 / mean_s)
        return due is not None, now + nanoseconds(wait_s)
