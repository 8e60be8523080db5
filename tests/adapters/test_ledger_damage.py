"""A ledger damaged anywhere: it is refused, or what it says is true. Never a wrong number."""

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from mm.adapters.ledger import Ledger, LedgerError, LedgerState
from mm.adapters.ledger_schema import MIGRATIONS, seal, verdict
from mm.model.events import Command, EquityMark, Fill, Funding
from mm.model.units import NS_PER_S, Side

COIN = "BTC"
NOON = 1_800_014_400 * NS_PER_S
ROUNDS = 250


def write(path: Path) -> LedgerState:
    """A ledger with some of everything that counts."""
    random = Random(1)
    ledger = Ledger.open(path, threaded=False)
    for n in range(300):
        ts = NOON + n * NS_PER_S
        ledger.record_event(COIN, fill(n, ts, random))
        ledger.mark(ts, COIN, Decimal(n), EquityMark(Decimal(100_000 + n), Decimal(n), Decimal(0)))
    ledger.record_event(COIN, Funding(NOON, NOON, Decimal("-1.25"), 0.0001))
    ledger.checkpoint(NOON, COIN, random.randbytes(3_000))
    ledger.latch(NOON, COIN, "drawdown 12 % of equity")
    for n, verb in enumerate(("resume", "pause", "flatten")):
        ledger.record_event(COIN, Command(NOON + n, verb, "operator", "lunch"))
    state = ledger.state(COIN, NOON)
    ledger.close()
    return state


def fill(number: int, ts: int, random: Random) -> Fill:
    return Fill(
        ts=ts,
        venue_ts=ts,
        trade_id=random.randrange(10**12),
        cloid=f"0x6d6d{number:028x}",
        oid=number,
        side=random.choice((Side.BID, Side.ASK)),
        price=Decimal(random.randrange(10**6)) / 10,
        size=Decimal(random.randrange(1, 10**5)) / 10**5,
        fee=Decimal(random.randrange(10**5)) / 10**6,
        start_position=Decimal(0),
        quote=True,
    )


def flip(content: bytearray, random: Random) -> None:
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def zero_a_sector(content: bytearray, random: Random) -> None:
    start = random.randrange(0, len(content), 512)
    content[start : start + 512] = bytes(512)


def truncate(content: bytearray, random: Random) -> None:
    del content[random.randrange(len(content)) :]


def noise_in_a_page(content: bytearray, random: Random) -> None:
    start = random.randrange(0, len(content), 4096)
    content[start : start + 4096] = random.randbytes(4096)


@pytest.mark.parametrize("damage", [flip, zero_a_sector, truncate, noise_in_a_page])
def test_damage_is_refused_or_harmless(
    tmp_path: Path, damage: Callable[[bytearray, Random], None]
) -> None:
    path = tmp_path / "ledger.db"
    true = write(path)
    sound, random = path.read_bytes(), Random(2)
    refused = 0
    for _ in range(ROUNDS):
        content = bytearray(sound)
        damage(content, random)
        path.write_bytes(content)
        try:
            ledger = Ledger.open(path, threaded=False)
        except LedgerError:
            refused += 1
            continue
        try:
            found = ledger.state(COIN, NOON)
        except LedgerError:
            refused += 1
            continue
        finally:
            ledger.close()
        assert same(found, true)
    assert refused > ROUNDS / 4


def test_an_empty_file_is_no_new_ledger(tmp_path: Path) -> None:
    """It held a halt, perhaps: to start afresh is for the operator to decide."""
    path = tmp_path / "ledger.db"
    path.touch()
    with pytest.raises(LedgerError, match=r"is damaged \(it is empty\): move it .* away"):
        Ledger.open(path)


def same(found: LedgerState, true: LedgerState) -> bool:
    """All that money is computed from; a checkpoint that is gone is a clean fallback."""
    names = [name for name in true.__struct_fields__ if not name.startswith("checkpoint")]
    return found.checkpoint in (None, true.checkpoint) and all(
        getattr(found, name) == getattr(true, name) for name in names
    )


def test_a_damaged_log_ahead_is_a_shorter_history(tmp_path: Path) -> None:
    """What was not yet moved into the main file: each damage leaves a state that once was."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path, threaded=False)
    history = [ledger.state(COIN, NOON)]
    random = Random(3)
    for n in range(40):
        ledger.record_event(COIN, fill(n, NOON + n, random))
        history.append(ledger.state(COIN, NOON))
    main, log = path.read_bytes(), path.with_name("ledger.db-wal").read_bytes()
    ledger.close()
    shorter = 0
    for _ in range(100):
        content = bytearray(log)
        flip(content, random)
        copy = tmp_path / "copy.db"
        copy.write_bytes(main)
        copy.with_name("copy.db-wal").write_bytes(content)
        copy.with_name("copy.db-shm").unlink(missing_ok=True)
        reopened = Ledger.open(copy, threaded=False)
        found = reopened.state(COIN, NOON)
        reopened.close()
        assert found in history
        shorter += found != history[-1]
    assert shorter > 50


def unmarked(database: sqlite3.Connection, version: int) -> None:
    """As a ledger was before marks told of profit and transfers."""
    for column in ("pnl", "transferred"):
        database.execute(f"ALTER TABLE equity DROP COLUMN {column}")
    database.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("damaged", [False, True])
def test_marks_of_an_older_version_are_sealed_anew_unless_they_are_damaged(
    tmp_path: Path, damaged: bool
) -> None:
    path = tmp_path / "ledger.db"
    true = write(path)
    with sqlite3.connect(path) as database:
        database.create_function("seal", -1, seal, deterministic=True)
        database.execute("UPDATE equity SET seal = seal(ts, instrument, position, equity)")
        database.execute("UPDATE equity SET equity = '7' WHERE rowid = 1 AND ?", (damaged,))
        unmarked(database, version=3)
    database.close()

    if damaged:
        with pytest.raises(LedgerError, match="1 rows of equity are not as they were written"):
            Ledger.open(path, threaded=False)
        return
    ledger = Ledger.open(path, threaded=False)
    assert same(ledger.state(COIN, NOON), structs.replace(true, last_mark=None))
    ledger.close()


def test_a_ledger_without_seals_is_sealed_on_opening(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    true = write(path)
    with sqlite3.connect(path) as database:
        for table in ("fills", "funding", "latches", "equity", "commands"):
            database.execute(f"ALTER TABLE {table} DROP COLUMN seal")
        unmarked(database, version=1)
    database.close()
    assert verdict(path) == ""

    ledger = Ledger.open(path, threaded=False)
    assert same(ledger.state(COIN, NOON), structs.replace(true, last_mark=None))
    ledger.close()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
        database.execute("UPDATE fills SET price = '1' WHERE oid = 7")
    database.close()
    with pytest.raises(LedgerError, match="1 rows of fills are not as they were written"):
        Ledger.open(path, threaded=False)
