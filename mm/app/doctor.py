"""What could keep the daemon from trading well, looked at before it starts; each with a remedy."""

import errno
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from mm.adapters.data_dir import DataDir, DataDirError, Runtime, read_runtime
from mm.adapters.hyperliquid.settings import Bootstrap, VenueError
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.adapters.ledger_schema import verdict
from mm.adapters.tape import TapeError
from mm.app.clock import WallClock
from mm.app.config import Config, ConfigError, load, private_key
from mm.app.config_venue import venue_settings
from mm.app.exchange import market_of

LOW_DISK_BYTES, NO_DISK_BYTES = 2_000_000_000, 100_000_000
SKEW_WARN_MS, SKEW_FAIL_MS = 500, 2_000
GOOD_MODES = ("", "default", "disabled")


class Finding(Struct, frozen=True):
    """`level`: ok, warn or fail. `remedy` "" where there is nothing to do."""

    check: str
    level: str
    text: str
    remedy: str = ""


async def examine(
    files: Sequence[Path], environ: Mapping[str, str], assignments: Sequence[str]
) -> list[Finding]:
    """All findings; the venue is asked only if the configuration is sound."""
    try:
        config = load(files, environ, assignments)
        private_key(config)
    except ConfigError as error:
        return [Finding("config", "fail", line, "see `mm config show`") for line in error.problems]
    findings = [Finding("config", "ok", f"valid, network {config.venue.network}")]
    findings += _machine(config)
    if config.venue.network == "embedded":
        findings.append(_market(config))
    elif config.venue.network != "paper":
        findings += await _venue(config)
    return findings


# -- this machine -------------------------------------------------------------------------------


def _machine(config: Config) -> Iterator[Finding]:
    data = config.daemon.data_dir
    running = read_runtime(data)
    yield _data_dir(data, running)
    yield _disk(data)
    for path in sorted(data.glob("ledger*.db")):
        fault = verdict(path)
        yield (
            Finding("ledger", "fail", fault)
            if fault
            else Finding("ledger", "ok", f"{path} is whole")
        )
    if config.web.enabled and running is None:
        yield _port(config.web.host, config.web.port)


def _data_dir(path: Path, running: Runtime | None) -> Finding:
    try:
        DataDir.open(path).close()
    except DataDirError as error:
        if running is not None and "another daemon" in str(error):
            return Finding("data dir", "ok", f"{path} is in use by the daemon, pid {running.pid}")
        return Finding("data dir", "fail", str(error))
    return Finding("data dir", "ok", f"{path.absolute()} is writable")


def _disk(path: Path) -> Finding:
    where = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    free = shutil.disk_usage(where).free
    level = "fail" if free < NO_DISK_BYTES else "warn" if free < LOW_DISK_BYTES else "ok"
    remedy = "" if level == "ok" else "free space: ledger and journal need it"
    return Finding("disk", level, f"{free / 1e9:.1f} GB free", remedy)


def _port(host: str, port: int) -> Finding:
    try:
        with socket.create_server((host, port)):
            return Finding("port", "ok", f"{host}:{port} is free")
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        taken = error.errno == errno.EADDRINUSE
        remedy = "stop what uses it, or set web.port" if taken else "set web.host and web.port"
        return Finding("port", "fail", f"{host}:{port}: {why}", remedy)


def _market(config: Config) -> Finding:
    source = config.exchange.tape or config.exchange.scenario
    try:
        market_of(config.exchange, 0)
    except (ConfigError, TapeError) as error:
        return Finding("market", "fail", str(error))
    return Finding("market", "ok", f"{source} can be read")


# -- the venue ----------------------------------------------------------------------------------


async def _venue(config: Config) -> list[Finding]:
    key = private_key(config)
    if key is None:
        remedy = "set MM_VENUE__PRIVATE_KEY or venue.private_key_file"
        return [Finding("key", "fail", "no private key", remedy)]
    findings: list[Finding] = []
    for instrument in config.instruments:
        venue = HyperliquidVenue(
            venue_settings(config, instrument.name),
            Signer(key),
            WallClock(),
            emit=lambda _: None,
            cloid_prefix=config.venue.cloid_prefix,
        )
        try:
            boot = await venue.bootstrap()
        except VenueError as error:
            findings.append(Finding("venue", "fail", str(error)))
        else:
            findings += _account(config, boot)
    return findings


def _account(config: Config, boot: Bootstrap) -> Iterator[Finding]:
    coin = boot.instrument.name
    yield Finding("venue", "ok", f"{config.venue.network} answers; {coin} is listed")
    yield Finding("account", "ok", f"{boot.account}: the key may trade for it")
    yield _clock(boot.skew_ms)
    yield _mode(boot.account_mode)
    yield _balance(config, boot)
    left = boot.actions_cap - boot.actions_used
    remedy = "trade volume raises it; quote fewer levels or less often" if left < 1000 else ""
    yield Finding("actions", "warn" if remedy else "ok", f"{left} actions left", remedy)
    prefix = f"0x{config.venue.cloid_prefix}"
    foreign = sum(1 for o in boot.orders if not (o.cloid or "").startswith(prefix))
    if foreign:
        text = f"{foreign} open {coin} orders are not ours"
        yield Finding("orders", "warn", text, "they are left alone; better use a sub-account")


def _clock(skew_ms: int) -> Finding:
    size = abs(skew_ms)
    level = "fail" if size > SKEW_FAIL_MS else "warn" if size > SKEW_WARN_MS else "ok"
    remedy = "" if level == "ok" else "synchronise the clock: run an NTP client such as chrony"
    return Finding("clock", level, f"{skew_ms} ms behind the venue", remedy)


def _mode(mode: str) -> Finding:
    if mode in GOOD_MODES:
        return Finding("account mode", "ok", mode or "standard")
    remedy = 'set it to "disabled" (standard) at the venue: its balance is not the perp account\'s'
    return Finding("account mode", "warn", mode, remedy)


def _balance(config: Config, boot: Bootstrap) -> Finding:
    needed = config.strategy.lot_usd / config.risk.max_leverage
    text = f"equity {boot.equity:.2f} USD, position {boot.position} {boot.instrument.name}"
    if boot.equity <= 0:
        return Finding("balance", "fail", text, "deposit USDC, or check venue.account_address")
    if float(boot.equity) < needed:
        remedy = f"one lot needs {needed:.2f} USD: deposit, or lower strategy.lot_usd"
        return Finding("balance", "warn", text, remedy)
    return Finding("balance", "ok", text)
