"""Actions about orders as they arrive: typed, in signing order, normalised; what each asks."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias, TypeVar

from msgspec import Meta, Struct

from mm.adapters.hyperliquid.sign import wire_number
from mm.model.exchange import (
    CancelOrders,
    Modification,
    ModifyOrders,
    OrderRef,
    OrderSpec,
    PlaceOrders,
    Request,
    Tif,
)
from mm.model.units import Side

UNDESERIALIZABLE = "Failed to deserialize the JSON body into the target type"
MAX_ITEMS = 200

Number: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{1,30}(\.[0-9]{1,30})?\Z")]
Address: TypeAlias = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{40}\Z")]
ClientId: TypeAlias = Annotated[str, Meta(pattern=r"^0x[0-9a-fA-F]{32}\Z")]
Natural: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]

T = TypeVar("T")


class MalformedError(ValueError):
    """Not a request of this protocol: the client's error, answered with HTTP 422."""


class RefusedActionError(ValueError):
    """The action as a whole is refused before it reaches the book: `status: err`."""


class Limit(Struct):
    tif: Literal["Alo", "Ioc", "Gtc", "FrontendMarket"]


class Trigger(Struct, rename="camel"):
    is_market: bool
    trigger_px: Number
    tpsl: Literal["tp", "sl"]


class OrderType(Struct, omit_defaults=True):
    limit: Limit | None = None
    trigger: Trigger | None = None


class OrderItem(Struct, omit_defaults=True):
    """Field order is signing order, here and below."""

    a: Natural
    b: bool
    p: Number
    s: Number
    r: bool
    t: OrderType
    c: ClientId | None = None

    def normalise(self) -> None:
        if (self.t.limit is None) == (self.t.trigger is None):
            raise MalformedError(UNDESERIALIZABLE)
        self.p = wire_number(Decimal(self.p))
        self.s = wire_number(Decimal(self.s))
        if self.c is not None:
            self.c = self.c.lower()
        if self.t.trigger is not None:
            self.t.trigger.trigger_px = wire_number(Decimal(self.t.trigger.trigger_px))

    def spec(self) -> OrderSpec:
        if self.t.limit is None:
            raise RefusedActionError("Trigger orders are not supported by this exchange.")
        tif = self.t.limit.tif
        return OrderSpec(
            asset=self.a,
            side=Side.BID if self.b else Side.ASK,
            price=Decimal(self.p),
            size=Decimal(self.s),
            tif=Tif.IOC if tif == "FrontendMarket" else Tif(tif),
            reduce_only=self.r,
            cloid=self.c,
        )


class Action(Struct, tag_field="type", omit_defaults=True):
    """One kind of action. Flags are true or absent: an explicit false is refused."""

    def normalise(self) -> None:
        """As the venue reads it: shortest numbers, lower-case ids. Raises MalformedError."""

    def request(self) -> Request:
        """What the exchange is asked. Raises RefusedActionError."""
        raise RefusedActionError(f"{type(self).__name__} is not supported by this exchange.")

    def items(self) -> int:
        """How many items the batch has."""
        return 1


class Builder(Struct):
    b: Address
    f: Natural


class Priority(Struct):
    p: Natural


class Order(Action, tag="order"):
    orders: list[OrderItem]
    grouping: Literal["na", "normalTpsl", "positionTpsl"] | Priority
    builder: Builder | None = None

    def normalise(self) -> None:
        for order in self.orders:
            order.normalise()
        if self.builder is not None:
            self.builder.b = self.builder.b.lower()

    def request(self) -> Request:
        if self.builder is not None and self.builder.f:  # nobody can approve one here
            raise RefusedActionError("Builder fee has not been approved")
        return PlaceOrders(tuple(order.spec() for order in _counted(self.orders)))

    def items(self) -> int:
        return len(self.orders)


class CancelItem(Struct):
    a: Natural
    o: Natural


class Cancel(Action, tag="cancel"):
    cancels: list[CancelItem]
    f: bool | None = None

    def normalise(self) -> None:
        _refuse_false(self.f)

    def request(self) -> Request:
        return CancelOrders(tuple(OrderRef(c.a, oid=c.o) for c in _counted(self.cancels)))

    def items(self) -> int:
        return len(self.cancels)


class CloidItem(Struct):
    asset: Natural
    cloid: ClientId


class CancelByCloid(Action, tag="cancelByCloid"):
    cancels: list[CloidItem]
    f: bool | None = None

    def normalise(self) -> None:
        _refuse_false(self.f)
        for cancel in self.cancels:
            cancel.cloid = cancel.cloid.lower()

    def request(self) -> Request:
        refs = (OrderRef(c.asset, cloid=c.cloid) for c in _counted(self.cancels))
        return CancelOrders(tuple(refs))

    def items(self) -> int:
        return len(self.cancels)


class ModifyItem(Struct):
    oid: Natural | ClientId
    order: OrderItem

    def normalise(self) -> None:
        self.oid = _lower(self.oid)
        self.order.normalise()


class Modify(Action, tag="modify"):
    oid: Natural | ClientId
    order: OrderItem
    a: bool | None = None

    def normalise(self) -> None:
        _refuse_false(self.a)
        self.oid = _lower(self.oid)
        self.order.normalise()

    def request(self) -> Request:
        change = Modification(self.oid, self.order.spec())
        return ModifyOrders((change,), always_place=bool(self.a))


class BatchModify(Action, tag="batchModify"):
    modifies: list[ModifyItem]
    a: bool | None = None

    def normalise(self) -> None:
        _refuse_false(self.a)
        for item in self.modifies:
            item.normalise()

    def request(self) -> Request:
        changes = (Modification(m.oid, m.order.spec()) for m in _counted(self.modifies))
        return ModifyOrders(tuple(changes), always_place=bool(self.a))

    def items(self) -> int:
        return len(self.modifies)


def _counted(items: Sequence[T]) -> Sequence[T]:
    if len(items) > MAX_ITEMS:
        raise RefusedActionError(f"Signed action over weight limit of {MAX_ITEMS}.")
    return items


def _refuse_false(flag: bool | None) -> None:
    if flag is False:
        raise MalformedError(UNDESERIALIZABLE)


def _lower(target: int | str) -> int | str:
    return target.lower() if isinstance(target, str) else target
