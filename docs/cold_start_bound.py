"""How much sooner the hungry formula can be filled twenty times, on markets of all kinds: a model.

`python -m docs.cold_start_bound [--seeds N]`, from the root of the repository, prints the table of
docs/calibration.md. Stretching prices or time turns one market into another, but for fee, γ and the
hours of window and horizon: so κ, A and κσ/√A, how far S moves between two takers of a side over
how far they reach, are all there is. Takers, posterior, quotes, ladder and controller are the
project's own or as in its generated markets; there is no exchange, so no delay, no hysteresis and
no action budget.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from decimal import Decimal
from itertools import product
from statistics import fmean

import numpy as np
from msgspec import Struct

from mm.app.cold_start import HALF_ARRIVALS
from mm.commands.cold_start import ratio
from mm.core.settings import (
    AdverseSettings,
    CalibrationSettings,
    IntensitySettings,
    RiskSettings,
    StrategySettings,
)
from mm.core.stochastic.calibration_controller import MEASURED_ARRIVALS, CalibrationController
from mm.core.stochastic.intensity import (
    POINTS,
    PRIOR_SHAPE,
    Evidence,
    Posterior,
    exposure_integrals,
    grid,
    posterior,
)
from mm.core.stochastic.kappa import OWN_FOR_CONFIDENCE, PRIOR_SD, PUBLIC_ARRIVALS
from mm.core.strategy import glft, ladder
from mm.model.events import Fill
from mm.model.market_params import MarketParams
from mm.model.quote import Level, Quote
from mm.model.units import NS_PER_S, SIDES, Side, depth_bps, nanoseconds
from mm.sim.scenarios import preset

STRATEGY, INTENSITY, ADVERSE = StrategySettings(), IntensitySettings(), AdverseSettings()
INSTRUMENT, FAIR = preset("thin").instrument, preset("thin").price
LOT = INSTRUMENT.round_size(Decimal(STRATEGY.lot_usd / FAIR))
MOST_LOTS = int(RiskSettings().max_position_usd / STRATEGY.lot_usd)
FEE_BPS = 1.5
HORIZON_S = 12 * 3600.0
STEP_S = 60.0
"""Quotes are renewed at least so often, and with each taker."""
TOUCH_PER_KAPPA = 4.5
"""The others' touch, in units of 1/κ: 18 bps at κ = 0.25/bps, where a lone optimum would stand."""
GAP_BPS = 1.0


class Market(Struct, frozen=True):
    """κ in 1/bps, A in 1/s a side, σ in bps/√s, and the expected adverse move in bps."""

    kappa: float
    arrival: float
    sigma: float
    adverse_bps: float = 0.2

    @property
    def moved(self) -> float:
        """How far S moves between two takers of a side, in mean reaches."""
        return self.kappa * self.sigma / math.sqrt(self.arrival)

    @property
    def name(self) -> str:
        return f"{self.kappa:g}, {self.arrival:g}, {self.sigma:.2g}"


class Policy(Struct, frozen=True):
    """`known`: quotes by the true κ and A, whatever was learned."""

    name: str = "off"
    window_h: float = 1.0
    known: bool = False


