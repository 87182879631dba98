"""How much a run may ask of remote models, counted over all its stages."""

import threading

from pydantic import Field

from blocks.errors import BudgetError
from tasks.parameters import Params


class Budget(Params):
    """Most that a run may ask of remote models."""

    items: int | None = Field(
        None, ge=0, title="Items", description="sequences sent to remote models; empty: no limit"
    )
    requests: int | None = Field(
        None,
        ge=0,
        title="Requests",
        description="to remote models; what a batch takes beyond its first request is counted when "
        "the batch has ended; empty: no limit",
    )


class Allowance:
    """What is left of a budget; stages in several threads take from it."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._guard = threading.Lock()
        self.items = 0
        self.requests = 0

    def take(self, items: int) -> bool:
        """Whether so many items may be sent in one more request; they are counted then."""
        with self._guard:
            most_items, most_requests = self._budget.items, self._budget.requests
            if most_items is not None and self.items + items > most_items:
                return False
            if most_requests is not None and self.requests + 1 > most_requests:
                return False
            self.items += items
            self.requests += 1
            return True

    def spent_more(self, requests: int) -> None:
        """Requests beyond the first one that a batch took: retries, and parts of it."""
        with self._guard:
            self.requests += requests

    def error(self, stage: str) -> BudgetError:
        """What to raise when a stage may not go on."""
        limits = [
            f"{count:,} of {most:,} {name}"
            for name, count, most in (
                ("items", self.items, self._budget.items),
                ("requests", self.requests, self._budget.requests),
            )
            if most is not None
        ]
        return BudgetError(
            f"stage {stage!r}: the budget is spent ({', '.join(limits)}); all answers are kept, "
            "run again with a larger budget to go on"
        )
