"""The local exchange's server: Hyperliquid's protocol on real sockets."""

from mm.adapters.hyperliquid.server.app import HyperliquidServer
from mm.adapters.hyperliquid.server.options import (
    FAULTS,
    Cadence,
    Clock,
    Faults,
    FrameFaults,
    Limits,
    Options,
    faults_named,
)

__all__ = [
    "FAULTS",
    "Cadence",
    "Clock",
    "Faults",
    "FrameFaults",
    "HyperliquidServer",
    "Limits",
    "Options",
    "faults_named",
]
