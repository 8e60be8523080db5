"""What a run consists of: a venue, a daemon under a supervisor, wire and disk."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from mm.adapters.hyperliquid import nonce
from mm.adapters.hyperliquid.venue import HyperliquidVenue
from mm.adapters.journal import actions_hash
from mm.app import boot
from mm.app.clock import WallClock
from mm.app.config import Config, load
from mm.app.machine import Machine
from mm.app.ports import Recorder
from mm.app.simulate.disk import Disk
from mm.app.simulate.host import Host
from mm.app.simulate.loop import SimLoop
from mm.app.simulate.losses import Losses
from mm.app.simulate.machine_clock import MachineClock
from mm.app.simulate.plan import Plan
from mm.app.simulate.trace import Trace
from mm.app.simulate.venue_side import AT, FAUCET_USD, KEY, VenueSide
from mm.app.wiring import Wired
from mm.core.engine import Engine
from mm.core.kill_switch import LOSSES
from mm.model.actions import Step
from mm.model.events import Bbo, Book, Command, Event, Start
from mm.model.instrument import Instrument
from mm.model.units import Ns

RESTART_S: Final = (0.5, 3.0)
"""How long the supervisor waits before it starts a daemon that has ended; twice as long after each
start that failed soon, for a crash loop would spend the venue's request weight."""
SOON_S: Final = 30.0


