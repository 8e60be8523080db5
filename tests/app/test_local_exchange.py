"""What is configured for the local exchange reaches what it serves."""

from decimal import Decimal

from mm.app.clock import WallClock
from mm.app.config import load
from mm.app.exchange import local_exchange

SETTINGS = {"book_s": 0.7, "weight_per_min": 777, "faults": "idle", "seed": 9}
MONEY = {"faucet_usd": 1234, "schedule_cancel_usd": 55}


async def test_each_setting_reaches_server_and_exchange() -> None:
    sets = [f"exchange.{name}={value}" for name, value in (SETTINGS | MONEY).items()]
    config = load([], {}, sets)
    async with local_exchange(config.exchange, WallClock()) as serving:
        served, rules = serving._server.options, serving._exchange._options
        assert (served.cadence.book_s, served.cadence.mids_s) == (0.7, 0.7)
        assert (served.limits.weight_per_min, served.seed) == (777, 9)
        assert served.faults.rules.idle_s == 5.0
        assert (rules.faucet_usdc, rules.schedule_cancel_volume) == (Decimal(1234), Decimal(55))
        assert rules.fee_tiers, "as on the venue"
