"""The local exchange's server: Hyperliquid's protocol on real sockets."""

from mm.adapters.hyperliquid.server.app import HyperliquidServer
from mm.adapters.hyperliquid.server.options import Cadence, Clock, Limits, Options

__all__ = ["Cadence", "Clock", "HyperliquidServer", "Limits", "Options"]
