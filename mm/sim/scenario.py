"""What a generated market is made of: mid, takers, depth. These parameters are its truth."""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from mm.model.instrument import Instrument

Positive: TypeAlias = Annotated[float, Meta(gt=0)]
NonNegative: TypeAlias = Annotated[float, Meta(ge=0)]
Interval: TypeAlias = Annotated[float, Meta(ge=1)]


class ScenarioError(ValueError):
    """A scenario that cannot be built; the message names the key and the fix."""


class Mid(Struct, frozen=True, kw_only=True, gc=False):
    """The true mid S: a jump-diffusion in continuous time, a martingale but for its drift."""

    sigma_bps: Positive
    """Diffusive volatility in bps per square root of a second."""
    drift_bps_per_s: float = 0.0
    jump_rate_per_s: NonNegative = 0.0
    jump_sd_bps: NonNegative = 0.0


class Takers(Struct, frozen=True, kw_only=True, gc=False):
    """Aggressive orders: a Poisson stream per side, of exponential reach beyond S."""

    arrival_per_s: Positive
    """A: arrivals a second on one side, whatever their reach."""
    kappa_per_bps: Positive
    """κ: the mean reach is 1/κ bps."""
    informed_share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    informed_move_bps: NonNegative = 0.0
    """How far S moves in an informed taker's direction, `informed_delay_ms` after it."""
    informed_delay_ms: Annotated[float, Meta(gt=0, lt=1000)] = 200.0


class Depth(Struct, frozen=True, kw_only=True, gc=False):
    """Everybody else's book: levels around S, refreshed on a clock and after every jump of S."""

    half_spread_bps: Annotated[float, Meta(gt=0, le=2000)]
    levels: Annotated[int, Meta(ge=1, le=50)] = 10
    level_gap_bps: Annotated[float, Meta(gt=0, le=100)] = 1.0
    level_size_usd: Positive = 20_000.0
    interval_ms: Interval = 250.0


class Scenario(Struct, frozen=True, kw_only=True, gc=False):
    """A generated market. Times and rates are the market's own; `speed` compresses them all."""

    name: str
    mid: Mid
    takers: Takers
    depth: Depth
    about: str = ""
    coin: Annotated[str, Meta(pattern="^([a-z0-9]{1,6}:)?[A-Za-z0-9]{1,12}$")] = "BTC"
    price: Positive = 64_000.0
    size_decimals: Annotated[int, Meta(ge=0, le=5)] = 5
    asset: Annotated[int, Meta(ge=0)] = 0
    leverage_tiers: tuple[tuple[Positive, Annotated[int, Meta(ge=1, le=40)]], ...] = (
        (150_000_000.0, 20),
    )
    """(position in USD from which, leverage at most): BTC's on the venue."""
    oracle_interval_ms: Interval = 3_000.0

    @property
    def instrument(self) -> Instrument:
        return Instrument(
            name=self.coin,
            asset=self.asset,
            size_decimals=self.size_decimals,
            price_decimals=6 - self.size_decimals,
            leverage_tiers=self.leverage_tiers,
        )

    @property
    def tick_bps(self) -> float:
        return self.instrument.tick_bps(self.price)
