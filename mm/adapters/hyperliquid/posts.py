"""Requests over the websocket that wait for their answer, each with its own deadline."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw, Struct

from mm.adapters.hyperliquid.budget import IP_POSTS
from mm.adapters.hyperliquid.wire import PostReply, PostResponse

OnReply: TypeAlias = Callable[[PostResponse], None]
OnLost: TypeAlias = Callable[[str], None]

TOO_MANY: Final = "too many pending post requests id="


class _Waiting(Struct, frozen=True):
    on_reply: OnReply
    on_lost: OnLost
    timer: asyncio.TimerHandle


class Posts:
    """Exactly one of `on_reply` and `on_lost` is called for each, once.

    `limit`: how many may wait at a time. It is not enforced here: the last tenth is for cancels.
    """

    def __init__(self, timeout_s: float, limit: int = IP_POSTS) -> None:
        self.limit = limit
        self.on_late: Callable[[], None] = lambda: None
        """Called when an answer did not come in time: perhaps nobody hears us."""
        self._timeout_s = timeout_s
        self._next = 0
        self._waiting: dict[int, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def may_add_risk(self) -> bool:
        return len(self) * 10 < self.limit * 9

    @property
    def may_cancel(self) -> bool:
        return len(self) < self.limit

    def expect(self, on_reply: OnReply, on_lost: OnLost) -> int:
        """The id to send the request with."""
        self._next += 1
        timer = asyncio.get_running_loop().call_later(self._timeout_s, self._late, self._next)
        self._waiting[self._next] = _Waiting(on_reply=on_reply, on_lost=on_lost, timer=timer)
        return self._next

    def reply(self, reply: PostReply) -> None:
        """An answer that comes too late was told as lost: then nobody waits for it."""
        waiting = self._waiting.pop(reply.id, None)
        if waiting is not None:
            waiting.timer.cancel()
            waiting.on_reply(reply.response)

    def on_error(self, words: str) -> None:
        """A refusal may come beside the answers, with the request's id at the end of its words."""
        _, found, number = words.partition(TOO_MANY)
        if found and number.isdecimal():
            refusal = PostResponse("error", Raw(msgspec.json.encode(words)))
            self.reply(PostReply(int(number), refusal))

    def _late(self, request_id: int) -> None:
        self.lose(request_id, "no answer in time")
        self.on_late()

    def lose_all(self, reason: str) -> None:
        """The socket is gone: no answer will come, whatever was executed."""
        for request_id in list(self._waiting):
            self.lose(request_id, reason)

    def lose(self, request_id: int, reason: str) -> None:
        waiting = self._waiting.pop(request_id, None)
        if waiting is not None:
            waiting.timer.cancel()
            waiting.on_lost(reason)
