"""What the nodes of a run share, and what one of them hands back for some items."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.graphs.limited_calls import Workers
from tasks.graphs.runners import Loop
from tasks.graphs.step import Outcome, StepContext


@dataclass(slots=True)
class Surroundings:
    """What all nodes of a run share."""

    context: StepContext
    loop: Loop = field(default_factory=Loop)
    stop: threading.Event = field(default_factory=threading.Event)
    refresh: bool = False
    """Whether caches are written only."""
    masks: bool = False
    """Whether some fields are masked; what nodes made of items is then kept masked only."""

    def close(self, workers: Workers, patience_s: float | None = None) -> None:
        """End all threads, but for calls that were given up: those are left to themselves.

        Args:
            patience_s: How long what is under way is waited for; None: until it ends.
        """
        self.stop.set()
        self.loop.stop()
        workers.dismiss()
        if workers.ended(patience_s):
            self.loop.close()


@dataclass(slots=True)
class Done:
    """What became of some items, in their order, and how."""

    outcomes: list[Outcome | None]
    """None: to be called, in a batch to come."""
    keys: Mapping[int, str] = field(default_factory=dict)
    """Of a node whose answers are kept: the names of those that were not there, by place."""
    cached: int = 0
    calls: int = 0
    tries: int = 0
    """Further tries."""
    replaced: int = 0
    """Items that failed and got a default, or the result of a fallback."""
    seconds: float = 0.0
    cpu_s: float = 0.0
    """Of the calling thread; what runs on the loop of async functions is not in it."""
