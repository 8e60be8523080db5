"""The composition root: from configuration to everything that runs, put together, not started."""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from msgspec import Struct

from mm import __version__
from mm.adapters.data_dir import DataDir, Runtime
from mm.adapters.hyperliquid.settings import Bootstrap, Hooks, VenueSettings
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.adapters.journal import JournalWriter, header
from mm.adapters.ledger import Ledger
from mm.adapters.ledger_state import LedgerState
from mm.adapters.logs import log, log_note
from mm.adapters.metrics import Metrics
from mm.adapters.web.server import WebOptions, WebServer
from mm.app.clock import WallClock
from mm.app.config import Config, ConfigError, engine_settings, private_key
from mm.app.config_venue import venue_settings
from mm.app.daemon import (
    Daemon,
    JournalRecorder,
    LedgerRecorder,
    MetricsRecorder,
    Narrator,
    Timekeeper,
)
from mm.app.exchange import Serving, local_exchange
from mm.app.live import LagWatch, Runner
from mm.app.machine import Machine
from mm.app.paper import PaperVenue
from mm.app.ports import Recorder
from mm.core.engine import Engine
from mm.model.events import Event, Start
from mm.model.units import NS_PER_MS, Ns, seconds


class Wired(Struct):
    """All that runs, put together."""

    runner: Runner
    venue: HyperliquidVenue | PaperVenue
    ledger: Ledger
    web: WebServer | None
    lag: LagWatch
    serving: Serving | None
    coin: str
    run_id: str


async def assemble(config: Config, machine: Machine, stack: AsyncExitStack) -> Wired:
    """Everything, in the order of what needs what; `stack` takes it down again."""
    clock, run_id, coin = machine.clock, machine.token(4), _coin(config)
    began = clock.now()
    directory = machine.open_data(config.daemon.data_dir)
    stack.callback(directory.close)
    serving = None
    if config.venue.network == "embedded":
        serving = await stack.enter_async_context(local_exchange(config.exchange, clock))
    signer = _signer(config, machine)
    settings = venue_settings(config, coin, "" if serving is None else serving.url)
    ledger = machine.open_ledger(_ledger_path(config, directory.path, settings, signer))
    stack.callback(ledger.close)
    state = ledger.state(coin, clock.now())
    metrics, narrator = Metrics(coin), Narrator(log_note)

    def emit(event: Event) -> None:
        runner.handle(event)

    hooks = Hooks(note=narrator.note, round_trip=metrics.observe_round_trip_s)
    venue = _venue(config, settings, signer, clock, emit, hooks)
    _remember(venue, state)
    found = await venue.bootstrap()
    recorders: list[Recorder] = [LedgerRecorder(ledger, coin), MetricsRecorder(metrics), narrator]
    journal = _journal(config, directory, run_id, found, clock)
    if journal is not None:
        stack.callback(journal.close)
        recorders.append(JournalRecorder(journal))
    recorders += machine.recorders
    engine = Engine(engine_settings(config), found.instrument)
    runner = Runner(engine, recorders, Timekeeper(metrics, clock).on_turn)
    runner.attach(venue)
    lag = LagWatch(clock)
    web = _web(config, directory, Daemon(runner, venue, clock, lag, journal), metrics)
    if web is not None:
        await web.start()
        stack.push_async_callback(web.stop)
        narrator.web = web
    directory.announce(Runtime(**_runtime(run_id, began, web)))
    _begin(runner, clock, run_id, state)
    _greet(config, found, web, clock.now() - began)
    wired = Wired(runner, venue, ledger, web, lag, serving, coin, run_id)
    machine.watch(wired)
    return wired


def _coin(config: Config) -> str:
    if len(config.instruments) > 1:
        raise ConfigError("several [[instruments]] in one process are not supported yet: keep one")
    return config.instruments[0].name


