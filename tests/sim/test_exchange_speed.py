"""What virtual time costs. Processor time, with generous bounds; the figures are printed (-s)."""

import sys
from time import process_time

import pytest

from mm.model.exchange import Answer, Modification, ModifyOrders, PlaceOrders, Resting, Signed
from mm.model.units import Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.flow import GeneratedMarket
from mm.sim.scenarios import PRESETS
from mm.sim.scripted import Session, calm_market, order

T0 = 1_700_000_000_000


def tell(text: str) -> None:
    sys.stdout.write(f"\n{text}")


def test_a_second_without_events_costs_next_to_nothing() -> None:
    exchange = Exchange([calm_market(T0)], T0)
    exchange.advance(T0)
    start = process_time()
    for second in range(20_000):
        exchange.advance(T0 + 1000 * second)
    cost_us = (process_time() - start) / 20_000 * 1e6
    tell(f"advance() over a second without events: {cost_us:.2f} us")
    assert cost_us < 50


@pytest.mark.parametrize("name", ["liquid", "thin"])
def test_a_quiet_second_of_a_generated_market(name: str) -> None:
    exchange = Exchange([GeneratedMarket(PRESETS[name], 1, T0)], T0)
    session = Session(exchange, T0)
    session.run(T0)
    for distance in range(400, 900, 50):
        bids, asks = exchange.book("BTC", 1)
        session.place("0xa", order(Side.BID, str(round(bids[0][0]) - distance), "0.01"))
        session.place("0xa", order(Side.ASK, str(round(asks[0][0]) + distance), "0.01"))
    seconds = 600
    start = process_time()
    exchange.advance(session.now_ms + 1000 * seconds)
    cost_us = (process_time() - start) / seconds * 1e6
    tell(f"a second of {name}, its generator included: {cost_us:.0f} us")
    assert cost_us < 2_000


def test_an_action() -> None:
    exchange = Exchange([calm_market(T0)], T0, ExchangeOptions(enforce_budget=False))
    session = Session(exchange, T0)
    session.run(T0)
    ladder = PlaceOrders(tuple(order(Side.BID, str(99_000 + i), "0.01") for i in range(10)))
    answer = session.ask("0xa", ladder)
    count = 300
    start = process_time()
    for i in range(count):
        oids = [item.oid for item in answer.items if isinstance(item, Resting)]
        changes = tuple(
            Modification(oid, order(Side.BID, str(98_000 + i + j), "0.01"))
            for j, oid in enumerate(oids)
        )
        exchange.submit(Signed("0xa", T0 + 1_000_000 + i, ModifyOrders(changes)), session.now_ms)
        told = session.run(session.now_ms + 70)
        answer = next(item for item in told if isinstance(item, Answer))
    cost_us = (process_time() - start) / count / 10 * 1e6
    tell(f"one modify of a batch of ten: {cost_us:.0f} us")
    assert len(exchange.open_orders("0xa")) == 10
    assert cost_us < 2_000
