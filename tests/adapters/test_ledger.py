"""The ledger: exact sums, nothing twice, nothing silently lost."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from mm.adapters.latch import FLATTEN, PAUSE
from mm.adapters.ledger import Ledger, LedgerError, latch_path
from mm.adapters.ledger_schema import verdict
from mm.app.daemon import LedgerRecorder
from mm.model.actions import Cancel, CancelAll, Halt, Modify, Place, Step
from mm.model.events import (
    Command,
    EquityMark,
    Fill,
    Funding,
    OrderClosed,
    OrderOpened,
    RejectCode,
    Rejected,
    RequestKind,
    Start,
    Tick,
    Unresolved,
)
from mm.model.units import NS_PER_MS, NS_PER_S, Side
from tests.shapes import some_fill

COIN = "BTC"
ZERO = Decimal(0)
NOON = 1_800_014_400 * NS_PER_S
"""2027-01-15 12:00 UTC."""
MINUTE = 60 * NS_PER_S
DAY = 86_400 * NS_PER_S


def fill(trade_id: int = 1, size: str = "1", **changes: object) -> Fill:
    event = some_fill(ts=NOON, venue_ts=NOON, trade_id=trade_id, oid=7, size=Decimal(size))
    return structs.replace(event, **{"fee": Decimal("0.01"), **changes})


def mark(ledger: Ledger, ts: int, equity: str, transferred: str = "0", coin: str = COIN) -> None:
    ledger.mark(ts, coin, ZERO, EquityMark(Decimal(equity), ZERO, Decimal(transferred)))


def fill_many(ledger: Ledger, count: int) -> None:
    for number in range(count):
        ledger.record_event(COIN, fill(number))


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger.open(":memory:", threaded=False)
    yield ledger
    ledger.close()


# -- position and cash --------------------------------------------------------------------------


def test_a_new_ledger_knows_nothing(ledger: Ledger) -> None:
    state = ledger.state(COIN, NOON)

    assert (state.position, state.cash, state.halted, state.fills) == (ZERO, ZERO, "", 0)
    assert (state.peak_equity, state.day_equity, state.checkpoint) == (None, None, None)
    assert (state.last_fill_ms, state.fill_ids, state.first_ts) == (0, frozenset(), None)


def test_position_and_cash_of_a_round_trip(ledger: Ledger) -> None:
    ledger.record_event(COIN, fill(1, "0.3", price=Decimal("100.5")))
    sold = fill(2, "0.1", side=Side.ASK, price=Decimal("101.5"))
    ledger.record_event(COIN, structs.replace(sold, fee=Decimal("-0.02")))
    ledger.record_event(COIN, Funding(NOON, NOON, Decimal("-0.5"), 1e-5))

    state = ledger.state(COIN, NOON)

    assert state.position == Decimal("0.2")
    assert state.cash == Decimal("-30.15") + Decimal("10.15") - Decimal("-0.01") - Decimal("0.5")


def test_a_redelivered_fill_counts_once_and_a_reused_id_at_another_time_counts(
    ledger: Ledger,
) -> None:
    first = fill(1)
    later = structs.replace(first, venue_ts=NOON + NS_PER_MS)
    for event in (first, first, structs.replace(first, ts=NOON + 5), later):
        ledger.record_event(COIN, event)

    state = ledger.state(COIN, NOON)

    assert state.position == 2
    assert state.fill_ids == {(1, NOON // NS_PER_MS), (1, NOON // NS_PER_MS + 1)}
    assert state.last_fill_ms == NOON // NS_PER_MS + 1


def test_funding_counts_once_an_hour(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.record_event(COIN, Funding(NOON, NOON, Decimal("0.5"), 1e-5))

    assert ledger.state(COIN, NOON).cash == Decimal("0.5")


def test_instruments_do_not_mix(ledger: Ledger) -> None:
    ledger.record_event("ETH", fill())
    ledger.latch(NOON, "ETH", "stop")
    mark(ledger, NOON, "10", coin="ETH")

    state = ledger.state(COIN, NOON)

    assert (state.position, state.halted, state.peak_equity) == (ZERO, "", None)


def test_sums_are_exact_beyond_28_digits(ledger: Ledger) -> None:
    ledger.record_event(COIN, fill(1, "1000000000000000000"))
    ledger.record_event(COIN, fill(2, "0.000000000000001"))

    assert ledger.state(COIN, NOON).position == Decimal("1000000000000000000.000000000000001")


FILLS = st.lists(
    st.builds(
        fill,
        trade_id=st.integers(0, 12),
        side=st.sampled_from(Side),
        size=st.decimals("0.001", "1000", places=3).map(str),
        price=st.decimals("0.1", "100000", places=1),
        fee=st.decimals("-1", "1", places=6),
        venue_ts=st.integers(0, 2).map(lambda ms: NOON + ms * NS_PER_MS),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(FILLS, st.integers(0, 30), st.booleans())
def test_after_any_prefix_the_state_is_the_sum_of_its_distinct_fills(
    fills: list[Fill], cut: int, resent: bool
) -> None:
    ledger = Ledger.open(":memory:", threaded=False)
    told = fills[:cut] * (2 if resent else 1)
    for event in told:
        ledger.record_event(COIN, event)

    state = ledger.state(COIN, NOON)
    ledger.close()

    distinct: dict[tuple[int, int], Fill] = {}
    for event in told:
        distinct.setdefault((event.trade_id, event.venue_ts // NS_PER_MS), event)
    assert state.position == sum((f.side * f.size for f in distinct.values()), Decimal(0))
    spent = sum((f.side * f.size * f.price + f.fee for f in distinct.values()), Decimal(0))
    assert state.cash == -spent
    assert state.fill_ids == set(distinct)


# -- latch and equity ---------------------------------------------------------------------------


def test_the_latch_holds_until_cleared_and_each_change_stays_on_record(ledger: Ledger) -> None:
    ledger.record_actions(NOON, COIN, [Halt("daily loss")])
    assert ledger.state(COIN, NOON).halted == "daily loss"
    ledger.record_actions(NOON + 1, COIN, [Halt("daily loss"), Halt("")])
    assert ledger.state(COIN, NOON).halted == ""

    rows = ledger.read(lambda db: db.execute("SELECT ts, reason FROM latches").fetchall())
    assert rows == [(NOON, "daily loss"), (NOON + 1, "")]


def test_peak_and_day_equity_are_marked(ledger: Ledger) -> None:
    for age, equity in ((DAY, "90"), (3600 * NS_PER_S, "80"), (1800 * NS_PER_S, "95"), (0, "85")):
        mark(ledger, NOON - age, equity)

    state = ledger.state(COIN, NOON)

    assert (state.peak_equity, state.day_equity) == (Decimal(95), Decimal(80))
    assert ledger.state(COIN, NOON + DAY).day_equity is None


def test_a_new_peak_is_marked_at_once_and_the_rest_once_a_minute(ledger: Ledger) -> None:
    for second, equity in enumerate(["100", "99", "101", "98"] + ["97"] * 70):
        mark(ledger, NOON + second * NS_PER_S, equity)

    marks = ledger.read(lambda db: db.execute("SELECT equity FROM equity").fetchall())

    assert [equity for (equity,) in marks] == ["100", "101", "97"]


def test_midnight_is_marked_at_once(ledger: Ledger) -> None:
    midnight = NOON + DAY // 2
    mark(ledger, midnight - 1, "100")
    mark(ledger, midnight, "90")

    assert ledger.state(COIN, midnight).day_equity == Decimal(90)


def test_clearing_the_latch_starts_peak_and_day_afresh(ledger: Ledger) -> None:
    mark(ledger, NOON, "100")
    ledger.latch(NOON + 1, COIN, "drawdown")
    mark(ledger, NOON + 2, "80")
    assert ledger.state(COIN, NOON).peak_equity == Decimal(100)

    ledger.latch(NOON + 3, COIN, "")
    mark(ledger, NOON + 4, "79")

    state = ledger.state(COIN, NOON)
    assert (state.peak_equity, state.day_equity) == (Decimal(79), Decimal(79))
    assert state.midnight_equity == Decimal(100)  # what the day's profit is told from


def test_marks_of_before_a_transfer_are_told_as_if_it_had_been_there(ledger: Ledger) -> None:
    """A deposit and a restart on the same day told "Today" a profit that nobody had made, and moved
    the daily loss limit by it; a withdrawal halted."""
    mark(ledger, NOON, "100")
    mark(ledger, NOON + 60 * NS_PER_S, "120")
    mark(ledger, NOON + 120 * NS_PER_S, "615", transferred="500")
    mark(ledger, NOON + 180 * NS_PER_S, "210", transferred="100")

    state = ledger.state(COIN, NOON)

    assert state.last_mark == EquityMark(Decimal(210), ZERO, Decimal(100))
    assert (state.peak_equity, state.day_equity) == (Decimal(220), Decimal(200))
    assert state.midnight_equity == Decimal(200)


def test_a_new_peak_is_one_of_profit(ledger: Ledger) -> None:
    mark(ledger, NOON, "100")
    mark(ledger, NOON + 1, "599", transferred="500")
    mark(ledger, NOON + 2, "601", transferred="500")

    marks = ledger.read(lambda db: db.execute("SELECT equity FROM equity").fetchall())
    assert [equity for (equity,) in marks] == ["100", "601"]


def test_resuming_a_pause_leaves_the_peak(ledger: Ledger) -> None:
    mark(ledger, NOON, "100")
    ledger.latch(NOON + 1, COIN, "")

    assert ledger.state(COIN, NOON).peak_equity == Decimal(100)


@pytest.mark.parametrize(
    ("verbs", "paused", "flatten"),
    [
        ("", "", False),
        ("pause", "lunch", False),
        ("pause resume", "", False),
        ("flatten", "", True),
        ("flatten resume", "", False),
        ("halt pause flatten", "lunch", True),
        ("flatten resume pause", "lunch", False),
        ("pause nonsense", "lunch", False),
    ],
)
def test_what_the_operator_asked_for_stands_until_a_resume(
    ledger: Ledger, verbs: str, paused: str, flatten: bool
) -> None:
    ledger.record_event("ETH", Command(NOON, "pause", "operator", "another instrument"))
    for verb in verbs.split():
        ledger.record_event(COIN, Command(NOON, verb, "operator", "lunch"))

    state = ledger.state(COIN, NOON)

    assert (state.paused, state.flatten) == (paused, flatten)


def test_a_pause_without_a_reason_names_who_asked(ledger: Ledger) -> None:
    ledger.record_event(COIN, Command(NOON, "pause", "page", ""))
    assert ledger.state(COIN, NOON).paused == "page"


# -- everything else that is kept ---------------------------------------------------------------


def test_orders_commands_and_runs_are_kept_and_market_data_is_not(ledger: Ledger) -> None:
    ledger.record_event(COIN, Start(NOON, "beef", Decimal(0), Decimal(0), "", None, None, None))
    ledger.record_event(COIN, Tick(NOON))
    ledger.record_event(COIN, Command(NOON, "pause", "operator", "lunch"))
    place = Place("0x1", Side.ASK, 2, Decimal("100.5"), Decimal("0.1"))
    modify = Modify("0x1", 5, Side.ASK, 2, Decimal("100.6"), Decimal("0.1"))
    ledger.record_actions(NOON, COIN, [place, modify, Cancel("0x1"), CancelAll("exit")])
    ledger.record_event(COIN, OrderOpened(NOON, NOON, "0x1", 5))
    ledger.record_event(COIN, OrderClosed(NOON, NOON, "0x1", 5, "canceled"))
    message = "Order could not be placed"
    ledger.record_event(
        COIN, Rejected(NOON, "0x2", RequestKind.PLACE, RejectCode.POST_ONLY, message)
    )
    ledger.record_event(COIN, Unresolved(NOON, "0x3", RequestKind.MODIFY))
    ledger.end_run(NOON + 1, "beef", "exit 0")

    query = "SELECT what, cloid, oid, side, level, price, size, reason FROM orders"
    orders = ledger.read(lambda db: db.execute(query).fetchall())

    assert orders == [
        ("place", "0x1", None, -1, 2, "100.5", "0.1", ""),
        ("modify", "0x1", 5, -1, 2, "100.6", "0.1", ""),
        ("cancel", "0x1", None, None, None, None, None, ""),
        ("cancel_all", "", None, None, None, None, None, "exit"),
        ("opened", "0x1", 5, None, None, None, None, ""),
        ("closed", "0x1", 5, None, None, None, None, "canceled"),
        ("rejected", "0x2", None, None, None, None, None, f"place post_only: {message}"),
        ("unresolved", "0x3", None, None, None, None, None, "modify"),
    ]
    runs = ledger.read(lambda db: db.execute("SELECT run_id, end_ns, outcome FROM runs").fetchall())
    assert runs == [("beef", NOON + 1, "exit 0")]
    commands = ledger.read(lambda db: db.execute("SELECT verb, reason FROM commands").fetchall())
    assert commands == [("pause", "lunch")]
    assert ledger.state(COIN, NOON).first_ts == NOON


def test_each_day_orders_of_a_week_ago_are_forgotten_fills_never(ledger: Ledger) -> None:
    ledger.record_event(COIN, fill())
    ledger.record_event(COIN, OrderOpened(NOON, NOON, "0x1", 5))
    ledger.record_event(COIN, OrderOpened(NOON + 2 * DAY, NOON, "0x2", 6))
    mark(ledger, NOON, "100")

    mark(ledger, NOON + 8 * DAY, "100")

    orders = ledger.read(lambda db: db.execute("SELECT cloid FROM orders").fetchall())
    assert orders == [("0x2",)]
    assert ledger.state(COIN, NOON).fills == 1


def test_no_more_orders_stay_than_are_to_be_kept_fills_never_go(ledger: Ledger) -> None:
    ledger.orders_kept = 10
    for number in range(100):
        ledger.record_event(COIN, OrderOpened(NOON + number, NOON, f"0x{number}", number))
        ledger.record_event(COIN, fill(number))

    mark(ledger, NOON + MINUTE, "100")

    orders = ledger.read(lambda db: db.execute("SELECT cloid FROM orders").fetchall())
    assert orders == [(f"0x{number}",) for number in range(90, 100)]
    assert ledger.state(COIN, NOON).fills == 100


def test_a_week_that_is_too_long_goes_in_pieces_so_that_no_fill_waits_for_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mm.adapters.ledger.FORGOTTEN_ORDERS", 30)
    ledger.orders_kept = 10
    for number in range(100):
        ledger.record_event(COIN, OrderOpened(NOON, NOON, f"0x{number}", number))

    left = []
    for minute in range(1, 6):
        mark(ledger, NOON + minute * MINUTE, "100")
        left += ledger.read(lambda db: db.execute("SELECT count(*) FROM orders").fetchone())

    assert left == [69, 38, 10, 10, 10]


def test_the_file_stays_as_large_as_what_is_kept_in_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path, threaded=False)
    ledger.orders_kept = 1_000
    sizes = []
    for minute in range(20):
        for number in range(1_000):
            opened = OrderOpened(NOON + minute * MINUTE, NOON, f"0x{minute}-{number:026}", number)
            ledger.record_event(COIN, opened)
        mark(ledger, NOON + minute * MINUTE, "100")
        ledger.read(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        sizes.append(path.stat().st_size)
    ledger.close()

    assert sizes[-1] <= sizes[2] * 1.1


def test_the_latest_whole_checkpoint_is_restored(ledger: Ledger) -> None:
    for number in range(5):
        ledger.checkpoint(NOON + number, COIN, b"state %d" % number)
    state = ledger.state(COIN, NOON)
    assert state.checkpoint == b"state 4"

    ledger.read(lambda db: db.execute("UPDATE checkpoints SET data = x'00' WHERE id = 5"))

    assert ledger.state(COIN, NOON).checkpoint == b"state 3"
    kept = ledger.read(lambda db: db.execute("SELECT count(*) FROM checkpoints").fetchone())
    assert kept == (3,)


def test_an_empty_checkpoint_never_replaces_a_good_one(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="empty checkpoint"):
        ledger.checkpoint(NOON, COIN, b"")


WRITE_UNTIL_KILLED = """
import sys
from decimal import Decimal
from mm.adapters.ledger import Ledger
from mm.model.events import Fill
from mm.model.units import Side

