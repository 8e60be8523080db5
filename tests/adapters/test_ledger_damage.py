"""A ledger damaged anywhere: it is refused, or what it says is true. Never a wrong number."""

import re
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from mm.adapters.ledger import Ledger, LedgerError, LedgerState
from mm.adapters.ledger_schema import MIGRATIONS, SEALED, ledgers, seal, verdict
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


def same(found: LedgerState, true: LedgerState) -> bool:
    """All that money is computed from; a checkpoint that is gone is a clean fallback."""
    names = [name for name in true.__struct_fields__ if not name.startswith("checkpoint")]
    return found.checkpoint in (None, true.checkpoint) and all(
        getattr(found, name) == getattr(true, name) for name in names
    )


def test_a_damaged_header_is_refused_or_harmless_and_the_doctor_sees_it(tmp_path: Path) -> None:
    """A version of 0 or less, a form unknown to SQLite: no traceback, no word of a full disk."""
    path = tmp_path / "ledger.db"
    true = write(path)
    sound, random = path.read_bytes(), Random(4)
    bits = [(at, random.randrange(8)) for at in range(100)]
    bits += [(at, bit) for at in (47, 60, 63) for bit in range(8)]  # form, version of ours
    for at, bit in bits:
        content = bytearray(sound)
        content[at] ^= 1 << bit
        path.write_bytes(content)
        told, refused = verdict(path), ""
        try:
            ledger = Ledger.open(path, threaded=False)
        except LedgerError as error:
            refused = str(error)
        else:
            assert same(ledger.state(COIN, NOON), true)
            ledger.close()
        assert told == refused, (at, bit)
        assert re.search("^$|is damaged|newer mm|not a ledger", refused), (at, bit)


@pytest.mark.parametrize("left", [0, 1, 2, 16, 99, 100, 511, 512, 4096, 8192, 65536])
def test_what_is_cut_short_is_no_new_ledger(tmp_path: Path, left: int) -> None:
    """To SQLite a file of one byte is a new one: a halt, perhaps, forgotten without a word."""
    path = tmp_path / "ledger.db"
    write(path)
    path.write_bytes(path.read_bytes()[:left])
    assert "is damaged" in verdict(path)
    with pytest.raises(LedgerError, match="is damaged"):
        Ledger.open(path, threaded=False)


def empty(content: bytearray, random: Random) -> None:
    content.clear()


def zero(content: bytearray, random: Random) -> None:
    content[:] = bytes(len(content))


def opened(
    directory: Path, main: bytes, log: bytes | bytearray, index: bytes | bytearray = b""
) -> LedgerState:
    """What a copy of these files tells."""
    copy = directory / "copy.db"
    copy.write_bytes(main)
    for suffix, content in (("-wal", log), ("-shm", index)):
        copy.with_name(copy.name + suffix).write_bytes(content)
    ledger = Ledger.open(copy, threaded=False)
    try:
        return ledger.state(COIN, NOON)
    finally:
        ledger.close()


@pytest.mark.parametrize("damage", [flip, zero_a_sector, truncate, noise_in_a_page, empty, zero])
def test_a_damaged_log_ahead_is_a_shorter_history(
    tmp_path: Path, damage: Callable[[bytearray, Random], None]
) -> None:
    """What was not yet moved into the main file: each damage leaves a state that once was."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path, threaded=False)
    history = [ledger.state(COIN, NOON)]
    random = Random(3)
    for n in range(40):
        ledger.record_event(COIN, fill(n, NOON + n, random))
        history.append(ledger.state(COIN, NOON))
    main, log, index = (path.with_name(path.name + s).read_bytes() for s in ("", "-wal", "-shm"))
    ledger.close()
    shorter = 0
    for _ in range(30):
        content, noise = bytearray(log), bytearray(index)
        damage(content, random)
        found = opened(tmp_path, main, content)
        assert found in history
        shorter += found != history[-1]
        damage(noise, random)
        assert opened(tmp_path, main, log, noise) == history[-1], "the index is only an index"
    assert shorter > 5


def test_a_damaged_log_behind_loses_ends_and_no_middle(tmp_path: Path) -> None:
    """It had been moved into the main file: older pages come over newer ones. What the fills lack
    is their end, for which the venue is asked at the start."""
    path = tmp_path / "ledger.db"
    ledger = Ledger.open(path, threaded=False)
    history, random = {0: Decimal(0)}, Random(5)
    for n in range(60):
        ledger.record_event(COIN, fill(n, NOON + n * NS_PER_S, random))
        state = ledger.state(COIN, NOON)
        history[state.fills] = state.position
    ledger.latch(NOON, COIN, "drawdown")
    ledger.read(lambda database: database.execute("PRAGMA wal_checkpoint").fetchall())
    main, log = path.read_bytes(), path.with_name("ledger.db-wal").read_bytes()
    ledger.close()
    shorter = refused = 0
    for _ in range(60):
        content = bytearray(log)
        flip(content, random)
        try:
            found = opened(tmp_path, main, content)
        except LedgerError:
            refused += 1
            continue
        assert found.position == history[found.fills]
        shorter += found.fills < 60
    assert min(shorter, refused) > 5


def test_a_log_without_its_ledger_is_no_new_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    log = path.with_name("ledger.db-wal")
    log.write_bytes(b"")
    Ledger.open(path, threaded=False).close()
    path.unlink()
    assert ledgers(tmp_path) == []
    log.write_bytes(b"pages of a ledger that somebody has moved away")
    why = r"is damaged \(it is gone, ledger.db-wal is left\): move it and its -wal"
    assert ledgers(tmp_path) == [path]
    assert re.search(why, verdict(path))
    with pytest.raises(LedgerError, match=why):
        Ledger.open(path)
    assert not path.exists()


def older(path: Path, version: int) -> None:
    """As it was written by a former mm: before marks told of profit and transfers (4), before
    commands (3) and before anything (2) had a seal."""
    with sqlite3.connect(path) as database:
        database.create_function("seal", -1, seal, deterministic=True)
        database.execute("UPDATE equity SET seal = seal(ts, instrument, position, equity)")
        for column in ("pnl", "transferred"):
            database.execute(f"ALTER TABLE equity DROP COLUMN {column}")
        unsealed = {1: SEALED, 2: ("commands",)}.get(version, ())
        for table in unsealed:
            database.execute(f"ALTER TABLE {table} DROP COLUMN seal")
        database.execute(f"PRAGMA user_version = {version}")
    database.close()


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_ledger_of_any_older_version_is_brought_to_this_one(tmp_path: Path, version: int) -> None:
    path = tmp_path / "ledger.db"
    true = write(path)
    older(path, version)
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


def test_damage_of_an_older_version_is_not_sealed_anew(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    write(path)
    older(path, 3)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE equity SET equity = '7' WHERE rowid = 1")
    database.close()
    with pytest.raises(LedgerError, match="1 rows of equity are not as they were written"):
        Ledger.open(path, threaded=False)
