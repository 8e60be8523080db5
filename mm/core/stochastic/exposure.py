"""How long our closest quote and the touch lay how deep (docs/model.md, Intensity)."""

from mm.model.units import BPS, NS_PER_S, Ns, Side

Exposed = tuple[list[float], list[float], list[float]]
"""Depths in bps (>= 0), and the seconds that each counts for as own and as public exposure."""


class Exposure:
    """Integrates between changes of S and of our orders, in receipt time.

    Own: per side only the closest live order is exposed. Public: an aggressive order is seen as
    public, and not as our arrival, when it reaches the foreign touch but not our closest quote:
    its exposure is e^(-κ·touch) - e^(-κ·δ₁), nothing while we are at the touch or inside.
    """

    __slots__ = ("_ask", "_bid", "_exposed", "_fair", "_touch", "_ts")

    def __init__(self) -> None:
        self._ts: Ns = 0
        self._fair: float | None = None
        self._touch = 0.0
        self._bid: float | None = None
        self._ask: float | None = None
        self._exposed: Exposed = ([], [], [])

    def set_fair(self, ts: Ns, fair: float | None, half_spread_bps: float) -> None:
        """None: the fair price is unknown from here on; no depth can be measured."""
        self.advance(ts)
        self._fair = fair
        self._touch = max(half_spread_bps, 0.0)

    def set_closest(self, ts: Ns, side: Side, price: float | None) -> None:
        self.advance(ts)
        if side is Side.BID:
            self._bid = price
        else:
            self._ask = price

    def advance(self, ts: Ns) -> None:
        """Close the running segment at `ts`."""
        span = (ts - self._ts) / NS_PER_S
        if span <= 0.0:
            return
        self._ts = ts
        fair = self._fair
        if fair is None:
            return
        scale = BPS / fair
        touch_s = self._closest(None if self._bid is None else (fair - self._bid) * scale, span)
        touch_s += self._closest(None if self._ask is None else (self._ask - fair) * scale, span)
        if touch_s:
            self._add(self._touch, 0.0, touch_s)

    def _closest(self, depth: float | None, span: float) -> float:
        """Count our closest quote of a side; the seconds that the touch lay before it."""
        if depth is None:
            return span
        if depth > self._touch:
            self._add(depth, span, -span)
            return span
        self._add(max(depth, 0.0), span, 0.0)
        return 0.0

    def _add(self, depth: float, own_s: float, public_s: float) -> None:
        depths, own, public = self._exposed
        depths.append(depth)
        own.append(own_s)
        public.append(public_s)

    def take(self, ts: Ns) -> Exposed:
        """All up to `ts`, handed over once."""
        self.advance(ts)
        taken, self._exposed = self._exposed, ([], [], [])
        return taken
