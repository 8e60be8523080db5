"""Two severities: withdraw clears itself, halt is latched until an operator resumes."""

from collections import deque
from decimal import Decimal

from mm.core.settings import RiskSettings
from mm.model.events import EquityMark
from mm.model.units import BPS, NS_PER_S, Ns, exact, nanoseconds, seconds

WINDOW_NS = 60 * NS_PER_S
FRESH_NS = 5 * NS_PER_S
MIN_REQUESTS = 20
"""No reject rate is judged on fewer requests in the window."""
DEPOSIT_FRACTION = Decimal("0.02")


LOSSES = ("drawdown", "daily loss")
"""First words of a halt for what the account has lost."""


class Equity:
    """Equity from the venue's first word plus PnL, ours and that of the instruments beside us
    (`others`); peaks and the day's start beside it.

    `day_start` is the daily loss limit's baseline, begun anew by a resume. `midnight` is what the
    day's profit is told from: equity at 0:00 UTC, or at the first mark of the day.

    A deposit or withdrawal (a jump that two audits in a row confirm and PnL does not explain)
    moves the baselines with it: it is neither loss nor gain. Nor is one that was made while nobody
    ran, which the first word shows beside the last mark of the run before.
    """

    def __init__(self) -> None:
        self.base: Decimal | None = None
        self.others = Decimal(0)
        self.peak: Decimal | None = None
        self.day_start: Decimal | None = None
        self.midnight: Decimal | None = None
        self.transferred = Decimal(0)
        """Deposits less withdrawals since the ledger began, as far as they were noticed."""
        self._before: EquityMark | None = None
        self._day: int | None = None
        self._unexplained: Decimal | None = None
        self._unvalued: Decimal | None = None

    def restore(
        self,
        peak: Decimal | None,
        day_start: Decimal | None,
        midnight: Decimal | None = None,
        before: EquityMark | None = None,
    ) -> None:
        """`before`: the last mark of the run before."""
        self.peak, self.day_start, self.midnight = peak, day_start, midnight
        self._before = before
        self.transferred = Decimal(0) if before is None else before.transferred

    def forget_before(self) -> None:
        """What PnL has been since the last run is not known after all: whatever is missing counts
        as lost."""
        self._before = None

    def audited(self, equity: Decimal, total: Decimal | None) -> Decimal:
        """Take the venue's equity; returns the deposit (+) or withdrawal (-) that it shows.

        `total` None: a position has no price yet, and `update` brings its worth.
        """
        if total is None:
            self._unvalued = equity
            return Decimal(0)
        if self.base is None:
            return self._begin(equity, total)
        jump = equity - (self.base + total + self.others)
        if abs(jump) <= DEPOSIT_FRACTION * abs(equity):
            self._unexplained = None
            return Decimal(0)
        before, self._unexplained = self._unexplained, jump
        if before is None or abs(jump - before) > DEPOSIT_FRACTION * abs(equity):
            return Decimal(0)
        self._unexplained = None
        self.base += jump
        self._move(jump)
        return jump

    def _begin(self, equity: Decimal, total: Decimal) -> Decimal:
        """The first word of a run; what was paid in or out since the run before."""
        self.base = equity - total - self.others
        before, self._before = self._before, None
        if before is None:
            return Decimal(0)
        jump = equity - (before.equity + total - before.pnl)
        if abs(jump) <= DEPOSIT_FRACTION * abs(equity):
            return Decimal(0)
        self._move(jump)
        return jump

    def _move(self, jump: Decimal) -> None:
        self.transferred += jump
        self.peak = self.peak + jump if self.peak is not None else None
        self.day_start = self.day_start + jump if self.day_start is not None else None
        self.midnight = self.midnight + jump if self.midnight is not None else None

    def update(self, total: Decimal | None, ts: Ns) -> Decimal:
        """Equity is now base + total + others: keep the peak, begin a new UTC day. Returns what
        was paid in or out before the run, where its worth had to be waited for."""
        moved = Decimal(0)
        if total is None:
            return moved
        if self.base is None and self._unvalued is not None:
            moved = self._begin(self._unvalued, total)
        now = self.now(total)
        if now is None:
            return moved
        self.peak = now if self.peak is None else max(self.peak, now)
        day = ts // (86_400 * NS_PER_S)
        new_day = self._day is not None and day != self._day
        if self.day_start is None or new_day:
            self.day_start = now
        if self.midnight is None or new_day:
            self.midnight = now
        self._day = day
        return moved

    def mark(self, total: Decimal | None) -> EquityMark | None:
        """For the ledger; None while equity is not known."""
        now = None if total is None else self.now(total)
        return None if total is None or now is None else EquityMark(now, total, self.transferred)

    def now(self, total: Decimal) -> Decimal | None:
        return None if self.base is None else self.base + total + self.others


