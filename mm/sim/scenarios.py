"""Which generated market: presets, and a TOML form of one's own."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from msgspec import ValidationError, convert, structs, to_builtins

from mm.sim.flow import GeneratedMarket
from mm.sim.scenario import Depth, Mid, Scenario, ScenarioError, Takers
from mm.sim.truth import Truth, truth

__all__ = [
    "DEFAULT",
    "PRESETS",
    "Scenario",
    "ScenarioError",
    "Truth",
    "build_market",
    "preset",
    "scenario_from",
    "truth",
]

DEFAULT = "liquid"

_PRESETS = (
    Scenario(
        name="liquid",
        about="busy, mildly informed: calibration takes minutes",
        mid=Mid(sigma_bps=1.0),
        takers=Takers(
            arrival_per_s=0.5, kappa_per_bps=0.25, informed_share=0.2, informed_move_bps=1.0
        ),
        depth=Depth(half_spread_bps=6.0),
    ),
    Scenario(
        name="thin",
        about="few takers and a wide touch: where a market maker starves in cold start",
        mid=Mid(sigma_bps=2.5),
        takers=Takers(
            arrival_per_s=0.012, kappa_per_bps=0.25, informed_share=0.2, informed_move_bps=1.0
        ),
        depth=Depth(half_spread_bps=12.0, level_size_usd=5_000.0, interval_ms=1_000.0),
    ),
    Scenario(
        name="illiquid",
        about="a taker in minutes, far reaches: fill_hungry alone needs hours",
        mid=Mid(sigma_bps=1.5),
        takers=Takers(
            arrival_per_s=0.003, kappa_per_bps=0.1, informed_share=0.1, informed_move_bps=2.0
        ),
        depth=Depth(
            half_spread_bps=20.0, level_gap_bps=2.5, level_size_usd=2_000.0, interval_ms=1_000.0
        ),
    ),
    Scenario(
        name="toxic",
        about="half of the takers know the next move: a tight quote loses",
        mid=Mid(sigma_bps=1.0),
        takers=Takers(
            arrival_per_s=0.2, kappa_per_bps=0.25, informed_share=0.5, informed_move_bps=4.0
        ),
        depth=Depth(half_spread_bps=10.0),
    ),
    Scenario(
        name="jumpy",
        about="a jump of some 20 bps every ten minutes: not to be mistaken for diffusion",
        mid=Mid(sigma_bps=1.0, jump_rate_per_s=1 / 600, jump_sd_bps=20.0),
        takers=Takers(
            arrival_per_s=0.2, kappa_per_bps=0.25, informed_share=0.2, informed_move_bps=1.0
        ),
        depth=Depth(half_spread_bps=12.0),
    ),
    Scenario(
        name="trending",
        about="a steady rise of 72 bps an hour: inventory leans the wrong way",
        mid=Mid(sigma_bps=1.0, drift_bps_per_s=0.02),
        takers=Takers(
            arrival_per_s=0.2, kappa_per_bps=0.25, informed_share=0.2, informed_move_bps=1.0
        ),
        depth=Depth(half_spread_bps=8.0),
    ),
)
PRESETS: Mapping[str, Scenario] = MappingProxyType({each.name: each for each in _PRESETS})


def preset(name: str) -> Scenario:
    """The shipped scenario of this name. Raises ScenarioError naming the nearest."""
    if name in PRESETS:
        return PRESETS[name]
    raise ScenarioError(f"unknown scenario {name!r}{_nearest(name, PRESETS)}")


def scenario_from(mapping: Mapping[str, Any]) -> Scenario:
    """A scenario from TOML's tables: keys as the fields above, `base` a preset to start from.

    Raises ScenarioError on an unknown key (naming the nearest), a wrong type or a bad value.
    """
    given = dict(mapping)
    base = preset(str(given.pop("base", DEFAULT)))
    merged = _merge(to_builtins(base), {"name": "own", "about": "", **given}, "")
    try:
        scenario = convert(merged, Scenario)
    except ValidationError as error:
        raise ScenarioError(f"scenario: {str(error).replace('$.', '')}") from None
    return _checked(scenario)


def build_market(
    scenario: Scenario, seed: int, start_ms: int, speed: float = 1.0
) -> GeneratedMarket:
    """A market of this scenario. Same arguments, same events, bit for bit on one machine."""
    return GeneratedMarket(scenario, seed, start_ms, speed)


def _merge(base: dict[str, Any], given: Mapping[str, Any], path: str) -> dict[str, Any]:
    merged = dict(base)
    for key, value in given.items():
        if key not in base:
            raise ScenarioError(f"unknown scenario key {path}{key}{_nearest(key, base)}")
        if isinstance(base[key], dict):
            if not isinstance(value, Mapping):
                raise ScenarioError(f"scenario key {path}{key} is a table, not {value!r}")
            merged[key] = _merge(base[key], value, f"{path}{key}.")
        else:
            merged[key] = value
    return merged


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def _checked(scenario: Scenario) -> Scenario:
    """What no single key can say: finite numbers and a tick that the estimators can see through."""
    for part in (scenario, scenario.mid, scenario.takers, scenario.depth):
        for key, value in structs.asdict(part).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ScenarioError(f"scenario key {key} is not finite")
    tick_bps = scenario.tick_bps
    if tick_bps * scenario.takers.kappa_per_bps > 0.5:
        raise ScenarioError(
            f"scenario: a tick of {tick_bps:.3g} bps at price {scenario.price:g} is too coarse "
            f"for kappa {scenario.takers.kappa_per_bps:g}: choose a price nearer to a power of ten "
            "from below, or a smaller kappa"
        )
    return scenario
