"""Engines with all that records, measures and shows them: one of each for every instrument."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from mm import __version__
from mm.adapters.data_dir import DataDir
from mm.adapters.hyperliquid.desks import dex_of
from mm.adapters.hyperliquid.settings import Bootstrap
from mm.adapters.journal import JournalWriter, header
from mm.adapters.journal_files import JournalFiles
from mm.adapters.ledger import Ledger
from mm.adapters.logs import log_note
from mm.adapters.metrics import Metrics
from mm.adapters.web.server import WebOptions, WebServer
from mm.app.config import Config, engine_settings
from mm.app.config_sections import InstrumentConfig
from mm.app.daemon import (
    Daemon,
    JournalRecorder,
    LedgerRecorder,
    MetricsRecorder,
    Narrator,
    Pulse,
    Timekeeper,
)
from mm.app.live import LagWatch, Runner
from mm.app.machine import Machine
from mm.app.ports import Recorder
from mm.app.traders import Trader, Traders, Watch
from mm.core.engine import Engine
from mm.core.portfolio import Member, Portfolio
from mm.core.settings import PortfolioSettings
from mm.model.actions import Note
from mm.model.events import Event
from mm.model.instrument import Instrument

GIGA = 1_000_000_000


class Crew:
    """Puts traders together. What the venue tells goes to them by `emit`, from `hire` on."""

    def __init__(
        self, config: Config, machine: Machine, ledger: Ledger, directory: DataDir, run_id: str
    ) -> None:
        self.clock = machine.clock
        self._config = config
        self._machine = machine
        self._ledger = ledger
        self._directory = directory
        self._run_id = run_id
        keep_bytes = int(config.recorder.journal_keep_gb * GIGA)
        self._journals = JournalFiles(directory.path / "journal", keep_bytes)
        self._traders: dict[str, Trader] = {}
        self._watches: dict[str, Watch] = {}
        self._narrator = Narrator(log_note)

    @property
    def _several(self) -> bool:
        return len(self._config.instruments) > 1

    # -- what the venue says --------------------------------------------------------------------

    def emit(self, coin: str) -> Callable[[Event], None]:
        def to_trader(event: Event) -> None:
            self._traders[coin].runner.handle(event)

        return to_trader

    def note(self, note: Note) -> None:
        """Of the connection: it concerns all, and is said once."""
        self._narrator.note(note)
        for trader in list(self._traders.values())[1:]:
            if trader.narrator.face is not None and note.severity != "debug":
                trader.narrator.face.on_note(note)

    def round_trip(self, kind: str, elapsed_s: float) -> None:
        """One request may hold orders of several coins: its time is that of each."""
        for trader in self._traders.values():
            trader.metrics.observe_round_trip_s(kind, elapsed_s)

    # -- one instrument -------------------------------------------------------------------------

    def hire(self, coin: str, found: Bootstrap, stack: AsyncExitStack) -> Trader:
        number = len(self._traders)
        (chosen,) = (one for one in self._config.instruments if one.name == coin)
        run_id = f"{(int(self._run_id, 16) + number) % 2**32:08x}"  # client ids must differ
        metrics, narrator = Metrics(coin), Narrator(log_note, coin if self._several else "")
        watch = self._watches[coin] = Watch(coin)
        recorders: list[Recorder] = [LedgerRecorder(self._ledger, coin), MetricsRecorder(metrics)]
        recorders.append(narrator)
        journal = self._journal(chosen, found.instrument, run_id)
        if journal is not None:
            stack.callback(journal.close)
            recorders.append(JournalRecorder(journal))
        recorders += [watch, *self._machine.recorders(coin)]
        engine = Engine(engine_settings(self._config, chosen), found.instrument)
        runner = Runner(engine, recorders, Timekeeper(metrics, self.clock).on_turn)
        trader = Trader(coin, run_id, runner, metrics, narrator, journal)
        self._traders[coin] = trader
        return trader

    def _journal(
        self, chosen: InstrumentConfig, instrument: Instrument, run_id: str
    ) -> JournalWriter | None:
        recorder = self._config.recorder
        if not recorder.journal:
            return None
        settings = engine_settings(self._config, chosen)
        first = header(__version__, run_id, instrument, settings)
        path = self._journals.first(run_id, chosen.name, self.clock.now())
        flush_s, level = recorder.journal_flush_s, recorder.journal_level
        return JournalWriter(path, first, flush_s, level, self._journals)

    # -- all of them ----------------------------------------------------------------------------

    def guard(self, found: dict[str, Bootstrap]) -> Portfolio | None:
        """None for one instrument without a limit of the portfolio: its own limits do it all."""
        settings = PortfolioSettings(**self._config.portfolio.model_dump())
        if not self._several and settings == PortfolioSettings():
            return None
        states = ((coin, self._traders[coin].runner.engine.state) for coin in found)
        return Portfolio(settings, [Member.of(state, dex_of(coin)) for coin, state in states])

    def report_to(self, traders: Traders) -> None:
        for watch in self._watches.values():
            watch.traders = traders

    def show(self, traders: Traders, venue: Pulse, lag: LagWatch) -> WebServer | None:
        """The page and its control, a face for each; None where it is switched off."""
        web = self._config.web
        if not web.enabled:
            return None
        options = WebOptions(
            token_path=self._directory.path / "token",
            token="" if web.token is None else web.token.get_secret_value(),
            host=web.host,
            port=web.port,
            hosts=web.hosts,
        )
        server: WebServer | None = None
        for trader in traders:
            coin = trader.coin if self._several else None
            source = Daemon(trader.runner, venue, self.clock, lag, trader.journal, coin)
            if server is None:
                server = WebServer(source, trader.metrics, options)
                trader.narrator.face = self._narrator.face = server.face
            else:
                trader.narrator.face = server.add(source, trader.metrics)
        return server
