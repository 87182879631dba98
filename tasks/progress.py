"""How far a long stage is: now and then a line in the run's log and a bar in the Prefect UI."""

import re
import time
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext

from tasks.policies import run_logger

EVERY_S = 5.0


class Progress:
    """Counts items done; says so when `EVERY_S` have passed since it last did."""

    def __init__(self, label: str, total: int) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._started = self._said = time.monotonic()
        self._artifact: UUID | None = None

    def advance(self, count: int) -> None:
        """`count` more items are done."""
        self._done += count
        now = time.monotonic()
        if now - self._said < EVERY_S or not self._done:
            return
        self._said = now
        rate = self._done / (now - self._started)
        left_s = (self._total - self._done) / rate
        run_logger().info(
            "%s: %d of %d, %.0f per second, about %.0f s left",
            self._label, self._done, self._total, rate, left_s,
        )  # fmt: skip
        if FlowRunContext.get() is not None:
            self._show(100 * self._done / self._total)

    def _show(self, percent: float) -> None:
        if self._artifact is None:
            key = re.sub(r"[^a-z0-9]+", "-", f"progress-{self._label}".lower()).strip("-")
            made = create_progress_artifact(percent, key=key, description=self._label)
            self._artifact = made if isinstance(made, UUID) else None
        else:
            update_progress_artifact(self._artifact, percent)
