"""How a batch and its items stand, as values."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["pending", "running", "done", "skipped", "failed"]
STATES: tuple[State, ...] = ("pending", "running", "done", "skipped", "failed")
Which = Literal["all", "new", "failed"]


class ItemState(BaseModel):
    """An item of a batch as it was last seen."""

    model_config = ConfigDict(frozen=True)

    item: str
    sequence: str
    """Digest of its sequence, and of what else decides its result."""
    state: State
    stage: str
    """The last stage that touched it; "" for none."""
    error: str
    outcome: str
    """How it ended, in the words of its pipeline."""
    attempts: int
    updated_at: datetime


class BatchStatus(BaseModel):
    """A batch at one moment."""

    model_config = ConfigDict(frozen=True)

    name: str
    pipeline: str
    execution_id: str | None
    """The run that worked on it last, by its id in the ledger."""
    created_at: datetime
    updated_at: datetime
    items: dict[State, int]
    stages: dict[str, dict[State, int]]
    """Stage -> state -> items; the states of each stage add up to all items."""
    outcomes: dict[str, int]

    @property
    def total(self) -> int:
        """All items."""
        return sum(self.items.values())
