"""The price that quotes are made around is the venue's of now: other promises take it as given."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from mm.app.simulate.faults import FAULTS
from mm.app.simulate.loop import run
from mm.app.simulate.plan import draw
from mm.app.simulate.run import Story, alone
from mm.app.simulate.world import World
from mm.core.book import MarketBook
from mm.model.events import Bbo, Book
from mm.model.units import BPS, NS_PER_S

NEAR_BPS = 8.0
"""Our own orders, the queues and 20 ms of latency come to less than half of it."""
NEAR_WIRE = {"latency_s": (0.01, 0.01), "jitter_s": 0.001}


class Compared(Story):
    """After each book: how far S is from the middle of the venue's."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.books = 0
        self.most_bps = 0.0

    def _on_turn(self, *what: Any) -> None:  # noqa: ANN401 - as of a Story
        coin, engine, event, _ = what
        fair, mid = engine.state.book.fair, self.world.venue.exchange.mid(coin)
        if isinstance(event, Book | Bbo) and fair is not None and mid is not None:
            self.books += 1
            self.most_bps = max(self.most_bps, abs(float(mid) / fair - 1.0) * BPS)
        super()._on_turn(*what)


def farthest_bps(directory: Path, scenario: str) -> float:
    plan = structs.replace(draw(1, tuple(FAULTS)), opening=(), faults=(), coins=("BTC",))
    world = World(structs.replace(plan, scenario=scenario, speed=10.0, **NEAR_WIRE), directory)
    story = Compared(world)
    with alone(), world.trace.heard():
        run(world.loop, story.tell())
        books, most_bps = story.books, story.most_bps
        del world, story
    assert books > 1_000
    return most_bps


@pytest.mark.parametrize("scenario", ["liquid", "trending"])
def test_it_follows_the_venues(tmp_path: Path, scenario: str) -> None:
    assert farthest_bps(tmp_path, scenario) < NEAR_BPS


def test_one_that_stands_still_while_books_come_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No promise of the simulation notices: each compares what rests with what the engine wants."""
    real = MarketBook.apply

    def apply(self: MarketBook, event: Book | Bbo, *own: Any) -> None:  # noqa: ANN401 - passed on
        if self.fair is not None and event.ts // NS_PER_S % 16 < 9:
            self.seen_ts = event.ts
        else:
            real(self, event, *own)

    monkeypatch.setattr(MarketBook, "apply", apply)
    assert farthest_bps(tmp_path, "liquid") > NEAR_BPS
