"""Post-only orders that a moving book overtakes: repriced at the next decision, never in a loop."""

from itertools import pairwise

from mm.app.backtest import Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.actions import Modify, Place, Step
from mm.model.events import Event, RejectCode, Rejected, Tick
from mm.model.units import NS_PER_MS, Ns
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, scenario_from

START_MS = 1_800_000_000_000
RACE = scenario_from({"base": "liquid", "mid": {"sigma_bps": 5.0}, "depth": {"half_spread_bps": 1}})
"""A touch of two bps that moves by several, seen and reached 400 ms late."""


class Requests:
    def __init__(self) -> None:
        self.sent: list[tuple[Ns, list[str], bool]] = []
        self.refused = 0

    def record(self, event: Event, step: Step) -> None:
        cloids = [one.cloid for one in step.actions if isinstance(one, Place | Modify)]
        if isinstance(event, Rejected):
            self.refused += event.code is RejectCode.POST_ONLY
        if cloids:
            self.sent.append((event.ts, cloids, isinstance(event, Tick)))


def test_refusals_of_a_racing_book_never_set_the_pace() -> None:
    market = build_market(RACE, 1, START_MS)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=1))
    settings = EngineSettings()
    requests = Requests()
    engine = Engine(settings, market.instrument)
    backtest = Backtest(engine, exchange, START_MS, Pace(latency_ms=400), [requests])
    backtest.run(START_MS + 240_000)

    assert requests.refused > 10
    least = settings.strategy.min_requote_ms * NS_PER_MS
    for (earlier, _, _), (later, _, is_tick) in pairwise(requests.sent):
        assert is_tick or later - earlier >= least
    assert all(len(cloids) == len(set(cloids)) for _, cloids, _ in requests.sent)
    assert requests.refused < 0.1 * sum(len(cloids) for _, cloids, _ in requests.sent)
