"""What `mm explain` is asked about: each parameter's value, and where that came from."""

import difflib
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from mm.app.config import Config, ConfigError, engine_settings, load
from mm.app.exchange import scenario_of
from mm.core.risk import Limits
from mm.core.settings import EngineSettings
from mm.core.state import State
from mm.core.stochastic.components import StochasticComponents
from mm.core.strategy.glft import GAMMA_BOUNDS
from mm.core.strategy.params import ARRIVAL_BOUNDS, KAPPA_BOUNDS, SIGMA_BOUNDS, bounded_premia
from mm.model.estimate import Estimate
from mm.model.instrument import Instrument
from mm.model.market_params import MarketParams, Premium
from mm.model.units import Side, nanoseconds

MOST_LOTS = 500
ASSUMED_TOUCH_BPS = 2.0
ASSUMED_PRICE = 100.0

Bounds = tuple[float, float]


class Known(Struct, frozen=True):
    """A name that `--set` takes, besides the configuration's."""

    symbol: str
    unit: str
    about: str
    bounds: Bounds
    whole: bool = False


KNOWN: dict[str, Known] = {
    "gamma": Known("γ", "1/(bps·lot)", "risk aversion", GAMMA_BOUNDS),
    "kappa": Known("κ", "1/bps", "decay of arrivals with depth", KAPPA_BOUNDS),
    "arrival": Known("A", "1/s", "arrivals at depth 0, one side", ARRIVAL_BOUNDS),
    "sigma": Known("σ", "bps/√s", "volatility", SIGMA_BOUNDS),
    "maker_fee_bps": Known("fee", "bps", "per fill; negative: rebate", (-100.0, 1000.0)),
    "adverse_bid_bps": Known("a_bid", "bps", "adverse move after a bid fill", (-1000.0, 1000.0)),
    "adverse_ask_bps": Known("a_ask", "bps", "adverse move after an ask fill", (-1000.0, 1000.0)),
    "min_edge_bps": Known("edge", "bps", "least edge of a quote", (0.0, 1000.0)),
    "funding_bps_per_h": Known("fund", "bps/h", "funding; positive: longs pay", (-1000.0, 1000.0)),
    "premium_bps": Known("prem", "bps", "premium on both sides", (0.0, 1000.0)),
    "multiplier": Known("m", "", "calibration multiplier", (1e-3, 1.0)),
    "inventory_lots": Known("q", "lots", "inventory", (-MOST_LOTS, MOST_LOTS)),
    "max_inventory_lots": Known("Q", "lots", "inventory bound", (1, MOST_LOTS), whole=True),
    "lot_usd": Known("lot", "USD", "a side's ladder", (1e-6, 1e9)),
    "levels": Known("n", "", "price levels a side", (1, 20), whole=True),
    "fair": Known("S", "USD", "fair price", (1e-6, 1e9)),
    "tick": Known("tick", "USD", "price step, a power of ten", (1e-12, 1.0)),
    "touch_bps": Known("touch", "bps", "half-spread of the others' book", (1e-3, 1000.0)),
}
BOTH_SIDES = {"adverse_bps": ("adverse_bid_bps", "adverse_ask_bps")}
SYMBOLS = {known.symbol: name for name, known in KNOWN.items()}


class Parameter(Struct, frozen=True):
    name: str
    symbol: str
    value: float
    unit: str
    about: str
    source: str
    low: float | None = None
    """Of the central 90 % interval, where the value is a prior."""
    high: float | None = None


class Inputs(Struct, frozen=True):
    """Everything that an explanation is a function of."""

    parameters: tuple[Parameter, ...]
    market: MarketParams
    inventory_lots: float
    instrument: Instrument
    lot_size: Decimal
    touch_bps: float
    settings: EngineSettings

    def value(self, name: str) -> float:
        return next(p.value for p in self.parameters if p.name == name)


Sourced = dict[str, tuple[float, str]]


