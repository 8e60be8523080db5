"""Hourly funding: the premium of the book over the oracle, sampled every 5 s, and its rate."""

from collections import deque
from collections.abc import Callable
from decimal import Decimal

HOUR_MS = 3_600_000
SAMPLE_MS = 5_000
INTEREST_8H = 0.0001
DAMPER_8H = 0.0005
MAX_HOURLY = 0.04
IMPACT_NOTIONAL_USD = 6_000
KEPT_HOURS = 500
RATE_DECIMALS = 10


def hourly_rate(premium: float) -> float:
    """1/8 of the 8 h formula, premium + clamp(interest - premium, ±0.05 %), capped at 4 %/h."""
    damped = premium + max(-DAMPER_8H, min(DAMPER_8H, INTEREST_8H - premium))
    rate = max(-MAX_HOURLY, min(MAX_HOURLY, damped / 8.0))
    return round(rate, RATE_DECIMALS)


def premium_of(impact_bid: float, impact_ask: float, oracle: float) -> float:
    """How far even the impact prices lie beyond the oracle, as a fraction of it."""
    return (max(0.0, impact_bid - oracle) - max(0.0, oracle - impact_ask)) / oracle


class Funding:
    """Premium average of the running hour and the rates of past hours, for one asset.

    The book changes only at events, so samples are taken when time has passed, not by a timer:
    a quiet hour costs one call.
    """

    __slots__ = ("_count", "_fixed", "_next_ms", "_sum", "history")

    def __init__(self, start_ms: int, fixed_rate: float | None) -> None:
        self._fixed = fixed_rate
        self._sum = 0.0
        self._count = 0
        self._next_ms = _after(start_ms, SAMPLE_MS)
        self.history: deque[tuple[int, float, float]] = deque(maxlen=KEPT_HOURS)
        """(time ms, hourly rate, average premium), oldest first."""

    def since(self, start_ms: int) -> list[tuple[int, Decimal, Decimal]]:
        """(time ms, hourly rate, premium) of past hours, oldest first."""
        return [
            (time_ms, round(Decimal(rate), RATE_DECIMALS), round(Decimal(premium), RATE_DECIMALS))
            for time_ms, rate, premium in self.history
            if time_ms >= start_ms
        ]

    def announce(self, rate: float) -> None:
        """Pay this hourly rate from now on, whatever the premium."""
        self._fixed = rate

    def sample(self, now_ms: int, premium: Callable[[], float | None]) -> None:
        """Account for the sampling instants before `now_ms`; the book has not changed since."""
        if now_ms <= self._next_ms:
            return
        times = (now_ms - 1 - self._next_ms) // SAMPLE_MS + 1
        self._next_ms += times * SAMPLE_MS
        value = premium()
        if value is not None:
            self._sum += value * times
            self._count += times

    @property
    def premium(self) -> float:
        """Average over the running hour so far."""
        return self._sum / self._count if self._count else 0.0

    @property
    def rate(self) -> float:
        """The hourly rate as it would be now."""
        return hourly_rate(self.premium) if self._fixed is None else self._fixed

    def settle(self, time_ms: int) -> float:
        """Close the hour; returns its rate."""
        rate = self.rate
        self.history.append((time_ms, rate, self.premium))
        self._sum, self._count = 0.0, 0
        return rate


def next_hour(now_ms: int) -> int:
    return _after(now_ms, HOUR_MS)


def _after(now_ms: int, step_ms: int) -> int:
    return (now_ms // step_ms + 1) * step_ms
