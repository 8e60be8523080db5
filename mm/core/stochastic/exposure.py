"""How long our closest quote lay how deep: (δ, dt) pairs, piecewise constant (`model.md` 3)."""

from mm.model.units import BPS, NS_PER_S, Ns, Side

Pairs = tuple[list[float], list[float]]
"""Depths in bps (>= 0) and spans in seconds."""


class Exposure:
    """Integrates between changes of S and of our orders, in receipt time.

    Own: per side only the closest live order is exposed. Public: an aggressive order is seen as
    public, and not as our arrival, when it reaches the foreign touch but not our closest quote:
    its exposure is e^(-κ·touch) - e^(-κ·δ₁), nothing while we are at the touch or inside.
    """

    __slots__ = ("_ask", "_behind", "_bid", "_fair", "_leading", "_touch", "_touches", "_ts")

    def __init__(self) -> None:
        self._ts: Ns = 0
        self._fair: float | None = None
        self._touch = 0.0
        self._bid: float | None = None
        self._ask: float | None = None
        self._leading: Pairs = ([], [])
        self._behind: Pairs = ([], [])
        self._touches: Pairs = ([], [])

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
        self._segment(None if self._bid is None else (fair - self._bid) * scale, span)
        self._segment(None if self._ask is None else (self._ask - fair) * scale, span)

    def _segment(self, depth: float | None, span: float) -> None:
        touch = self._touch
        if depth is not None:
            pairs = self._behind if depth > touch else self._leading
            pairs[0].append(max(depth, 0.0))
            pairs[1].append(span)
            if depth <= touch:
                return
        depths, spans = self._touches
        if depths and depths[-1] == touch:
            spans[-1] += span
        else:
            depths.append(touch)
            spans.append(span)

    def take(self, ts: Ns) -> tuple[Pairs, Pairs, Pairs]:
        """Up to `ts`, handed over once: our closest quote at the foreign touch or inside it, our
        closest quote behind it, and the touch itself while we are not leading."""
        self.advance(ts)
        taken = self._leading, self._behind, self._touches
        self._leading, self._behind, self._touches = ([], []), ([], []), ([], [])
        return taken
