"""A small market maker's worth of views: what the page and the metrics are fed with in tests."""

import math
from decimal import Decimal
from random import Random

from mm.model.actions import Note, Severity
from mm.model.estimate import Estimate, Source, told
from mm.model.events import Fill
from mm.model.quote import Term
from mm.model.units import NS_PER_S, Ns, Side, depth_bps, price_at
from mm.model.view import (
    AdverseView,
    CalibrationView,
    HealthView,
    MarketView,
    OrderView,
    PaceView,
    PnlView,
    PositionView,
    SafetyView,
    SideView,
    View,
)

START: Ns = 1_790_000_000 * NS_PER_S
LEVELS = 5
TICK = Decimal("0.5")


class Maker:
    """A fair price on a random walk, quotes around it, fills at level 1; PnL adds up exactly."""

    def __init__(self, seed: int = 7, start: Ns = START) -> None:
        self.ts = start
        self.start = start
        self.random = Random(seed)
        self.fair = 64_250.0
        self.centre = self.fair
        self.drift = 0.0
        self.position = Decimal(0)
        self.spread, self.fees, self.cash = Decimal(0), Decimal(0), Decimal(0)
        self.fills: list[Fill] = []
        self.notes: list[Note] = []
        self.commands: list[tuple[str, str]] = []
        self.state = "quoting"
        self.flatten = ""
        self.not_ready = ""
        self.loop_lag_s = 0.0004
        self.blind = False
        self.ignorant = False
        self.label = "EMBEDDED"
        self.name = "BTC"

    # -- the market ------------------------------------------------------------------------

    def advance(self, dt_s: float) -> list[Fill]:
        """Move the market and fill some quotes; returns the new fills."""
        self.ts += round(dt_s * NS_PER_S)
        self.drift = 0.98 * self.drift + self.random.gauss(0, 0.04) * math.sqrt(dt_s)
        self.fair *= 1 + (self.drift * dt_s + self.random.gauss(0, 0.45) * math.sqrt(dt_s)) / 1e4
        if abs(1e4 * (self.fair / self.centre - 1)) > 0.8:
            self.centre = self.fair
        return [
            self.fill(side)
            for side in (Side.BID, Side.ASK)
            if self.state == "quoting" and self.random.random() < 0.09 * dt_s
        ]

    def fill(self, side: Side) -> Fill:
        price, size = self._price(side, 1), Decimal("0.004")
        fee = price * size * Decimal("0.00015")
        fill = Fill(
            self.ts, self.ts, len(self.fills) + 1, f"0x6d6d{len(self.fills):028x}", 77,
            side, price, size, fee, self.position, True,
        )  # fmt: skip
        self.position += side * size
        self.cash -= side * price * size + fee
        self.fees += fee
        self.spread += side * (self._exact_fair() - price) * size
        self.fills.append(fill)
        return fill

    def note(
        self, topic: str, text: str, severity: Severity = Severity.INFO, **data: float | str
    ) -> Note:
        note = Note(self.ts, severity, topic, text, dict(data))
        self.notes.append(note)
        return note

    # -- what an operator sees ---------------------------------------------------------------

    def view(self) -> View | None:
        if self.blind:
            return None
        return View(
            self.ts, self.name, self.label, self._market(), self._calibration(),
            self._side("bid"), self._side("ask"), self._orders(), self._position(),
            self._pnl(), self._safety(),
        )  # fmt: skip

    def health(self) -> HealthView:
        ages = {"bbo": 0.08, "book": 0.31, "trades": 1.4, "user": 2.2, "reference": 2.9}
        uptime_s = (self.ts - self.start) / NS_PER_S
        return HealthView(uptime_s, ages, 0, self.loop_lag_s, 0)

    def ready(self) -> tuple[bool, str]:
        return not self.not_ready, self.not_ready

    def command(self, verb: str, reason: str) -> None:
        self.commands.append((verb, reason))

    # -- its parts ---------------------------------------------------------------------------

    def _exact_fair(self) -> Decimal:
        return Decimal(repr(round(self.fair, 1)))

    @property
    def _progress(self) -> float:
        n = len(self.fills)
        return 0.5 * min(1.0, n / 20) + 0.5 * min(1.0, (1 - 1 / math.sqrt(1 + n / 4)) / 0.6)

    @property
    def _multiplier(self) -> float:
        return 0.3 + 0.7 * self._progress

    def _price(self, side: Side, level: int) -> Decimal:
        depth = 1.6 + 3.0 * self._multiplier + (level - 1) * 1.1
        raw = Decimal(repr(round(price_at(side, depth, self.centre), 1)))
        return (raw / TICK).quantize(Decimal(1)) * TICK

    def _market(self) -> MarketView:
        if self.ignorant:
            return MarketView(None, None, None, None, None, None, None, None, 0.0, (), None,
                              "", told(1.5, Source.PRIOR, None), None)  # fmt: skip
        n = len(self.fills)
        width = 0.75 / math.sqrt(1 + n / 3)
        kappa = 0.26 * (1 + 0.3 * math.exp(-n / 6))
        arrival = 0.11 * (1 - 0.4 * math.exp(-n / 6))
        adverse = tuple(
            AdverseView(side, horizon, mean, 1.6 / math.sqrt(1 + n), float(n) / 2, Source.OWN, 3.0)
            for side, bias in (("bid", 0.25), ("ask", -0.1))
            for horizon, mean in ((1.0, 0.35 + bias), (5.0, 0.7 + bias), (30.0, 0.9 + bias))
        )
        return MarketView(
            self.fair, self.fair - 4.5, self.fair + 4.5, self.fair + 3.0,
            Estimate(0.46, 0.42, 0.51, 300, Source.PUBLIC, 0.3), 1.08,
            Estimate(kappa, kappa * math.exp(-width), kappa * math.exp(width), n, Source.OWN, 3.0),
            Estimate(arrival, arrival * math.exp(-width), arrival * math.exp(width), n, Source.OWN),
            1 - width, adverse, 0.31,
            "mid", told(1.5, Source.VENUE, 60.0), told(0.125, Source.VENUE, 3.0),
        )  # fmt: skip

    def _calibration(self) -> CalibrationView:
        m, progress = self._multiplier, self._progress
        complete = progress >= 0.95
        return CalibrationView(
            "fill_hungry", "width", 1.0 if complete else m, progress, complete, not complete,
            len(self.fills), max(0, len(self.fills) - 1), 9.4 * progress, 10.0,
            0.0 if complete else 3.0 * (1 - m), 0.021 * len(self.fills),
            None if complete else 540 * (1 - progress), "",
        )  # fmt: skip

    def _side(self, side: str) -> SideView:
        if self.state not in {"quoting", "halted"}:
            return SideView(side, self.state, None, (), "", 0.0, {self.state: 12.0}, 300.0)
        skew = float(self.position) * 90 * (1 if side == "bid" else -1)
        half = 3.0 * self._multiplier
        terms = (
            Term("fee", 1.5),
            Term("adverse", 0.1),
            Term("half_spread", half),
            Term("skew", skew),
        )
        depth = sum(term.bps for term in terms)
        blocked, spent = "", {"starting": 6.2}
        if self.state == "halted":  # it still says what it would ask
            blocked = "halted: daily loss 5.1 % of equity"
            spent = {"volatility warming up": 12.0, blocked: 3.0}
        return SideView(side, blocked, depth, terms, "glft", 1.29, spent, 300.0)

    def _orders(self) -> tuple[OrderView, ...]:
        if self.state != "quoting":
            return ()
        sides, levels = (Side.BID, Side.ASK), range(1, LEVELS + 1)
        return tuple(self._order(side, level) for side in sides for level in levels)

    def _order(self, side: Side, level: int) -> OrderView:
        price = self._price(side, level)
        size = Decimal("0.004") if level < 4 else Decimal("0.002")
        depth = depth_bps(side, float(price), self.fair)
        cloid = f"0x6d6d{side.label}{level}"
        return OrderView(cloid, side.label, level, price, size, "live", 7.5 * level, depth)

    def _position(self) -> PositionView:
        worst = Decimal("0.016")
        return PositionView(
            self.position, float(self.position / worst), worst, float(self.position) * self.fair,
            10_000.0, self.position + worst, self.position - worst,
        )  # fmt: skip

    def _pnl(self) -> PnlView:
        total = self.cash + self.position * self._exact_fair()
        adverse = self.spread * Decimal("0.2")
        inventory = total - self.spread + adverse + self.fees
        equity = Decimal(100_000) + total
        return PnlView(
            total, self.spread, adverse, inventory, self.fees, Decimal(0), equity,
            max(equity, Decimal(100_000)), total,
        )  # fmt: skip

    def _safety(self) -> SafetyView:
        reasons: tuple[str, ...] = () if self.state == "quoting" else ("book is stale: 6.1 s",)
        halt = "daily loss 5.1 % of equity" if self.state == "halted" else ""
        reasons += (f"halted: {halt}",) if halt else ()
        return SafetyView(
            self.state, reasons, halt, True, not self.not_ready, 9_431, PaceView(1.4, 2.9, 5),
            self.flatten,
        )  # fmt: skip
