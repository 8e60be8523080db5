"""The operator's verbs: pause, resume, halt, flatten."""

from mm.core.recourse import Recourse
from mm.core.state import State
from mm.model.actions import Action, CancelAll, Halt, Note, Severity
from mm.model.events import Command

VERBS = ("pause", "resume", "halt", "flatten")


def obey(state: State, command: Command) -> tuple[list[Action], list[Note]]:
    """Change what is allowed; an unknown verb changes nothing and says so."""
    data = {"source": command.source, "reason": command.reason}
    if command.verb not in VERBS:
        text = f"Unknown command {command.verb!r}: expected one of {', '.join(VERBS)}"
        return [], [Note(command.ts, Severity.ERROR, "risk", text, data)]
    note = Note(command.ts, Severity.WARNING, "risk", f"Command: {command.verb}", data)
    if command.verb == "pause":
        state.kill.paused = command.reason or command.source
        return [], [note]
    if command.verb == "resume":
        return _resume(state), [note]
    state.flatten = state.flatten or command.verb == "flatten"
    if state.kill.halted:
        return [], [note]
    halted = f"{command.source}: {command.reason}" if command.reason else command.source
    state.kill.halted = halted
    return [Halt(halted), CancelAll(halted)], [note]


def _resume(state: State) -> list[Action]:
    """Clear pause and latch. Loss limits count afresh from here, and a position that differed from
    the venue's in two audits is taken from it: an explicit act of the operator, never of a restart.
    A gap that only one audit saw may be a fill that crossed it on the wire."""
    was_halted = bool(state.kill.halted)
    state.kill.paused = state.kill.halted = ""
    state.flatten = False
    if not was_halted:
        return []
    state.kill.resume(state.pnl.total)
    state.recourse = Recourse()
    if state.mismatch is not None and state.mismatch.audits >= 2:
        state.pnl.adopt(state.pnl.position + state.mismatch.gap)
        state.mismatch = None
    return [Halt("")]
