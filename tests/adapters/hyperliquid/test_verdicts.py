"""One word on a whole action is one refusal, of which each of its orders hears."""

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec
import pytest
from msgspec import structs

from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.settings import NO_HOOKS
from mm.adapters.hyperliquid.verdicts import Request, Ticket, Verdicts
from mm.adapters.hyperliquid.wire import PostResponse
from mm.model.actions import Cancel, Modify, Place
from mm.model.events import Event, RejectCode, Rejected, RequestKind, Unresolved
from mm.model.units import NS_PER_S, Side

BTC, ETH = ("0x6d6d01", "0x6d6d02", "0x6d6d03"), "0x6d6d09"


class Clock:
    def now(self) -> int:
        return NS_PER_S


class Told:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def put(self, event: Event) -> None:
        self.events.append(event)

    def put_all(self, events: Iterable[Event]) -> None:
        self.events.extend(events)


class Desk:
    """Verdicts on orders in two coins, with what they told."""

    def __init__(self) -> None:
        self.told = Told()
        self.health = Health(Clock(), NO_HOOKS)
        own = OwnOrders("6d6d")
        for cloid in BTC:
            own.belongs(cloid, "BTC")
        own.belongs(ETH, "ETH")
        self.verdicts = Verdicts(own, self.told, self.health, Clock().now)
        self.old_rules = 0
        self.verdicts.on_old_rules = self._old

    def _old(self) -> None:
        self.old_rules += 1

    def sends(self, kind: RequestKind = RequestKind.PLACE) -> Ticket:
        one = Decimal(1)
        requests: dict[RequestKind, Callable[[str], Request]] = {
            RequestKind.PLACE: lambda cloid: Place(cloid, Side.BID, 1, one, one),
            RequestKind.MODIFY: lambda cloid: Modify(cloid, 7, Side.BID, 1, one, one),
            RequestKind.CANCEL: Cancel,
        }
        orders = tuple(requests[kind](cloid) for cloid in (*BTC, ETH))
        ticket = Ticket(kind, orders, NS_PER_S, 6 * NS_PER_S)
        self.verdicts.sent(ticket)
        return ticket

    def heard(self) -> list[tuple[str, RejectCode, bool]]:
        rejected = (one for one in self.told.events if isinstance(one, Rejected))
        return [(one.cloid, one.code, one.echo) for one in rejected]


def whole(words: str) -> bytes:
    return msgspec.json.encode({"status": "err", "response": words})


def single(words: str) -> bytes:
    data = {"statuses": [{"error": words}]}
    return msgspec.json.encode({"status": "ok", "response": {"type": "order", "data": data}})


WORDS = "Invalid nonce: duplicate nonce 17"
ONCE = [(cloid, RejectCode.NONCE, cloid in BTC[1:]) for cloid in (*BTC, ETH)]


@pytest.mark.parametrize("answer", [whole(WORDS), single(WORDS)], ids=["top level", "one status"])
@pytest.mark.parametrize("kind", RequestKind)
def test_a_word_on_the_whole_action_is_one_refusal(answer: bytes, kind: RequestKind) -> None:
    """A batch of 25 once counted as 25 strikes and paused the quoting."""
    desk = Desk()

    desk.verdicts.answer(desk.sends(kind), answer)

    assert desk.heard() == ONCE, "each order; of each coin the first is the refusal"
    assert desk.health.rejects == {RejectCode.NONCE: 1}
    assert not desk.verdicts.own.any_in_flight
    assert not desk.verdicts.own.queries, "nothing of it was done: there is nothing to ask"


def test_so_is_one_by_websocket_error_or_http_status() -> None:
    desk = Desk()
    desk.verdicts.reply(desk.sends(), PostResponse("error", msgspec.Raw(b'"429 slow down"')))
    desk.verdicts.refused(desk.sends(), "HTTP 429 null")

    assert desk.health.rejects == {RejectCode.RATE: 2}
    assert [echo for _, _, echo in desk.heard()] == [False, True, True, False] * 2


def test_items_with_refusals_of_their_own_are_refusals_each() -> None:
    desk = Desk()
    statuses = [{"error": "Insufficient margin to place order. asset=4"}] * 4
    data = {"status": "ok", "response": {"type": "order", "data": {"statuses": statuses}}}
    desk.verdicts.answer(desk.sends(), msgspec.json.encode(data))

    assert desk.health.rejects == {RejectCode.MARGIN: 4}
    assert not any(echo for _, _, echo in desk.heard())


def test_what_never_left_is_no_refusal_of_the_venues() -> None:
    desk = Desk()
    desk.verdicts.unsent(desk.sends(), "not connected: nothing was sent")

    assert {code for _, code, _ in desk.heard()} == {RejectCode.UNSENT}
    assert not desk.health.rejects


def test_gone_said_of_a_batch_is_asked_of_each() -> None:
    """It is true of one of them at least: believed of all, live orders would be forgotten."""
    desk = Desk()
    gone = "Order was never placed, already canceled, or filled."
    desk.verdicts.answer(desk.sends(RequestKind.CANCEL), single(gone))

    assert desk.heard() == []
    asked = [one.cloid for one in desk.told.events if isinstance(one, Unresolved)]
    assert asked == [*BTC, ETH]
    assert set(desk.verdicts.own.doubts) == {*BTC, ETH}


def test_one_status_of_success_for_a_batch_says_nothing_of_the_others() -> None:
    """Their outcome is unknown; the id would have been given to all of them."""
    desk = Desk()
    data = {"statuses": [{"resting": {"oid": 5}}]}
    answer = {"status": "ok", "response": {"type": "order", "data": data}}
    desk.verdicts.answer(desk.sends(), msgspec.json.encode(answer))

    assert set(desk.verdicts.own.doubts) == {*BTC, ETH}
    assert desk.verdicts.own.open == {}


@pytest.mark.parametrize(
    ("words", "old"),
    [
        ("Price must be divisible by tick size.", 1),
        ("Order has invalid size.", 1),
        ("Order must have minimum value of $10.", 1),
        ("Insufficient margin to place order.", 1),
        ("Price too far from oracle", 0),
    ],
)
def test_a_refusal_by_old_rules_or_leverage_has_them_read_again(words: str, old: int) -> None:
    desk = Desk()
    desk.verdicts.answer(desk.sends(), single(words))

    assert desk.old_rules == old


def test_the_loss_of_an_earlier_request_does_not_hide_that_of_a_later_one() -> None:
    desk = Desk()
    place = desk.sends()
    modify = structs.replace(desk.sends(RequestKind.MODIFY), expires=7 * NS_PER_S)
    desk.verdicts.lost(modify, "no answer")
    desk.verdicts.lost(place, "no answer")
    doubts = desk.verdicts.own.doubts.values()
    assert {(doubt.kind, doubt.oid) for doubt in doubts} == {(RequestKind.MODIFY, 7)}


def test_an_answer_that_the_weight_is_spent_is_passed_on() -> None:
    """Else books and quotes go on taking what comes free, and cancels are refused."""
    desk, heard = Desk(), list[bool]()
    desk.verdicts.on_too_many = lambda: heard.append(True)
    for words in ("429 Too Many Requests", "500 Internal Server Error"):
        desk.verdicts.reply(desk.sends(), PostResponse("error", msgspec.Raw(f'"{words}"'.encode())))
    assert heard == [True]