class ColdStart:
    """One market maker from a prior κ `prior` times the true one, until filled twenty times."""

    def __init__(self, market: Market, policy: Policy, seed: int, prior: float = 1 / 3) -> None:
        self.market, self.policy = market, policy
        self.random = np.random.default_rng(seed)
        self.now_s, self.lots, self.arrivals = 0.0, 0.0, 0
        self._half_s = HORIZON_S
        self.half_progress: float | None = None
        """Of the calibration, once ten arrivals had come."""
        self.touch_bps = TOUCH_PER_KAPPA / market.kappa
        self._log_kappa = grid(prior * market.kappa)
        self._rows = np.zeros((2, 2, POINTS))
        self._own, self._public = Evidence(self._rows[0]), Evidence(self._rows[1])
        self._markouts: dict[Side, list[float]] = {side: [] for side in SIDES}
        self.calibration = CalibrationController(
            CalibrationSettings(policy=policy.name, window_s=3600.0 * policy.window_h)
        )

    def run(self) -> tuple[float, float]:
        """Seconds to twenty arrivals and for the last ten, restricted to the horizon."""
        while self.arrivals < MEASURED_ARRIVALS and self.now_s < HORIZON_S:
            wait_s = self.random.exponential(0.5 / self.market.arrival)
            end_s = min(self.now_s + wait_s, HORIZON_S)
            quote = self._quote()
            while self.now_s < end_s:
                span_s = min(STEP_S, end_s - self.now_s)
                self._expose(quote[1], span_s)
                self.now_s += span_s
                if self.now_s < end_s:
                    quote = self._quote()
            if self.now_s < HORIZON_S:
                self._taker(*quote)
        return self.now_s, self.now_s - self._half_s

    def _posterior(self) -> Posterior:
        n = self._public.arrivals
        weight = min(INTENSITY.public_weight, PUBLIC_ARRIVALS / n if n else 1.0)
        b0 = PRIOR_SHAPE / INTENSITY.arrival_prior_per_s
        return posterior(self._log_kappa, self._own, self._public, weight, b0)

    def _quote(self) -> tuple[MarketParams, Quote]:
        known, calibration, market = self._posterior(), self.calibration, self.market
        sharp = max(1.0 - known.sd_log / PRIOR_SD, 0.0)
        confidence = sharp * min(1.0, self._own.arrivals / OWN_FOR_CONFIDENCE)
        calibration.update_calibration_status(self._ns, self.arrivals, confidence)
        if self.arrivals == HALF_ARRIVALS and self.half_progress is None:
            self.half_progress = calibration.calibration_progress()
        point = known.kappa_value, known.arrival_value
        kappa, arrival = (market.kappa, market.arrival) if self.policy.known else point
        params = MarketParams(
            ts=self._ns,
            fair=FAIR,
            sigma=market.sigma,
            kappa=kappa,
            arrival=arrival,
            gamma=STRATEGY.gamma,
            maker_fee_bps=FEE_BPS,
            adverse_bid_bps=self._adverse(Side.BID),
            adverse_ask_bps=self._adverse(Side.ASK),
            min_edge_bps=STRATEGY.min_edge_bps,
            max_inventory_lots=MOST_LOTS,
            premia=(),
            calibration_progress=calibration.calibration_progress(),
            calibration_complete=calibration.is_calibrated(),
            calibration_gamma_mult=calibration.gamma_multiplier(),
        )
        return params, glft.quote(params, self.lots)

    @property
    def _ns(self) -> int:
        return nanoseconds(self.now_s) + NS_PER_S

    def _adverse(self, side: Side) -> float:
        """The normal posterior of the mean, the noise of S over the horizon being known."""
        precision = ADVERSE.primary_s * self.market.sigma**2 / ADVERSE.prior_sd_bps**2
        return math.fsum(self._markouts[side]) / (len(self._markouts[side]) + precision)

    def _expose(self, quote: Quote, span_s: float) -> None:
        depths, own_s, public_s = [self.touch_bps], [0.0], [0.0]
        for side_quote in (quote.bid, quote.ask):
            depth = math.inf if side_quote is None else max(side_quote.depth_bps, 0.0)
            behind = depth > self.touch_bps
            public_s[0] += span_s * behind
            if depth < math.inf:
                depths.append(depth)
                own_s.append(span_s)
                public_s.append(-span_s * behind)
        fade = 0.5 ** (span_s / 3600.0 / INTENSITY.half_life_h)
        self._rows *= fade
        self._own.arrivals *= fade
        self._public.arrivals *= fade
        exposed = exposure_integrals(np.exp(self._log_kappa), depths, own_s, public_s)
        exposed[1] *= self._public.arrivals > 0
        self._rows[:, 1] += exposed

    def _taker(self, params: MarketParams, quote: Quote) -> None:
        """The next one: everything of ours up to its reach, or of the others' beyond the touch."""
        side = Side.BID if self.random.random() < 0.5 else Side.ASK
        reach = self.random.exponential(1.0 / self.market.kappa)
        built = ladder.build(quote, params, FRAME)
        levels = built.bids if side is Side.BID else built.asks
        depths = [max(depth_bps(side, float(level.price), FAIR), 0.0) for level in levels]
        taken = [level for level, depth in zip(levels, depths, strict=True) if depth <= reach]
        kappa, beyond = np.exp(self._log_kappa), [*depths, math.inf]
        if taken:
            self._own.arrive(kappa, [(depths[len(taken) - 1], beyond[len(taken)])])
            self._fill(side, taken)
        elif reach >= self.touch_bps:
            near = self.touch_bps + GAP_BPS * int((reach - self.touch_bps) / GAP_BPS)
            self._public.arrive(kappa, [(near, min(near + GAP_BPS, beyond[0]))])

    def _fill(self, side: Side, taken: Sequence[Level]) -> None:
        size = sum((level.size for level in taken), Decimal(0))
        self.arrivals += 1
        if self.arrivals == HALF_ARRIVALS:
            self._half_s = self.now_s
        self.lots += side * float(size / LOT)
        noise = self.market.sigma * math.sqrt(ADVERSE.primary_s)
        self._markouts[side].append(self.random.normal(self.market.adverse_bps, noise))
        key, none = self.arrivals, Decimal(0)
        price = Decimal(repr(FAIR))
        self.calibration.record_fill(
            Fill(self._ns, self._ns, key, str(key), key, side, price, size, none, none, quote=True)
        )


