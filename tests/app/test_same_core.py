"""One engine, three drivers: virtual time, wall time and replay take the same actions."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from mm.adapters.journal import JournalWriter, header
from mm.adapters.journal_files import PARTS, JournalFiles, continuations
from mm.app.backtest import Backtest, Pace
from mm.app.cold_start import START_MS, Job, run
from mm.app.live import Runner, tick
from mm.app.replay import replay
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.actions import Action, Step
from mm.model.events import Event, Fill, Tick
from mm.model.units import NS_PER_MS, NS_PER_S, Ns
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, preset


class Kept:
    """A recorder that keeps every turn."""

    def __init__(self) -> None:
        self.turns: list[tuple[Event, Step]] = []

    def record(self, event: Event, step: Step) -> None:
        self.turns.append((event, step))

    @property
    def actions(self) -> list[Action]:
        return [action for _, step in self.turns for action in step.actions]

    def encoded(self) -> bytes:
        return msgspec.msgpack.encode(self.turns)


class Outbox:
    """A venue that only listens."""

    def __init__(self) -> None:
        self.sent: list[Action] = []

    async def run(self) -> None:
        await asyncio.Event().wait()

    def send(self, actions: Sequence[Action]) -> None:
        self.sent += actions

    async def cancel_all(self) -> int:
        return 0


def virtual(scenario: str = "liquid", seconds: int = 120, seed: int = 3) -> tuple[Engine, Kept]:
    market = build_market(preset(scenario), seed, START_MS)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=seed))
    engine, kept = Engine(EngineSettings(), market.instrument), Kept()
    backtest = Backtest(engine, exchange, START_MS, Pace(), [kept])
    backtest.run(START_MS + seconds * 1000)
    return engine, kept


@pytest.mark.parametrize("scenario", ["liquid", "jumpy"])
def test_same_seed_and_scenario_same_actions_byte_for_byte(scenario: str) -> None:
    _, first = virtual(scenario)
    _, second = virtual(scenario)

    assert any(isinstance(event, Fill) for event, _ in first.turns)
    assert first.encoded() == second.encoded()


def test_another_seed_is_another_day() -> None:
    assert virtual(seed=4)[1].encoded() != virtual(seed=5)[1].encoded()


def test_watching_changes_nothing() -> None:
    """A page that is open or a checkpoint that is taken must not show in any action."""
    engine, kept = virtual()
    watched = Engine(engine.settings, engine.state.instrument)

    for event, taken in kept.turns:
        assert watched.step(event).actions == taken.actions
        watched.view()
        watched.checkpoint()


def test_the_live_driver_sends_what_virtual_time_did() -> None:
    engine, kept = virtual()
    venue, live = Outbox(), Kept()
    runner = Runner(Engine(engine.settings, engine.state.instrument), [live])
    runner.attach(venue)

    for event, _ in kept.turns:
        runner.handle(event)

    assert venue.sent == kept.actions
    assert live.encoded() == kept.encoded()


def test_a_journal_replays_to_the_same_actions(tmp_path: Path) -> None:
    engine, kept = virtual()
    path = tmp_path / "run.mmj"
    writer = JournalWriter(
        path, header("0", "00000001", engine.state.instrument, engine.settings), 0.05
    )
    for event, step in kept.turns:
        writer.append(event, step)
    writer.close()

    replayed = replay(path)

    assert replayed.mismatch is None
    assert replayed.events == len(kept.turns)
    assert replayed.acting == sum(bool(step.actions) for _, step in kept.turns)


def test_a_journal_in_many_files_replays_as_one(tmp_path: Path) -> None:
    engine, kept = virtual()
    files = JournalFiles(tmp_path / "journal", keep_bytes=PARTS * 5_000)
    path = files.first("00000001", "BTC", START_MS * NS_PER_MS)
    first = header("0", "00000001", engine.state.instrument, engine.settings)
    writer = JournalWriter(path, first, flush_s=3600, files=files)
    for number, (event, step) in enumerate(kept.turns):
        writer.append(event, step)
        if not number % 100:
            writer._drain()
    writer.close()

    replayed = replay(path)

    assert len(list(continuations(path))) > 2
    assert (replayed.mismatch, replayed.events) == (None, len(kept.turns))


def test_a_journal_of_other_actions_does_not_pass(tmp_path: Path) -> None:
    engine, kept = virtual()
    path = tmp_path / "run.mmj"
    writer = JournalWriter(
        path, header("0", "00000001", engine.state.instrument, engine.settings), 0.05
    )
    spoiled = next(n for n, (_, step) in enumerate(kept.turns) if step.actions)
    for number, (event, step) in enumerate(kept.turns):
        writer.append(event, Step() if number == spoiled else step)
    writer.close()

    assert replay(path).mismatch == spoiled


def test_an_event_that_waited_does_not_turn_back_time() -> None:
    engine, kept = virtual(seconds=5)
    runner = Runner(Engine(engine.settings, engine.state.instrument), [seen := Kept()])
    runner.attach(Outbox())

    for event, _ in kept.turns:
        runner.handle(event)
    runner.handle(Tick(0))

    assert seen.turns[-1][0].ts == kept.turns[-1][0].ts


def test_an_event_from_within_a_turn_waits_for_its_end() -> None:
    """A venue that answers inside `send` must not re-enter the engine."""
    engine, kept = virtual(seconds=40)

    class Echo(Outbox):
        def send(self, actions: Sequence[Action]) -> None:
            super().send(actions)
            runner.handle(Tick(runner.engine.view().ts))

    runner = Runner(Engine(engine.settings, engine.state.instrument), [seen := Kept()])
    runner.attach(Echo())
    for event, _ in kept.turns:
        runner.handle(event)

    times = [event.ts for event, _ in seen.turns]
    assert times == sorted(times)
    assert len(times) > len(kept.turns)


class Enough(Exception):  # noqa: N818 - the scene is over
    pass


class FakeClock:
    """Each sleep ends a little late; the third one much too late; there is no fifth."""

    def __init__(self) -> None:
        self._now: Ns = 2 * START_MS * NS_PER_MS + 300
        self._sleeps = 0

    def now(self) -> Ns:
        return self._now

    async def sleep_until(self, ts: Ns) -> None:
        self._sleeps += 1
        if self._sleeps == 5:
            raise Enough
        late = 10 * NS_PER_S if self._sleeps == 3 else 0
        self._now = ts + late + 200


async def test_ticks_fall_on_the_beat_and_missed_ones_are_not_made_up() -> None:
    engine, _ = virtual(seconds=1)
    runner = Runner(engine, [seen := Kept()])
    runner.attach(Outbox())

    with pytest.raises(Enough):
        await tick(runner, FakeClock(), 1.0)

    start = 2 * START_MS // 1000
    assert [event.ts // NS_PER_S - start for event, _ in seen.turns] == [1, 2, 13, 14]


def test_a_cold_start_run_is_the_same_twice() -> None:
    job = Job(scenario="liquid", policy="fill_hungry", seed=1, horizon_h=0.2, quote_interval_s=2.0)

    first = run(job)

    assert first == run(job)
    assert first.calibrated
    assert first.first_fill_s < first.measured20_s < 720.0
    assert first.two_sided_share > 0.95
