"""The composition root: from configuration to everything that runs, put together, not started."""

import os
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from mm import __version__
from mm.adapters.data_dir import Runtime
from mm.adapters.hyperliquid.settings import Bootstrap, Hooks, VenueSettings
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.adapters.ledger import Ledger
from mm.adapters.ledger_state import LedgerState
from mm.adapters.logs import log
from mm.adapters.web.server import WebServer
from mm.app.clock import WallClock
from mm.app.config import Config, ConfigError, label_of, private_key
from mm.app.config_venue import venue_settings
from mm.app.crew import Crew
from mm.app.live import LagWatch, Runner
from mm.app.machine import Machine
from mm.app.record import tape_of
from mm.app.traders import Trader, Traders
from mm.model.events import Start
from mm.model.units import NS_PER_MS, Ns, seconds

if TYPE_CHECKING:  # what a daemon on a real venue never runs, it need not load
    from mm.app.exchange import Serving
    from mm.app.paper import PaperVenue


class Wired(Struct):
    """All that runs, put together."""

    traders: Traders
    venue: "HyperliquidVenue | PaperVenue"
    ledger: Ledger
    web: WebServer | None
    lag: LagWatch
    serving: "Serving | None"

    @property
    def first(self) -> Trader:
        return next(iter(self.traders))

    @property
    def runner(self) -> Runner:
        """The only one, where there is one instrument."""
        return self.first.runner

    @property
    def coin(self) -> str:
        return self.first.coin

    @property
    def run_id(self) -> str:
        return self.first.run_id


async def assemble(
    config: Config, machine: Machine, stack: AsyncExitStack, halted: str = ""
) -> Wired:
    """Everything, in the order of what needs what; `stack` takes it down again.

    `halted`: why no instrument may quote before a resume, whatever the ledger says; "": it may.
    """
    clock, run_id, began = machine.clock, machine.token(4), machine.clock.now()
    coins = [instrument.name for instrument in config.instruments]
    directory = machine.open_data(config.daemon.data_dir)
    stack.callback(directory.close)
    serving = await _embedded(config, clock, coins, stack)
    signer = _signer(config, machine)
    url = "" if serving is None else serving.url
    settings = venue_settings(config, coins[0], url, coins[1:])
    ledger = machine.open_ledger(_ledger_path(config, directory.path, settings, signer))
    stack.callback(ledger.close)
    ledger.orders_kept = config.recorder.ledger_keep_orders
    states = {coin: ledger.state(coin, clock.now()) for coin in coins}
    crew = Crew(config, machine, ledger, directory, run_id)
    hooks = _hooks(config, directory.path, crew, stack)
    venue = _venue(config, settings, signer, crew, hooks)
    _remember(venue, states)
    loaded = clock.now()
    await venue.bootstrap()
    answered = clock.now()
    found = venue.found
    traders = Traders([crew.hire(coin, found[coin], stack) for coin in coins], crew.guard(found))
    for trader in traders:
        desk = venue.desks.get(trader.coin)
        if desk is not None:
            trader.runner.attach(desk)
    lag = LagWatch(clock)
    web = crew.show(traders, venue, lag)
    if web is not None:
        await web.start()
        stack.push_async_callback(web.stop)
    _introduce(config)
    directory.announce(Runtime(**_runtime(run_id, began, web)))
    for trader in traders:
        _begin(trader, clock.now(), found[trader.coin], states[trader.coin], halted)
    if any(state.first_ts is None for state in states.values()):
        await ledger.flush()  # else a next start would take what we trade for older than itself
    crew.report_to(traders)
    traders.begin(clock.now())
    for trader in traders:
        _greet(config, found[trader.coin], web, (began, loaded, answered, clock.now()))
    wired = Wired(traders, venue, ledger, web, lag, serving)
    machine.watch(wired)
    return wired


async def _embedded(
    config: Config, clock: WallClock, coins: list[str], stack: AsyncExitStack
) -> "Serving | None":
    """An exchange of our own, where that is the network."""
    if config.venue.network != "embedded":
        return None
    from mm.app.exchange import local_exchange

    return await stack.enter_async_context(local_exchange(config.exchange, clock, coins))


