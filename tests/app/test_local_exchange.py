"""What is configured for the local exchange reaches what it serves."""

from decimal import Decimal

from structlog.testing import capture_logs

from mm.app.clock import WallClock
from mm.app.config import load
from mm.app.exchange import introduce, local_exchange
from mm.sim.scenarios import preset

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


def test_its_truth_is_told_in_wall_time() -> None:
    takers = preset("thin").takers
    with capture_logs() as lines:
        introduce(load([], {}, ["exchange.scenario=thin", "exchange.speed=4"]).exchange)

    told = lines[-1]["data"]
    assert told["scenario"] == "thin"
    assert told["kappa_per_bps"] == takers.kappa_per_bps
    assert told["arrival_per_s"] == 4 * takers.arrival_per_s
    assert told["sigma_bps_per_sqrt_s"] == round(2 * preset("thin").mid.sigma_bps, 6)
    assert told["adverse_bps"] == takers.informed_share * takers.informed_move_bps


def test_a_recording_is_called_one() -> None:
    with capture_logs() as lines:
        introduce(load([], {}, ["exchange.tape=tape/BTC"]).exchange)

    assert "recording" in lines[-1]["event"]
    assert lines[-1]["data"] == {"tape": "tape/BTC", "speed": 1.0}
