"""The ledger's tables, their versions, and opening the file or saying clearly why not."""

import contextlib
import sqlite3
from pathlib import Path
from zlib import crc32

APPLICATION = 0x6D6D6C67  # "mmlg", in the file's header: another program's database is refused

MIGRATIONS = (
    """
    CREATE TABLE runs (
        run_id TEXT NOT NULL, instrument TEXT NOT NULL, start_ns INTEGER NOT NULL,
        end_ns INTEGER, outcome TEXT, PRIMARY KEY (run_id, instrument)
    );
    CREATE TABLE fills (
        instrument TEXT NOT NULL, trade_id INTEGER NOT NULL, venue_ms INTEGER NOT NULL,
        ts INTEGER NOT NULL, cloid TEXT, oid INTEGER NOT NULL, side INTEGER NOT NULL,
        price TEXT NOT NULL, size TEXT NOT NULL, fee TEXT NOT NULL,
        start_position TEXT NOT NULL, quote INTEGER NOT NULL,
        PRIMARY KEY (instrument, trade_id, venue_ms)
    );
    CREATE INDEX fills_by_time ON fills (instrument, venue_ms);
    CREATE TABLE funding (
        instrument TEXT NOT NULL, venue_ms INTEGER NOT NULL, ts INTEGER NOT NULL,
        amount TEXT NOT NULL, rate REAL NOT NULL, PRIMARY KEY (instrument, venue_ms)
    );
    CREATE TABLE orders (
        ts INTEGER NOT NULL, instrument TEXT NOT NULL, cloid TEXT NOT NULL, oid INTEGER,
        what TEXT NOT NULL, side INTEGER, level INTEGER, price TEXT, size TEXT, reason TEXT
    );
    CREATE INDEX orders_by_time ON orders (ts);
    CREATE TABLE commands (
        ts INTEGER NOT NULL, instrument TEXT NOT NULL, verb TEXT NOT NULL,
        source TEXT NOT NULL, reason TEXT NOT NULL
    );
    CREATE TABLE latches (
        id INTEGER PRIMARY KEY, ts INTEGER NOT NULL, instrument TEXT NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE TABLE equity (
        ts INTEGER NOT NULL, instrument TEXT NOT NULL, position TEXT NOT NULL,
        equity TEXT NOT NULL
    );
    CREATE INDEX equity_by_time ON equity (instrument, ts);
    CREATE TABLE checkpoints (
        id INTEGER PRIMARY KEY, ts INTEGER NOT NULL, instrument TEXT NOT NULL,
        crc INTEGER NOT NULL, data BLOB NOT NULL
    )
    """,
    """
    ALTER TABLE fills ADD COLUMN seal INTEGER;
    ALTER TABLE funding ADD COLUMN seal INTEGER;
    ALTER TABLE latches ADD COLUMN seal INTEGER;
    ALTER TABLE equity ADD COLUMN seal INTEGER;
    UPDATE fills SET seal = seal(instrument, trade_id, venue_ms, ts, cloid, oid, side, price, size,
        fee, start_position, quote);
    UPDATE funding SET seal = seal(instrument, venue_ms, ts, amount, rate);
    UPDATE latches SET seal = seal(ts, instrument, reason);
    UPDATE equity SET seal = seal(ts, instrument, position, equity)
    """,
    """
    ALTER TABLE commands ADD COLUMN seal INTEGER;
    UPDATE commands SET seal = seal(ts, instrument, verb, source, reason)
    """,
    """
    ALTER TABLE equity ADD COLUMN pnl TEXT;
    ALTER TABLE equity ADD COLUMN transferred TEXT;
    UPDATE equity SET seal = seal(ts, instrument, position, equity, pnl, transferred)
        WHERE seal IS seal(ts, instrument, position, equity)
    """,
)
SEALED = {
    "fills": "instrument, trade_id, venue_ms, ts, cloid, oid, side, price, size, fee, "
    "start_position, quote",
    "funding": "instrument, venue_ms, ts, amount, rate",
    "latches": "ts, instrument, reason",
    "equity": "ts, instrument, position, equity, pnl, transferred",
    "commands": "ts, instrument, verb, source, reason",
}
"""What money and permission to trade are computed from: each row carries a checksum, for SQLite's
pages have none."""
VERSION = len(MIGRATIONS)
SEALED_SINCE = 4
HEADER_BYTES = 100
"""SQLite takes a file of less for a new one."""
LOCK_TIMEOUT_S = 20.0  # someone looks into the file with a tool of their own


class LedgerError(Exception):
    """The ledger cannot be trusted or written. One line that names the remedy."""


def open_database(path: Path | str) -> sqlite3.Connection:
    """The ledger's connection, migrated to this version. Raises LedgerError.

    Manual transactions; usable from a thread other than the caller's. ":memory:" for simulation.
    """
    if path == ":memory:":
        return _opened(path)
    if fault := _cut(Path(path)):
        raise broken(path, sqlite3.DatabaseError(fault))
    if not Path(path).exists():
        _create(Path(path))
    return _opened(path)


