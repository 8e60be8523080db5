"""What could keep the daemon from trading well, looked at before it starts; each with a remedy."""

import errno
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mm.adapters.data_dir import DataDir, DataDirError, Runtime, read_runtime
from mm.adapters.ledger_schema import ledgers, verdict
from mm.adapters.tape import TapeError
from mm.app.config import Config, ConfigError, load, private_key
from mm.app.doctor_venue import examine_venue
from mm.app.exchange import market_of
from mm.app.findings import Finding as Finding

LOW_DISK_BYTES, NO_DISK_BYTES = 2_000_000_000, 100_000_000


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
    else:
        findings += await examine_venue(config)
    return findings


# -- this machine -------------------------------------------------------------------------------


def _machine(config: Config) -> Iterator[Finding]:
    data = config.daemon.data_dir
    running = read_runtime(data)
    yield _data_dir(data, running)
    yield _disk(data)
    for path in ledgers(data):
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
