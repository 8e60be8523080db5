"""A generated market with known truth: jump-diffusion mid, takers of exponential reach, a book."""

import math
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeAlias

import numpy as np

from mm.model.events import Levels
from mm.model.units import BPS, Side
from mm.sim.market import Background, MarketEvent, Oracle, Taker
from mm.sim.scenario import Scenario

SIZE_TABLES = 32  # drawn once; each refresh of the book picks one
SIZE_SD = 0.5  # of the logarithm of a level's size
RESCALE_BPS = 100.0  # how far the mid moves before level gaps are measured again

Sizes: TypeAlias = tuple[tuple[int, float], ...]
"""(offset from the touch in ticks, size) per level."""
Handler: TypeAlias = Callable[[], MarketEvent]


class GeneratedMarket:
    """The market of `scenario`, drawn from `seed` alone, starting at `start_ms`.

    The true mid S is a jump-diffusion seen on the book's clock: it moves by its exact transition at
    each refresh and stands still between, so that what is published is what takers measure from
    and λ(δ) = A·exp(-κ·max(δ,0)) holds for a quote at depth δ of the *published* mid, to a tick.

    Everything happens in market time, a float of seconds since the start; `speed` market seconds
    pass per wall second, and only the wall appears in events. So `speed` multiplies arrival, jump
    and refresh rates, σ² and drift, divides the informed delay, and changes no distance, size or
    price. Satisfies `mm.sim.market.Market`; never ends.
    """

    def __init__(self, scenario: Scenario, seed: int, start_ms: int, speed: float = 1.0) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise ValueError(f"speed {speed} is not a positive number")
        self.scenario = scenario
        self.instrument = scenario.instrument
        self._start_ms = start_ms
        self._ms_per_s = 1e3 / speed
        self._random = np.random.default_rng(seed)
        self._now = 0.0
        self._diffused_at = 0.0
        self._mid = scenario.price
        self._popped_mid = scenario.price
        self._band = (0.0, 0.0)
        self._scale = 1.0
        self._size_rows = self._draw_sizes()
        self._offset_rows: tuple[Sizes, ...] = ()
        self._due: list[tuple[float, int, Handler]] = []
        self._scheduled = 0
        self._books = 0
        self._oracles = 0
        self._schedule(0.0, self._book)
        self._schedule(0.0, self._oracle)
        self._schedule_taker()
        self._schedule_jump()
        self._event = self._next()

    @property
    def mid(self) -> float:
        """The true S at the last event popped."""
        return self._popped_mid

    def next_ms(self) -> int:
        return self._event.time_ms

    def pop(self) -> MarketEvent:
        event = self._event
        self._popped_mid = self._mid
        self._event = self._next()
        return event

    # -- time -----------------------------------------------------------------------------------

    def _schedule(self, time_s: float, handler: Handler) -> None:
        self._scheduled += 1
        heappush(self._due, (time_s, self._scheduled, handler))

    def _next(self) -> MarketEvent:
        self._now, _, handler = heappop(self._due)
        return handler()

    def _time_ms(self) -> int:
        return self._start_ms + math.floor(self._now * self._ms_per_s)

    # -- the mid --------------------------------------------------------------------------------

    def _diffuse(self) -> None:
        """Exact transition of a geometric Brownian motion up to now: E[S] grows by the drift."""
        duration_s = self._now - self._diffused_at
        self._diffused_at = self._now
        mid = self.scenario.mid
        mean = mid.drift_bps_per_s * duration_s / BPS
        self._shift(mean, mid.sigma_bps / BPS * math.sqrt(duration_s))

    def _shift(self, mean: float, sd: float) -> None:
        draw = self._random.standard_normal()
        self._mid *= math.exp(mean + sd * draw - sd * sd / 2.0)

    def _schedule_jump(self) -> None:
        rate = self.scenario.mid.jump_rate_per_s
        if rate > 0.0:
            self._schedule(self._now + self._random.standard_exponential() / rate, self._jump)

    def _jump(self) -> MarketEvent:
        self._shift(0.0, self.scenario.mid.jump_sd_bps / BPS)
        self._schedule_jump()
        return self._background()

    # -- takers ---------------------------------------------------------------------------------

    def _schedule_taker(self) -> None:
        rate = 2.0 * self.scenario.takers.arrival_per_s
        self._schedule(self._now + self._random.standard_exponential() / rate, self._taker)

    def _taker(self) -> MarketEvent:
        takers = self.scenario.takers
        aggressor = Side.BID if self._random.random() < 0.5 else Side.ASK
        reach_bps = self._random.standard_exponential() / takers.kappa_per_bps
        if self._random.random() < takers.informed_share:
            delay_s = takers.informed_delay_ms / 1e3
            move = self._rise if aggressor is Side.BID else self._fall
            self._schedule(self._now + delay_s, move)
        self._schedule_taker()
        limit = self._mid * (1.0 + aggressor * reach_bps / BPS)
        return Taker(self._time_ms(), aggressor, limit, None)

    def _rise(self) -> MarketEvent:
        return self._informed(Side.BID)

    def _fall(self) -> MarketEvent:
        return self._informed(Side.ASK)

    def _informed(self, direction: Side) -> MarketEvent:
        self._mid *= 1.0 + direction * self.scenario.takers.informed_move_bps / BPS
        return self._background()

    # -- the book -------------------------------------------------------------------------------

    def _book(self) -> MarketEvent:
        self._books += 1
        self._schedule(self._books * self.scenario.depth.interval_ms / 1e3, self._book)
        return self._background()

    def _oracle(self) -> MarketEvent:
        self._oracles += 1
        self._schedule(self._oracles * self.scenario.oracle_interval_ms / 1e3, self._oracle)
        return Oracle(self._time_ms(), self._mid)

    def _background(self) -> Background:
        """Both touches rounded outward by less than a tick: their mid is S within half a tick."""
        self._diffuse()
        mid = self._mid
        if not self._band[0] <= mid < self._band[1]:
            self._rescale()
        scale = self._scale
        half = self.scenario.depth.half_spread_bps / BPS
        bid = math.floor(mid * (1.0 - half) * scale)
        ask = math.ceil(mid * (1.0 + half) * scale)
        index = int(self._random.random() * SIZE_TABLES)
        row = self._offset_rows[index]
        other = self._offset_rows[(index + SIZE_TABLES // 2) % SIZE_TABLES]
        # Division, not multiplication by the tick: it alone gives the float nearest to the decimal.
        bids: Levels = tuple([((bid - offset) / scale, size) for offset, size in row])
        asks: Levels = tuple([((ask + offset) / scale, size) for offset, size in other])
        return Background(self._time_ms(), bids, asks)

    def _draw_sizes(self) -> tuple[tuple[float, ...], ...]:
        depth, decimals = self.scenario.depth, self.scenario.size_decimals
        mean = depth.level_size_usd / self.scenario.price
        factors = self._random.lognormal(0.0, SIZE_SD, (SIZE_TABLES, depth.levels))
        step = 10.0**-decimals
        return tuple(
            tuple(max(round(mean * factor, decimals), step) for factor in row)
            for row in factors.tolist()
        )

    def _rescale(self) -> None:
        """Tick and level gap for the next 1 % of mid: the tick of the highest price in reach."""
        depth = self.scenario.depth
        low, high = (self._mid * (1.0 + sign * RESCALE_BPS / BPS) for sign in (-1, 1))
        reach_bps = depth.half_spread_bps + depth.levels * depth.level_gap_bps
        exponent = self.instrument.tick_exponent(high * (1.0 + reach_bps / BPS))
        self._scale = 10.0**-exponent
        gap = max(1, round(depth.level_gap_bps / BPS * self._mid * self._scale))
        self._band = (low, high)
        self._offset_rows = tuple(
            tuple((level * gap, size) for level, size in enumerate(row)) for row in self._size_rows
        )