class KillSwitch:
    """Watches loss, drawdown, rejects and pace; holds the latch."""

    def __init__(self, settings: RiskSettings) -> None:
        self._settings = settings
        self._max_drawdown = exact(settings.max_drawdown_fraction)
        self._max_daily_loss = exact(settings.max_daily_loss_fraction)
        self.equity = Equity()
        self.halted = ""
        self.paused = ""
        self._requests: deque[tuple[Ns, int]] = deque()
        self._rejects: deque[Ns] = deque()
        self._echoes: deque[Ns] = deque()
        self._sent = 0
        self._now: Ns = 0
        self._fairs: deque[tuple[Ns, float]] = deque()

    # -- evidence -------------------------------------------------------------------------------

    def sent(self, ts: Ns, actions: int) -> None:
        self._now = ts
        if actions:
            self._requests.append((ts, actions))
            self._sent += actions

    def rejected(self, ts: Ns) -> None:
        self._now = ts
        self._rejects.append(ts)

    def echoed(self, ts: Ns) -> None:
        """One more order of an action that was refused as a whole: that counts as one request."""
        self._echoes.append(ts)

    def moved(self, ts: Ns, fair: float) -> None:
        """S at `ts`, kept for the last second and once before it: what velocity is measured on."""
        if not self._fairs or ts - self._fairs[-1][0] >= NS_PER_S // 10:
            self._fairs.append((ts, fair))
        while len(self._fairs) > 1 and ts - self._fairs[1][0] >= NS_PER_S:
            self._fairs.popleft()

    def forget(self, ts: Ns) -> None:
        self._now = ts
        while self._requests and ts - self._requests[0][0] > WINDOW_NS:
            self._sent -= self._requests.popleft()[1]
        for heard in (self._rejects, self._echoes):
            while heard and ts - heard[0] > WINDOW_NS:
                heard.popleft()

    def resume(self, total: Decimal) -> None:
        """The operator has looked: loss, drawdown and rejects count from now."""
        self.equity.peak = self.equity.day_start = self.equity.now(total)
        self._rejects.clear()

    # -- verdicts -------------------------------------------------------------------------------

    def halt_reason(self, total: Decimal) -> str:
        """The limit that is broken now, or ""."""
        equity = self.equity
        now = equity.now(total)
        if now is not None and equity.peak is not None and equity.peak > 0:
            if equity.peak - now > self._max_drawdown * equity.peak:
                return f"{LOSSES[0]}: equity {now:.2f} from peak {equity.peak:.2f}"
            day = equity.day_start or now
            if day - now > self._max_daily_loss * day:
                return f"{LOSSES[1]}: equity {now:.2f} from {day:.2f} at the start of the day"
        if self._refused_anew and self.reject_rate() > self._settings.reject_rate_hard:
            return f"reject rate {self.reject_rate():.0%} above the hard limit"
        return ""

    @property
    def _refused_anew(self) -> bool:
        """While the soft limit pauses us, a rate that rises only because older requests leave the
        window is no news, and no reason to call an operator."""
        return bool(self._rejects) and self._now - self._rejects[-1] <= FRESH_NS

    def reject_rate(self) -> float:
        requests = self._sent - len(self._echoes)
        return len(self._rejects) / requests if requests >= MIN_REQUESTS else 0.0

    def pace_reason(self) -> str:
        """Why no new risk may be taken although there is a price, or ""."""
        settings = self._settings
        if self.paused:
            return f"paused: {self.paused}"
        if self.reject_rate() > settings.reject_rate_soft:
            return f"reject rate: {self.reject_rate():.0%}"
        if self._sent > settings.max_actions_per_min:
            return f"action rate: {self._sent}/min"
        if self.velocity_bps_per_s() > settings.max_velocity_bps_per_s:
            return f"price velocity: {self.velocity_bps_per_s():.0f} bps/s"
        return ""

    def velocity_bps_per_s(self) -> float:
        """Largest move of S within the last second; over a longer gap between books, per second."""
        if len(self._fairs) < 2:
            return 0.0
        now, last = self._fairs[-1]
        moves = (abs(last - s) / max(seconds(now - ts), 1.0) for ts, s in self._fairs)
        return max(moves) / last * BPS


def price_reason(
    settings: RiskSettings, ts: Ns, seen_ts: Ns | None, fair: float | None, oracle: float | None
) -> str:
    """Why there is no price to quote around, or ""."""
    if fair is None or seen_ts is None:
        return "no fair price yet"
    if ts - seen_ts > nanoseconds(settings.max_book_age_s):
        return f"stale book: {seconds(ts - seen_ts):.1f} s old"
    if oracle is not None:
        distance = abs(fair - oracle) / oracle * BPS
        if distance > settings.max_oracle_distance_bps:
            return f"fair price {distance:.0f} bps from the oracle"
    return ""
