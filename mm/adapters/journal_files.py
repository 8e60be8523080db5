"""The files of journals: those of one run in their order, and all within the disk they may take."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from mm.model.units import NS_PER_S, Ns

SUFFIX = ".mmj"
PARTS = 64  # so many files share the disk's bound, for the oldest to go piece by piece
WRITTEN = 2  # parts that a file may come to: full is what one write may have made more than full


class JournalFiles:
    """The directory of journals. What is written takes at most `keep_bytes`: beyond it the oldest
    files go, be they of this run, but never one that is being written. Threads may share it.
    """

    def __init__(self, directory: Path, keep_bytes: int) -> None:
        self.segment_bytes = max(1, keep_bytes // PARTS)
        """A file that has grown to this is followed by a new one."""
        self._directory = directory
        self._keep_bytes = keep_bytes
        self._writing: set[Path] = set()
        self._lock = threading.Lock()

    def first(self, run_id: str, coin: str, start_ns: Ns) -> Path:
        """Where this run's journal begins; names sort by time."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        safe = "".join(c if c.isalnum() else "_" for c in coin)
        path = self._directory / f"{start_ns // NS_PER_S}-{run_id}-{safe}{SUFFIX}"
        with self._lock:
            self._writing.add(path)
            self._prune()
        return path

    def next(self, path: Path) -> Path:
        """Where the journal goes on after `path`, which is complete."""
        following = continuation(path)
        with self._lock:
            self._writing.discard(path)
            self._writing.add(following)
            self._prune()
        return following

    def _prune(self) -> None:
        found = {}
        for path in self._directory.glob(f"*{SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                found[path] = path.stat()
        total = sum(stat.st_size for path, stat in found.items() if path not in self._writing)
        room = self._keep_bytes - len(self._writing) * WRITTEN * self.segment_bytes
        for path in sorted(found, key=lambda path: (found[path].st_mtime_ns, path.name)):
            if total <= room:
                return
            if path not in self._writing:
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= found[path].st_size


def continuation(path: Path) -> Path:
    """The file after this one of a run: `RUN.mmj`, `RUN.1.mmj`, `RUN.2.mmj` and so on."""
    run, _, number = path.name.removesuffix(SUFFIX).partition(".")
    return path.with_name(f"{run}.{int(number or 0) + 1}{SUFFIX}")


def continuations(path: Path) -> Iterator[Path]:
    """All that follow `path` without a gap, in order."""
    following = continuation(path)
    while following.exists():
        yield following
        following = continuation(following)
