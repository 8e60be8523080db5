"""The daemon's disk: real SQLite files, written behind the caller's back in virtual time.

It commits in groups a little later, as the writer thread does, and fails as that fails: a full
disk by SQLite's own page limit, a lock by a lock that another connection really holds.
"""

import sqlite3
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from mm.adapters.data_dir import DataDir
from mm.adapters.latch import Latch
from mm.adapters.ledger import Ledger, latch_path
from mm.adapters.ledger_schema import LOCK_TIMEOUT_S, LedgerError, broken, open_database
from mm.adapters.ledger_writer import Job, Read, Row, T
from mm.app.simulate.host import Host

if TYPE_CHECKING:
    from mm.app.simulate.loop import SimLoop

RETRY_S: Final = 0.2
MAX_ROWS: Final = 100_000


class Writer:
    """The port of `ledger_writer`. What is put is durable after `Disk.delay_s`, not before."""

    def __init__(self, disk: "Disk", database: sqlite3.Connection, path: Path | str) -> None:
        self._disk, self._database, self._path = disk, database, path
        self._pending: list[Row | Job] = []
        self._failure: LedgerError | None = None
        self._due = False
        self._written = False
        self._limited = False
        self._waited_s = 0.0

    @property
    def backlog(self) -> int:
        return len(self._pending)

    @property
    def has_failed(self) -> bool:
        """Of which the daemon hears when it next has something to write."""
        return self._failure is not None

    def put(self, row: Row) -> None:
        self._enqueue(row)

    def submit(self, read: Read[T]) -> "Future[T]":
        future: Future[T] = Future()
        self._enqueue(Job(read, future))
        if not self._written:  # a start reads before it writes, and waits
            self._commit()
        return future

    def close(self) -> None:
        self._commit()
        self._database.close()
        if self._failure is not None:
            raise self._failure

    def die(self) -> None:
        """With the process: what was not yet committed never was."""
        self._pending.clear()
        self._database.close()

    def _enqueue(self, item: Row | Job) -> None:
        self._written = self._written or isinstance(item, Row)
        if len(self._pending) >= MAX_ROWS:
            self._failure = LedgerError(f"ledger {self._path} is {MAX_ROWS} rows behind")
        if self._failure is not None:
            raise self._failure
        self._pending.append(item)
        self._schedule(self._disk.delay_s())

    def _schedule(self, delay_s: float) -> None:
        if not self._due:
            self._due = True
            self._disk.loop.call_later(delay_s, self._when_due)

    def _when_due(self) -> None:
        self._due = False
        self._commit()

    def _commit(self) -> None:
        """One transaction. Where the file is locked, again and again until the timeout."""
        batch = self._pending
        if not batch or self._failure is not None:
            return
        try:
            self._write(batch)
        except sqlite3.OperationalError as error:
            locked = "locked" in str(error)
            self._disk.loop.felt["locked" if locked else "full"] += 1
            if locked and self._waited_s < LOCK_TIMEOUT_S:
                self._waited_s += RETRY_S
                self._schedule(RETRY_S)
                return
            self._fail(error)
        except sqlite3.Error as error:
            self._fail(error)
        else:
            self._waited_s, self._pending = 0.0, []

    def _write(self, batch: list[Row | Job]) -> None:
        if self._disk.full or self._limited:
            self._limited = self._disk.full
            self._disk.apply(self._database)
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for item in batch:
                if isinstance(item, Row):
                    self._database.execute(item.statement, item.parameters)
            self._database.execute("COMMIT")
        except sqlite3.Error:
            with suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise
        for item in batch:
            if isinstance(item, Job):
                item.settle(self._database, self._path)

    def _fail(self, error: sqlite3.Error) -> None:
        self._failure = broken(self._path, error)
        for item in self._pending:
            if isinstance(item, Job) and not item.future.cancelled():
                item.future.set_exception(self._failure)
        self._pending = []


def _unplugged(_: int) -> None:
    """Nobody pulls this machine's plug: nothing is forced to the real disk."""


class Disk:
    """Opens what the daemon opens, and takes it away when the process dies."""

    def __init__(self, loop: "SimLoop", random: Random, path: Path) -> None:
        self.loop = loop
        self.path = path
        self.slow_s = 0.0
        """Mean time on top of each commit's usual few milliseconds."""
        self.full = False
        self.damaged = False
        """The ledger's file is, and nobody has brought it back yet."""
        self.writer: Writer | None = None
        self._random = random
        self._thief: sqlite3.Connection | None = None

    def delay_s(self) -> float:
        self.loop.felt["slow"] += self.slow_s > 0.0
        return self._random.expovariate(1.0 / (0.003 + self.slow_s))

    def open_ledger(self, host: Host, path: Path) -> Ledger:
        if self._thief is not None:
            self.loop.felt["locked"] += 1
            # SQLite would wait in real time, and then say this
            raise broken(path, sqlite3.OperationalError("database is locked"))
        database = open_database(path)
        database.execute("PRAGMA busy_timeout=0")  # we wait in virtual time
        database.execute("PRAGMA synchronous=OFF")
        writer = self.writer = Writer(self, database, path)
        page = Latch.open(latch_path(path), sync=_unplugged)
        host.on_death += [writer.die, page.close]
        return Ledger(writer, page)

    def open_data(self, host: Host, path: Path) -> DataDir:
        directory = DataDir.open(path)
        host.on_death.append(directory._lock.close)
        return directory

    def apply(self, database: sqlite3.Connection) -> None:
        """The room that there is now, as SQLite's own page limit."""
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        limit = max(1, pages) if self.full else 2**30
        database.execute(f"PRAGMA max_page_count={limit}")

    def lock(self) -> None:
        """Somebody's tool holds the ledger's write lock; of a damaged one it gets none."""
        found = sorted(self.path.glob("ledger-*.db"))
        if found and self._thief is None:
            self._thief = sqlite3.connect(found[0], isolation_level=None)
            with suppress(sqlite3.DatabaseError):
                self._thief.execute("PRAGMA busy_timeout=0")
                self._thief.execute("BEGIN IMMEDIATE")

    def unlock(self) -> None:
        if self._thief is not None:
            self._thief.close()
            self._thief = None

    def read(self, query: str) -> list[Any]:
        """What is in the ledger now, seen by another connection."""
        (path,) = self.path.glob("ledger-*.db")
        database = sqlite3.connect(path)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()
