"""What else stands on the account, as the adapter tells it of a real exchange."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from mm.adapters.hyperliquid import others
from mm.adapters.hyperliquid.answers import Clearinghouse, Held, _Margin
from mm.adapters.hyperliquid.budget import WeightMeter
from mm.adapters.hyperliquid.desks import Desk, Desks
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import Inbox
from mm.adapters.hyperliquid.others import margin_of, notionals
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.questions import Questions
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.settings import NO_HOOKS, VenueSettings
from mm.adapters.hyperliquid.wire import OrderCore
from mm.app.doctor import examine
from mm.model.beside import NOTHING_BESIDE
from mm.model.custody import UpdateLeverage
from mm.model.events import Account
from mm.model.exchange import OrderSpec, PlaceOrders, Tif
from mm.model.units import NS_PER_MS, NS_PER_S, Ns, Side
from mm.sim.exchange import Exchange
from mm.sim.scripted import calm_market
from tests.adapters.hyperliquid.stand import (
    ME,
    PATIENT,
    PREFIX,
    QUICK,
    RULES,
    Probe,
    Stand,
    bid,
    cloid,
    running,
    until,
)

USD = Decimal
TAKEN_USD = 10_000 + 2_000 + 9_000 + Decimal("0.01") * 100_000
"""A position of 1 at 100,000 with a leverage of 10, an order beyond it, one in a third coin."""


class Shared(Stand):
    """BTC is ours. In ETH, at BTC's prices, and SOL somebody else acts for us too."""

    def __init__(self) -> None:
        super().__init__(QUICK, PATIENT, 0, RULES)
        start_ms = self.clock.now() // NS_PER_MS
        markets = [calm_market(start_ms) for _ in range(3)]
        for asset, coin in ((1, "ETH"), (2, "SOL")):
            market = markets[asset]
            market.instrument = structs.replace(market.instrument, name=coin, asset=asset)
        self.exchange = Exchange(markets, start_ms, RULES)
        self.server = self._server(0)

    def order(self, asset: int, side: Side, price: str, size: str, tif: Tif = Tif.GTC) -> None:
        spec = OrderSpec(asset, side, Decimal(price), Decimal(size), tif)
        self.act(ME.address, PlaceOrders((spec,)))

    def occupy(self) -> None:
        for asset in (1, 2):
            self.act(ME.address, UpdateLeverage(asset, True, 10))
        self.order(1, Side.BID, "100010", "1", Tif.IOC)
        self.order(1, Side.ASK, "110000", "2.0")
        self.order(2, Side.BID, "90000", "1")


async def test_what_others_hold_is_told_and_what_we_hold_is_not() -> None:
    stand, probe = Shared(), Probe()
    async with stand.server:
        stand.occupy()
        stand.order(0, Side.BID, "99000", "0.5")
        stand.order(0, Side.ASK, "120000", "0.25")
        await until(lambda: len(stand.exchange.open_orders(ME.address)) == 4)
        venue = stand.venue(probe, audit_s=0.5)
        async with running(venue):
            await probe.up()
            venue.send([bid(1, "99980", "0.3")])
            await until(lambda: cloid(1) in stand.resting())
            told = len(probe.of(Account))
            await probe.until(lambda: len(probe.of(Account)) > told + 1)

    for account in (probe.of(Account)[0], probe.of(Account)[-1]):
        assert float(account.beside.margin) == pytest.approx(float(TAKEN_USD), rel=1e-3)
        assert (account.beside.bids, account.beside.asks) == (USD(49_500), USD(30_000))


async def test_alone_on_an_account_nothing_is_beside_us() -> None:
    stand, probe = Shared(), Probe()
    async with stand.server, running(stand.venue(probe)):
        await probe.up()

    assert {account.beside for account in probe.of(Account)} == {NOTHING_BESIDE}


