"""Fees, rebates and funding: what the engine books is what the exchange paid, to the last digit."""

from decimal import Decimal

import pytest

from mm.app.backtest import USER, Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.actions import Step
from mm.model.events import Event, Funding
from mm.model.exchange import FeeRates
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, preset

HOUR_MS = 3_600_000
START_MS = 500_000 * HOUR_MS - 60_000
"""A minute before an hour strikes."""
FAUCET = Decimal(50_000)
BASE = FeeRates(maker=Decimal("0.00015"), taker=Decimal("0.00045"))
REBATE = FeeRates(maker=Decimal("-0.00003"), taker=Decimal("0.00024"))


class Paid:
    def __init__(self) -> None:
        self.fundings: list[Funding] = []

    def record(self, event: Event, step: Step) -> None:
        if isinstance(event, Funding):
            self.fundings.append(event)


def traded(fees: FeeRates, rate: str) -> tuple[Engine, Exchange, Paid]:
    """A little more than a minute, over the hour."""
    market = build_market(preset("liquid"), 5, START_MS, 5.0)
    options = ExchangeOptions(seed=5, faucet_usdc=FAUCET, fees=fees, funding_rate=Decimal(rate))
    exchange, paid = Exchange([market], START_MS, options), Paid()
    engine = Engine(EngineSettings(), market.instrument)
    Backtest(engine, exchange, START_MS, Pace(), [paid]).run(START_MS + 70_000)
    return engine, exchange, paid


@pytest.mark.parametrize("rate", ["0.0004", "-0.0004"])
@pytest.mark.parametrize("fees", [BASE, REBATE], ids=["fee", "rebate"])
def test_the_books_are_the_exchanges(fees: FeeRates, rate: str) -> None:
    engine, exchange, paid = traded(fees, rate)
    pnl, state = engine.state.pnl, exchange.account(USER, START_MS + 70_000)

    rows = exchange.fills(USER)
    assert len(rows) > 10
    assert pnl.fees == sum(row.fee for row in rows)
    assert (pnl.fees > 0) is (fees.maker > 0)
    (funding,) = paid.fundings
    assert pnl.funding == funding.amount == sum(row.usdc for row in exchange.fundings(USER))
    held = sum((row.size for row in state.positions), Decimal(0))
    worth = sum((row.notional.copy_sign(row.size) for row in state.positions), Decimal(0))
    assert pnl.position == held
    assert pnl.cash == state.equity - worth - FAUCET
    assert pnl.split_total == pnl.total


def test_funding_is_a_part_of_the_profit_that_an_operator_sees() -> None:
    engine, _, paid = traded(BASE, "0.0004")
    view = engine.view().pnl

    assert view.funding == paid.fundings[0].amount != 0
    parts = view.spread - view.adverse + view.inventory - view.fees + view.funding
    assert parts == view.total


def test_a_rebate_lowers_the_floor_by_what_it_is() -> None:
    """A fee whose sign is wrong would raise it."""
    engine, _, _ = traded(REBATE, "0.0")
    view = engine.view()

    for side in (view.bid, view.ask):
        terms = {term.name: term.bps for term in side.terms}
        assert terms["fee"] == pytest.approx(-0.3)