def inputs(files: Sequence[Path], environ: Mapping[str, str], sets: Sequence[str]) -> Inputs:
    """Defaults and priors of the configuration, overridden by name. Raises ConfigError.

    A name with a dot is the configuration's (`strategy.levels=3`), one without the model's.
    """
    own = [text for text in sets if "." not in text.partition("=")[0]]
    dotted = [text for text in sets if text not in own]
    config = load(files, environ, dotted, check=False)
    given = _given(own)
    settings = engine_settings(config)
    instrument, values = _market(config, given)
    values |= _strategy(config, settings)
    values |= {name: (value, "--set") for name, value in given.items()}
    instrument = _with_tick(instrument, given.get("tick"), values["fair"][0])
    values["tick"] = (float(instrument.tick(values["fair"][0])), values["tick"][1])
    settings = _with_strategy(settings, values)
    state = State(settings, instrument)
    lot = state.lot_size(values["fair"][0])
    priors = _priors(settings, values)
    values = _learned(settings, priors) | _room(config, settings, lot, values) | values
    values.setdefault("maker_fee_bps", (state.maker_fee_bps, "until the venue says"))
    listed = tuple(_parameter(name, *values[name], priors.get(name)) for name in KNOWN)
    numbers = {name: value for name, (value, _) in values.items()}
    return Inputs(
        listed,
        _params(numbers, settings),
        numbers["inventory_lots"],
        instrument,
        lot,
        numbers["touch_bps"],
        settings,
    )


def _parameter(name: str, value: float, source: str, prior: Estimate | None) -> Parameter:
    known, shown = KNOWN[name], prior if source.startswith("prior") else None
    low, high = (None, None) if shown is None else (shown.low, shown.high)
    return Parameter(name, known.symbol, value, known.unit, known.about, source, low, high)


# -- what was given -----------------------------------------------------------------------------