async def test_what_is_done_by_hand_is_looked_at_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next audit is a minute away; without news nothing is asked."""
    monkeypatch.setattr(others, "PAUSE_S", 0.02)
    stand, probe = Shared(), Probe()
    async with stand.server, running(stand.venue(probe, audit_s=60.0)):
        await probe.up()
        before = len(probe.of(Account))
        stand.order(2, Side.BID, "90000", "1")
        await probe.first(Account, lambda account: account.beside.margin > 0)

    assert before == 1


def test_an_isolated_position_of_ours_keeps_what_it_gains() -> None:
    """It has the margin of its entry and its profit; our own count takes its value / leverage."""
    held = held_of("1", value=110_000, used=20_000, leverage=10, kind="isolated")

    assert others.aside(held) == 9_000
    assert others.aside(structs.replace(held, margin_used=USD(500))) == 0
    assert others.aside(held_of("1", value=110_000, used=20_000, leverage=10)) == 0


# -- the sums -------------------------------------------------------------------------------------


def held_of(size: str, value: int, used: int, leverage: int, kind: str = "cross") -> Held:
    row = {"coin": "ETH", "szi": size, "positionValue": value, "marginUsed": used}
    return msgspec.convert(
        row | {"leverage": {"value": leverage, "type": kind}}, Held, strict=False
    )


def order(side: Side, price: int, size: int) -> OrderCore:
    letter = "B" if side is Side.BID else "A"
    return OrderCore("ETH", letter, USD(price), USD(size), 1)  # type: ignore[arg-type]  # a wire's


@pytest.mark.parametrize(
    ("orders", "more"),
    [
        ((), 0),
        ((order(Side.BID, 90, 5),), 45),
        ((order(Side.ASK, 110, 15),), 0),
        ((order(Side.ASK, 110, 25),), 75),
        ((order(Side.ASK, 90, 25), order(Side.BID, 90, 5)), 50),
    ],
    ids=["none", "adds", "reduces", "turns", "asks below the mark count at it"],
)
def test_orders_take_what_the_worse_side_would_add(
    orders: tuple[OrderCore, ...], more: int
) -> None:
    held = held_of("10", value=1_000, used=100, leverage=10)

    assert margin_of(held, orders, 10) == 100 + 10 + more


def test_without_a_position_the_larger_side_counts() -> None:
    both = (order(Side.BID, 90, 5), order(Side.ASK, 110, 5))

    assert notionals(None, both) == (USD(450), USD(550))
    assert margin_of(None, both, 5) == 110


def test_an_isolated_position_takes_all_that_it_lives_on_and_no_more() -> None:
    assert margin_of(held_of("10", 1_000, 250, 10, "isolated"), (), 10) == 250


@pytest.mark.parametrize(
    "changes",
    [{"coin": "@107"}, {"coin": "PURR/USDC"}, {"reduce_only": True}, {"is_trigger": True}],
    ids=str,
)
def test_what_takes_no_margin_is_not_counted(changes: dict[str, object]) -> None:
    plain = order(Side.BID, 90, 5)

    assert others.takes_margin(plain)
    assert not others.takes_margin(structs.replace(plain, **changes))


async def test_the_leverage_of_a_coin_without_a_position_is_asked_once_an_hour() -> None:
    clock, rest = Hand(), Asked()
    given, own = VenueSettings(network="local", coins=("BTC",)), OwnOrders(PREFIX)
    inbox = Inbox(ME.address, "BTC", own, Health(clock, NO_HOOKS))
    desks, seat = Desks(own, Desk("BTC", inbox, Outlet(lambda _: None))), Seat(given, ME, clock)
    ask = Questions(seat, rest, own, desks)
    found = others.Others(seat, rest, desks, ask, Health(clock, NO_HOOKS))
    state = Clearinghouse([], msgspec.convert({"accountValue": 1}, _Margin, strict=False))
    await ask.listing("")

    for minutes, asked in ((0, 1), (59, 1), (2, 2)):
        clock.ts += minutes * 60 * NS_PER_S
        assert (await found.beside("", state))["BTC"].margin == 90
        assert rest.asked == asked


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b'{"leverage": {"type": "cross", "value": 7}}', 7),
        (b"null", None),
        (RestError("HTTP 422", status=422), None),
        (RestError("HTTP 502", status=502), RestError),
        (RestError("it cannot be reached"), RestError),
    ],
)
async def test_a_venue_that_does_not_answer_does_not_say_that_it_knows_no_leverage(
    answer: bytes | RestError, told: int | type[RestError] | None
) -> None:
    """One answer lost, and orders of others took their whole notional from us for an hour."""
    rest = Rest("http://127.0.0.1:1", 1.0, WeightMeter(lambda: 0))

    async def post(path: str, body: dict[str, object]) -> bytes:
        if isinstance(answer, RestError):
            raise answer
        return answer

    rest._post = post  # type: ignore[method-assign]  # what this venue answers
    if told is RestError:
        with pytest.raises(RestError):
            await rest.leverage(ME.address, "ETH")
    else:
        assert await rest.leverage(ME.address, "ETH") == told


class Hand:
    ts: Ns = NS_PER_S

    def now(self) -> Ns:
        return self.ts


class Asked(Rest):
    """Somebody bids 450 USD in another coin, at a leverage of 5."""

    asked = 0

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", 1.0, WeightMeter(lambda: 0))

    async def open_orders(
        self, user: str, dex: str = "", *, urgent: bool = False
    ) -> list[OrderCore]:
        return [order(Side.BID, 90, 5)]

    async def leverage(self, user: str, coin: str) -> int | None:
        self.asked += 1
        return 5


async def test_the_doctor_tells_of_it(tmp_path: Path) -> None:
    stand, key = Shared(), {"MM_VENUE__PRIVATE_KEY": "11" * 32}
    async with stand.server:
        stand.occupy()
        await until(lambda: len(stand.exchange.open_orders(ME.address)) == 2)
        place = [f"daemon.data_dir={tmp_path}", "web.port=0", "venue.network=local"]
        sets = [*place, f"venue.base_url={stand.server.url}"]
        found = {one.check: one for one in await examine([], key, sets)}

    words = found["margin"].text.split()
    assert found["margin"].level == "warn"
    assert float(words[words.index("USD") - 1]) == pytest.approx(float(TAKEN_USD), rel=1e-3)