FRAME = ladder.Frame(
    instrument=INSTRUMENT,
    lot_size=LOT,
    room_bid=MOST_LOTS * LOT,
    room_ask=MOST_LOTS * LOT,
    best_bid=None,
    best_ask=None,
    levels=STRATEGY.levels,
    entropy_ratio=STRATEGY.entropy_ratio,
    spacing_per_kappa=STRATEGY.level_spacing_per_kappa,
)
MARKETS = tuple(
    Market(kappa, arrival, moved * math.sqrt(arrival) / kappa)
    for moved, kappa, arrival in product(
        (1.0, 3.0, 6.0, 10.0), (0.02, 0.1, 0.25, 0.5), (0.012, 0.024)
    )
)
OTHERS = Policy(known=True), Policy("fill_hungry"), Policy("fill_hungry", window_h=24.0)
HEAD = (
    "| κσ/√A | κ, A, σ | `off`, h | not by 12 h | truth known | 1 h | 24 h "
    "| its last ten | progress at ten |"
)


def row(market: Market, seeds: int) -> str:
    """Hours under "off", and what the others need of them ± one standard error."""
    off, off_last, _ = runs(market, Policy(), seeds)
    cells = [f"{fmean(off) / 3600:.2f}", f"{sum(t >= HORIZON_S for t in off) / seeds:.0%}"]
    for policy in OTHERS:
        whole, last, progress = runs(market, policy, seeds)
        cells.append(share(whole, off))
    cells += share(last, off_last), f"{fmean(progress):.2f}"
    return f"| {market.moved:.0f} | {market.name} | {' | '.join(cells)} |"


def runs(market: Market, policy: Policy, seeds: int) -> tuple[list[float], ...]:
    """Of each seed: the whole time, that for the last ten, and progress between them."""
    starts = [ColdStart(market, policy, seed) for seed in range(seeds)]
    whole, last = zip(*(start.run() for start in starts), strict=True)
    progress = [start.half_progress for start in starts if start.half_progress is not None]
    return list(whole), list(last), progress


def share(found: Sequence[float], base: Sequence[float]) -> str:
    return "{:.2f} ± {:.2f}".format(*ratio(found, base))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.cold_start_bound", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    seeds = parser.parse_args().seeds
    sys.stdout.write(f"{HEAD}\n{'|---' * (HEAD.count('|') - 1)}|\n")
    for market in MARKETS:
        sys.stdout.write(f"{row(market, seeds)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
