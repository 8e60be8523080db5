"""The closed-form truth of a generated market (docs/model.md), in wall time."""

import math

from msgspec import Struct, structs

from mm.model.units import Side
from mm.sim.scenario import Scenario


class Truth(Struct, frozen=True, gc=False):
    """What an estimator should find: rates per wall second, distances in bps.

    A quote at depth δ from the true mid is reached at `arrival`·exp(-`kappa`·max(δ,0)) per side,
    exactly: a taker's limit is a float, never rounded to a tick. The published mid is off by at
    most half a tick, unbiased: E[exp(κε)] adds κ²·tick²/48 to rates. Variances are of 1e4·ΔS/S.
    """

    kappa: float
    arrival: float
    sigma: float
    """Diffusive volatility, bps per √s: what a jump-robust estimator tends to."""
    sigma_total: float
    """√(variance per second) with jumps and informed moves: what realised variance tends to."""
    variance_diffusion: float
    variance_jumps: float
    variance_informed: float
    adverse_bps: float
    """Expected signed markout of a fill by a taker, at horizons beyond `informed_delay_s`."""
    informed_delay_s: float
    drift_bps_per_s: float
    half_spread_bps: float
    tick_bps: float
    """The foreign book's mid lies within half of this of the true mid, unbiased."""

    def as_dict(self) -> dict[str, float]:
        return structs.asdict(self)

    def intensity(self, depth_bps: float) -> float:
        """Arrivals per wall second, one side, at a quote `depth_bps` from the true mid."""
        return self.arrival * math.exp(-self.kappa * max(depth_bps, 0.0))

    def markout_bps(self, side: Side, horizon_s: float) -> float:
        """Expected signed markout of a fill of a resting order on `side`, positive a cost.

        Other takers, diffusion and jumps are martingales and add nothing; drift does.
        """
        informed = self.adverse_bps if horizon_s > self.informed_delay_s else 0.0
        return informed - side * self.drift_bps_per_s * horizon_s


def truth(scenario: Scenario, speed: float = 1.0) -> Truth:
    """The truth of `scenario` when its market runs `speed` times faster than the wall."""
    mid, takers, depth = scenario.mid, scenario.takers, scenario.depth
    diffusion = mid.sigma_bps**2 * speed
    jumps = mid.jump_rate_per_s * speed * mid.jump_sd_bps**2
    informed = (
        2 * takers.arrival_per_s * speed * takers.informed_share * takers.informed_move_bps**2
    )
    return Truth(
        kappa=takers.kappa_per_bps,
        arrival=takers.arrival_per_s * speed,
        sigma=math.sqrt(diffusion),
        sigma_total=math.sqrt(diffusion + jumps + informed),
        variance_diffusion=diffusion,
        variance_jumps=jumps,
        variance_informed=informed,
        adverse_bps=takers.informed_share * takers.informed_move_bps,
        informed_delay_s=takers.informed_delay_ms / 1e3 / speed,
        drift_bps_per_s=mid.drift_bps_per_s * speed,
        half_spread_bps=depth.half_spread_bps,
        tick_bps=scenario.tick_bps,
    )
