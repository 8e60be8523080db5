"""What holds each instrument back (a halt, a pause, a flatten) and why, in a file that needs no
room: a full disk must not forget it."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from zlib import crc32

import msgspec

from mm.adapters.ledger_schema import LedgerError

HALT, PAUSE, FLATTEN = "halt", "pause", "flatten"
PAGE = 4096
REASON_CHARS = 200


def _soon(file: int) -> None:
    """On the disk whatever happens to the power; no order waits for that."""
    Thread(target=_sync, args=(os.dup(file),), name="latch", daemon=True).start()


def _sync(file: int) -> None:
    with suppress(OSError):
        os.fdatasync(file)
    os.close(file)


class Latch:
    """One page, written when there was room and rewritten in place (`ledger-….latch`).

    It stands beside the ledger's rows: whichever of the two says held wins, until both are told
    of a resume. What is set outlives the process at once, and a cut of the power a moment later.
    """

    def __init__(self, file: int, held: dict[str, str], sync: Callable[[int], None]) -> None:
        self._file = file
        self._held = held
        self._sync = sync

    @classmethod
    def open(cls, path: Path, sync: Callable[[int], None] = _soon) -> "Latch":
        """Made where it is missing. Raises LedgerError where it cannot be; a damaged one halts."""
        try:
            if not path.exists():
                _create(path)
            file = os.open(path, os.O_RDWR)
        except OSError as error:
            raise LedgerError(
                f"cannot write {path}: {error.strerror}; free space or fix permissions, restart"
            ) from None
        return cls(file, _read(os.pread(file, 16 * PAGE, 0), path), sync)

    def reason(self, instrument: str, verb: str = HALT) -> str:
        """Why this one is halted, paused or to be flat; "" where it is not."""
        return self._held.get(_key(instrument, verb)) or self._held.get(_key("", verb), "")

    def set(self, instrument: str, reason: str, verb: str = HALT) -> None:
        """ "" clears it. Raises LedgerError where the page cannot be rewritten."""
        key, damaged = _key(instrument, verb), _key("", verb)
        if reason == self._held.get(key, "") and (reason or damaged not in self._held):
            return
        self._held[key] = reason
        if not reason:  # whoever lifts a halt has seen that the page was damaged
            self._held.pop(damaged, None)
        try:
            os.pwrite(self._file, _page(self._held), 0)
        except OSError as error:
            text = f"cannot write the {verb} of {instrument}: {error.strerror}"
            raise LedgerError(text) from None
        self._sync(self._file)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _key(instrument: str, verb: str) -> str:
    return instrument if verb == HALT else f"{instrument} {verb}"


def _create(path: Path) -> None:
    """Whole or not at all."""
    new = path.with_name(path.name + ".new")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, _page({}))
        os.fsync(file)
    finally:
        os.close(file)
    new.rename(path)


def _page(reasons: dict[str, str]) -> bytes:
    """Checksum and JSON, filled up with blanks; long reasons are cut to what there is room for."""
    held = {key: reason for key, reason in reasons.items() if reason}
    cut = REASON_CHARS
    while len(text := _sealed(held, cut)) >= PAGE and cut:
        cut //= 2
    return text.ljust(PAGE - 1) + b"\n"


def _sealed(held: dict[str, str], cut: int) -> bytes:
    text = msgspec.json.encode({key: reason[:cut] or "held" for key, reason in held.items()})
    return b"%08x %b" % (crc32(text), text)


def _read(page: bytes, path: Path) -> dict[str, str]:
    """What `_page` wrote. Anything else halts all: better once too often than once too seldom."""
    seal, _, text = page.rstrip().partition(b" ")
    with suppress(msgspec.MsgspecError):
        if seal == b"%08x" % crc32(text):
            return msgspec.json.decode(text, type=dict[str, str])
    return {"": f"{path.name} is damaged: it may have held a halt"}
