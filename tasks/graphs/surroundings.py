"""What the nodes of a run share, and what one of them hands back for some items."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

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
    """Whether some fields are masked; whole items are then kept only where a node asks for it."""
    limited: ThreadPoolExecutor | None = None
    """Threads of calls with a time limit; made with the first one."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def limited_pool(self) -> ThreadPoolExecutor:
        """Threads for calls that may be given up: a thread cannot be ended from outside."""
        with self.lock:
            if self.limited is None:
                self.limited = ThreadPoolExecutor(256, thread_name_prefix="graph-limited")
            return self.limited

    def close(self) -> None:
        """End all threads; waits for calls that were given up."""
        self.stop.set()
        self.loop.stop()
        if self.limited is not None:
            self.limited.shutdown(wait=True, cancel_futures=True)
        self.loop.close()


@dataclass(slots=True)
class Done:
    """What became of some items, in their order, and how."""

    outcomes: list[Outcome | None]
    """None: to be called, in a batch to come."""
    cached: int = 0
    calls: int = 0
    tries: int = 0
    """Further tries."""
    replaced: int = 0
    """Items that failed and got a default, or the result of a fallback."""
    seconds: float = 0.0
    cpu_s: float = 0.0
    """Of the calling thread; what runs on the loop of async functions is not in it."""
