"""What a run has used of each connection, for its page and its log."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from blocks.llm_calls import Answer, Fault, Usage

_NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What was asked of one connection and what came of it; counts of prompts or texts."""

    answered: int = 0
    """Those that a model was asked for and answered."""
    cached: int = 0
    """Those that were known already."""
    repaired: int = 0
    """Answers that needed a second turn."""
    fell_back: int = 0
    """Answers of another model than the connection's own."""
    failed: int = 0
    usage: Usage = field(default_factory=Usage)

    def plus(self, outcome: object) -> "ModelUse":
        """With one more answer, fault or vector."""
        answer = outcome if isinstance(outcome, Answer) else None
        cached = answer is not None and answer.cached
        failed = isinstance(outcome, Fault)
        used = outcome.usage if isinstance(outcome, Answer | Fault) else Usage()
        return ModelUse(
            self.answered + (not cached and not failed),
            self.cached + cached,
            self.repaired + (answer is not None and answer.repaired and not cached),
            self.fell_back + (answer is not None and answer.fell_back),
            self.failed + failed,
            self.usage + used,
        )


class Uses:
    """Uses by connection, counted from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._uses: dict[str, ModelUse] = {}

    def add(
        self,
        connection: str,
        outcomes: Iterable[object],
        *,
        cached: int = 0,
        usage: Usage = _NOTHING,
    ) -> None:
        """Count what came, `cached` more that was known; `usage` is what vectors took together."""
        with self._guard:
            use = self._uses.get(connection, ModelUse())
            for outcome in outcomes:
                use = use.plus(outcome)
            both = replace(use, cached=use.cached + cached, usage=use.usage + usage)
            self._uses[connection] = both

    def by_connection(self) -> Mapping[str, ModelUse]:
        """All so far."""
        with self._guard:
            return dict(self._uses)
