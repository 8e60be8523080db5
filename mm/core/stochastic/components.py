"""`StochasticComponents`: the estimators as one bundle, which the engine drives."""

from mm.core.pnl import PnlState
from mm.core.settings import StochasticSettings, StrategySettings
from mm.core.stochastic.adverse_selection import AdverseSelection, Markout
from mm.core.stochastic.calibration_controller import CalibrationController
from mm.core.stochastic.checkpoint import Checkpoint, decode, encode
from mm.core.stochastic.kappa import Fairs, KappaEstimator
from mm.core.stochastic.thompson import ThompsonSampler
from mm.core.stochastic.timeline import Timeline
from mm.core.stochastic.volatility import Volatility
from mm.model.estimate import Estimate
from mm.model.events import Fill, Levels, Trades
from mm.model.units import SIDES, Ns, Side, nanoseconds, seconds

RETAIN_S = 120.0
"""How late a fill may reach us and still be measured, beyond the longest horizon."""


class StochasticComponents:
    """Learns from events in order; `flush` at each Tick does the grid work.

    `ts` is receipt time, `venue_ts` the venue's: exposure runs in the first, what a fill or a
    trade met is looked up by the second. Splitting a batch of the same receipt time changes
    nothing, bit for bit.
    """

    __slots__ = (
        "_fair",
        "_fairs",
        "_prices",
        "_retain",
        "_settings",
        "_touch_bps",
        "_ts",
        "_venue_ts",
        "adverse",
        "calibration",
        "intensity",
        "thompson",
        "volatility",
    )

    def __init__(self, settings: StochasticSettings, strategy: StrategySettings) -> None:
        self._settings = settings
        self.volatility = Volatility(settings.volatility)
        self.intensity = KappaEstimator(settings.intensity)
        self.adverse = AdverseSelection(settings.adverse)
        self.calibration = CalibrationController(settings.calibration)
        self.thompson: ThompsonSampler | None = None
        if strategy.exploration == "thompson":
            self.thompson = ThompsonSampler(settings.intensity.seed, settings.intensity.resample_s)
        self._fairs: Fairs = Timeline()
        self._prices = {side: Timeline[tuple[float, ...]]() for side in SIDES}
        self._fair: float | None = None
        self._touch_bps: float | None = None
        self._ts: Ns = 0
        self._venue_ts: Ns = 0
        self._retain = nanoseconds(RETAIN_S + max(self.adverse.horizons_s))

    # -- learning ---------------------------------------------------------------------------------

    def learn_fair(self, ts: Ns, venue_ts: Ns, fair: float | None, half_spread_bps: float) -> None:
        """S, or the half-spread of the foreign touch, changed. None: unknown from here."""
        self._venue_ts = max(self._venue_ts, venue_ts)
        if fair == self._fair and half_spread_bps == self._touch_bps:
            return
        self._fairs.put(venue_ts, fair)
        self.intensity.exposure.set_fair(ts, fair, half_spread_bps)
        self._fair = fair
        if fair is None:
            self._touch_bps = None
            self.volatility.lose()
            return
        self._touch_bps = half_spread_bps
        self.volatility.learn(ts, fair)

    def learn_levels(self, ts: Ns, venue_ts: Ns, side: Side, prices: tuple[float, ...]) -> None:
        """Prices of our live quote orders of a side, closest to the market first."""
        self._prices[side].put(venue_ts, prices)
        self.intensity.exposure.set_closest(ts, side, prices[0] if prices else None)

    def learn_trades(self, event: Trades, bids: Levels, asks: Levels) -> None:
        """Public prints, with the foreign book before them."""
        self.intensity.learn_trades(event, bids, asks)

    def learn_fill(self, fill: Fill) -> None:
        """A unique fill; only those of our own quotes teach anything."""
        if not fill.quote:
            return
        self.calibration.record_fill(fill)
        if self.intensity.arrivals.learn(fill):
            self.adverse.learn(fill.side, fill.venue_ts, fill.ts)

    def flush(self, ts: Ns) -> tuple[Markout, ...]:
        """At each Tick: arrivals, exposure, decay, markouts due (returned)."""
        self._ts = ts
        self.intensity.flush(ts, self._fairs, self._prices, self._touch_bps)
        markouts = self.adverse.flush(ts, self._fairs)
        horizon = self._venue_ts - self._retain
        self._fairs.prune(horizon)
        for prices in self._prices.values():
            prices.prune(horizon)
        return markouts

    def update_calibration_status(self, ts: Ns) -> None:
        """Before each quote cycle, whether or not volatility is warm."""
        self.calibration.update_calibration_status(
            ts, self.adverse.measured, self.intensity.confidence
        )

    # -- what is known ----------------------------------------------------------------------------

    def sigma(self, ts: Ns) -> Estimate | None:
        """bps/√s; None while warming up."""
        return self.volatility.estimate(ts)

    def intensity_point(self, ts: Ns) -> tuple[float, float] | None:
        """(κ, A) to quote with: the posterior's centre, or Thompson's draw. None: no prior yet."""
        known = self.intensity.posterior
        if known is None:
            return None
        if self.thompson is not None:
            return self.thompson.draw(ts, known, self.intensity.total)
        return known.kappa_value, known.arrival_value

    def adverse_bps(self, side: Side, ts: Ns) -> float:
        """a_side at the primary horizon."""
        return self.adverse.adverse_bps(side, self.noise(ts))

    def noise(self, ts: Ns) -> float:
        """σ for the prior variance of a markout; 0 while unknown."""
        sigma = self.volatility.estimate(ts)
        return sigma.value if sigma is not None else 0.0

    # -- checkpoint -------------------------------------------------------------------------------

    def checkpoint(self, pnl: PnlState | None = None) -> bytes:
        """Everything learned, versioned, and `pnl` beside it. Restoring fades it by its age."""
        saved = Checkpoint(
            self._ts,
            self.volatility.state(),
            self.intensity.state(),
            self.adverse.state(),
            self.calibration.state(),
            self.thompson.draws if self.thompson is not None else 0,
            pnl=pnl,
        )
        return encode(saved)

    def restore(self, data: bytes, ts: Ns) -> PnlState | None:
        """Before any learning; returns the PnL beside what was learned.

        ValueError, and nothing changed, where `data` is no checkpoint.
        """
        saved = decode(data)
        age_s = max(seconds(ts - saved.ts), 0.0)
        volatility = Volatility(self._settings.volatility)
        volatility.load(saved.volatility, age_s, saved.ts)
        intensity = KappaEstimator(self._settings.intensity)
        intensity.load(saved.kappa, age_s)
        adverse = AdverseSelection(self._settings.adverse)
        adverse.load(saved.adverse, age_s)
        calibration = CalibrationController(self._settings.calibration)
        calibration.load(saved.calibration)
        self._ts = ts
        self.volatility, self.intensity = volatility, intensity
        self.adverse, self.calibration = adverse, calibration
        if self.thompson is not None:
            self.thompson.draws = saved.draws
        return saved.pnl
