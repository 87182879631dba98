"""How the steps of a workflow end."""

from typing import Literal

from pydantic import Field, JsonValue

from tasks.parameters import Record

State = Literal["done", "reused", "skipped", "failed", "not started"]
GOOD: tuple[State, ...] = ("done", "reused")
SHOWN = {
    "done": "COMPLETED", "reused": "CACHED", "skipped": "SKIPPED", "failed": "FAILED",
    "not started": "CANCELLED",
}  # fmt: skip
"""As the drawings have it."""


class Outcome(Record):
    """What a run of a pipeline gave."""

    result: dict[str, JsonValue]
    pipeline: str
    """That gave it; a fallback perhaps."""
    tries: int = 1
    degraded: str = ""
    flow_run: str = ""
    """In Prefect, where it ran as a deployment."""


class StepEnd(Record):
    """How a step, or a compensation, ended."""

    name: str
    pipeline: str
    state: State
    reason: str = ""
    """Why it was skipped or failed, or what its result lacks."""
    params: dict[str, JsonValue] = Field({})
    """With what its references stood for."""
    outcome: Outcome | None = None
    seconds: float = 0.0
    key: str = ""
    """Under which its result is kept."""

    @property
    def good(self) -> bool:
        """Whether others can go on with its result."""
        return self.state in GOOD

    @property
    def page(self) -> str:
        """Where the page of its run lies; "" where it has none."""
        page = self.outcome.result.get("page") if self.outcome else None
        return page if isinstance(page, str) else ""

    @property
    def folder(self) -> str:
        """Likewise its folder."""
        folder = self.outcome.result.get("folder") if self.outcome else None
        return folder if isinstance(folder, str) else ""
