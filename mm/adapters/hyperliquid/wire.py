"""Websocket frames and REST answers as typed values; nothing here knows a socket or a clock."""

from collections import Counter, deque
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Raw, Struct

UNREADABLE: Final = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
"""What decoding raises: ValueError for bad UTF-8, ArithmeticError for what Decimal makes of a
number, RecursionError for brackets without end."""

WireSide: TypeAlias = Literal["B", "A"]


class Level(Struct, frozen=True, gc=False):
    px: float
    sz: float


class WireBook(Struct, frozen=True):
    coin: str
    time: int
    levels: tuple[list[Level], list[Level]]


class WireBbo(Struct, frozen=True):
    coin: str
    time: int
    bbo: tuple[Level | None, Level | None]


class WireTrade(Struct, frozen=True, gc=False):
    coin: str
    side: WireSide
    px: float
    sz: float
    time: int
    tid: int
    users: tuple[str, ...] = ()
    """Buyer and seller."""


class Context(Struct, frozen=True, gc=False, rename="camel"):
    funding: float
    oracle_px: float
    mark_px: float


class WireContext(Struct, frozen=True):
    coin: str
    ctx: Context


class Liquidation(Struct, frozen=True, rename="camel"):
    liquidated_user: str | None = None


class WireFill(Struct, frozen=True, rename="camel"):
    coin: str
    px: Decimal
    sz: Decimal
    side: WireSide
    time: int
    start_position: Decimal
    oid: int
    crossed: bool
    fee: Decimal
    tid: int
    cloid: str | None = None
    liquidation: Liquidation | None = None


class WireFills(Struct, frozen=True, rename="camel"):
    user: str
    fills: list[WireFill]
    is_snapshot: bool | None = None


class OrderCore(Struct, frozen=True, rename="camel"):
    """The fields that orderUpdates, openOrders and orderStatus share. `sz`: remaining."""

    coin: str
    side: WireSide
    limit_px: Decimal
    sz: Decimal
    oid: int
    cloid: str | None = None
    reduce_only: bool | None = None
    is_trigger: bool | None = None


class OrderUpdate(Struct, frozen=True, rename="camel"):
    order: OrderCore
    status: str
    status_timestamp: int


class WireFunding(Struct, frozen=True, rename="camel"):
    time: int
    coin: str
    usdc: Decimal
    funding_rate: float


class WireFundings(Struct, frozen=True, rename="camel"):
    user: str
    fundings: list[WireFunding]
    is_snapshot: bool | None = None


class PostResponse(Struct, frozen=True):
    """`type`: action, info or error (then the payload is a text)."""

    type: str
    payload: Raw


class InfoBook(Struct, frozen=True):
    """Payload of an `info` answer to l2Book; None for an unknown coin."""

    data: WireBook | None


class PostReply(Struct, frozen=True):
    id: int
    response: PostResponse


class BookFrame(Struct, frozen=True, tag_field="channel", tag="l2Book"):
    data: WireBook


class BboFrame(Struct, frozen=True, tag_field="channel", tag="bbo"):
    data: WireBbo


class TradesFrame(Struct, frozen=True, tag_field="channel", tag="trades"):
    data: list[WireTrade]


class ContextFrame(Struct, frozen=True, tag_field="channel", tag="activeAssetCtx"):
    data: WireContext


class FillsFrame(Struct, frozen=True, tag_field="channel", tag="userFills"):
    data: WireFills


class OrdersFrame(Struct, frozen=True, tag_field="channel", tag="orderUpdates"):
    data: list[OrderUpdate]


class FundingsFrame(Struct, frozen=True, tag_field="channel", tag="userFundings"):
    data: WireFundings


class PostFrame(Struct, frozen=True, tag_field="channel", tag="post"):
    data: PostReply


class Subscription(Struct, frozen=True):
    type: str


class Ack(Struct, frozen=True):
    """Echoes the subscription with defaults filled in: match on the type."""

    method: str
    subscription: Subscription


class AckFrame(Struct, frozen=True, tag_field="channel", tag="subscriptionResponse"):
    data: Ack


class ErrorFrame(Struct, frozen=True, tag_field="channel", tag="error"):
    data: str


class PongFrame(Struct, frozen=True, tag_field="channel", tag="pong"):
    pass


Frame: TypeAlias = (
    BookFrame
    | BboFrame
    | TradesFrame
    | ContextFrame
    | FillsFrame
    | OrdersFrame
    | FundingsFrame
    | PostFrame
    | AckFrame
    | ErrorFrame
    | PongFrame
)
KNOWN_CHANNELS = frozenset(
    {"l2Book", "bbo", "trades", "activeAssetCtx", "userFills", "orderUpdates", "userFundings"}
    | {"post", "subscriptionResponse", "error", "pong"}
)


class _Channel(Struct, frozen=True):
    channel: str


class FrameDecoder:
    """Decodes what it knows; counts, and keeps a sample of, what it does not. Never raises."""

    def __init__(self) -> None:
        self.unknown: Counter[str] = Counter()
        """Frames on channels that we do not read, by channel."""
        self.unparsed = 0
        """Frames that should have parsed and did not."""
        self.samples: deque[str] = deque(maxlen=8)
        """The latest unparsed frames, cut short, with the reason."""
        self._frame = msgspec.json.Decoder(Frame, strict=False)
        self._channel = msgspec.json.Decoder(_Channel)

    def decode(self, text: str | bytes) -> Frame | None:
        try:
            frame: Frame = self._frame.decode(text)
        except UNREADABLE as error:
            self._refused(text, error)
            return None
        return frame

    def _refused(self, text: str | bytes, error: Exception) -> None:
        try:
            channel = self._channel.decode(text).channel
        except UNREADABLE:
            channel = ""
        if channel and channel not in KNOWN_CHANNELS:
            self.unknown[channel[:40] if len(self.unknown) < 64 else "other"] += 1
            return
        self.unparsed += 1
        shown = text if isinstance(text, str) else text.decode(errors="replace")
        self.samples.append(f"{error}: {shown[:200]}")
