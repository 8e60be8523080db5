"""The venue of a simulation: the real exchange and its server, and the truth about our account."""

from collections.abc import Callable, Collection, Iterator
from decimal import Decimal
from typing import Final

from msgspec import structs

from mm.adapters.hyperliquid.server import Cadence, Faults, HyperliquidServer, Options
from mm.adapters.hyperliquid.sign import Signer
from mm.app.clock import WallClock
from mm.app.exchange import LOOKS
from mm.app.simulate.bites import count_bites
from mm.app.simulate.host import Host
from mm.app.simulate.loop import SimLoop
from mm.app.simulate.plan import Plan
from mm.app.simulate.quiet import QuietMarket
from mm.model.exchange import OrderRow, Signed
from mm.model.units import NS_PER_MS, NS_PER_S, Ns
from mm.sim.admission import request_cap
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, preset

KEY: Final = "0x" + "5e" * 32
USER: Final = Signer(KEY).address.lower()
AT: Final = ("10.0.0.9", 9000)
BUSY_WEIGHT: Final = 1_100
FAUCET_USD: Final = Decimal(100_000)
SOON_MS: Final = 30_000
"""Half of how far ahead the switch is set, every 20 s."""
HOUR_S: Final = 3600.0
CHANNELS: Final = (3, 4)
"""Of the account, and of each coin."""
MINUTE_NS: Final = 60 * NS_PER_S


class HeardExchange(Exchange):
    """Somebody hears each signed action before it is looked at."""

    hear: Callable[[Signed], None] = staticmethod(lambda _: None)

    def submit(self, signed: Signed, now_ms: int) -> int:
        self.hear(signed)
        return super().submit(signed, now_ms)


class VenueSide:
    """The real exchange and its server, on a host of their own."""

    def __init__(self, loop: SimLoop, plan: Plan) -> None:
        self.plan = plan
        self.clock = WallClock(lambda: plan.start_ns + loop.elapsed_ns(), loop.elapsed_ns)
        self._loop = loop
        now_ms = self.clock.now() // NS_PER_MS
        self._markets = list(_markets(plan, now_ms))
        volume = None if plan.dead_man else Decimal(1_000_000)
        options = ExchangeOptions(
            faucet_usdc=FAUCET_USD, seed=plan.seed, schedule_cancel_volume=volume
        )
        self.exchange = HeardExchange(self._markets, now_ms, options)
        self.server: HyperliquidServer
        self.host: Host
        self.boots = 0
        self.heavy_until: Ns = 0
        """When requests last weighed too much."""
        self.starved = False
        """Has the address few actions left, or none?"""

    def start(self) -> None:
        self.boots += 1
        options = Options(
            host=AT[0],
            port=AT[1],
            seed=self.plan.seed + self.boots,
            cadence=Cadence(pump_s=0.05, book_s=1.0, mids_s=1.0),
        )
        self.host = Host(self._loop, "exchange", AT[0])
        self.server = HyperliquidServer(self.exchange, self.clock, options)
        count_bites(self.server.mischief, self._loop.felt)
        self.host.start(self._serve(), "exchange")

    async def _serve(self) -> None:
        await self.server.start()
        await self.server.wait()

    def misbehave(self, faults: Faults) -> None:
        self.server.mischief.faults = faults

    def leave_actions(self, count: int | None) -> None:
        """Of the address's budget are so many left; None: as many as of a new address."""
        account = self.exchange._accounts.known(USER)
        if account is not None and (count is not None or self.starved):
            account.requests = 0 if count is None else max(0, request_cap(account) - count)
            self.starved = count is not None

    @property
    def spent(self) -> bool:
        """May its address hardly act, or not at all?"""
        return self.starved or self.server.mischief.faults.spent_budget

    def hush(self) -> None:
        """Nothing happens in its markets any more."""
        for market in self._markets:
            market.quiet = True

    @property
    def funding_soon_s(self) -> float:
        """Past the full hour, if one is near: what is paid after we left we cannot know."""
        past_s = self.clock.now() / NS_PER_S % HOUR_S
        left_s = HOUR_S - past_s
        return left_s + 5.0 if left_s < 10.0 else max(0.0, 5.0 - past_s)

    @property
    def hour_in_s(self) -> float:
        """When fundings are paid next."""
        return HOUR_S - self.clock.now() / NS_PER_S % HOUR_S

    @property
    def overdrawn(self) -> bool:
        """Has an address used up the request weight that it is granted in a minute, with requests
        that weighed what they should?"""
        return self.refuses and self.clock.now() >= self.heavy_until + MINUTE_NS

    @property
    def refuses(self) -> bool:
        """Has an address used up its minute's request weight, whatever its requests weighed?"""
        now = self.clock.now()
        return any(one.weight.is_spent(now) for one in self.server._callers.values())

    @property
    def throttled(self) -> bool:
        """Is little left of the request weight that it grants an address in a minute?"""
        callers = self.server._callers.values()
        now = self.clock.now()
        return any(one.weight.is_spent(now) or one.weight._used > BUSY_WEIGHT for one in callers)

    # -- truth ----------------------------------------------------------------------------------

    def orders(self) -> list[OrderRow]:
        return list(self.exchange.open_orders(USER))

    def positions(self) -> dict[str, Decimal]:
        """By coin, of all coins."""
        return {coin: self.exchange.position(USER, coin) for coin in self.plan.coins}

    @property
    def equity(self) -> Decimal:
        return self.exchange.account(USER, 0).equity

    @property
    def armed(self) -> bool:
        """Is our dead-man switch set, and was it pushed back lately?"""
        account = self.exchange._accounts.known(USER)
        at_ms = None if account is None else account.cancel_at_ms
        return at_ms is not None and at_ms > self.clock.now() // NS_PER_MS + SOON_MS

    def subscriptions(self, but: Collection[object] = ()) -> int:
        """Of the connection that has most, without these."""
        found = (one for one in self.server.connections if one not in but)
        return max((len(one.subscriptions) for one in found), default=0)

    @property
    def wanted(self) -> int:
        """As many subscriptions as we need."""
        account, each = CHANNELS
        return account + each * len(self.plan.coins)

    def cash_flow(self, deposited: Decimal) -> Decimal:
        """USD received less paid since the start: trades, fees and funding."""
        state = self.exchange.account(USER, 0)
        held = sum(
            ((r.notional if r.size > 0 else -r.notional) for r in state.positions), Decimal(0)
        )
        return state.equity - held - deposited


def _markets(plan: Plan, now_ms: int) -> Iterator[QuietMarket]:
    """One for each coin, each with a seed of its own."""
    for number, coin in enumerate(plan.coins):
        look = LOOKS.get(coin, {})
        scenario = structs.replace(preset(plan.scenario), coin=coin, asset=number, **look)
        yield QuietMarket(build_market(scenario, plan.seed + number, now_ms, plan.speed))
