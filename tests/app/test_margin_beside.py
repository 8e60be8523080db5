"""Whatever else stands on the account, nothing that we ask for is refused for want of margin."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from mm.adapters.hyperliquid.budget import WeightMeter
from mm.adapters.hyperliquid.desks import Desk, Desks
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import Inbox
from mm.adapters.hyperliquid.others import Others
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.questions import Questions
from mm.adapters.hyperliquid.rest import Rest
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.server.info import ANSWERS
from mm.adapters.hyperliquid.server.questions import InfoRequest
from mm.adapters.hyperliquid.server.views import Views
from mm.adapters.hyperliquid.settings import NO_HOOKS, VenueSettings
from mm.adapters.hyperliquid.sign import Signer
from mm.app.backtest import USER, Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import EngineSettings, RiskSettings, StrategySettings
from mm.model.actions import Place, Step
from mm.model.beside import Beside
from mm.model.custody import UpdateLeverage
from mm.model.events import Account, Event, RejectCode, Rejected
from mm.model.exchange import OrderSpec, Tif
from mm.model.units import Ns, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, preset
from mm.sim.scripted import Session

START_MS = 1_800_000_000_000
EQUITY = Decimal(3_000)
LIMIT_USD = 20_000.0


class Stranger(Struct, frozen=True):
    """What another program holds beside us, USD; `coin` 0 is ours. Signed: a position or bids, and
    asks below zero. `away`: percent from the market, of resting orders."""

    leverage: int = 20
    is_cross: bool = True
    position: int = 0
    orders: tuple[tuple[int, int, int], ...] = ()
    """(coin, USD, away)."""


class Asked(Rest):
    """The local exchange's own answers, without a socket."""

    def __init__(self, views: Views) -> None:
        super().__init__("http://127.0.0.1", 3.0, WeightMeter(lambda: 0, 10**9))
        self._views = views

    async def _post(self, path: str, body: dict[str, Any]) -> bytes:
        request = msgspec.convert(body, InfoRequest)
        return msgspec.json.encode(ANSWERS[request.type](self._views, request))


class Shared(Backtest):
    """Each audit tells what the adapter finds beside us."""

    beside: Others | None = None
    rest: Asked
    ask: Questions

    def join(self) -> None:
        coin = self.engine.state.instrument.name
        given = VenueSettings(network="local", coins=(coin,), account_address=USER)
        own, health = OwnOrders(self.engine.settings.cloid_prefix), Health(self.clock, NO_HOOKS)
        desks = Desks(own, Desk(coin, Inbox(USER, coin, own, health), Outlet(lambda _: None)))
        seat = Seat(given, Signer("0x" + "11" * 32), self.clock)
        self.rest = Asked(Views(self.exchange, self.clock))
        self.ask = Questions(seat, self.rest, own, desks)
        self.beside = Others(seat, self.rest, desks, self.ask, health)

    @property
    def clock(self) -> "Now":
        return Now(self)

    def _account(self, ts: Ns) -> Account:
        if self.beside is None:
            self.join()
        return asyncio.run(self._told(super()._account(ts)))

    async def _told(self, account: Account) -> Account:
        assert self.beside is not None
        await self.ask.listing("")
        state = await self.rest.clearinghouse(USER)
        (found,) = (await self.beside.beside("", state)).values()
        return structs.replace(account, beside=found)


class Now:
    def __init__(self, of: Backtest) -> None:
        self._of = of

    def now(self) -> Ns:
        return self._of.now


class Kept:
    def __init__(self) -> None:
        self.refused: list[Rejected] = []
        self.placed: list[Place] = []
        self.beside = Beside()
        self.reasons: set[str] = set()

    def record(self, event: Event, step: Step) -> None:
        if isinstance(event, Rejected) and event.code is RejectCode.MARGIN:
            self.refused.append(event)
        if isinstance(event, Account):
            self.beside = event.beside
        self.placed += [action for action in step.actions if isinstance(action, Place)]
        self.reasons |= {str(n.data["reason"]) for n in step.notes if n.text.startswith("Not ")}


def quoted(stranger: Stranger, seconds: int = 30) -> Kept:
    """We quote the first coin as long, with far more allowed than the account has margin for."""
    first = preset("liquid")
    second = structs.replace(first, coin="OTHER", asset=first.asset + 1)
    markets = [build_market(one, seed, START_MS, 5.0) for seed, one in enumerate((first, second))]
    exchange = Exchange(markets, START_MS, ExchangeOptions(faucet_usdc=EQUITY))
    settle(exchange, stranger)
    chosen = EngineSettings(
        strategy=StrategySettings(lot_usd=4_000.0),
        risk=RiskSettings(max_position_usd=LIMIT_USD, max_order_usd=LIMIT_USD, max_leverage=10.0),
    )
    kept, start_ms = Kept(), START_MS + 2_000
    engine = Engine(chosen, structs.replace(markets[0].instrument, max_leverage=10))
    Shared(engine, exchange, start_ms, Pace(audit_s=5.0), [kept]).run(start_ms + 1000 * seconds)
    return kept


def settle(exchange: Exchange, stranger: Stranger) -> None:
    """The stranger was there before us."""
    session = Session(exchange, START_MS + 1_000)
    session.run(session.now_ms)
    coins = [(one.name, one.asset) for one in exchange.instruments()]
    session.ask(USER, UpdateLeverage(coins[0][1], True, 10))
    session.ask(USER, UpdateLeverage(coins[1][1], stranger.is_cross, stranger.leverage))
    wanted = [(1, stranger.position, -1, Tif.IOC)]
    wanted += [(coin, usd, away, Tif.GTC) for coin, usd, away in stranger.orders]
    for coin, usd, away, tif in wanted:
        name, asset = coins[coin]
        spec = specified(exchange, name, usd, away)
        if spec is not None:
            session.place(USER, structs.replace(spec, asset=asset, tif=tif))


def specified(exchange: Exchange, coin: str, usd: int, away: int) -> OrderSpec | None:
    instrument = next(one for one in exchange.instruments() if one.name == coin)
    side = Side.BID if usd > 0 else Side.ASK
    price = float(exchange.mid(coin) or 0) * (1.0 - side * away / 100.0)
    size = instrument.round_size(abs(usd) / price)
    if not size:
        return None
    (rounded,) = instrument.round_prices([price], side)
    return OrderSpec(instrument.asset, side, rounded, size, Tif.GTC)


amounts = st.integers(-40_000, 40_000)
strangers = st.builds(
    Stranger,
    leverage=st.integers(1, 20),
    is_cross=st.booleans(),
    position=amounts,
    orders=st.lists(st.tuples(st.integers(0, 1), amounts, st.integers(1, 9)), max_size=3).map(
        tuple
    ),
)


@settings(max_examples=12, deadline=None)
@given(strangers)
@example(Stranger(position=-40_000, leverage=20))
@example(Stranger(orders=((1, 40_000, 5),)))
@example(Stranger(orders=((0, -20_000, 5),)))
@example(Stranger(leverage=3, is_cross=False, position=5_000))
def test_no_order_is_refused_for_margin_beside_a_stranger(stranger: Stranger) -> None:
    assert quoted(stranger).refused == []
