"""What a run consists of: an exchange, a daemon under a supervisor, wire and disk."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from mm.adapters.hyperliquid import nonce
from mm.adapters.hyperliquid.server import Cadence, Faults, HyperliquidServer, Options
from mm.adapters.hyperliquid.sign import Signer
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.adapters.journal import actions_hash
from mm.app import boot
from mm.app.clock import WallClock
from mm.app.config import Config, load
from mm.app.machine import Machine
from mm.app.simulate.disk import Disk
from mm.app.simulate.host import Host
from mm.app.simulate.loop import SimLoop
from mm.app.simulate.plan import Plan
from mm.app.simulate.quiet import QuietMarket
from mm.app.simulate.trace import Trace
from mm.app.wiring import Wired
from mm.core.engine import Engine
from mm.model.actions import Step
from mm.model.events import Command, Event, Link, Start
from mm.model.exchange import OrderRow
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_MS, NS_PER_S, Ns
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, preset

KEY: Final = "0x" + "5e" * 32
USER: Final = Signer(KEY).address.lower()
AT: Final = ("10.0.0.9", 9000)
BUSY_WEIGHT: Final = 1_100
FAUCET_USD: Final = Decimal(100_000)
RESTART_S: Final = (0.5, 3.0)
"""How long the supervisor waits before it starts a daemon that has ended; twice as long after each
start that failed soon, for a crash loop would spend the venue's request weight."""
SOON_S: Final = 30.0
HOUR_S: Final = 3600.0


class VenueSide:
    """The real exchange and its server, on a host of their own."""

    def __init__(self, loop: SimLoop, plan: Plan) -> None:
        self.plan = plan
        self.clock = WallClock(lambda: plan.start_ns + loop.elapsed_ns(), loop.elapsed_ns)
        self._loop = loop
        now_ms = self.clock.now() // NS_PER_MS
        scenario = preset(plan.scenario)
        self.market = QuietMarket(build_market(scenario, plan.seed, now_ms, plan.speed))
        volume = None if plan.dead_man else Decimal(1_000_000)
        options = ExchangeOptions(
            faucet_usdc=FAUCET_USD, seed=plan.seed, schedule_cancel_volume=volume
        )
        self.exchange = Exchange([self.market], now_ms, options)
        self.coin = self.exchange.instruments()[0].name
        self.server: HyperliquidServer
        self.host: Host
        self.boots = 0

    def start(self) -> None:
        self.boots += 1
        options = Options(
            host=AT[0],
            port=AT[1],
            seed=self.plan.seed + self.boots,
            cadence=Cadence(pump_s=0.05, book_s=1.0, mids_s=1.0),
        )
        self.host = Host(self._loop, "exchange", AT[0])
        self.server = HyperliquidServer(self.exchange, self.clock, options)
        self.host.start(self._serve(), "exchange")

    async def _serve(self) -> None:
        await self.server.start()
        await self.server.wait()

    def misbehave(self, faults: Faults) -> None:
        self.server.mischief.faults = faults

    @property
    def funding_soon_s(self) -> float:
        """Past the full hour, if one is near: what is paid after we left we cannot know."""
        past_s = self.clock.now() / NS_PER_S % HOUR_S
        left_s = HOUR_S - past_s
        return left_s + 5.0 if left_s < 10.0 else max(0.0, 5.0 - past_s)

    @property
    def throttled(self) -> bool:
        """Is little left of the request weight that it grants an address in a minute?"""
        callers = self.server._callers.values()
        now = self.clock.now()
        return any(one.weight.is_spent(now) or one.weight._used > BUSY_WEIGHT for one in callers)

    # -- truth ----------------------------------------------------------------------------------

    def orders(self) -> list[OrderRow]:
        return list(self.exchange.open_orders(USER))

    def position(self) -> Decimal:
        rows = self.exchange.account(USER, 0).positions
        return sum((row.size for row in rows if row.coin == self.coin), Decimal(0))

    def cash_flow(self, deposited: Decimal) -> Decimal:
        """USD received less paid since the start: trades, fees and funding."""
        state = self.exchange.account(USER, 0)
        held = sum(
            ((r.notional if r.size > 0 else -r.notional) for r in state.positions), Decimal(0)
        )
        return state.equity - held - deposited


