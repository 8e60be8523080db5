"""The local exchange as the configuration describes it: its market, its matching, its server."""

import asyncio
import os
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from mm.adapters.hyperliquid.server import HyperliquidServer
from mm.adapters.hyperliquid.server.options import Cadence, Faults, Options, faults_named
from mm.adapters.tape import Tape, TapeError, open_tape
from mm.app.config import ConfigError
from mm.app.config_sections import ExchangeConfig
from mm.app.ports import Clock
from mm.model.units import NS_PER_MS
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.market import Market
from mm.sim.recorded import RecordedMarket
from mm.sim.scenarios import PRESETS, Scenario, ScenarioError, build_market, preset, scenario_from

LOCAL_CADENCE = Cadence(book_s=1.0, mids_s=1.0)
"""Quicker than the venue's where that costs nothing on loopback."""
END_POLL_S = 0.5


class ExchangeError(Exception):
    """The local exchange cannot be started. One line that names the fix."""


def scenario_of(config: ExchangeConfig) -> Scenario:
    """The preset of that name, or the scenario in that TOML file. Raises ConfigError."""
    name = config.scenario
    try:
        if name in PRESETS or not name.endswith(".toml"):
            return preset(name)
        return scenario_from(tomllib.loads(Path(name).read_text(encoding="utf-8")))
    except (ScenarioError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"exchange.scenario: {error}") from None
    except OSError as error:
        raise ConfigError(f"exchange.scenario {name}: {error.strerror}") from None


def faults_of(config: ExchangeConfig) -> Faults:
    """The misbehaviour of that name. Raises ConfigError."""
    try:
        return faults_named(config.faults)
    except ValueError as error:
        raise ConfigError(f"exchange.faults: {error}") from None


class Serving:
    """A local exchange that listens: its address, and its end."""

    def __init__(self, server: HyperliquidServer, exchange: Exchange, tape: Tape | None) -> None:
        self._server = server
        self._exchange = exchange
        self.tape = tape

    @property
    def url(self) -> str:
        return self._server.url

    async def wait(self) -> None:
        """Returns when the recording has ended; raises what ended the exchange otherwise."""
        failed = asyncio.create_task(self._server.wait())
        try:
            while not self._exchange.ended:
                await asyncio.wait((failed,), timeout=END_POLL_S)
                if failed.done():
                    await failed
        finally:
            failed.cancel()


def market_of(config: ExchangeConfig, start_ms: int) -> tuple[Market, Tape | None]:
    """The market that drives the exchange: a tape where one is given, else the scenario.

    Raises ConfigError, TapeError.
    """
    if config.tape is None:
        market = build_market(scenario_of(config), config.seed, start_ms, config.market_speed)
        return market, None
    tape = open_tape(config.tape)
    try:
        return RecordedMarket(tape.coin, iter(tape), start_ms, config.market_speed), tape
    except ValueError as error:
        raise TapeError(f"{config.tape}: {error}") from None


@asynccontextmanager
async def local_exchange(config: ExchangeConfig, clock: Clock) -> AsyncIterator[Serving]:
    """Serve it until the block ends. Raises ConfigError, TapeError, ExchangeError."""
    now_ms = clock.now() // NS_PER_MS
    market, tape = market_of(config, now_ms)
    options = ExchangeOptions(
        faucet=config.faucet, faucet_usdc=Decimal(str(config.faucet_usd)), seed=config.seed
    )
    exchange = Exchange([market], now_ms, options)
    served = Options(
        host=config.host,
        port=config.port,
        seed=config.seed,
        cadence=LOCAL_CADENCE,
        faults=faults_of(config),
    )
    server = HyperliquidServer(exchange, clock, served)
    try:
        await server.start()
    except OSError as error:
        where = f"{config.host}:{config.port}"
        number = error.errno or 0  # negative: a name that does not resolve
        why = os.strerror(number).lower() if number > 0 else error.strerror
        raise ExchangeError(
            f"cannot listen on {where}, {why}: set exchange.port or exchange.host"
        ) from None
    try:
        yield Serving(server, exchange, tape)
    finally:
        await server.stop()