ledger, one = Ledger.open(sys.argv[1]), Decimal(1)
for number in range(10**9):
    fill = Fill(1, 10**6, number, None, 1, Side.BID, one, one, one, one, True)
    ledger.record_event("BTC", fill)
    if number % 1000 == 999:
        ledger.state("BTC", 0)
        print(number + 1, flush=True)
"""


def test_kill_9_loses_nothing_that_was_committed_and_leaves_a_sound_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    arguments = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        committed = [int(process.stdout.readline()) for _ in range(5)][-1]
        process.kill()

    assert verdict(path) == ""
    ledger = Ledger.open(path, threaded=False)
    state = ledger.state(COIN, NOON)
    ledger.close()
    assert state.fills >= committed
    assert state.position == state.fills


# -- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("threaded", [True, False])
def test_a_restart_continues(tmp_path: Path, threaded: bool) -> None:
    path = tmp_path / "ledger.db"
    first = Ledger.open(path, threaded)
    first.record_event(COIN, fill(1))
    first.latch(NOON, COIN, "stop")
    first.close()

    second = Ledger.open(path, threaded)
    second.record_event(COIN, fill(2))
    state = second.state(COIN, NOON)
    second.close()

    assert (state.position, state.halted) == (Decimal(2), "stop")


async def test_a_flush_that_nobody_waits_for_any_more_costs_no_row(tmp_path: Path) -> None:
    """A daemon that was asked to stop during a flush lost everything that it wrote afterwards."""
    ledger = Ledger.open(tmp_path / "ledger.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as thief:
        thief.execute("BEGIN IMMEDIATE")  # the writer waits, and the flush with it
        ledger.record_event(COIN, fill(1))
        flushing = asyncio.create_task(ledger.flush())
        await asyncio.sleep(0)
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
    ledger.record_event(COIN, fill(2))
    assert ledger.state(COIN, NOON).fills == 2
    ledger.close()


async def test_flush_returns_when_another_reader_sees_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path)
    fill_many(ledger, 5000)

    await asyncio.wait_for(ledger.flush(), 30)

    with sqlite3.connect(path) as reader:
        assert reader.execute("SELECT count(*) FROM fills").fetchone() == (5000,)
    reader.close()
    ledger.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path, threaded=False).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()

    with pytest.raises(LedgerError, match=r"newer mm \(schema 99.*run that version"):
        Ledger.open(path)


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE recipes (name TEXT)")
    database.close()

    with pytest.raises(LedgerError, match=r"not a ledger of mm: choose another"):
        Ledger.open(path)


def test_only_the_owner_may_read_it_wherever_it_is(tmp_path: Path) -> None:
    """Also in a directory that others may enter."""
    before = os.umask(0)
    try:
        ledger = Ledger.open(tmp_path / "ledger.db", threaded=False)
        ledger.latch(NOON, "BTC", "drawdown")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    ledger.close()
    assert modes == dict.fromkeys(
        ("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.latch"), 0
    )


def test_a_verdict_changes_nothing(tmp_path: Path) -> None:
    sound, foreign, garbage = (tmp_path / name for name in ("sound", "foreign", "garbage"))
    Ledger.open(sound, threaded=False).close()
    database = sqlite3.connect(foreign)
    database.execute("CREATE TABLE recipes (name TEXT)")
    database.close()
    garbage.write_bytes(b"garbage" * 1000)
    before = {path: path.read_bytes() for path in (sound, foreign, garbage)}

    assert verdict(sound) == ""
    assert "not a ledger of mm" in verdict(foreign)
    assert "is damaged" in verdict(garbage)
    assert "cannot write" in verdict(tmp_path / "missing")
    assert {path: path.read_bytes() for path in before} == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database at all, but long enough to be read as a header" * 20)
    before = path.read_bytes()

    with pytest.raises(LedgerError, match=r"is damaged .* restore a backup"):
        Ledger.open(path)

    assert path.read_bytes() == before


def test_a_damaged_page_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path, threaded=False)
    fill_many(ledger, 2000)
    ledger.close()
    content = bytearray(path.read_bytes())
    content[4096 * 20 : 4096 * 40] = b"\xff" * (4096 * 20)
    path.write_bytes(bytes(content))

    with pytest.raises(LedgerError, match="is damaged"):
        Ledger.open(path)


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"cannot open ledger .* check daemon\.data_dir"):
        Ledger.open(tmp_path / "missing" / "ledger.db")


def fill_up(database: sqlite3.Connection) -> None:
    """No page more than it has: what a full disk answers."""
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")


def run_out_of_room(ledger: Ledger) -> None:
    """Until the writer has met the end of the disk."""
    with contextlib.suppress(LedgerError):
        fill_many(ledger, 50_000)
    with pytest.raises(LedgerError, match="full"):
        ledger.state(COIN, NOON)


def test_a_full_disk_surfaces_in_the_next_calls_and_loses_nothing_silently(
    tmp_path: Path,
) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.read(fill_up)
    complaint = r"cannot write ledger .*full; free space"

    with contextlib.suppress(LedgerError):  # whether it is noticed within these is up to threads
        fill_many(ledger, 50_000)
    with pytest.raises(LedgerError, match=complaint):
        ledger.state(COIN, NOON)
    with pytest.raises(LedgerError, match=complaint):
        ledger.record_event(COIN, fill(1))
    with pytest.raises(LedgerError, match=complaint):
        ledger.close()


async def test_a_full_disk_surfaces_in_flush(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.read(fill_up)
    ledger.checkpoint(NOON, COIN, b"x" * 1_000_000)

    with pytest.raises(LedgerError, match="full"):
        await asyncio.wait_for(ledger.flush(), 30)
    with pytest.raises(LedgerError, match="full"):
        ledger.close()


def test_a_full_disk_surfaces_inline(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db", threaded=False)
    ledger.read(fill_up)

    with pytest.raises(LedgerError, match="full"):
        ledger.checkpoint(NOON, COIN, b"x" * 20_000_000)
    ledger.close()


def test_a_number_that_has_no_room_in_a_row_is_as_loud_as_a_full_disk(tmp_path: Path) -> None:
    """The writer died of it without a word, and nothing was kept from then on."""
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.record_event(COIN, fill(trade_id=2**70))

    with pytest.raises(LedgerError, match="too large"):
        ledger.state(COIN, NOON)
    with pytest.raises(LedgerError, match="too large"):
        ledger.close()


def test_a_number_that_has_no_room_in_a_row_is_loud_inline(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="too large"):
        ledger.record_event(COIN, fill(trade_id=2**70))


def test_a_halt_on_a_full_disk_is_there_after_a_restart(tmp_path: Path) -> None:
    """And a resume that the disk refuses is none."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path)
    ledger.read(fill_up)
    recorder = LedgerRecorder(ledger, COIN)
    run_out_of_room(ledger)
    with pytest.raises(LedgerError, match="full"):
        recorder.record(Tick(NOON), Step((Halt("drawdown"), CancelAll("drawdown"))))
    with pytest.raises(LedgerError, match="full"):
        ledger.close()

    with contextlib.closing(Ledger.open(path)) as again:
        assert again.state(COIN, NOON).halted == "drawdown"
        assert again.state("ETH", NOON).halted == ""
        again.record_event(COIN, Start(NOON, "beef", ZERO, ZERO, "drawdown", None, None, None))
        rows = again.read(lambda db: db.execute("SELECT reason FROM latches").fetchall())
        assert rows == [("drawdown",)]
        again.record_actions(NOON, COIN, (Halt(""),))
        assert again.state(COIN, NOON).halted == ""
    with contextlib.closing(Ledger.open(path)) as last:
        assert last.state(COIN, NOON).halted == ""


