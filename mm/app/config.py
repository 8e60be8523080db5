"""The daemon's configuration: TOML < environment < --set, checked whole, then given to the core."""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from pydantic import Field, PrivateAttr, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from mm.app import config_layers as layers
from mm.app.config_checks import problems
from mm.app.config_engine import RiskConfig, StochasticConfig, StrategyConfig
from mm.app.config_layers import ConfigError as ConfigError
from mm.app.config_paper import PaperConfig
from mm.app.config_portfolio import PortfolioConfig
from mm.app.config_sections import (
    DaemonConfig,
    ExchangeConfig,
    InstrumentConfig,
    RecorderConfig,
    Section,
    VenueConfig,
    WebConfig,
)
from mm.core.settings import (
    AdverseSettings,
    CalibrationSettings,
    EngineSettings,
    IntensitySettings,
    RiskSettings,
    StochasticSettings,
    StrategySettings,
    VolatilitySettings,
)

SECRETS = (("venue", "private_key"), ("web", "token"))
ESTIMATORS = {"volatility", "intensity", "adverse"}


class Config(Section):
    """Everything that can be set. `load` makes one; `Config()` is the built-in default."""

    daemon: DaemonConfig = Field(default_factory=DaemonConfig, description="The process.")
    venue: VenueConfig = Field(default_factory=VenueConfig, description="Where to trade.")
    instruments: tuple[InstrumentConfig, ...] = Field(
        default=(InstrumentConfig(),), min_length=1, max_length=16, description="What to quote."
    )
    strategy: StrategyConfig = Field(default_factory=StrategyConfig, description="How to quote.")
    stochastic: StochasticConfig = Field(
        default_factory=StochasticConfig, description="What is learned."
    )
    risk: RiskConfig = Field(default_factory=RiskConfig, description="Limits.")
    portfolio: PortfolioConfig = Field(
        default_factory=PortfolioConfig, description="All instruments together."
    )
    recorder: RecorderConfig = Field(
        default_factory=RecorderConfig, description="Journal and tape."
    )
    paper: PaperConfig = Field(default_factory=PaperConfig, description="Paper trading.")
    web: WebConfig = Field(default_factory=WebConfig, description="Page, metrics, control.")
    exchange: ExchangeConfig = Field(
        default_factory=ExchangeConfig, description="The local exchange."
    )

    _sources: dict[layers.Key, str] = PrivateAttr(default_factory=dict)

    def source(self, key: str) -> str:
        """Where this field's value comes from: file:line, env NAME, --option, default."""
        return self._sources.get(tuple(key.split(".")), "default")


class Described(Struct, frozen=True):
    """One effective value with where it came from; secrets are masked."""

    key: str
    value: str
    source: str
    doc: str


def load(
    files: Sequence[Path] = (),
    environ: Mapping[str, str] = os.environ,
    assignments: Sequence[str] = (),
    flags: layers.Layer | None = None,
    check: bool = True,
) -> Config:
    """The effective configuration. Raises ConfigError with one line for each problem: of all keys
    and values at once, and of contradictions between fields once each alone is right.

    `flags` are options of a command (`--seed`). `check` False for commands that only look for a
    running daemon: contradictions between fields do not concern them.
    """
    from_files = layers.merge([layers.file_layer(path) for path in files])
    from_env = layers.env_layer(environ)
    from_set = layers.merge([layers.set_layer(assignments), flags or {}])
    merged = layers.merge([from_files, from_env, from_set])
    unknown = layers.unknown_keys(Config, merged)
    exposed = _exposed_secrets({**from_files, **from_set})
    known = {key: value for key, value in merged.items() if key not in unknown}
    config = _validated(known, [*unknown.values(), *exposed])
    config._sources = {key: value.source for key, value in merged.items()}
    found = problems(config) if check else []
    if found:
        raise ConfigError(*found)
    return config


def private_key(config: Config) -> str | None:
    """The signing key, 0x + 64 hex digits, or None where none is set. Raises ConfigError."""
    venue = config.venue
    if venue.private_key is not None:
        return _hex_key(venue.private_key.get_secret_value(), "MM_VENUE__PRIVATE_KEY")
    path = venue.private_key_file
    if path is None:
        return None
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigError(f"cannot read venue.private_key_file {path}: {error.strerror}") from None
    docker = path.is_relative_to("/run/secrets")
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not docker:
        raise ConfigError(f"venue.private_key_file {path} is open to others: chmod 600 {path}")
    return _hex_key(text, f"venue.private_key_file {path}")