class MakerSide:
    """The daemon, started again whenever it ends, and what can be seen of it from outside."""

    def __init__(self, loop: SimLoop, plan: Plan, trace: Trace, disk: Disk) -> None:
        self.plan, self.trace, self.disk = plan, trace, disk
        self.host: Host | None = None
        self.wired: Wired | None = None
        self.boots = 0
        self.exits: list[tuple[int, str]] = []
        """(exit code, what it said) of each end that was not a kill."""
        self.wall_error_ns: Ns = 0
        """How wrong the machine's clock is; a process reads it once, at its start."""
        self.on_turn: Callable[[Engine, Event, Step], None] = lambda *_: None
        self._loop = loop
        self.clock = WallClock(self._wall_ns, loop.elapsed_ns)
        """That of the present process."""
        self._random = Random(f"{plan.seed} maker")
        self._over = asyncio.Event()
        self.dead: deque[Host] = deque()
        self.journal: list[tuple[Event, int]] = []
        """Each event of the present process, and a hash of what came of it."""
        self.instrument: Instrument
        self.reconnects_s: list[float] = []
        """From each loss of the link to the next link, while the process lived on."""
        self._lost_at: float | None = None

    # -- for the daemon -------------------------------------------------------------------------

    def record(self, event: Event, step: Step) -> None:
        """As the last recorder of each turn."""
        self.trace.turn(f"maker{self.boots}", event, step)
        if isinstance(event, Start):
            self.journal = []
        self.journal.append((event, actions_hash(step)))
        self._time_link(event)
        if self.wired is not None:
            self.on_turn(self.wired.runner.engine, event, step)

    def _time_link(self, event: Event) -> None:
        if isinstance(event, Start):
            self._lost_at = None
        elif isinstance(event, Link) and event.up and self._lost_at is not None:
            self.reconnects_s.append(self._loop.now - self._lost_at)
            self._lost_at = None
        elif isinstance(event, Link) and not event.up and self._lost_at is None:
            self._lost_at = self._loop.now

    def replay_differs(self) -> str:
        """Do the events of the last process, given to a new engine, lead to the same actions?"""
        if self.engine is None:
            return "no engine"
        engine = Engine(self.engine.settings, self.instrument)
        for number, (event, taken) in enumerate(self.journal):
            if actions_hash(engine.step(event)) != taken:
                return f"replay differs at event {number}: {event}"
        return ""

    def _watch(self, wired: Wired) -> None:
        self.wired = wired
        self.instrument = wired.runner.engine.state.instrument

    def _wall_ns(self) -> Ns:
        return self.plan.start_ns + self._loop.elapsed_ns() + self.wall_error_ns

    def _token(self, count: int) -> str:
        return self._random.randbytes(count).hex()

    # -- life -----------------------------------------------------------------------------------

    async def supervise(self) -> None:
        failures = 0
        while True:
            began, ends, host = self._loop.now, len(self.exits), self._start()
            await self._over.wait()
            self.wired = None
            host.close_files()
            self.dead.append(host)
            failed = len(self.exits) > ends and self.exits[-1][0] != 0
            soon = self._loop.now - began < SOON_S
            failures = min(3, failures + 1) if failed and soon else 0
            await asyncio.sleep(self._random.uniform(*RESTART_S) * 2.0**failures)

    def _start(self) -> Host:
        self.boots += 1
        self._over.clear()
        nonce.forget_all()
        host = self.host = Host(self._loop, f"maker{self.boots}", "10.0.0.2")
        self.clock = WallClock(self._wall_ns, self._loop.elapsed_ns)
        machine = Machine(
            clock=self.clock,
            token=self._token,
            open_data=partial(self.disk.open_data, host),
            open_ledger=partial(self.disk.open_ledger, host),
            recorders=(self,),
            watch=self._watch,
            settled=nullcontext,
        )
        self.trace.say(host.name, "is started")
        task = host.start(boot.run(self._config(), machine=machine), "main")
        task.add_done_callback(partial(self._ended, host))
        return host

    def _config(self) -> Config:
        return load(
            environ={"MM_VENUE__PRIVATE_KEY": KEY},
            assignments=[
                "venue.network=local",
                f"venue.base_url=http://{AT[0]}:{AT[1]}",
                f"daemon.data_dir={self.disk.path}",
                "recorder.journal=false",
                "web.enabled=false",
                *self.plan.settings,
            ],
        )

    def _ended(self, host: Host, task: asyncio.Task[int]) -> None:
        error = task.exception()
        code = task.result() if error is None else 1
        self.exits.append((code, "" if error is None else f"{type(error).__name__}: {error}"))
        self.trace.say(host.name, f"has ended: {self.exits[-1]}")
        self._over.set()

    def kill(self) -> None:
        if self.running and self.host is not None:
            self.trace.say(self.host.name, "is killed")
            self.host.kill()
            self._over.set()

    @property
    def engine(self) -> Engine | None:
        return None if self.wired is None else self.wired.runner.engine

    @property
    def venue(self) -> HyperliquidVenue | None:
        venue = None if self.wired is None else self.wired.venue
        return venue if isinstance(venue, HyperliquidVenue) else None

    @property
    def running(self) -> bool:
        return self.host is not None and self.host.alive and not self._over.is_set()

    def lift(self) -> None:
        """The operator lifts what he set, where nobody heard him before; and nothing else."""
        kill = None if self.engine is None else self.engine.state.kill
        if kill is not None and (kill.paused or kill.halted.startswith("operator")):
            self.command("resume")

    def command(self, verb: str) -> None:
        """The operator's word, where somebody is there to hear it."""
        host, wired = self.host, self.wired
        if host is not None and wired is not None and self.running and not host.frozen:
            said = Command(self.clock.now(), verb, "operator", "simulated")
            host.start(_say(wired, said), "operator")


async def _say(wired: Wired, said: Command) -> None:
    wired.runner.handle(said)


class World:
    """Everything there is in one run."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self.loop = SimLoop(str(plan.seed))
        self.trace = Trace(self.loop)
        self.disk = Disk(self.loop, Random(f"{plan.seed} disk"), directory)
        self.venue = VenueSide(self.loop, plan)
        self.maker = MakerSide(self.loop, plan, self.trace, self.disk)
        self.random = Random(f"{plan.seed} faults")
        self.deposited = FAUCET_USD
        self.loop.network.weather.base_s = plan.latency_s
        self.loop.network.weather.jitter_s = plan.jitter_s

    @property
    def now(self) -> float:
        return self.loop.now