class MakerSide:
    """The daemon, started again whenever it ends, and what can be seen of it from outside."""

    def __init__(self, loop: SimLoop, plan: Plan, trace: Trace, disk: Disk) -> None:
        self.plan, self.trace, self.disk = plan, trace, disk
        self.host: Host | None = None
        self.wired: Wired | None = None
        self.boots = 0
        self.exits: list[tuple[int, str]] = []
        """(exit code, what it said) of each end that was not a kill."""
        self.machine = MachineClock(loop, plan)
        self.on_turn: Callable[[str, Engine, Event, Step], None] = lambda *_: None
        self.on_resume: tuple[Callable[[], None], ...] = ()
        """Told before a halt is lifted."""
        self._loop = loop
        self.clock = WallClock(self.machine.wall_ns, self.machine.elapsed_ns)
        """That of the present process."""
        self._random = Random(f"{plan.seed} maker")
        self._engines: dict[str, Engine] = {}
        self._over = asyncio.Event()
        self.dead: deque[Host] = deque()
        self.journals: dict[str, list[tuple[Event, int]]] = {}
        """By coin: each event of the present process, and a hash of what came of it."""
        self.fed: dict[str, Ns] = {}
        """When each coin was last told a book, by a stream or on request, in this process."""
        self.instruments: dict[str, Instrument] = {}
        self.began_at = 0.0
        """When the present process was started."""
        self.losses = Losses(lambda: loop.now)

    # -- for the daemon -------------------------------------------------------------------------

    def ears(self, coin: str) -> tuple[Recorder, ...]:
        return (Ear(self, coin),)

    def record(self, coin: str, event: Event, step: Step) -> None:
        """After all recorders of each turn."""
        name = coin if len(self.plan.coins) > 1 else "maker"
        self.trace.turn(f"{name}{self.boots}", event, step)
        if isinstance(event, Start):
            self.journals[coin] = []
            self.fed.pop(coin, None)
        elif isinstance(event, Book | Bbo):
            self.fed[coin] = event.ts
        self.journals[coin].append((event, actions_hash(step)))
        self.losses.turn(event, self.engines.values())
        if self.wired is not None:
            self.on_turn(coin, self.engines[coin], event, step)

    def replay_differs(self) -> str:
        """Do the events of the last process, given to a new engine, lead to the same actions?"""
        if not self.engines:
            return "no engine"
        for coin, first in self.engines.items():
            engine = Engine(first.settings, self.instruments[coin])
            for number, (event, taken) in enumerate(self.journals[coin]):
                if actions_hash(engine.step(event)) != taken:
                    return f"{coin}: replay differs at event {number}: {event}"
        return ""

    def _watch(self, wired: Wired) -> None:
        self.wired = wired
        self._engines = {trader.coin: trader.runner.engine for trader in wired.traders}
        self.instruments = {coin: one.state.instrument for coin, one in self._engines.items()}

    def _token(self, count: int) -> str:
        return self._random.randbytes(count).hex()

    # -- life -----------------------------------------------------------------------------------

    async def supervise(self) -> None:
        failures = 0
        while True:
            began, ends, host = self._loop.now, len(self.exits), self._start()
            self.began_at = began
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
        self.clock = WallClock(self.machine.wall_ns, self.machine.elapsed_ns)
        self._loop.felt["stepped"] += self.machine.stepped_ns != 0
        machine = Machine(
            clock=self.clock,
            token=self._token,
            open_data=partial(self.disk.open_data, host),
            open_ledger=partial(self.disk.open_ledger, host),
            recorders=self.ears,
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
                *(f"instruments.{n}.name={coin}" for n, coin in enumerate(self.plan.coins)),
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
    def engines(self) -> dict[str, Engine]:
        """By coin; none before all is put together."""
        return {} if self.wired is None else self._engines

    @property
    def venue(self) -> HyperliquidVenue | None:
        venue = None if self.wired is None else self.wired.venue
        return venue if isinstance(venue, HyperliquidVenue) else None

    @property
    def running(self) -> bool:
        return self.host is not None and self.host.alive and not self._over.is_set()

    def lift(self) -> None:
        """The operator lifts what he set, where nobody heard him before, and a halt for a loss that
        he expects; and nothing else."""
        paused = any(engine.state.kill.paused for engine in self.engines.values())
        if paused or self.has_halted("operator") or self.has_lost:
            self.command("resume")

    @property
    def has_lost(self) -> bool:
        """Is it halted for a loss, where one is no wonder?"""
        return self.plan.may_lose and self.has_halted(*LOSSES)

    def has_halted(self, *causes: str) -> bool:
        """Is any engine halted, for one of these? Of several instruments one halts, and the others
        name it: "BTC: operator: ..."."""
        halts = (engine.state.kill.halted for engine in self.engines.values())
        return any(cause in halted.split(": ")[:2] for halted in halts for cause in causes)

    def command(self, verb: str) -> bool:
        """The operator's word. Is somebody there to hear it?"""
        host, wired = self.host, self.wired
        if host is None or wired is None or not self.running or host.frozen:
            return False
        if verb == "resume":  # a failing ledger may end its turn before that is told
            for hear in self.on_resume:
                hear()
        said = Command(self.clock.now(), verb, "operator", "simulated")
        host.start(_say(wired, said), "operator")
        return True


async def _say(wired: Wired, said: Command) -> None:
    """As the control does: all hear it, though one may fail of it."""
    failed: Exception | None = None
    for trader in wired.traders:
        try:
            trader.runner.handle(said)
        except Exception as error:  # noqa: BLE001 - raised when all have heard it
            failed = failed or error
    if failed is not None:
        raise failed


class Ear:
    """A recorder of one coin's turns."""

    def __init__(self, maker: MakerSide, coin: str) -> None:
        self._maker, self._coin = maker, coin

    def record(self, event: Event, step: Step) -> None:
        self._maker.record(self._coin, event, step)


class World:
    """Everything there is in one run."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self.loop = SimLoop(str(plan.seed))
        self.trace = Trace(self.loop, str(directory))
        self.disk = Disk(self.loop, Random(f"{plan.seed} disk"), directory)
        self.venue = VenueSide(self.loop, plan)
        self.maker = MakerSide(self.loop, plan, self.trace, self.disk)
        self.maker.losses.venue = self.venue
        self.random = Random(f"{plan.seed} faults")
        self.deposited = FAUCET_USD
        self.striking = 0
        """Faults that have begun and not ended."""
        self.loop.network.weather.base_s = plan.latency_s
        self.loop.network.weather.jitter_s = plan.jitter_s

    @property
    def now(self) -> float:
        return self.loop.now

    @property
    def felt(self) -> Counter[str]:
        return self.loop.felt
