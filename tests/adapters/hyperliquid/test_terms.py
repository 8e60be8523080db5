"""What the venue charges and allows, when it changes while we trade."""

from decimal import Decimal

import msgspec
import pytest

from mm.adapters.hyperliquid import answers
from mm.adapters.hyperliquid.bootstrap import fee_on, instrument_of
from mm.adapters.hyperliquid.budget import AddressBudget, WeightMeter
from mm.adapters.hyperliquid.desks import Desk, Desks
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import Inbox
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.rest import Rest
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.settings import NO_HOOKS, Bootstrap, VenueSettings
from mm.adapters.hyperliquid.terms import Terms
from mm.model.events import ActionBudget, Command, Event, Fees, Rules
from mm.model.instrument import Instrument
from tests.adapters.hyperliquid.stand import ME, WallClock

GOLD = "xyz:GOLD"
LISTED = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1, max_leverage=20)


class Venue(Rest):
    """What it lists and charges is set by each test."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", 1.0, WeightMeter(WallClock().now))
        self.assets = {"": [answers.Asset("BTC", 5, 40)], "xyz": [answers.Asset(GOLD, 2, 10)]}
        self.maker, self.taker = 0.00015, 0.00045
        self.listed = ["", "abc", "xyz"]
        self.chosen: dict[str, int | None] = {"BTC": None, GOLD: None}

    async def leverage(self, user: str, coin: str) -> int | None:
        return self.chosen[coin]

    async def meta(self, dex: str = "") -> answers.Meta:
        return answers.Meta(self.assets[dex])

    async def dexes(self, *, urgent: bool = False) -> list[str]:
        return self.listed

    async def fees(self, user: str) -> answers.UserFees:
        return answers.UserFees(self.taker, self.maker)

    async def rate_limit(self, user: str) -> answers.RateLimit:
        return answers.RateLimit(7, 12_000)


class Trading:
    def __init__(self) -> None:
        self.venue = Venue()
        clock = WallClock()
        settings = VenueSettings(network="testnet", coins=("BTC", GOLD))
        own, health = OwnOrders("6d6d"), Health(clock, NO_HOOKS)
        self.told: dict[str, list[Event]] = {"BTC": [], GOLD: []}
        self.desks = Desks(own)
        for coin, events in self.told.items():
            inbox = Inbox(ME.address, coin, own, health)
            self.desks.add(Desk(coin, inbox, Outlet(events.append)))
        self.seat = Seat(settings, ME, clock)
        self.terms = Terms(self.seat, self.venue, AddressBudget(), self.desks)
        gold = Instrument(
            name=GOLD, asset=120_000, size_decimals=2, price_decimals=4, max_leverage=10
        )
        self.terms.begin({"BTC": found(LISTED), GOLD: found(gold)})

    def of(self, coin: str) -> list[Event]:
        self.desks.flush()
        return self.told[coin]


def found(instrument: Instrument) -> Bootstrap:
    return Bootstrap(
        instrument=instrument, account=ME.address, maker_bps=1.5, taker_bps=4.5,
        position=Decimal(0), equity=Decimal(1000), venue_ms=1, skew_ms=0,
        actions_used=0, actions_cap=10_000, account_mode="",
    )  # fmt: skip


async def test_unchanged_rules_are_no_news() -> None:
    at = Trading()
    await at.terms.sync_rules()

    assert at.of("BTC") == at.of(GOLD) == []


async def test_a_new_lot_reaches_its_coin_and_keeps_the_accounts_leverage() -> None:
    at = Trading()
    at.venue.assets[""] = [answers.Asset("BTC", 4, 50)]
    await at.terms.sync_rules()
    await at.terms.sync_rules()

    (rules,) = at.of("BTC")
    assert isinstance(rules, Rules)
    fresh = rules.instrument
    assert (fresh.size_decimals, fresh.price_decimals, fresh.max_leverage) == (4, 2, 20)
    assert at.of(GOLD) == []


@pytest.mark.parametrize(("chosen", "allowed"), [(3, 3), (30, 30), (60, 40)])
async def test_leverage_that_the_account_chose_by_hand_is_heard_of(
    chosen: int, allowed: int
) -> None:
    at = Trading()
    at.venue.chosen["BTC"] = chosen
    await at.terms.sync_rules()

    (rules,) = at.of("BTC")
    assert isinstance(rules, Rules)
    assert rules.instrument.max_leverage == allowed
    assert at.of(GOLD) == []


def test_large_positions_get_less_leverage_by_the_venues_tables() -> None:
    """As the venue writes it: the first tier is the asset's own maximum."""
    meta = msgspec.json.decode(
        b"""{"universe":[{"name":"BTC","szDecimals":5,"maxLeverage":40,"marginTableId":56},
        {"name":"ETH","szDecimals":4,"maxLeverage":25,"marginTableId":25}],
        "marginTables":[[56,{"description":"tiered","marginTiers":[
        {"lowerBound":"0.0","maxLeverage":40},{"lowerBound":"150000000.0","maxLeverage":20}]}]],
        "collateralToken":0}""",
        type=answers.Meta,
        strict=False,
    )
    btc, eth = (instrument_of(meta, coin, "mainnet") for coin in ("BTC", "ETH"))

    assert [btc.leverage_at(usd) for usd in (1e4, 1.49e8, 1.5e8, 1e12)] == [40, 40, 20, 20]
    assert eth.leverage_at(1e12) == 25


