"""What a power cut, a bad disk or a clumsy hand does to the ledger's files."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from mm.app.simulate.at_rest import BrokenPromiseError
from mm.app.simulate.poison import Injected
from mm.app.simulate.world import World

TAIL: Final = 10_000
PAGE: Final = 4096
KNOWN: Final = "SELECT count(DISTINCT instrument) FROM runs"
RESTORED_S: Final = (5.0, 20.0)
SAID: Final = ("LedgerError: ", "VenueError: ", f"{Injected.__name__}: ")
"""What ends a daemon on a damaged ledger: that, or what else may end any."""


async def torn_tail(world: World, random: Random) -> bool:
    """The power fails in the middle of a write: the end of the ledger's log is cut, or noise."""
    files, torn = _killed(world), False
    for path in [path for path in files if path.name.endswith("-wal") and files[path]]:
        content = bytearray(files[path])
        start = max(0, len(content) - random.randrange(1, TAIL))
        noise = random.randbytes(len(content) - start) if random.random() < 0.5 else b""
        files[path], torn = bytes(content[:start]) + noise, True
    _put(world, files)
    return torn


async def bad_sector(world: World, random: Random) -> bool:
    """A piece of the ledger is noise or gone: it must be refused, or be right. The operator then
    brings back the file as it was; the venue knows what happened since."""
    if world.disk.damaged:
        return False  # it waits for the operator already
    sound = _killed(world)
    if not _begun(sound, len(world.plan.coins)):
        return False  # whoever brought it back would not bring back when it began
    world.disk.damaged = True
    _put(world, {path: _damaged(content, random) for path, content in sound.items()})
    ends = len(world.maker.exits)
    await asyncio.sleep(random.uniform(*RESTORED_S))
    for code, said in world.maker.exits[ends:]:
        if code != 0 and said and not said.startswith(SAID):
            raise BrokenPromiseError(f"a damaged ledger ends the daemon with {said}")
    _killed(world)
    world.disk.damaged = False
    _put(world, sound)
    return bool(sound)


def _damaged(content: bytes, random: Random) -> bytes:
    start = random.randrange(0, max(1, len(content)), 512)
    piece = len(content[start : start + PAGE])
    kind = random.randrange(3)
    if kind == 0:
        return content[:start]
    return (
        content[:start]
        + (bytes(piece) if kind == 1 else random.randbytes(piece))
        + content[start + piece :]
    )


def _killed(world: World) -> dict[Path, bytes]:
    """The ledger's files as a dead process leaves them; SQLite, here alive, would tidy up."""
    world.disk.unlock()
    found = {path: path.read_bytes() for path in world.disk.path.glob("ledger-*.db*")}
    files = {path: content for path, content in found.items() if not path.name.endswith("-shm")}
    world.maker.kill()
    return files


def _begun(files: dict[Path, bytes], coins: int) -> bool:
    """Do they know of a run of each coin? Told by a copy, which SQLite may tidy up."""
    with TemporaryDirectory() as directory:
        copies = [Path(directory, path.name) for path in files]
        for copy, content in zip(copies, files.values(), strict=True):
            copy.write_bytes(content)
        try:
            with closing(sqlite3.connect(min(copies))) as database:
                return bool(database.execute(KNOWN).fetchone() == (coins,))
        except (ValueError, sqlite3.DatabaseError):  # there is none, or it is none any more
            return False


def _put(world: World, files: dict[Path, bytes]) -> None:
    for path in world.disk.path.glob("ledger-*.db*"):
        path.unlink()
    for path, content in files.items():
        path.write_bytes(content)
