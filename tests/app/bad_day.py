"""A bad day of the local exchange: every kind of fault by turns, switched from outside."""

import json
import signal
import urllib.request
from collections import Counter
from random import Random
from typing import Any

from tests.app.processes import Exchange

TURN_S = 30.0
"""Each fault has a turn; its last third is calm."""
FROZEN_S = 8.0
FROZEN = "frozen"
FAULTS: dict[str, dict[str, Any]] = {
    "drops": {"name": "drops", "drop": True},
    "half-open": {"name": "half-open", "silence": True},
    "lost and late replies": {"name": "lost-replies"},
    "429 and 500": {"name": "errors"},
    "nothing but 500": {"set": {"server_error": 1.0}, "drop": True},
    "lost updates": {"name": "lost-updates"},
    "frames late, twice, cut": {"name": "frames"},
    "silent books": {"set": {"frames": {"muted": ["l2Book", "bbo", "activeAssetCtx"]}}},
    "silent account": {"set": {"frames": {"muted": ["orderUpdates", "userFills"]}}},
    "post-only, nonces refused": {"name": "upgrade"},
    "no actions left": {"name": "spent-budget"},
    "orders forgotten": {"name": "forgetful"},
    "cut when idle": {"name": "idle"},
    "dead-man refused": {"name": "no-dead-man"},
    "storm": {"name": "storm"},
    FROZEN: {},
}


class BadDay:
    """`live` is called about once a second; all faults come before one comes again."""

    def __init__(self, exchange: Exchange, seed: int = 1) -> None:
        self._exchange = exchange
        self._random = Random(seed)
        self._left: list[str] = []
        self._turn = -1
        self._until = 0.0
        self.now = ""
        """The fault that there is; "" in calm."""
        self.seen: Counter[str] = Counter()

    def live(self, at_s: float) -> None:
        if self.now and at_s >= self._until:
            self.end()
        if at_s // TURN_S != self._turn:
            self._turn = int(at_s // TURN_S)
            self._begin()
            self._until = at_s + (FROZEN_S if self.now == FROZEN else TURN_S * 2.0 / 3.0)

    def end(self) -> None:
        """Nothing is wrong any more."""
        if self.now == FROZEN:
            self._exchange.command.process.send_signal(signal.SIGCONT)
        self._switch({"name": "none"})
        self.now = ""

    def _begin(self) -> None:
        if not self._left:
            self._left = self._random.sample(sorted(FAULTS), len(FAULTS))
        self.now = self._left.pop()
        self.seen[self.now] += 1
        if self.now == FROZEN:
            self._exchange.command.process.send_signal(signal.SIGSTOP)
        else:
            self._switch(FAULTS[self.now])

    def _switch(self, setting: dict[str, Any]) -> None:
        request = urllib.request.Request(
            f"{self._exchange.url}/admin/faults",
            json.dumps(setting).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=30).close()
