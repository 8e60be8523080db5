"""`/exchange`: from a signed envelope to the exchange and back to whoever waits for the answer."""

from collections.abc import Callable
from typing import Any, TypeAlias

from mm.adapters.hyperliquid.server import answers
from mm.adapters.hyperliquid.server.envelope import Envelope, verify
from mm.adapters.hyperliquid.server.mischief import Mischief
from mm.adapters.hyperliquid.server.requests import Action, RefusedActionError
from mm.adapters.hyperliquid.server.views import Views
from mm.model.exchange import Answer

Reply: TypeAlias = Callable[[dict[str, Any]], None]


class Actions:
    """Tickets of submitted actions and who waits for them."""

    def __init__(self, views: Views, mischief: Mischief) -> None:
        self._views, self._mischief = views, mischief
        self._waiting: dict[int, tuple[Action, Reply]] = {}
        self._known: set[str] = set()

    def learn(self, user: str | None) -> None:
        """An address acts, is asked about or listened to: a signature of its is plausible."""
        if user is not None:
            self._known.add(user)

    def submit(self, envelope: Envelope, reply: Reply) -> None:
        """Queue for the next block; `reply` is called once, now if the action is refused."""
        try:
            signed = verify(envelope, self._known)
        except RefusedActionError as refusal:
            reply(answers.refused(str(refusal)))
            return
        self.learn(signed.signer)
        veto = self._mischief.veto(signed)
        if veto is not None:
            reply(answers.answer(envelope.action, veto))
            return
        ticket = self._views.exchange.submit(signed, self._views.now_ms())
        self._waiting[ticket] = envelope.action, reply

    def on_answer(self, outcome: Answer) -> None:
        waiting = self._waiting.pop(outcome.ticket, None)
        if waiting is not None:
            action, reply = waiting
            reply(answers.answer(action, outcome))


def weight(action: Action) -> int:
    """What an action costs of the IP address's budget."""
    return 1 + action.items() // 40