async def test_a_coin_that_moves_in_its_exchanges_list_gets_its_new_asset_id() -> None:
    at = Trading()
    at.venue.assets["xyz"].insert(0, answers.Asset("xyz:TIN", 2, 10))
    await at.terms.sync_rules()

    assert at.seat.assets[GOLD] == 120_001


@pytest.mark.parametrize("gone", ["BTC", GOLD])
async def test_a_delisted_coin_is_halted_and_no_other(gone: str) -> None:
    """So it is where a builder's whole exchange is listed no more: that ended the daemon."""
    at = Trading()
    if gone == GOLD:
        at.venue.listed.remove("xyz")
    else:
        at.venue.assets[""] = [answers.Asset("BTC", 5, 40, is_delisted=True)]
    await at.terms.sync_rules()

    (command,) = at.of(gone)
    assert isinstance(command, Command)
    assert (command.verb, command.source) == ("halt", "venue")
    assert ("no builder's exchange" if gone == GOLD else "delisted") in command.reason
    assert at.of("BTC" if gone == GOLD else GOLD) == []


@pytest.mark.parametrize(
    ("maker", "bps", "builders_bps"),
    [(0.00012, 1.2, 2.4), (0.0, 0.0, 0.0), (-0.00003, -0.3, 0.0)],
)
async def test_a_new_tier_is_told_to_each_coin_by_its_exchange(
    maker: float, bps: float, builders_bps: float
) -> None:
    at = Trading()
    at.venue.maker = maker
    await at.terms.sync_fees()

    for coin, expected in (("BTC", bps), (GOLD, builders_bps)):
        (fees,) = at.of(coin)
        assert isinstance(fees, Fees)
        assert fees.maker_bps == pytest.approx(expected)


async def test_a_reconnect_tells_the_fees_as_they_are_now() -> None:
    at = Trading()
    at.venue.maker = 0.0
    await at.terms.sync_fees()
    at.terms.tell_all()

    assert [event.maker_bps for event in at.of("BTC") if isinstance(event, Fees)] == [0.0, 0.0]


async def test_the_budget_is_told_to_all_with_their_number() -> None:
    at = Trading()
    await at.terms.sync_budget()

    for coin in at.told:
        (budget,) = at.of(coin)
        assert isinstance(budget, ActionBudget)
        assert (budget.used, budget.cap, budget.sharers) == (7, 12_000, 2)


def test_a_builders_rebate_is_not_counted_on() -> None:
    assert fee_on("xyz", -0.3) == 0.0
    assert fee_on("", -0.3) == -0.3
