"""The settings and the probes that every measured stack shares: the same engine, the same work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from mm.app.clock import stopwatch_ns
from mm.app.config import Config, engine_settings, load
from mm.app.latency.market import busy
from mm.app.latency.samples import Samples
from mm.app.stage_clocks import Places, StageClocks
from mm.core import quoting
from mm.core.engine import Engine
from mm.core.learning import Learning
from mm.core.quoting import Quoting
from mm.core.state import State
from mm.model.actions import Step
from mm.model.events import Account, Bbo, Book, Event, Fees, Link, Start
from mm.model.units import Ns

KEY = "0x" + "5e" * 32
"""Of a throw-away account with play money."""
WARM_S = 4.0
EQUITY = Decimal(100_000)
EAGER = (
    "strategy.min_requote_ms=20",
    "strategy.requote_bps=0.01",
    "strategy.hysteresis_sigmas=0",
    "strategy.hysteresis_min_bps=0.01",
    "stochastic.volatility.min_observations=2",
    "stochastic.volatility.max_warmup_s=2",
    "risk.max_actions_per_min=100000",
    "risk.max_velocity_bps_per_s=1000",
    "risk.action_budget_horizon_h=0.01",
)
"""Nearly every touch moves orders: what is to be timed happens often."""
ENGINE: Places = {
    "apply": (State, "market"),
    "learn": (Learning, "learn_market"),
    "decide": (Quoting, "decide"),
    "diff": (quoting, "diff"),
}


def config(url: str, data: Path) -> Config:
    """The daemon's, on the local exchange at `url`."""
    sets = ("venue.network=local", f"venue.base_url={url}", "web.port=0", "daemon.log_level=error")
    return load(
        environ={"MM_VENUE__PRIVATE_KEY": KEY, "MM_DAEMON__DATA_DIR": str(data)},
        assignments=[*sets, *EAGER],
    )


class Watched:
    """The engine's stages, in the turns in which a touch or book led to orders.

    Every stack counts its frames, and says when each came and when its orders were written.
    """

    def __init__(self) -> None:
        self.samples = Samples()
        self.cause: Ns | None = None
        """Receipt, by the event's own stamp, of the market event that led to orders last."""
        self.decoded: dict[Ns, tuple[int, int]] = {}
        """By stamp: when the frame came, and how long it took to decode; ns of the stopwatch."""
        self._written: dict[Ns, int] = {}
        self._requests = 0
        self._clocks = StageClocks(ENGINE)
        self._recording = False
        self._began = 0

    def begin(self) -> None:
        """Warm: from here on it counts."""
        self._recording = True
        self._began = stopwatch_ns()

    def end(self) -> Samples:
        samples = self.samples
        samples.seconds = (stopwatch_ns() - self._began) / 1e9
        samples.whole = [at - self.decoded[cause][0] for cause, at in self._written.items()]
        return samples

    def counted(self) -> None:
        """A frame of any kind has come."""
        self.samples.frames += self._recording

    def came(self, stamp: Ns, at: int, decode: int) -> None:
        """A market frame, received at `at` and decoded in `decode` ns."""
        self.decoded[stamp] = (at, decode)

    def spent(self, **stages: int) -> None:
        if self._recording and self.cause is not None:
            self.samples.note(**stages)

    def signed(self, took: int) -> None:
        """A request has its signature."""
        self._requests += 1
        self.spent(sign=took)

    def wrote(self, took: int) -> None:
        """Part of a request, `took` ns after its signature or the last part, is with the kernel.

        The first request of a turn is the order whose bytes count.
        """
        self.spent(send=took)
        if self._recording and self.cause is not None and self._requests == 1:
            self._written[self.cause] = stopwatch_ns()

    def paused(self, pause: int) -> None:
        if self._recording:
            self.samples.pauses.append(pause)

    @contextmanager
    def engines(self) -> Iterator[None]:
        """Clocks on every engine of this process."""
        plain = Engine.step

        def step(engine: Engine, event: Event) -> Step:
            self._clocks.begin()
            done = plain(engine, event)
            market = isinstance(event, Bbo | Book)
            if done.actions:
                self.cause = event.ts if market and event.ts in self.decoded else None
                self._requests = 0
            self._clocks.end(keep=False)
            if done.actions and self.cause is not None and self._recording:
                self._keep(self._clocks.last)
            return done

        with self._clocks.running(), replaced(Engine, "step", step):
            yield

    def _keep(self, turn: dict[str, int]) -> None:
        assert self.cause is not None  # noqa: S101 - the caller looked
        self.samples.note(
            decode=self.decoded[self.cause][1],
            learn=turn.get("apply", 0) + turn.get("learn", 0),
            quote=turn["decide"] - turn["diff"],
            diff=turn["diff"],
        )


@contextmanager
def replaced(owner: Any, name: str, by: Callable[..., Any]) -> Iterator[None]:  # noqa: ANN401 - a class
    kept = vars(owner)[name]
    setattr(owner, name, by)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def quoting_engine(settings: Config, now: Ns) -> Engine:
    """An engine that has been told what a venue's adapter tells at the start."""
    engine = Engine(engine_settings(settings), busy().instrument)
    zero = Decimal(0)
    for event in (
        Start(now, "00000001", zero, zero, "", None, None, None),
        Fees(now, 1.5, 4.5),
        Account(now, now, now, zero, EQUITY, ()),
        Link(now, True, "bench"),
    ):
        engine.step(event)
    return engine
