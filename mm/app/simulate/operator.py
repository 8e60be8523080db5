"""The operator: he looks at a halt for a loss that was to be expected, and lifts it."""

from typing import Final

from mm.app.simulate.world import World

ATTEND_S: Final = 15.0


class Operator:
    """One who looks now and then."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lost_at: float | None = None
        """Since when the daemon is halted for a loss."""
        self.lost_s = 0.0
        """For how long it has been, in all."""

    def look(self, since_s: float) -> None:
        """`since_s`: the time since he last looked."""
        maker, now = self._world.maker, self._world.now
        if not maker.has_lost:
            self._lost_at = None
            return
        self.lost_s += since_s
        if self._lost_at is None:
            self._lost_at = now
        elif now - self._lost_at > ATTEND_S:
            self._lost_at = None
            maker.command("resume")
