"""Which of the venue's faults really bit: one that changes nothing would look survived."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from mm.adapters.hyperliquid.server.mischief import Mischief

Bit: TypeAlias = Callable[[tuple[Any, ...], Any], bool]

BITES: Final[dict[str, Bit]] = {
    "refusal": lambda _, status: status is not None,
    "reply_delay": lambda _, delay_s: delay_s != 0.0,
    "hides_reply": lambda _, hidden: bool(hidden),
    "veto": lambda _, answer: answer is not None,
    "recalled": lambda asked, found: found is not asked[1],
    "garbled": lambda asked, body: body is not asked[0],
    "deliveries": lambda asked, sent: sent != [(0.0, asked[0])],
    "mutes": lambda _, muted: bool(muted),
    "copies_of_snapshot": lambda _, copies: copies > 1,
    "loses_update": lambda _, lost: bool(lost),
    "weight": lambda asked, units: units != asked[0],
}
"""By method of `Mischief`: did this answer to these arguments harm anybody?"""


def count_bites(mischief: Mischief, felt: Counter[str]) -> None:
    """From now on each bite counts, under the method's name."""
    for name, bit in BITES.items():
        setattr(mischief, name, _counted(name, getattr(mischief, name), bit, felt))


def _counted(
    name: str, method: Callable[..., Any], bit: Bit, felt: Counter[str]
) -> Callable[..., Any]:
    def answer(*asked: Any) -> Any:  # noqa: ANN401 - whatever the method takes and gives
        found = method(*asked)
        felt[name] += bit(asked, found)
        return found

    return answer
