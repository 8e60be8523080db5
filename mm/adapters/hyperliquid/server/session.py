"""What a websocket client says, and what it is told at once: acks, errors, pongs, posts."""

import asyncio
from typing import Any

import msgspec

from mm.adapters.hyperliquid.server import actions, envelope, info
from mm.adapters.hyperliquid.server import subscriptions as subs
from mm.adapters.hyperliquid.server.actions import Actions
from mm.adapters.hyperliquid.server.answers import refused
from mm.adapters.hyperliquid.server.connection import Connection
from mm.adapters.hyperliquid.server.feeds import Feeds, frame
from mm.adapters.hyperliquid.server.gate import Caller
from mm.adapters.hyperliquid.server.mischief import Mischief
from mm.adapters.hyperliquid.server.requests import MalformedError, RefusedActionError
from mm.adapters.hyperliquid.server.spot import PAIRS as SPOT_PAIRS
from mm.adapters.hyperliquid.server.subscriptions import Subscription
from mm.adapters.hyperliquid.server.views import Views
from mm.model.units import Ns

PONG = b'{"channel":"pong"}'


class Session:
    """Handles the frames of every connection; keeps no state of its own."""

    def __init__(self, views: Views, feeds: Feeds, acts: Actions, mischief: Mischief) -> None:
        self._views, self._feeds, self._actions, self._mischief = views, feeds, acts, mischief

    def on_frame(self, connection: Connection, caller: Caller, raw: bytes, now: Ns) -> None:
        """What the venue does with a message above its limit is not documented. To cut the
        connection is the harshest that it could do: a client that lives with that lives with all.
        What was refused does not count."""
        if not caller.messages.take(now):
            connection.drop("too many messages")
            return
        try:
            said = subs.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            text = raw.decode(errors="replace")
            _error(connection, f"Error parsing JSON into valid websocket request: {text}")
            return
        match said:
            case subs.Ping():
                connection.send(PONG)
            case subs.Subscribe():
                self._subscribe(connection, caller, subs.normalised(said.subscription))
            case subs.Unsubscribe():
                self._unsubscribe(connection, caller, subs.normalised(said.subscription))
            case subs.Post():
                self._post(connection, caller, said, now)

    def forget(self, connection: Connection, caller: Caller) -> None:
        for subscription in connection.subscriptions:
            self._feeds.remove(connection, subscription)
            caller.unsubscribed(subs.user_of(subscription))
        connection.subscriptions.clear()

    # -- subscriptions --------------------------------------------------------------------------

    def _subscribe(self, connection: Connection, caller: Caller, wanted: Subscription) -> None:
        user = subs.user_of(wanted)
        if wanted in connection.subscriptions:
            _error(connection, f"Already subscribed: {_text(wanted)}")
        elif isinstance(wanted, subs.Candle) and wanted.interval not in subs.INTERVALS_MS:
            _error(connection, f"Invalid subscription {_text(wanted)}")
        elif not self._exists(wanted):
            connection.drop("unknown coin or bad aggregation")
        elif refusal := caller.refusal(user):
            _error(connection, refusal)
        else:
            connection.subscriptions.add(wanted)
            caller.subscribed(user)
            self._actions.learn(user)
            _acknowledge(connection, "subscribe", wanted)
            if getattr(wanted, "coin", None) not in SPOT_PAIRS:  # of those there is nothing to tell
                self._feeds.add(connection, wanted)

    def _unsubscribe(self, connection: Connection, caller: Caller, named: Subscription) -> None:
        if named not in connection.subscriptions:
            _error(connection, f"Already unsubscribed: {_text(named)}")
            return
        connection.subscriptions.remove(named)
        caller.unsubscribed(subs.user_of(named))
        self._feeds.remove(connection, named)
        _acknowledge(connection, "unsubscribe", named)

    def _exists(self, wanted: Subscription) -> bool:
        coin = getattr(wanted, "coin", None)
        if coin in SPOT_PAIRS:
            return True
        if coin is not None and coin not in self._views.coins:
            return False
        if isinstance(wanted, subs.L2Book):
            return subs.is_valid_aggregation(wanted.n_sig_figs, wanted.mantissa)
        return True

    # -- posts ----------------------------------------------------------------------------------

    def _post(self, connection: Connection, caller: Caller, post: subs.Post, now: Ns) -> None:
        if caller.posts >= connection.limits.posts_in_flight:
            _error(connection, f"too many pending post requests id={post.id}")
            return
        if caller.weight.is_spent(now):
            _respond(connection, post.id, "error", "429 Too Many Requests")
            return
        try:
            if post.request.type == "info":
                self._post_info(connection, caller, post, now)
            else:
                self._post_action(connection, caller, post, now)
        except MalformedError as error:
            _respond(connection, post.id, "error", f"422 Unprocessable Entity: {error}")
        except RefusedActionError as refusal:
            _respond(connection, post.id, "action", refused(str(refusal)))
        except info.UnanswerableError:
            _respond(connection, post.id, "error", "500 Internal Server Error")

    def _post_info(self, connection: Connection, caller: Caller, post: subs.Post, now: Ns) -> None:
        request = info.decode(bytes(post.request.payload))
        self._actions.learn(request.user)
        found = self._mischief.recalled(request.type, info.answer(self._views, request))
        caller.weight.spend(now, self._mischief.weight(info.weight(request, found)))
        _respond(connection, post.id, "info", {"type": request.type, "data": found})

    def _post_action(
        self, connection: Connection, caller: Caller, post: subs.Post, now: Ns
    ) -> None:
        signed = envelope.decode(bytes(post.request.payload))
        caller.weight.spend(now, self._mischief.weight(actions.weight(signed.action)))
        caller.posts += 1

        def reply(body: dict[str, Any]) -> None:
            caller.posts -= 1
            delay = self._mischief.reply_delay()
            if delay is None:
                connection.drop("reply lost")
            elif delay:
                loop = asyncio.get_running_loop()
                loop.call_later(delay, _respond, connection, post.id, "action", body)
            else:
                _respond(connection, post.id, "action", body)

        self._actions.submit(signed, reply)


def _text(subscription: Subscription) -> str:
    return msgspec.json.encode(subs.as_json(subscription)).decode()


def _error(connection: Connection, text: str) -> None:
    connection.send(frame("error", text))


def _acknowledge(connection: Connection, method: str, subscription: Subscription) -> None:
    echo = {"method": method, "subscription": subs.as_json(subscription)}
    connection.send(frame("subscriptionResponse", echo))


def _respond(connection: Connection, post_id: int, kind: str, payload: object) -> None:
    response = {"type": kind, "payload": payload}
    connection.send(frame("post", {"id": post_id, "response": response}))
