"""What happened in one run: lines for people, and a digest to compare two runs by."""

import hashlib
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec import msgpack
from structlog.typing import EventDict, Processor

from mm.model.actions import Step
from mm.model.events import Bbo, Book, Event, Fees, Reference, Tick, Trades

if TYPE_CHECKING:
    from mm.app.simulate.loop import SimLoop

KEPT: Final = 5_000
PLENTY: Final = (Bbo, Book, Reference, Tick, Trades, Fees)
"""Events of which there are too many to be read: they count in the digest only."""
UNTOLD: Final = ("ts", "venue_ts", "request_ts", "asked_ts", "flatten", "level")


class Trace:
    """Lines `seconds who what`, the latest kept, all of them digested."""

    def __init__(self, loop: "SimLoop", directory: str) -> None:
        """`directory`: where the files are, which differs from run to run and is not told."""
        self.lines: deque[str] = deque(maxlen=KEPT)
        self._loop = loop
        self._began = loop.now
        self._directory = directory
        self._digest = hashlib.blake2b(digest_size=16)

    def say(self, who: str, what: str) -> None:
        line = f"{self._loop.now - self._began:10.4f}  {who:<9} {what}"
        line = line.replace(self._directory, "DATA")
        self._digest.update(line.encode())
        self.lines.append(line)

    def turn(self, who: str, event: Event, step: Step) -> None:
        """One turn of an engine: its event whole, its actions whole."""
        self._digest.update(msgpack.encode(event))
        if not isinstance(event, PLENTY):
            self.say(who, f"> {_short(event)}")
        for action in step.actions:
            self.say(who, f"< {_short(action)}")

    def digest(self) -> str:
        return self._digest.hexdigest()

    def log(self, _: object, level: str, line: EventDict) -> EventDict:
        """A structlog processor: the daemon's log lines become ours."""
        data = " ".join(f"{key}={value}" for key, value in line.get("data", {}).items())
        error = line.get("exc_info")
        trouble = f" !! {error!r}" if error else ""
        self.say("log", f"{level} {line['topic']}: {line['event']} {data}{trouble}".rstrip())
        raise structlog.DropEvent

    def heard(self) -> AbstractContextManager[None]:
        """Until the block ends, the process's log goes here."""
        return _logging_to(self.log)


def silent() -> AbstractContextManager[None]:
    """Until the block ends, the process logs nothing."""
    return _logging_to(_drop)


def _drop(_: object, __: str, line: EventDict) -> EventDict:
    raise structlog.DropEvent


@contextmanager
def _logging_to(processor: Processor) -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(
        processors=[processor], wrapper_class=structlog.make_filtering_bound_logger(20)
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _short(thing: Any) -> str:  # noqa: ANN401 - an event or an action
    """`Fill(cloid=…12, price=100000, …)`: without times, and client ids by their last digits."""
    shown = []
    for field in thing.__struct_fields__:
        value = getattr(thing, field)
        if field in UNTOLD or value is None:
            continue
        if field == "cloid":
            value = f"…{value[-4:]}"
        elif field == "orders":
            value = [f"…{str(one.cloid)[-4:]}" for one in value]
        elif field == "checkpoint":
            value = len(value)
        shown.append(f"{field}={value}")
    return f"{type(thing).__name__}({', '.join(shown)})"