def test_a_pause_and_a_flatten_on_a_full_disk_are_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path)
    ledger.read(fill_up)
    recorder = LedgerRecorder(ledger, COIN)
    run_out_of_room(ledger)
    pause, flatten = (Command(NOON, verb, "operator", "x") for verb in ("pause", "flatten"))
    for command, step in ((pause, Step(())), (flatten, Step((Halt("x"),)))):
        with pytest.raises(LedgerError, match="full"):
            recorder.record(command, step)
    with pytest.raises(LedgerError, match="full"):
        ledger.close()

    with contextlib.closing(Ledger.open(path)) as again:
        state = again.state(COIN, NOON)
        assert (state.paused, state.flatten, state.halted) == ("x", True, "x")
        resume = Command(NOON, "resume", "operator", "")
        LedgerRecorder(again, COIN).record(resume, Step((Halt(""),)))
    with contextlib.closing(Ledger.open(path)) as last:
        state = last.state(COIN, NOON)
        assert (state.paused, state.flatten, state.halted) == ("", False, "")


def test_whichever_of_ledger_and_latch_says_halted_wins(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with contextlib.closing(Ledger.open(path)) as ledger:
        ledger.latch(NOON, COIN, "drawdown")
    latch_path(path).unlink()
    with contextlib.closing(Ledger.open(path)) as ledger:
        assert ledger.state(COIN, NOON).halted == "drawdown"
        ledger.latch(NOON, COIN, "")
    shutil.copy(path, tmp_path / "old.db")
    with contextlib.closing(Ledger.open(path)) as ledger:
        ledger.latch(NOON, COIN, "daily loss")
    shutil.copy(tmp_path / "old.db", path)  # a backup is restored
    with contextlib.closing(Ledger.open(path)) as ledger:
        assert ledger.state(COIN, NOON).halted == "daily loss"


def test_whichever_of_ledger_and_latch_says_paused_or_flat_wins(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with contextlib.closing(Ledger.open(path)) as ledger:
        ledger.hold(COIN, "lunch", PAUSE)  # and the disk took no row of it
        ledger.hold(COIN, "operator", FLATTEN)
    with contextlib.closing(Ledger.open(path)) as ledger:
        state = ledger.state(COIN, NOON)
        assert (state.paused, state.flatten) == ("lunch", True)
        ledger.record_event(COIN, Command(NOON, "pause", "operator", "supper"))
        ledger.hold(COIN, "", PAUSE)
        ledger.hold(COIN, "", FLATTEN)
        state = ledger.state(COIN, NOON)
        assert (state.paused, state.flatten) == ("supper", False)


def test_a_writer_that_falls_behind_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mm.adapters.ledger_writer.QUEUE_ROWS", 10)
    ledger = Ledger.open(tmp_path / "ledger.db")
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # a tool that holds the file; the writer waits for it

    with pytest.raises(LedgerError, match=r"is \d+ rows behind: the disk is too slow"):
        fill_many(ledger, 1000)

    other.execute("ROLLBACK")
    other.close()
    with pytest.raises(LedgerError, match="rows behind"):
        ledger.close()


def test_a_short_lock_by_another_tool_is_waited_for(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    fill_many(ledger, 1000)
    other.execute("ROLLBACK")
    other.close()

    assert ledger.state(COIN, NOON).fills == 1000
    ledger.close()


def test_closing_commits_what_was_put(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path)
    fill_many(ledger, 3000)
    ledger.close()

    again = Ledger.open(path, threaded=False)
    assert again.state(COIN, NOON).position == 3000
    again.close()
