"""What is to be told after a moment's events, in the order in which a client may rely on it."""

from dataclasses import dataclass, field

from mm.model.exchange import (
    Answer,
    BboReport,
    FillReport,
    FundingReport,
    OrderReport,
    Report,
    TradeReport,
)


@dataclass(slots=True)
class Outbox:
    """Answers first, then the touch, trades, fills, order updates, funding."""

    answers: list[Answer] = field(default_factory=list)
    trades: list[TradeReport] = field(default_factory=list)
    fills: list[FillReport] = field(default_factory=list)
    updates: list[OrderReport] = field(default_factory=list)
    fundings: list[FundingReport] = field(default_factory=list)

    def drain(self, touches: list[BboReport], into: list[Answer | Report]) -> None:
        """Move everything to the end of `into`."""
        into += self.answers
        into += touches
        for part in (self.trades, self.fills, self.updates, self.fundings):
            into += part
            part.clear()
        self.answers.clear()
