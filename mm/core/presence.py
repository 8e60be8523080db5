"""Where the time goes: seconds quoted and seconds blocked, by side and reason, without gaps."""

from mm.model.units import Ns, Side, seconds


class Presence:
    """Between two verdicts a side is what the first one said: quoting ("") or blocked (why)."""

    def __init__(self) -> None:
        self.reason: dict[Side, str] = dict.fromkeys(Side, "starting")
        self.quoted_s: dict[Side, float] = dict.fromkeys(Side, 0.0)
        self.blocked_s: dict[Side, dict[str, float]] = {side: {} for side in Side}
        self._since: Ns | None = None

    def advance(self, ts: Ns) -> None:
        """Charge the time since the last call to the reasons in force."""
        if self._since == ts:
            return
        if self._since is not None:
            elapsed = seconds(ts - self._since)
            for side, reason in self.reason.items():
                if reason:
                    key = reason.partition(":")[0]
                    spent = self.blocked_s[side]
                    spent[key] = spent.get(key, 0.0) + elapsed
                else:
                    self.quoted_s[side] += elapsed
        self._since = ts

    def judge(self, ts: Ns, side: Side, reason: str) -> bool:
        """A new verdict; True where it differs in kind from the last (worth a note)."""
        self.advance(ts)
        before, self.reason[side] = self.reason[side], reason
        return reason != before and reason.partition(":")[0] != before.partition(":")[0]