def _given(assignments: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals or not name:
            raise ConfigError(f"--set {assignment}: expected NAME=VALUE, as in --set gamma=0.1")
        name = SYMBOLS.get(name, name)
        for target in BOTH_SIDES.get(name, (name,)):
            found[target] = _number(target, text)
    return found


def _number(name: str, text: str) -> float:
    known = KNOWN.get(name)
    if known is None:
        raise ConfigError(f"unknown parameter {name} (--set){_nearest(name)}")
    try:
        value = int(text) if known.whole else float(text)
    except ValueError:
        kind = "whole number" if known.whole else "number"
        raise ConfigError(f"{name} = {text!r} (--set): not a {kind}") from None
    low, high = known.bounds
    if not low <= value <= high:
        raise ConfigError(f"{name} = {text} (--set): must lie between {low:g} and {high:g}")
    return value


def _nearest(name: str) -> str:
    close = difflib.get_close_matches(name, [*KNOWN, *BOTH_SIDES], 1, 0.5)
    listed = (n if n == known.symbol else f"{n} ({known.symbol})" for n, known in KNOWN.items())
    names = ", ".join((*listed, *BOTH_SIDES))
    return f"; did you mean {close[0]}?" if close else f"; the names are {names}"


# -- defaults and priors ------------------------------------------------------------------------


def _market(config: Config, given: Mapping[str, float]) -> tuple[Instrument, Sourced]:
    """Price and touch: the embedded exchange's where that is the venue, else assumed."""
    if config.venue.network == "embedded" and config.exchange.tape is None:
        scenario = scenario_of(config.exchange)
        instrument = scenario.instrument
        price, touch = scenario.price, scenario.depth.half_spread_bps
        source = f"scenario {scenario.name}"
    else:
        instrument = _assumed(config.instruments[0].name, given.get("fair", ASSUMED_PRICE))
        price, touch, source = ASSUMED_PRICE, ASSUMED_TOUCH_BPS, "assumed: set it"
    fair = given.get("fair", price)
    return instrument, {
        "fair": (price, source),
        "touch_bps": (touch, source),
        "tick": (float(instrument.tick(fair)), "price"),
    }


def _assumed(name: str, price: float) -> Instrument:
    """As venues list such a price: a size step is worth about a dollar, or less."""
    decimals = min(max(math.ceil(math.log10(price)), 0), 5)
    return Instrument(name=name, asset=0, size_decimals=decimals, price_decimals=6 - decimals)


def _strategy(config: Config, settings: EngineSettings) -> Sourced:
    strategy = settings.strategy
    own = config.instruments[0].lot_usd is not None
    lot_key = "instruments.0.lot_usd" if own else "strategy.lot_usd"
    return {
        "gamma": (strategy.gamma, _config_source(config, "strategy.gamma")),
        "min_edge_bps": (strategy.min_edge_bps, _config_source(config, "strategy.min_edge_bps")),
        "lot_usd": (strategy.lot_usd, _config_source(config, lot_key)),
        "levels": (strategy.levels, _config_source(config, "strategy.levels")),
        "multiplier": (1.0, "calibrated"),
        "inventory_lots": (0.0, "flat"),
        "premium_bps": (0.0, "none"),
        "funding_bps_per_h": (0.0, "until the venue says"),
    }


def _config_source(config: Config, key: str) -> str:
    source = config.source(key)
    return key if source == "default" else source


def _priors(settings: EngineSettings, values: Sourced) -> dict[str, Estimate]:
    """What the estimators say before any evidence but the touch."""
    components = StochasticComponents(settings.stochastic, settings.strategy)
    components.learn_fair(0, 0, values["fair"][0], values["touch_bps"][0])
    components.flush(0)
    after = nanoseconds(settings.stochastic.volatility.max_warmup_s)
    sigma, known = components.sigma(after), components.intensity.estimates(after)
    if sigma is None or known is None:
        raise ConfigError("the configuration gives no prior: set sigma, kappa and arrival")
    found = {"kappa": known[0], "arrival": known[1], "sigma": sigma}
    horizon_s = settings.stochastic.adverse.primary_s
    for side in Side:
        a = components.adverse.estimate(side, horizon_s, sigma.value, after)
        found[f"adverse_{side.label}_bps"] = a
    return found


def _learned(settings: EngineSettings, priors: Mapping[str, Estimate]) -> Sourced:
    of_kappa = "touch" if settings.stochastic.intensity.kappa_prior is None else "kappa_prior"
    found = {name: (prior.value, "prior") for name, prior in priors.items()}
    return found | {"kappa": (priors["kappa"].value, f"prior ({of_kappa})")}


def _with_tick(instrument: Instrument, tick: float | None, fair: float) -> Instrument:
    if tick is None:
        return instrument
    exponent = round(math.log10(tick))
    if not math.isclose(tick, 10.0**exponent, rel_tol=1e-9):
        raise ConfigError(f"tick = {tick:g} (--set): venues here step by powers of ten, as 0.01")
    digits = max(math.floor(math.log10(fair)) - exponent + 1, 1)
    return Instrument(
        name=instrument.name,
        asset=instrument.asset,
        size_decimals=instrument.size_decimals,
        price_decimals=-exponent,
        significant_figures=digits,
    )


def _with_strategy(settings: EngineSettings, values: Sourced) -> EngineSettings:
    strategy = replace(
        settings.strategy,
        gamma=values["gamma"][0],
        min_edge_bps=values["min_edge_bps"][0],
        lot_usd=values["lot_usd"][0],
        levels=int(values["levels"][0]),
    )
    return replace(settings, strategy=strategy)


def _room(config: Config, settings: EngineSettings, lot: Decimal, values: Sourced) -> Sourced:
    lots = Limits.at(settings.risk, values["fair"][0], None).whole_lots(lot)
    own = config.instruments[0].max_position_usd is not None
    key = "instruments.0.max_position_usd" if own else "risk.max_position_usd"
    return {"max_inventory_lots": (min(lots, MOST_LOTS), _config_source(config, key))}


def premia(bps: float, settings: EngineSettings) -> tuple[Premium, ...]:
    """One premium on both sides, within the bound of the strategy."""
    wanted = (Premium("premium", bps, bps),) if bps > 0.0 else ()
    return bounded_premia(wanted, settings.strategy.max_premia_bps)


def _params(numbers: Mapping[str, float], settings: EngineSettings) -> MarketParams:
    return MarketParams(
        ts=0,
        fair=numbers["fair"],
        sigma=numbers["sigma"],
        kappa=numbers["kappa"],
        arrival=numbers["arrival"],
        gamma=numbers["gamma"],
        maker_fee_bps=numbers["maker_fee_bps"],
        adverse_bid_bps=numbers["adverse_bid_bps"],
        adverse_ask_bps=numbers["adverse_ask_bps"],
        min_edge_bps=numbers["min_edge_bps"],
        max_inventory_lots=int(numbers["max_inventory_lots"]),
        premia=premia(numbers["premium_bps"], settings),
        calibration_gamma_mult=numbers["multiplier"],
    )