def label_of(config: Config) -> str:
    """What is shown wherever money is: the network, or that its market is a recording."""
    recorded = config.venue.network == "embedded" and config.exchange.tape is not None
    return "RECORDING" if recorded else config.venue.network.upper()


def engine_settings(config: Config, instrument: InstrumentConfig | None = None) -> EngineSettings:
    """The core's view of the configuration, with the instrument's own overrides applied."""
    chosen = instrument or config.instruments[0]
    strategy = config.strategy.model_dump()
    risk = config.risk.model_dump()
    strategy["action_budget_horizon_h"] = risk.pop("action_budget_horizon_h")
    if chosen.lot_usd is not None:
        strategy["lot_usd"] = chosen.lot_usd
    if chosen.max_position_usd is not None:
        risk["max_position_usd"] = chosen.max_position_usd
    stochastic = config.stochastic
    return EngineSettings(
        label=label_of(config),
        strategy=StrategySettings(**strategy),
        stochastic=StochasticSettings(
            volatility=VolatilitySettings(**stochastic.volatility.model_dump()),
            intensity=IntensitySettings(**stochastic.intensity.model_dump()),
            adverse=AdverseSettings(**stochastic.adverse.model_dump()),
            calibration=CalibrationSettings(**stochastic.model_dump(exclude=ESTIMATORS)),
        ),
        risk=RiskSettings(**risk),
        cloid_prefix=config.venue.cloid_prefix,
    )


def describe(config: Config) -> list[Described]:
    """Each field's effective value and source, in the order of the sections."""
    rows = ((".".join(key), value, doc) for key, value, doc in _walk(config, ()))
    return [Described(key, _shown(value), config.source(key), doc) for key, value, doc in rows]


def json_schema() -> dict[str, Any]:
    return Config.model_json_schema()


def _validated(known: layers.Layer, wrong: list[str]) -> Config:
    """Raises ConfigError with what is `wrong` already and each value that is out of bounds."""
    try:
        config = Config(**layers.tree(known))
    except ValidationError as error:
        bad = [_line(detail, known) for detail in error.errors()]
        raise ConfigError(*wrong, *bad) from None
    if wrong:
        raise ConfigError(*wrong)
    return config


def _line(detail: ErrorDetails, merged: layers.Layer) -> str:
    """`strategy.gamma = 9 (--set): input should be less than or equal to 5`."""
    key = tuple(str(step) for step in detail["loc"])
    given = merged.get(key)
    message = detail["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if given is None:
        return f"{'.'.join(key)}: {message}"
    shown = "***" if key in SECRETS else repr(given.value)
    return f"{'.'.join(key)} = {shown} ({given.source}): {message}"


def _exposed_secrets(open_to_view: layers.Layer) -> list[str]:
    """Secrets come from the environment or a file of their own, never from argv or a config."""
    return [
        f"{'.'.join(key)} is a secret and may not stand in {open_to_view[key].source}: "
        f"use MM_{'__'.join(key).upper()}"
        + (" or venue.private_key_file" if key[0] == "venue" else "")
        for key in SECRETS
        if key in open_to_view
    ]


def _hex_key(text: str, where: str) -> str:
    digits = text.strip().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise ConfigError(f"{where}: a private key is 64 hex digits, with or without 0x")
    return f"0x{digits.lower()}"


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, tuple):
        return f"[{', '.join(_shown(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        return f'"{value}"'
    return '"none"' if value is None else str(value)


def _walk(section: Section, above: layers.Key) -> list[tuple[layers.Key, object, str]]:
    rows: list[tuple[layers.Key, object, str]] = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        key = (*above, name)
        if isinstance(value, Section):
            rows += _walk(value, key)
        elif isinstance(value, tuple) and value and isinstance(value[0], Section):
            for position, item in enumerate(value):
                rows += _walk(item, (*key, str(position)))
        else:
            rows.append((key, value, field.description or ""))
    return rows
