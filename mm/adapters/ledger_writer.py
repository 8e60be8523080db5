"""Who writes the ledger: a thread with group commits (live), or the caller (simulation)."""

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from mm.adapters.ledger_schema import LedgerError, broken

T = TypeVar("T")
Read: TypeAlias = Callable[[sqlite3.Connection], T]

QUEUE_ROWS = 100_000  # minutes of the busiest trading; a writer that far behind has failed
BATCH_ROWS = 2_000
GATHER_S = 0.01
"""Rows may wait this long for the thread: waking it for each would make orders wait for it."""
CLOSE_TIMEOUT_S = 10.0


class Row(Struct, frozen=True):
    statement: str
    parameters: tuple[Any, ...]


class Job(Struct, frozen=True):
    """Something to do once all rows before it are committed."""

    read: Read[Any]
    future: "Future[Any]"

    def settle(self, database: sqlite3.Connection, path: Path | str) -> None:
        if not self.future.set_running_or_notify_cancel():
            return  # whoever asked has gone, as a daemon that is asked to stop in a flush
        try:
            self.future.set_result(self.read(database))
        except Exception as error:  # noqa: BLE001 - whatever it is: whoever asked is told
            self.future.set_exception(broken(path, error))


class Writer(Protocol):
    def put(self, row: Row) -> None:
        """Write this row, soon. Raises LedgerError once writing has failed."""
        ...

    def submit(self, read: Read[T]) -> "Future[T]":
        """Run `read` after all rows put so far are committed."""
        ...

    def close(self) -> None:
        """Commit what was put and close the file. Raises LedgerError if any row was lost."""
        ...


class InlineWriter:
    """Writes on the caller's time; commits every `BATCH_ROWS` rows, on submit and on close."""

    def __init__(self, database: sqlite3.Connection, path: Path | str) -> None:
        self._database = database
        self._path = path
        self._uncommitted = 0

    def put(self, row: Row) -> None:
        try:
            if not self._uncommitted:
                self._database.execute("BEGIN")
            self._database.execute(row.statement, row.parameters)
            self._uncommitted += 1
            if self._uncommitted >= BATCH_ROWS:
                self._commit()
        except (sqlite3.Error, OverflowError) as error:
            raise broken(self._path, error) from None

    def submit(self, read: Read[T]) -> "Future[T]":
        future: Future[T] = Future()
        self._commit()
        Job(read, future).settle(self._database, self._path)
        return future

    def close(self) -> None:
        with contextlib.closing(self._database):
            self._commit()

    def _commit(self) -> None:
        if not self._uncommitted:
            return
        try:
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise broken(self._path, error) from None
        self._uncommitted = 0


class ThreadWriter:
    """One thread owns the connection; every `GATHER_S`, what has come is one transaction."""

    def __init__(self, database: sqlite3.Connection, path: Path | str) -> None:
        self._database = database
        self._path = path
        self._pending: deque[Row | Job | None] = deque()
        self._urgent = Event()
        self._failure: LedgerError | None = None
        self._thread = Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def put(self, row: Row) -> None:
        self._enqueue(row)

    def submit(self, read: Read[T]) -> "Future[T]":
        future: Future[T] = Future()
        self._enqueue(Job(read, future))
        self._urgent.set()
        return future

    def close(self) -> None:
        self._pending.append(None)
        self._urgent.set()
        self._thread.join(CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            raise LedgerError(f"ledger {self._path}: the disk takes no writes; rows are lost")
        if self._failure:
            raise self._failure

    def _enqueue(self, item: Row | Job) -> None:
        if self._failure is None and len(self._pending) >= QUEUE_ROWS:
            self._failure = LedgerError(
                f"ledger {self._path} is {QUEUE_ROWS} rows behind: the disk is too slow"
            )
        if self._failure is None:
            self._pending.append(item)
        if self._failure is not None:  # asked again: the writer may have failed meanwhile
            raise self._failure

    def _run(self) -> None:
        try:
            while self._write(self._take()):
                pass
        finally:
            self._database.close()
            self._refuse_waiting()

    def _take(self) -> list[Row | Job | None]:
        """Those that are there, after a while; at once where somebody waits for them."""
        if len(self._pending) < BATCH_ROWS:
            self._urgent.wait(GATHER_S)
        self._urgent.clear()
        return [self._pending.popleft() for _ in range(min(len(self._pending), BATCH_ROWS))]

    def _write(self, batch: list[Row | Job | None]) -> bool:
        """One transaction, then the jobs that waited for it; False after the closing mark, or where
        a row cannot be written."""
        if not batch:
            return True
        try:
            self._database.execute("BEGIN")
            for item in batch:
                if isinstance(item, Row):
                    self._database.execute(item.statement, item.parameters)
            self._database.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - a number too large for SQLite, too
            self._failure = broken(self._path, error)
            self._refuse(batch)
            return False
        for item in batch:
            if isinstance(item, Job):
                item.settle(self._database, self._path)
        return None not in batch

    def _refuse_waiting(self) -> None:
        while self._pending:
            self._refuse([self._pending.popleft()])

    def _refuse(self, items: list[Row | Job | None]) -> None:
        for item in items:
            if isinstance(item, Job) and not item.future.cancelled():
                item.future.set_exception(self._failure or LedgerError("the ledger is closed"))