def _cut(path: Path) -> str:
    """What SQLite would take for a new database, though there was a ledger here; "" if nothing."""
    log = path.with_name(path.name + "-wal")
    if not path.exists():
        return f"it is gone, {log.name} is left" if log.exists() and log.stat().st_size else ""
    size = path.stat().st_size
    return "" if size >= HEADER_BYTES else f"it has {size} bytes" if size else "it is empty"


def _create(path: Path) -> None:
    """Whole or not at all: what exists and is empty was a ledger once. Its owner's alone, as are
    then, SQLite sees to it, the files beside it."""
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(OSError):  # SQLite says why
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
    database = _opened(new)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    new.rename(path)


def _opened(path: Path | str) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(
            path, LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise LedgerError(f"cannot open ledger {path}: {error}; check daemon.data_dir") from None
    try:
        _equip(database)
        _prepare(database, path)
    except sqlite3.Error as error:
        database.close()
        raise broken(path, error) from None
    except LedgerError:
        database.close()
        raise
    return database


def ledgers(directory: Path) -> list[Path]:
    """Those that are there, and those of which only the log is left."""
    logs = (path.with_name(path.name.removesuffix("-wal")) for path in directory.glob("*.db-wal"))
    return sorted({*directory.glob("ledger*.db"), *(path for path in logs if _cut(path))})


def verdict(path: Path) -> str:
    """What is wrong with an existing ledger, "" if nothing; looks without changing anything."""
    if fault := _cut(path):
        return str(broken(path, sqlite3.DatabaseError(fault)))
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        ) as database:
            _equip(database)
            _check_owner(database, path)
            _check_pages(database)
            if _version(database, path) >= SEALED_SINCE:
                _check_seals(database)
            return ""
    except sqlite3.Error as error:
        return str(broken(path, error))
    except LedgerError as error:
        return str(error)


def broken(path: Path | str, error: Exception) -> LedgerError:
    """The error that a user reads for a failing file: damage and refused writes differ. Statements
    of ours that make no sense to SQLite (its code SQLITE_ERROR) are damage of what they met."""
    if not isinstance(error, sqlite3.Error):
        return LedgerError(f"ledger {path}: {error}; restart (what it lacks is fetched again)")
    senseless = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    if isinstance(error, sqlite3.OperationalError) and not senseless:
        return LedgerError(
            f"cannot write ledger {path}: {error}; free space or fix permissions, then restart "
            "(fills missed meanwhile are fetched from the venue)"
        )
    return LedgerError(
        f"ledger {path} is damaged ({error}): move it and its -wal file away and restore a "
        "backup, or start without it (the position is then the venue's, PnL starts at zero)"
    )


def seal(*values: object) -> int:
    """The checksum of a row; an SQL function of the ledger's connections."""
    return crc32(repr(values).encode(errors="surrogateescape"))


def _equip(database: sqlite3.Connection) -> None:
    database.create_function("seal", -1, seal, deterministic=True)


def sealed_insert(table: str, more: str = "") -> str:
    """The statement that inserts a row of `SEALED` from its values, in order."""
    marks = ",".join(f"?{n}" for n in range(1, SEALED[table].count(",") + 2))
    columns = f"{table} ({SEALED[table]}, seal)"
    return f"INSERT INTO {columns} SELECT {marks}, seal({marks}) WHERE true {more}"


def _prepare(database: sqlite3.Connection, path: Path | str) -> None:
    _check_owner(database, path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")  # a latched halt outlives a power cut
    _check_pages(database)
    _migrate(database, path)
    _check_seals(database)


def _check_pages(database: sqlite3.Connection) -> None:
    found = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _check_seals(database: sqlite3.Connection) -> None:
    for table, columns in SEALED.items():
        wrong = f"SELECT count(*) FROM {table} WHERE seal IS NOT seal({columns})"  # noqa: S608 - constants
        (count,) = database.execute(wrong).fetchone()
        if count:
            raise sqlite3.DatabaseError(f"{count} rows of {table} are not as they were written")


def _check_owner(database: sqlite3.Connection, path: Path | str) -> None:
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    owner = database.execute("PRAGMA application_id").fetchone()[0]
    if tables and owner != APPLICATION:
        raise LedgerError(f"{path} is not a ledger of mm: choose another daemon.data_dir")


def _version(database: sqlite3.Connection, path: Path | str) -> int:
    """Of the file's form: 0 while it is new."""
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    found: int = database.execute("PRAGMA user_version").fetchone()[0]
    if found < bool(tables):
        raise sqlite3.DatabaseError(f"schema {found}")
    if found > VERSION:
        raise LedgerError(
            f"ledger {path} was written by a newer mm (schema {found}, this one knows {VERSION}): "
            "run that version, or choose another daemon.data_dir"
        )
    return found


def _migrate(database: sqlite3.Connection, path: Path | str) -> None:
    """Each step and its version number in one transaction: a crash leaves the old version."""
    for number in range(_version(database, path), VERSION):
        step = (
            "BEGIN IMMEDIATE",
            f"PRAGMA application_id={APPLICATION}",
            MIGRATIONS[number],
            f"PRAGMA user_version={number + 1}",
            "COMMIT;",
        )
        database.executescript(";".join(step))
