"""`mm explain`: the quotes for given parameters, their terms, and how each parameter moves them."""

import math
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import astuple, replace

from mm.app.explain_inputs import KNOWN, Inputs, Parameter, premia
from mm.core.quoting import bound_by
from mm.core.settings import EngineSettings
from mm.core.strategy import glft, ladder
from mm.core.strategy.stationary import Stationary, intensity, stationary, sweep
from mm.model.market_params import MarketParams
from mm.model.quote import Ladder, Quote, SideQuote, Term
from mm.model.units import BPS, Side, depth_bps, exact, price_at

PER_H = 3600.0
ZERO = Decimal(0)
GAMMAS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
MOVABLE = {
    "gamma": "gamma",
    "kappa": "kappa",
    "arrival": "arrival",
    "sigma": "sigma",
    "maker_fee_bps": "maker_fee_bps",
    "adverse_bid_bps": "adverse_bid_bps",
    "adverse_ask_bps": "adverse_ask_bps",
    "min_edge_bps": "min_edge_bps",
    "max_inventory_lots": "max_inventory_lots",
    "multiplier": "calibration_gamma_mult",
}
"""Parameter -> field of MarketParams. Price, tick, lot and levels move no depth."""
OUTSIDE = ("funding_bps_per_h", "inventory_lots")


class Case(Struct, frozen=True):
    """Everything that the depths are a function of."""

    market: MarketParams
    inventory_lots: float
    funding_bps_per_h: float
    exactly: bool

    @property
    def target_lots(self) -> float:
        return glft.target_inventory(self.market, self.funding_bps_per_h / BPS)

    def quote(self, inventory_lots: float) -> Quote:
        return glft.quote(self.market, inventory_lots, self.exactly, self.target_lots)

    def long_run(self) -> Stationary:
        return stationary(self.market, self.exactly, self.target_lots)


class Rung(Struct, frozen=True, gc=False):
    level: int
    price: str
    size: str
    depth_bps: float


class SideView(Struct, frozen=True):
    """One side: what it quotes and why, what rests, and what to expect of it."""

    side: str
    depth_bps: float | None
    terms: tuple[Term, ...]
    binding: str
    blocked: str
    levels: tuple[Rung, ...]
    entropy: float
    """Nats; the most that the levels allow is their number's logarithm."""
    arrivals_per_h: float
    lots_per_arrival: float
    edge_bps: float
    """Of a fill, by size: depth less fee and adverse move."""


class Outcome(Struct, frozen=True):
    """What a set of parameters leads to; None on a side that does not quote."""

    bid_bps: float | None
    ask_bps: float | None
    half_spread_bps: float
    """m·h, the term in the quote."""
    skew_bps: float
    arrivals_per_h: float
    """Of both sides, at the first levels' depths of this inventory."""
    inventory_sd_lots: float


class Doubled(Struct, frozen=True):
    """A parameter with another value, and by how much each number moves."""

    name: str
    symbol: str
    value: float
    to: float
    change: dict[str, float | None]
    """By the fields of `Outcome`; None where a side does not quote."""


class GammaRow(Struct, frozen=True):
    """What a risk aversion would mean: flat quotes, and the long run of the inventory."""

    gamma: float
    half_spread_bps: float
    skew_per_lot_bps: float
    inventory_sd_lots: float
    arrivals_per_h: float
    edge_usd_per_h: float
    risk_usd_per_sqrt_h: float
    """Standard deviation of what S does to the inventory in an hour: σ·√E[q²]."""


class Point(Struct, frozen=True, gc=False):
    inventory_lots: float
    bid_bps: float | None
    ask_bps: float | None
    probability: float
    """Of the stationary distribution, at whole lots."""


class Explanation(Struct, frozen=True):
    parameters: tuple[Parameter, ...]
    bid: SideView
    ask: SideView
    now: Outcome
    long_run: GammaRow
    doubled: tuple[Doubled, ...]
    gammas: tuple[GammaRow, ...]
    curve: tuple[Point, ...]


def explain(given: Inputs) -> Explanation:
    """Everything from the functions that quote; ValueError where nothing can be quoted."""
    case = _case(given)
    quote = case.quote(given.inventory_lots)
    rests = ladder.build(quote, given.market, _frame(given))
    return Explanation(
        parameters=given.parameters,
        bid=_side(given, quote, rests, Side.BID),
        ask=_side(given, quote, rests, Side.ASK),
        now=_outcome(case),
        long_run=_row(given, given.market.gamma),
        doubled=_doubled(given),
        gammas=tuple(_row(given, gamma) for gamma in GAMMAS),
        curve=_curve(given),
    )


def depths(given: Inputs, inventory_lots: float) -> tuple[float | None, float | None]:
    """Bid and ask depth at any inventory, bps."""
    quote = _case(given).quote(inventory_lots)
    return _depth(quote.bid), _depth(quote.ask)


def _case(given: Inputs) -> Case:
    exactly, funding = given.settings.strategy.exact_glft, given.value("funding_bps_per_h")
    return Case(given.market, given.inventory_lots, funding, exactly)


def _depth(quote: SideQuote | None) -> float | None:
    return None if quote is None else quote.depth_bps


# -- now ----------------------------------------------------------------------------------------


