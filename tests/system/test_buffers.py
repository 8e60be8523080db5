"""What waits is gone when all has come to rest: a run is too short to fill a buffer."""

from pathlib import Path

import pytest
from msgspec import structs

from mm.adapters.hyperliquid.posts import Posts
from mm.adapters.hyperliquid.wire import PostReply
from mm.app.simulate.faults import FAULTS
from mm.app.simulate.invariants import _buffers
from mm.app.simulate.loop import run
from mm.app.simulate.plan import Plan, draw
from mm.app.simulate.run import Story, alone
from mm.app.simulate.world import World

AT_REST = 10
"""A question or two may be under way."""
EVERY = 5
"""So many requests come for one that stays: else the limit of those under way would stop it."""


class Counted(Story):
    """Looks at all buffers after the calm, just before the orderly end."""

    left: dict[str, int]

    async def _end(self) -> None:
        self.left = dict(_buffers(self.world))
        await super()._end()


def left(directory: Path, plan: Plan) -> dict[str, int]:
    world = World(plan, directory)
    story = Counted(world)
    with alone(), world.trace.heard():
        run(world.loop, story.tell())
        found = story.left
        del world, story
    return found


@pytest.mark.parametrize("seed", [2, 3])
def test_at_rest_every_buffer_is_as_good_as_empty(tmp_path: Path, seed: int) -> None:
    plan = draw(seed, tuple(FAULTS))
    assert {name for name, size in left(tmp_path, plan).items() if size > AT_REST} == set()


def test_what_is_never_let_go_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that wait for ever, though they come nowhere near the bound of a buffer."""
    real = Posts.reply

    def reply(self: Posts, reply: PostReply) -> None:
        waiting = self._waiting.get(reply.id)
        real(self, reply)
        if waiting is not None and not reply.id % EVERY:
            self._waiting[-reply.id] = waiting

    monkeypatch.setattr(Posts, "reply", reply)
    calm = structs.replace(draw(3, tuple(FAULTS)), opening=(), faults=())
    assert left(tmp_path, calm)["posts"] > AT_REST
