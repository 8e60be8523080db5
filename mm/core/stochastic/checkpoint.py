"""The estimators' memory across restarts: versioned, bounds-checked, faded by age."""

from zlib import crc32

import msgspec
from msgspec import Struct

from mm.core.stochastic.adverse_selection import AdverseState
from mm.core.stochastic.calibration_controller import CalibrationState
from mm.core.stochastic.kappa import KappaState
from mm.core.stochastic.volatility import VolatilityState
from mm.model.units import Ns

VERSION = 1


class Checkpoint(Struct, frozen=True):
    ts: Ns
    volatility: VolatilityState
    kappa: KappaState
    adverse: AdverseState
    calibration: CalibrationState
    draws: int = 0
    version: int = VERSION


def encode(checkpoint: Checkpoint) -> bytes:
    """CRC-32 of the rest, then msgpack."""
    return seal(msgspec.msgpack.encode(checkpoint))


def seal(payload: bytes) -> bytes:
    return crc32(payload).to_bytes(4, "big") + payload


def decode(data: bytes) -> Checkpoint:
    """ValueError where `data` is not a checkpoint of this version; bounds are each owner's."""
    payload = data[4:]
    if seal(payload) != data:
        raise ValueError("checkpoint: checksum does not match, it is damaged")
    try:
        checkpoint = msgspec.msgpack.decode(payload, type=Checkpoint)
    except msgspec.MsgspecError as error:
        raise ValueError(f"checkpoint: {error}") from error
    if checkpoint.version != VERSION:
        raise ValueError(f"checkpoint: version {checkpoint.version}, this one reads {VERSION}")
    if checkpoint.ts < 0 or checkpoint.draws < 0:
        raise ValueError("checkpoint: negative time or draws")
    return checkpoint
