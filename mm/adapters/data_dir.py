"""The daemon's data directory: one daemon at a time, its control token, where it can be reached."""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct


class DataDirError(Exception):
    """The data directory cannot be used. One line that names the remedy."""


class Runtime(Struct, frozen=True, kw_only=True):
    """Where the running daemon listens, for `mm status` and the like; `url` "" without web."""

    pid: int
    url: str
    run_id: str
    version: str
    start_ns: int


class DataDir:
    """The directory, locked: a second daemon on it is refused. Release with `close`."""

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> "DataDir":
        """Make (mode 0700), probe and lock the directory. Raises DataDirError."""
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (path / "lock").open("a+")
        except OSError as error:
            raise DataDirError(
                f"cannot write data directory {path}: {error.strerror}; "
                "fix its permissions or set daemon.data_dir"
            ) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            raise DataDirError(
                f"another daemon{f' (pid {owner})' if owner else ''} runs on {path}: "
                "stop it, or set another daemon.data_dir"
            ) from None
        with contextlib.suppress(OSError):  # of a run that died: nobody listens there any more
            (path / "daemon.json").unlink(missing_ok=True)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return cls(path, lock)

    def announce(self, runtime: Runtime) -> None:
        _write_private(self.path / "daemon.json", msgspec.json.encode(runtime).decode() + "\n")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            (self.path / "daemon.json").unlink(missing_ok=True)
        self._lock.truncate(0)
        self._lock.close()


def read_runtime(path: Path) -> Runtime | None:
    """Where the daemon on this directory listens; None where none runs."""
    try:
        return msgspec.json.decode((path / "daemon.json").read_bytes(), type=Runtime)
    except (OSError, msgspec.MsgspecError):
        return None


def owner(path: Path) -> int | None:
    """The living process that locked the directory, also before it announces itself.

    Its word is taken: to try the lock would hold it, and so refuse a daemon that starts meanwhile.
    """
    try:
        pid = int((path / "lock").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    try:
        os.kill(pid, 0)
    except PermissionError:
        return pid
    except (OSError, OverflowError):
        return None
    return pid


def read_token(path: Path) -> str:
    """The control token, "" where it is missing or not ours to read."""
    try:
        return (path / "token").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _write_private(path: Path, text: str) -> None:
    """Atomic, readable by us alone."""
    fresh = path.with_name(path.name + ".new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        raise DataDirError(f"cannot write {path}: {error.strerror}") from None
