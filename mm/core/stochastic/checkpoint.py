"""What a restart must not forget: versioned, bounds-checked, faded by age.

Not in it, because the ledger knows it to the last row: position and cash, the latch, pause and
flatten, peak and day equity. Nor what is of the moment: orders, S, volatility's last sample, rates.
"""

from zlib import crc32

import msgspec
from msgspec import Struct

from mm.core.pnl import PnlState
from mm.core.stochastic.adverse_selection import AdverseState
from mm.core.stochastic.calibration_controller import CalibrationState
from mm.core.stochastic.kappa import KappaState
from mm.core.stochastic.volatility import VolatilityState
from mm.model.units import Ns

VERSION = 3
"""2 added the parts of PnL and the times of the last fills; 3 the squares of weights and times, for
intervals. Older ones load for ever: a new field has a default that means "not told", and a fixture
in the tests holds each version."""


class Checkpoint(Struct, frozen=True):
    ts: Ns
    volatility: VolatilityState
    kappa: KappaState
    adverse: AdverseState
    calibration: CalibrationState
    draws: int = 0
    version: int = VERSION
    pnl: PnlState | None = None


def encode(checkpoint: Checkpoint) -> bytes:
    """CRC-32 of the rest, then msgpack."""
    return seal(msgspec.msgpack.encode(checkpoint))


def seal(payload: bytes) -> bytes:
    return crc32(payload).to_bytes(4, "big") + payload


def is_sealed(data: bytes) -> bool:
    """The very first form was not: only its ledger had a checksum of it."""
    return seal(data[4:]) == data


def decode(data: bytes) -> Checkpoint:
    """ValueError where `data` is no checkpoint, or a later version's; bounds are each owner's.

    Without its own checksum it must be whole and of version 1: what was damaged is not, for its
    first four bytes are no beginning of a map.
    """
    sealed = is_sealed(data)
    try:
        checkpoint = msgspec.msgpack.decode(data[4:] if sealed else data, type=Checkpoint)
    except msgspec.MsgspecError as error:
        what = "" if sealed else "checksum does not match, it is damaged: "
        raise ValueError(f"checkpoint: {what}{error}") from error
    if not sealed and checkpoint.version != 1:
        raise ValueError("checkpoint: it has lost its checksum, it is damaged")
    if not 1 <= checkpoint.version <= VERSION:
        raise ValueError(f"checkpoint: version {checkpoint.version}, this one reads 1 to {VERSION}")
    if checkpoint.ts < 0 or checkpoint.draws < 0:
        raise ValueError("checkpoint: negative time or draws")
    if checkpoint.pnl is not None:
        checkpoint.pnl.check()
    return checkpoint
