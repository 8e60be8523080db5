"""Many jobs on a few processes: a progress bar, and an end that leaves nobody behind."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection, wait
from traceback import format_exc
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Job = TypeVar("Job")
Result = TypeVar("Result")
STOPS = (signal.SIGINT, signal.SIGTERM)


class JobError(Exception):
    """A job failed; the message names it, the notes hold its process's traceback."""


class Failure:
    """What a process sends in place of a result."""

    def __init__(self, error: Exception) -> None:
        self.text = f"{type(error).__name__}: {error}"
        self.traceback = format_exc()


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def run_all(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int, label: str
) -> list[Result]:
    """`work(job)` for each job, in the order of `jobs`, whatever process did it and when.

    The bar is on stderr, only on a terminal. Raises JobError at the first job that fails or whose
    process dies; then, as on Ctrl-C and SIGTERM, all processes are ended at once.
    """
    results: dict[int, Result] = {}
    with _interruptible(), _crew(work, min(workers, len(jobs))) as crew, _bar() as bar:
        task = bar.add_task(label, total=len(jobs))
        todo = iter(enumerate(jobs))
        busy: dict[Connection, int] = {}

        def occupy(pipe: Connection) -> None:
            for index, job in todo:
                pipe.send(job)
                busy[pipe] = index
                return

        for pipe in crew:
            occupy(pipe)
        while busy:
            ready = wait(list(busy))
            for pipe in [pipe for pipe in busy if pipe in ready]:
                index = busy.pop(pipe)
                results[index] = _received(pipe, jobs[index])
                bar.advance(task)
                occupy(pipe)
    return [results[index] for index in range(len(jobs))]


def _received(pipe: "Connection[Job, Result | Failure]", job: Job) -> Result:
    try:
        reply = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise JobError(f"{job}: its process died (out of memory?)") from None
    if isinstance(reply, Failure):
        error = JobError(f"{job}: {reply.text}")
        error.add_note(reply.traceback)
        raise error
    return reply


@contextmanager
def _crew(work: Callable[[Job], Result], size: int) -> Iterator[list[Connection]]:
    """A pipe to each of `size` processes; they end with the block, whatever they are doing."""
    processes, pipes = [], []
    try:
        with _deaf():
            for _ in range(size):
                ours, theirs = Pipe()
                process = Process(target=_serve, args=(work, theirs, ours), daemon=True)
                process.start()
                theirs.close()
                processes.append(process)
                pipes.append(ours)
        yield pipes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


def _serve(work: Callable[[Job], Result], pipe: Connection, parents: Connection) -> None:
    """A process's life: job in, result out. Ctrl-C is for the parent to act on; while we hold its
    end of the pipe we would not see it go."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parents.close()
    while True:
        try:
            job: Job = pipe.recv()
        except EOFError:  # the parent is gone
            return
        try:
            reply: Result | Failure = work(job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent names the job
            reply = Failure(error)
        pipe.send(reply)


@contextmanager
def _deaf() -> Iterator[None]:
    """Requests to stop wait for the end of the block: a process half born would be left behind."""
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: heard.append(number)) for number in STOPS
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        raise KeyboardInterrupt


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        refresh_per_second=2,
        transient=True,
        disable=not sys.stderr.isatty(),
    )
