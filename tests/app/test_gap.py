"""A run beside its twin on paper: what is told of the run is exact, of the twin plausible."""

from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mm.adapters.journal import JournalError, JournalWriter, header
from mm.app.backtest import Backtest, Pace
from mm.app.cold_start import START_MS
from mm.app.config_paper import PaperConfig
from mm.app.gap import Gap, Tally, compare, without
from mm.cli import app
from mm.commands.report import table
from mm.core.engine import Engine
from mm.core.orders import Orders
from mm.core.settings import EngineSettings
from mm.model.events import Fill, Tick
from mm.model.units import NS_PER_S, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, preset
from tests.app.test_same_core import Kept
from tests.core.stage import INSTRUMENT, Stage, settings
from tests.shapes import some_fill

LAG_MS = 20


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Engine, Kept, Path]:
    """Minutes of a busy market, and their journal."""
    market = build_market(preset("liquid"), 3, START_MS)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=3))
    engine, kept = Engine(EngineSettings(), market.instrument), Kept()
    Backtest(engine, exchange, START_MS, Pace(latency_ms=LAG_MS), [kept]).run(START_MS + 200_000)
    path = tmp_path_factory.mktemp("gap") / "run.mmj"
    writer = JournalWriter(path, header("0", "beef", market.instrument, engine.settings))
    for event, step in kept.turns:
        while len(writer._pending) > 10_000:  # it drops what a slow disk does not take
            writer._stop.wait(0.01)
        writer.append(event, step)
    writer.close()
    assert not writer.dropped
    return engine, kept, path


@pytest.fixture(scope="module")
def gap(ran: tuple[Engine, Kept, Path]) -> Gap:
    paper = PaperConfig(round_trip_ms=2 * LAG_MS, round_trip_log_sd=0.0)
    return compare(ran[2], paper)


def test_what_it_tells_of_the_run_is_what_the_engine_knows(
    ran: tuple[Engine, Kept, Path], gap: Gap
) -> None:
    engine, kept, _ = ran
    fills = [event for event, _ in kept.turns if isinstance(event, Fill)]
    pnl = engine.view().pnl
    assert gap.live.fills == len(fills) > 30
    assert gap.live.usd == pytest.approx(float(pnl.total), abs=1e-6)
    assert gap.live.fees_usd == pytest.approx(float(pnl.fees), abs=1e-6)
    at_once = gap.live.after_bps[0.0]
    assert at_once is not None
    assert at_once.n == len(fills)
    levels = [of[0.0] for of in gap.live.by_level.values()]
    assert sum(mean.n for mean in levels if mean is not None) == len(fills)
    assert {name.split()[0] for name in gap.live.by_level} == {"bid", "ask"}
    captured = float(pnl.spread - pnl.fees) / gap.live.volume_usd * 1e4
    assert at_once.mean == pytest.approx(captured, abs=1.0)  # of S when we heard of the fill
    assert gap.hours == pytest.approx(1 / 18, abs=0.001)


def test_the_twin_trades_as_the_run_did_where_nobody_reacts_to_it(gap: Gap) -> None:
    assert 0.6 < gap.paper.fills / gap.live.fills < 1.4
    live, paper = gap.live.after_bps[1.0], gap.paper.after_bps[1.0]
    assert live is not None
    assert paper is not None
    assert live.se is not None
    assert paper.se is not None
    assert abs(live.mean - paper.mean) < 3 * (live.se**2 + paper.se**2) ** 0.5


def test_slower_orders_meet_other_takers(ran: tuple[Engine, Kept, Path], gap: Gap) -> None:
    slow = compare(ran[2], PaperConfig(round_trip_ms=4_000, round_trip_log_sd=0.0))
    assert slow.live == gap.live
    assert slow.paper != gap.paper


def test_the_command_prints_the_same_of_the_same_journal(
    ran: tuple[Engine, Kept, Path], gap: Gap
) -> None:
    """Delays vary by default, so another answer: but the run is the run."""
    done = CliRunner().invoke(app, ["report", str(ran[2]), "--round-trip-ms", "40"])
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.output.splitlines()]
    found = {" ".join(words[:-2]): words[-2] for words in lines if len(words) > 2}
    assert found["fills"] == str(gap.live.fills)
    assert found["earned, USD"] == f"{gap.live.usd:+.2f}"
    assert "after 30 s paper is better by" in done.output
    assert "without its closing" not in done.output


@pytest.mark.parametrize("command", ["report", "replay"])
def test_a_journal_that_a_kill_cut_is_called_one(
    ran: tuple[Engine, Kept, Path], tmp_path: Path, command: str
) -> None:
    whole, cut = ran[2].read_bytes(), tmp_path / "cut.mmj"
    cut.write_bytes(whole[: len(whole) * 9 // 10])  # all but its last block, however written

    done = CliRunner().invoke(app, [command, str(cut)])

    assert done.exit_code == 0, done.output
    assert "the journal ends without its closing" in done.output.splitlines()[-1]
    assert '"cut":true' in CliRunner().invoke(app, [command, str(cut), "--json"]).output


def test_a_run_that_never_began_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run.mmj"
    writer = JournalWriter(path, header("0", "beef", INSTRUMENT, EngineSettings()))
    writer.append(Tick(NS_PER_S), Engine(EngineSettings(), INSTRUMENT).step(Tick(NS_PER_S)))
    writer.close()
    with pytest.raises(JournalError, match="ends before"):
        compare(path, PaperConfig())


SIZES = st.lists(st.integers(1, 50), min_size=1, max_size=5)


@cache
def quoting() -> Orders:
    stage = Stage(Engine(settings(), INSTRUMENT))
    stage.start()
    stage.warm()
    return stage.engine.state.orders


@given(SIZES)
def test_what_others_show_is_the_book_without_ours(others: list[int]) -> None:
    orders = quoting()
    own = {float(o.price): float(o.remaining) for o in orders.side(Side.BID)}
    assert own
    theirs = {90.0 - n: float(size) for n, size in enumerate(others)}
    theirs[max(own)] = 7.0
    shown = {price: theirs.get(price, 0.0) + own.get(price, 0.0) for price in {*theirs, *own}}
    levels = tuple(sorted(shown.items(), reverse=True))
    left = dict(without(levels, orders, Side.BID))
    assert left == pytest.approx(theirs)


def test_a_fill_that_is_told_twice_or_was_missed_before_counts_once_or_not() -> None:
    tally = Tally()
    tally.start = NS_PER_S
    fill = some_fill(ts=NS_PER_S, venue_ts=NS_PER_S, size=Decimal(2), fee=Decimal("0.02"))
    for _ in range(2):
        tally.take(fill, quoting())
    tally.look(NS_PER_S, 100.5)
    tally.look(3 * NS_PER_S, 99.0)
    earned = tally.earned(1.0, 99.0)
    assert (earned.fills, earned.volume_usd) == (1, 200.0)
    assert earned.usd == pytest.approx(-2.02)
    means = {h: None if m is None else round(m.mean, 6) for h, m in earned.after_bps.items()}
    assert means == {0.0: 49.0, 1.0: -101.0, 5.0: None, 30.0: None}
    assert [m.se for m in earned.after_bps.values() if m is not None] == [None, None]
    gap = Gap(run_id="1", hours=1.0, live=earned, paper=earned, cut=False)
    told = table(gap)
    assert ["0", "s", *2 * ["+49.00", "±", "?"]] in [line.split() for line in told]
    assert "after 5 s: too few fills to compare" in told
