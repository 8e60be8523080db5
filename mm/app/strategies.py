"""The strategies that `mm bench efficiency` compares: the real engine, and what differs in each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct, structs

from mm.app.rivals import FULL, Informed, Regression
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.instrument import Instrument
from mm.sim.truth import Truth


class Strategy(Struct, frozen=True, kw_only=True):
    """How an engine differs from the default one."""

    about: str
    levels: int = 1
    warm: bool = True
    """Calibrated on another market first."""
    cold: bool = False
    """Measured from the very start."""
    known: tuple[str, ...] = ()
    regression: bool = False
    strategy: dict[str, Any] = {}
    """Changes of settings."""
    calibration: dict[str, Any] = {}


UNHURRIED = {"policy": "off"}
"""Who learns nothing from fills has nothing to hurry for: no multiplier, no dither."""
KNOWN = Strategy(about="the engine, told the truth", warm=False, known=FULL, calibration=UNHURRIED)
CALIBRATED = Strategy(about="the engine, calibrated")
LADDER = structs.replace(CALIBRATED, about="the same with five levels", levels=5)
PRECISE = {"hysteresis_sigmas": 0.0, "hysteresis_min_bps": 0.0}
FAST = {**PRECISE, "quote_interval_s": 0.25, "requote_bps": 0.0, "min_requote_ms": 0}

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "calibrated": CALIBRATED,
        "ladder": LADDER,
        "known": KNOWN,
        "known ladder": structs.replace(KNOWN, about="the same with five levels", levels=5),
        "closed form": structs.replace(
            CALIBRATED,
            about="calibrated, quotes by the closed form",
            strategy={"exact_glft": False},
        ),
        "regression": Strategy(
            about="κ, A by regression on ten minutes of public trades",
            warm=False,
            regression=True,
            calibration=UNHURRIED,
        ),
        "fixed spread": structs.replace(
            KNOWN,
            about="1/κ + fee + a on both sides, told the truth, whatever it holds",
            strategy={"gamma": 1e-9, "exact_glft": False},
        ),
    }
)
ABLATION: Mapping[str, Strategy] = MappingProxyType(
    {
        "true sigma": structs.replace(CALIBRATED, about="calibrated, true σ", known=("sigma",)),
        "true intensity": structs.replace(
            CALIBRATED, about="calibrated, true κ and A", known=("intensity",)
        ),
        "true adverse": structs.replace(CALIBRATED, about="calibrated, true a", known=("adverse",)),
        "known, precise": structs.replace(
            KNOWN, about="told the truth, no hysteresis", strategy=PRECISE
        ),
        "known, fast": structs.replace(
            KNOWN, about="told the truth, no hysteresis, quotes every 0.25 s", strategy=FAST
        ),
    }
)
COLD: Mapping[str, Strategy] = MappingProxyType(
    {
        f"{name}, from cold": structs.replace(base, warm=False, cold=True)
        for name, base in {"one level": CALIBRATED, "ladder": LADDER}.items()
    }
)
EVERY: Mapping[str, Strategy] = MappingProxyType({**STRATEGIES, **ABLATION, **COLD})


def settings_of(strategy: Strategy, gamma: float) -> EngineSettings:
    """The defaults, but for what the strategy and the benchmark change."""
    base = EngineSettings()
    changed = {"gamma": gamma, "levels": strategy.levels, **strategy.strategy}
    calibration = structs.replace(base.stochastic.calibration, **strategy.calibration)
    return structs.replace(
        base,
        strategy=structs.replace(base.strategy, **changed),
        stochastic=structs.replace(base.stochastic, calibration=calibration),
    )


def engine_of(
    strategy: Strategy, settings: EngineSettings, instrument: Instrument, truth: Truth
) -> Engine:
    """The seam: an engine asks its components for σ, κ, A and a, so others may answer."""
    engine = Engine(settings, instrument)
    if strategy.regression:
        engine.learning.components = Regression(settings)
    elif strategy.known:
        engine.learning.components = Informed(settings, truth, frozenset(strategy.known))
    return engine
