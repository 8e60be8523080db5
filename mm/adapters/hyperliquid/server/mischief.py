"""Draws the faults: which reply is lost, which request refused, when the sockets are cut."""

from random import Random

from mm.adapters.hyperliquid.server.options import FrameFaults, Options
from mm.model.custody import Noop, ScheduleCancel
from mm.model.exchange import Answer, ModifyOrders, PlaceOrders, Refused, Signed, Tif
from mm.model.units import Ns, nanoseconds

NO_FRAME_FAULTS = FrameFaults()
POST_ONLY = "Only post-only orders allowed immediately after network upgrade"
SPENT = (
    "Too many cumulative requests sent (10001 > 10000) for cumulative volume traded $0.00. "
    "Place taker orders to free up 1 request per USDC traded."
)
ONE_FOR_ALL = "Order has invalid price."
TOO_LITTLE_TRADED = (
    "Cannot set scheduled cancel time until enough volume traded. "
    "Required: $1000000. Traded: $0.00."
)


class Mischief:
    """Reproducible: the same seed and the same traffic bring the same faults."""

    def __init__(self, options: Options) -> None:
        self.faults, self._on_reply = options.faults, options.on_reply
        self._random = Random(options.seed)  # noqa: S311  # faults are drawn, not secrets
        self._drop_due: Ns | None = None
        self._silence_due: Ns | None = None

    def refusal(self) -> int | None:
        """The HTTP status that this request is refused with before anything is done."""
        drawn = self._random.random()
        if drawn < self.faults.too_many:
            return 429
        return 500 if drawn < self.faults.too_many + self.faults.server_error else None

    def weight(self, units: int) -> int:
        """What a request of this weight costs of the IP address's budget."""
        return units * self.faults.rules.weight_factor

    def reply_delay(self) -> float | None:
        """Seconds to hold an executed action's reply; None: lose it."""
        if self._on_reply is not None:
            return self._on_reply()
        drawn = self._random.random()
        if drawn < self.faults.lost_reply:
            return None
        is_late = drawn < self.faults.lost_reply + self.faults.late_reply
        return self.faults.late_reply_s if is_late else 0.0

    def hides_reply(self) -> bool:
        """Whether an executed action is answered with 502."""
        return self._random.random() < self.faults.bad_gateway

    def veto(self, signed: Signed) -> Answer | None:
        """How this action is refused before the exchange sees it."""
        fresh = not isinstance(signed.request, Noop)  # of a used nonce no venue says so in error
        if fresh and self.faults.bad_nonce and self._random.random() < self.faults.bad_nonce:
            return Answer(0, error=f"Invalid nonce: duplicate nonce {signed.nonce}")
        if self.faults.rules.no_dead_man and isinstance(signed.request, ScheduleCancel):
            return Answer(0, error=TOO_LITTLE_TRADED)
        if self.faults.spent_budget and isinstance(signed.request, PlaceOrders | ModifyOrders):
            return Answer(0, error=SPENT)
        orders = signed.request.orders if isinstance(signed.request, PlaceOrders) else ()
        single = self.faults.rules.single_status
        if len(orders) > 1 and single and self._random.random() < single:
            return Answer(0, (Refused(ONE_FOR_ALL),))
        if self.faults.post_only and any(spec.tif is not Tif.ALO for spec in orders):
            return Answer(0, (Refused(POST_ONLY),) * len(orders))
        return None

    def recalled(self, question: str, found: object) -> object:
        """What a forgetful venue answers: it knows of open orders only."""
        if question != "orderStatus" or not self.faults.forgetful or not isinstance(found, dict):
            return found
        is_open = found.get("order", {}).get("status") == "open"
        return found if is_open else {"status": "unknownOid"}

    def garbled(self, body: bytes) -> bytes:
        """An HTTP answer as it arrives."""
        if (
            self.faults.frames.garbled_answer
            and self._random.random() < self.faults.frames.garbled_answer
        ):
            return body[: self._random.randrange(len(body))]
        return body

    def deliveries(self, frame: bytes) -> list[tuple[float, bytes]]:
        """What becomes of one websocket frame: (seconds late, what is sent)."""
        faults = self.faults.frames
        if faults == NO_FRAME_FAULTS:
            return [(0.0, frame)]
        drawn = self._random.random()
        if drawn < faults.garbled:
            frame = frame[: self._random.randrange(len(frame))]
        late = self._random.random() < faults.late
        late_s = self._random.expovariate(1.0 / faults.late_mean_s) if late else 0.0
        return [(late_s, frame)] * (1 + (self._random.random() < faults.twice))

    def mutes(self, channel: str) -> bool:
        return channel in self.faults.frames.muted

    def copies_of_snapshot(self) -> int:
        return 1 + (self._random.random() < self.faults.frames.duplicate_snapshot)

    def loses_update(self) -> bool:
        return self._random.random() < self.faults.frames.lost_update

    def drops(self, now: Ns) -> bool:
        """Whether all websockets are to be cut now."""
        due, self._drop_due = self._next(self._drop_due, now, self.faults.drop_mean_s)
        return due

    def silences(self, now: Ns) -> bool:
        """Whether all websockets are to go silent now."""
        due, self._silence_due = self._next(self._silence_due, now, self.faults.silence_mean_s)
        return due

    def _next(self, due: Ns | None, now: Ns, mean_s: float) -> tuple[bool, Ns | None]:
        """Whether the appointed time has come, and the next one (exponential)."""
        if not mean_s or (due is not None and now < due):
            return False, due
        wait_s = self._random.expovariate(1.0 / mean_s)
        return due is not None, now + nanoseconds(wait_s)
