"""The local exchange as the configuration describes it: its market, its matching, its server."""

import asyncio
import os
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import structs

from mm.adapters.hyperliquid.desks import dex_of
from mm.adapters.hyperliquid.server import HyperliquidServer
from mm.adapters.hyperliquid.server.options import Cadence, Faults, Limits, Options, faults_named
from mm.adapters.logs import log
from mm.adapters.tape import Tape, TapeError, open_tape
from mm.app.config import ConfigError
from mm.app.config_sections import ExchangeConfig
from mm.app.ports import Clock
from mm.model.units import NS_PER_MS
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.fees import TIERS
from mm.sim.market import Market
from mm.sim.recorded import RecordedMarket
from mm.sim.scenarios import PRESETS, Scenario, ScenarioError, build_market, preset, scenario_from
from mm.sim.truth import truth

END_POLL_S = 0.5
SEED_STEP = 1_000_003
LOOKS: dict[str, dict[str, Any]] = {
    "ETH": {"price": 2_400.0, "size_decimals": 4},
    "SOL": {"price": 150.0, "size_decimals": 2},
    "OP": {"price": 1.5, "size_decimals": 1},
    "test:ABC": {"price": 1.05, "size_decimals": 0},
}
"""Prices and lots of coins that everybody knows, and of those in the official SDK's examples;
others are as the scenario says."""


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


def introduce(config: ExchangeConfig) -> None:
    """Say in the log what market the daemon meets on it, and what estimates should come to."""
    text = "A new exchange and a new account: halts and pauses of earlier runs hold until "
    text += "`mm resume`; position, profit and estimates are not carried over"
    log("info", "daemon", text)
    if config.tape is not None:
        text = "The market is a recording: its truth is unknown, own fills are simulated"
        log("info", "market", text, tape=str(config.tape), speed=config.market_speed)
        return
    scenario = scenario_of(config)
    known = truth(scenario, config.market_speed)
    log(
        "info",
        "market",
        "The market is generated: its truth in wall time, for the estimates to find",
        scenario=scenario.name,
        seed=config.seed,
        speed=config.market_speed,
        kappa_per_bps=known.kappa,
        arrival_per_s=known.arrival,
        sigma_bps_per_sqrt_s=round(known.sigma, 6),
        adverse_bps=known.adverse_bps,
    )


class Serving:
    """A local exchange that listens: its address, and its end."""

    def __init__(self, server: HyperliquidServer, exchange: Exchange, tape: Tape | None) -> None:
        self._server = server
        self._exchange = exchange
        self.tape = tape

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def coins(self) -> list[str]:
        return [instrument.name for instrument in self._exchange.instruments()]

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


def beside(
    config: ExchangeConfig, market: Market, coins: Sequence[str], start_ms: int
) -> Iterator[Market]:
    """A market of its own for each coin that the given one is not, of the same scenario.

    Asset ids as on the venue: places in its list, and those of builders' exchanges from 110,000 on.
    """
    scenario, listed = scenario_of(config), market.instrument.name
    dexes = list(dict.fromkeys(dex for coin in coins if (dex := dex_of(coin))))
    taken: Counter[str] = Counter({"": market.instrument.asset + 1})
    for number, coin in enumerate((coin for coin in coins if coin != listed), 1):
        dex = dex_of(coin)
        first = 100_000 + 10_000 * (1 + dexes.index(dex)) if dex else 0
        known = LOOKS.get(coin, {})
        one = structs.replace(scenario, coin=coin, asset=first + taken[dex], **known)
        taken[dex] += 1
        yield build_market(one, config.seed + SEED_STEP * number, start_ms, config.market_speed)


@asynccontextmanager
async def local_exchange(
    config: ExchangeConfig, clock: Clock, coins: Sequence[str] = ()
) -> AsyncIterator[Serving]:
    """Serve it until the block ends: its own market and, if that is one of these coins, one for
    each of the others.

    Raises ConfigError, TapeError, ExchangeError.
    """
    now_ms = clock.now() // NS_PER_MS
    market, tape = market_of(config, now_ms)
    markets = [market]
    if market.instrument.name in coins:
        markets += beside(config, market, coins, now_ms)
    required = Decimal(str(config.schedule_cancel_usd))
    options = ExchangeOptions(
        faucet=config.faucet,
        faucet_usdc=Decimal(str(config.faucet_usd)),
        seed=config.seed,
        schedule_cancel_volume=required or None,
        fee_tiers=TIERS,
    )
    exchange = Exchange(markets, now_ms, options)
    served = Options(
        host=config.host,
        port=config.port,
        seed=config.seed,
        cadence=Cadence(book_s=config.book_s, mids_s=config.book_s),
        faults=faults_of(config),
        limits=Limits(weight_per_min=config.weight_per_min),
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
