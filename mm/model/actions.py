"""What the core decides, and what it wants said. Values: the shell sends and logs them."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, TypeAlias

from msgspec import Struct

from mm.model.events import RequestKind
from mm.model.units import Ns, Side


class Place(Struct, frozen=True, tag=True, gc=False):
    """A new order: post-only, unless `flatten` (then reduce-only, immediate-or-cancel)."""

    kind: ClassVar = RequestKind.PLACE
    cloid: str
    side: Side
    level: int
    price: Decimal
    size: Decimal
    reduce_only: bool = False
    flatten: bool = False


class Modify(Struct, frozen=True, tag=True, gc=False):
    """Replace a resting order's price and size; the client id stays, the venue's oid changes."""

    kind: ClassVar = RequestKind.MODIFY
    cloid: str
    oid: int
    side: Side
    level: int
    price: Decimal
    size: Decimal
    reduce_only: bool = False


class Cancel(Struct, frozen=True, tag=True, gc=False):
    kind: ClassVar = RequestKind.CANCEL
    cloid: str


class CancelAll(Struct, frozen=True, tag=True, gc=False):
    """Cancel every open order that carries our client-id prefix, tracked or not."""

    reason: str


class Halt(Struct, frozen=True, tag=True, gc=False):
    """Persist the latch: no quoting, now or after a restart, until `resume`. "" clears it."""

    reason: str


Action: TypeAlias = Place | Modify | Cancel | CancelAll | Halt


Data: TypeAlias = Mapping[str, float | int | str | bool | None]


class Severity(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Note(Struct, frozen=True, gc=False):
    """Something that an operator should read: `text` is stable, numbers are in `data`."""

    ts: Ns
    severity: Severity
    topic: str
    """order, fill, position, risk, calibration, quote, link, estimate."""
    text: str
    data: Data = {}


class Step(Struct, frozen=True, gc=False):
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()


NOTHING = Step()
