"""Everything a quote is a function of, besides inventory. Built once per cycle, then frozen."""

from msgspec import Struct

from mm.model.units import Ns


class Premium(Struct, frozen=True, gc=False):
    """A named, additive, bounded widening (docs/model.md, Quotes): >= 0 on each side."""

    name: str
    bid_bps: float
    ask_bps: float


class MarketParams(Struct, frozen=True, kw_only=True):
    """Units as in docs/model.md: bps, seconds, lots. `gamma` is the effective risk aversion."""

    ts: Ns
    fair: float
    sigma: float
    kappa: float
    arrival: float
    gamma: float
    maker_fee_bps: float
    adverse_bid_bps: float
    adverse_ask_bps: float
    min_edge_bps: float
    max_inventory_lots: int
    premia: tuple[Premium, ...] = ()
    calibration_gamma_mult: float = 1.0
    calibration_progress: float = 1.0
    calibration_complete: bool = True


class NotReady(Struct, frozen=True, gc=False):
    """Why there are no parameters yet: a refusal is a value with a reason."""

    reason: str
