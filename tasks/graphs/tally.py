"""What a node did in a run: counts that add up, times, and its state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tasks.graphs.step import Failed, Outcome, Several, Skipped, Value
from tasks.graphs.surroundings import Done

State = Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "SKIPPED", "CACHED", "CANCELLED"]


@dataclass(slots=True)
class Tally:
    """Counts of one node; items in = passed + spread + skipped + failed."""

    items: int = 0
    passed: int = 0
    spread: int = 0
    """Items that became several."""
    new_items: int = 0
    """Items that the node made: of those it spread, and at the end."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Reason -> items."""
    failed: int = 0
    cached: int = 0
    replaced: int = 0
    """Items that failed here and got a default, a fallback's result, or were skipped for it."""
    calls: int = 0
    tries: int = 0
    """Further tries of items."""
    seconds: float = 0.0
    """Of all calls together; they may have overlapped."""
    cpu_s: float = 0.0
    first_s: float | None = None
    """Start of the first call, since the run began."""
    last_s: float = 0.0
    """End of the last call, since the run began."""
    ended: bool = False
    broken: bool = False
    """Whether the run stopped here."""

    def add(self, done: Done) -> None:
        """Count what became of a chunk."""
        self.cached += done.cached
        self.calls += done.calls
        self.tries += done.tries
        self.replaced += done.replaced
        self.seconds += done.seconds
        self.cpu_s += done.cpu_s

    def reuse(self, outcomes: Sequence[Outcome]) -> None:
        """Count outcomes of an earlier run."""
        self.cached += sum(isinstance(one, Value | Several) for one in outcomes)

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Count outcomes, each once."""
        self.items += len(outcomes)
        for outcome in outcomes:
            match outcome:
                case Value():
                    self.passed += 1
                case Skipped(reason):
                    self.skipped[reason] = self.skipped.get(reason, 0) + 1
                case Failed():
                    self.failed += 1
                case Several(items):
                    self.spread += 1
                    self.new_items += len(items)

    @property
    def state(self) -> State:
        """The node's state; that of a node over many items is what holds for them together."""
        if self.broken:
            return "FAILED"
        if not self.ended:
            return "PENDING" if self.first_s is None else "RUNNING"
        if self.passed + self.spread + self.new_items:
            whole = self.cached and self.cached == self.passed + self.spread
            return "CACHED" if whole else "COMPLETED"
        if self.failed:
            return "FAILED"
        return "SKIPPED" if self.skipped else "COMPLETED"

    @property
    def reason(self) -> str:
        """Why items were skipped, the most frequent reason first."""
        return ", ".join(sorted(self.skipped, key=lambda one: -self.skipped[one]))


def cancelled(tallies: Mapping[str, Tally]) -> dict[str, State]:
    """The states of the nodes of a run that did not end."""
    return {
        name: one.state if one.state not in ("PENDING", "RUNNING") else "CANCELLED"
        for name, one in tallies.items()
    }