def _frame(given: Inputs) -> ladder.Frame:
    """A market at rest: the others' touch around S, all of the inventory's room left."""
    strategy, fair = given.settings.strategy, given.market.fair
    bound, held = given.market.max_inventory_lots, exact(given.inventory_lots)
    instrument = given.instrument
    return ladder.Frame(
        instrument=instrument,
        lot_size=given.lot_size,
        room_bid=given.lot_size * max(bound - held, ZERO),
        room_ask=given.lot_size * max(bound + held, ZERO),
        best_bid=float(instrument.round_price(price_at(Side.BID, given.touch_bps, fair), Side.BID)),
        best_ask=float(instrument.round_price(price_at(Side.ASK, given.touch_bps, fair), Side.ASK)),
        levels=strategy.levels,
        entropy_ratio=strategy.entropy_ratio,
        spacing_per_kappa=strategy.level_spacing_per_kappa,
    )


def _side(given: Inputs, quote: Quote, rests: Ladder, side: Side) -> SideView:
    bid = side is Side.BID
    wanted, blocked = (quote.bid, rests.blocked_bid) if bid else (quote.ask, rests.blocked_ask)
    levels = rests.levels(side)
    market = given.market
    lots = [float(level.size / given.lot_size) for level in levels]
    placed = [depth_bps(side, float(level.price), market.fair) for level in levels]
    expected = sweep(market, side, placed, lots)
    return SideView(
        side=side.label,
        depth_bps=_depth(wanted),
        terms=wanted.terms if wanted is not None else (),
        binding="" if wanted is None else bound_by(wanted, rests),
        blocked=blocked,
        levels=tuple(
            Rung(level.level, f"{level.price:f}", f"{level.size:f}", depth)
            for level, depth in zip(levels, placed, strict=True)
        ),
        entropy=rests.entropy_bid if bid else rests.entropy_ask,
        arrivals_per_h=PER_H * expected.arrivals_per_s,
        lots_per_arrival=expected.share_per_arrival,
        edge_bps=expected.edge_bps,
    )


def _outcome(case: Case) -> Outcome:
    market, quote = case.market, case.quote(case.inventory_lots)
    sides = [side.depth_bps for side in (quote.bid, quote.ask) if side is not None]
    return Outcome(
        bid_bps=_depth(quote.bid),
        ask_bps=_depth(quote.ask),
        half_spread_bps=market.calibration_gamma_mult * quote.half_spread_bps,
        skew_bps=quote.skew_bps,
        arrivals_per_h=PER_H * math.fsum(intensity(market, depth) for depth in sides),
        inventory_sd_lots=case.long_run().sd_lots,
    )


# -- what if ------------------------------------------------------------------------------------


def _doubled(given: Inputs) -> tuple[Doubled, ...]:
    case = _case(given)
    base = _outcome(case)
    rows = []
    for name in (*MOVABLE, "premium_bps", *OUTSIDE):
        value = given.value(name)
        to = _other(name, value)
        moved = _outcome(_moved(case, given.settings, name, to))
        rows.append(Doubled(name, KNOWN[name].symbol, value, to, _less(moved, base)))
    return tuple(rows)


def _other(name: str, value: float) -> float:
    """Twice the value, inside its bounds; a zero becomes 1; a multiplier of 1 is halved."""
    low, high = KNOWN[name].bounds
    to = min(max(2.0 * value, low), high) if value else 1.0
    return to if to != value else 0.5 * value


def _moved(case: Case, settings: EngineSettings, name: str, to: float) -> Case:
    if name in OUTSIDE:
        return replace(case, **{name: to})
    if name == "premium_bps":
        return replace(case, market=replace(case.market, premia=premia(to, settings)))
    changes = {MOVABLE[name]: int(to) if KNOWN[name].whole else to}
    return replace(case, market=replace(case.market, **changes))


def _less(moved: Outcome, base: Outcome) -> dict[str, float | None]:
    pairs = zip(Outcome.__struct_fields__, astuple(moved), astuple(base), strict=True)
    return {name: None if None in (new, old) else new - old for name, new, old in pairs}


def _row(given: Inputs, gamma: float) -> GammaRow:
    case = replace(_case(given), market=replace(given.market, gamma=gamma))
    market, run = case.market, case.long_run()
    flat, one = (glft.shape(market, q, case.exactly) for q in (0.0, 1.0))
    usd_per_bps = given.value("lot_usd") / BPS
    return GammaRow(
        gamma=gamma,
        half_spread_bps=market.calibration_gamma_mult * flat.half_spread,
        skew_per_lot_bps=one.skew - flat.skew,
        inventory_sd_lots=run.sd_lots,
        arrivals_per_h=PER_H * run.arrivals_per_s,
        edge_usd_per_h=PER_H * run.edge_bps_per_s * usd_per_bps,
        risk_usd_per_sqrt_h=math.sqrt(PER_H) * market.sigma * run.rms_lots * usd_per_bps,
    )


def _curve(given: Inputs) -> tuple[Point, ...]:
    run = _case(given).long_run()
    return tuple(
        Point(float(q), *depths(given, float(q)), probability)
        for q, probability in zip(range(-run.bound, run.bound + 1), run.probability, strict=True)
    )