def _signer(config: Config, machine: Machine) -> Signer | None:
    """The configured key; on the embedded exchange a fresh one, which nobody else has.

    None for paper: what cannot sign cannot send.
    """
    if config.venue.network == "paper":
        return None
    if config.venue.network == "embedded":
        return Signer("0x" + machine.token(32))
    key = private_key(config)
    if key is None:
        raise ConfigError(
            f"network {config.venue.network} needs a key: set MM_VENUE__PRIVATE_KEY "
            "or venue.private_key_file"
        )
    return Signer(key)


def _ledger_path(
    config: Config, data: Path, settings: VenueSettings, signer: Signer | None
) -> Path:
    """One ledger an account. The embedded exchange begins anew each time, so its ledger does."""
    if config.venue.network == "embedded":
        for suffix in ("", "-wal", "-shm"):
            (data / f"ledger-embedded.db{suffix}").unlink(missing_ok=True)
        return data / "ledger-embedded.db"
    if signer is None:
        return data / f"ledger-paper-{settings.network}.db"
    account = (settings.account_address or signer.address).lower()
    return data / f"ledger-{config.venue.network}-{account[2:10]}.db"


def _venue(
    config: Config,
    settings: VenueSettings,
    signer: Signer | None,
    clock: WallClock,
    emit: Callable[[Event], None],
    hooks: Hooks,
) -> HyperliquidVenue | PaperVenue:
    if signer is None:
        return PaperVenue(settings, config.paper, clock, emit, hooks)
    return HyperliquidVenue(settings, signer, clock, emit, config.venue.cloid_prefix, hooks=hooks)


def _remember(venue: HyperliquidVenue | PaperVenue, state: LedgerState) -> None:
    """A ledger that was here before has a memory: what happened since is fetched and told.

    A paper account has nowhere else to live.
    """
    if isinstance(venue, PaperVenue):
        venue.carry(state.position, state.cash)
        return
    if state.first_ts is not None:
        first_ms = state.first_ts // NS_PER_MS
        fills = ((trade_id, venue_ms * NS_PER_MS) for trade_id, venue_ms in state.fill_ids)
        last_ms = max(state.last_fill_ms, first_ms)
        venue.remember(fills, last_ms, max(state.last_funding_ms, first_ms))


def _journal(
    config: Config, directory: DataDir, run_id: str, found: Bootstrap, clock: WallClock
) -> JournalWriter | None:
    recorder = config.recorder
    if not recorder.journal:
        return None
    directory.prune_journals(recorder.journal_keep_files - 1)
    coin = found.instrument.name
    first = header(__version__, run_id, found.instrument, engine_settings(config))
    path = directory.journal(run_id, coin, clock.now())
    return JournalWriter(path, first, recorder.journal_flush_s, recorder.journal_level)


def _web(config: Config, directory: DataDir, daemon: Daemon, metrics: Metrics) -> WebServer | None:
    web = config.web
    if not web.enabled:
        return None
    token = "" if web.token is None else web.token.get_secret_value()
    options = WebOptions(
        token_path=directory.path / "token",
        token=token,
        host=web.host,
        port=web.port,
        hosts=web.hosts,
    )
    return WebServer(daemon, metrics, options)


def _runtime(run_id: str, began: Ns, web: WebServer | None) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "url": "" if web is None else web.url,
        "run_id": run_id,
        "version": __version__,
        "start_ns": began,
    }


def _begin(runner: Runner, clock: WallClock, run_id: str, state: LedgerState) -> None:
    """The first event of every run: what the ledger remembers."""
    runner.handle(
        Start(
            ts=clock.now(),
            run_id=run_id,
            position=state.position,
            cash=state.cash,
            halted=state.halted,
            peak_equity=state.peak_equity,
            day_equity=state.day_equity,
            checkpoint=state.checkpoint,
        )
    )


def _greet(config: Config, found: Bootstrap, web: WebServer | None, took: Ns) -> None:
    log(
        "info",
        "daemon",
        f"mm {__version__} on {config.venue.network.upper()}",
        instrument=found.instrument.name,
        account=found.account,
        equity_usd=str(found.equity),
        position=str(found.position),
        policy=config.stochastic.policy,
        page="off" if web is None else web.url,
        start_s=round(seconds(took), 3),
    )