def _introduce(config: Config) -> None:
    """Once nothing can keep it from starting: a refusal is one line and no more."""
    if config.venue.network == "embedded":
        from mm.app.exchange import introduce

        introduce(config.exchange)


def _hooks(config: Config, data: Path, crew: Crew, stack: AsyncExitStack) -> Hooks:
    tape = tape_of(config, data)
    if tape is None:
        return Hooks(note=crew.note, round_trip=crew.round_trip)
    stack.callback(tape.close)
    return Hooks(note=crew.note, round_trip=crew.round_trip, frame=tape.frame)


def _venue(
    config: Config, settings: VenueSettings, signer: Signer | None, crew: Crew, hooks: Hooks
) -> "HyperliquidVenue | PaperVenue":
    """The account, with a desk for each coin."""
    first, *others = settings.coins
    clock, emit, prefix = crew.clock, crew.emit(first), config.venue.cloid_prefix
    venue: HyperliquidVenue | PaperVenue
    if signer is None:
        from mm.app import paper

        venue = paper.PaperVenue(settings, config.paper, clock, emit, hooks)
    else:
        venue = HyperliquidVenue(settings, signer, clock, emit, prefix, hooks)
    for coin in others:
        venue.open(coin, crew.emit(coin))
    return venue


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
    """One ledger an account. The embedded exchange begins anew each time, so its ledger does, but
    for the latch: a halt or a pause holds until somebody lifts it."""
    if config.venue.network == "embedded":
        for suffix in ("db", "db-wal", "db-shm"):
            (data / f"ledger-embedded.{suffix}").unlink(missing_ok=True)
        return data / "ledger-embedded.db"
    if signer is None:
        return data / f"ledger-paper-{settings.network}.db"
    account = (settings.account_address or signer.address).lower()
    return data / f"ledger-{config.venue.network}-{account[2:10]}.db"


def _remember(venue: "HyperliquidVenue | PaperVenue", states: dict[str, LedgerState]) -> None:
    """A ledger that was here before has a memory: what happened since is fetched and told."""
    for coin, state in states.items():
        if not isinstance(venue, HyperliquidVenue):
            venue.carry(state.position, state.cash, coin)  # it has nowhere else to live
        elif state.first_ts is not None:
            first_ms = state.first_ts // NS_PER_MS
            fills = ((trade_id, venue_ms * NS_PER_MS) for trade_id, venue_ms in state.fill_ids)
            last_ms = max(state.last_fill_ms, first_ms)
            funded_ms = max(state.last_funding_ms, first_ms)
            venue.remember(fills, last_ms, funded_ms, coin, first_ms)


def _runtime(run_id: str, began: Ns, web: WebServer | None) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "url": "" if web is None else web.url,
        "run_id": run_id,
        "version": __version__,
        "start_ns": began,
    }


def _begin(trader: Trader, ts: Ns, found: Bootstrap, state: LedgerState, halted: str) -> None:
    """The first event of every run: what the ledger remembers."""
    if halted := state.halted or halted:
        text = "Halted before this start: nothing is quoted until `mm resume`"
        log("warning", "risk", text, instrument=trader.coin, reason=halted)
    trader.runner.handle(
        Start(
            ts=ts,
            run_id=trader.run_id,
            position=state.position,
            cash=state.cash,
            halted=halted,
            peak_equity=state.peak_equity,
            day_equity=state.day_equity,
            midnight_equity=state.midnight_equity,
            last_mark=state.last_mark,
            checkpoint=state.checkpoint,
            paused=state.paused,
            flatten=state.flatten,
            venue_ts=found.venue_ms * NS_PER_MS,
        )
    )


def _greet(config: Config, found: Bootstrap, web: WebServer | None, at: tuple[Ns, ...]) -> None:
    local_s, venue_s, engine_s = (round(seconds(end - start), 3) for start, end in pairwise(at))
    log(
        "info",
        "daemon",
        f"mm {__version__} on {label_of(config)}",
        instrument=found.instrument.name,
        account=found.account,
        equity_usd=str(found.equity),
        position=str(found.position),
        policy=config.stochastic.policy,
        page="off" if web is None else web.url,
        start_s=round(seconds(at[-1] - at[0]), 3),
        local_s=local_s,
        venue_s=venue_s,
        engine_s=engine_s,
    )
