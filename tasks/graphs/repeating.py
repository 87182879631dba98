"""A sub-graph that is run over and over within one node."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import JsonValue

from tasks.conditions import Condition
from tasks.graphs.compiled import Graph
from tasks.graphs.step import Failed, Item, Outcome, StepContext, Value
from tasks.graphs.steps.nesting import RepeatParams
from tasks.graphs.surroundings import Done

Work = Callable[[Sequence[Sequence[Outcome]]], Done]
"""What a node does with a chunk, out of the outcomes of its needs."""


class Repeat:
    """A sub-graph over and over, until its result fulfils a condition."""

    def __init__(self, params: RepeatParams, body: Graph, works: Mapping[str, Work]) -> None:
        self._params = params
        self._body = body
        self._until = Condition(params.until)
        self._works = works

    def run(self, items: Sequence[Item], context: StepContext) -> Sequence[Outcome]:
        """The result of each item's last round."""
        rounds = self._params.max_iterations
        text = f"{self._params.until} does not hold after {rounds} repetition(s)"
        found: list[Outcome] = [Failed(text)] * len(items)
        current: dict[int, JsonValue] = dict(enumerate(items))
        for _ in range(rounds):
            if not current or context.stopped():
                break
            places = list(current)
            outcomes = self._once(list(current.values()))
            for place, outcome in zip(places, outcomes, strict=True):
                ended = self._ended(outcome)
                if ended is None and isinstance(outcome, Value):
                    current[place] = outcome.item
                else:
                    found[place] = ended or outcome
                    del current[place]
        return found

    def _ended(self, outcome: Outcome) -> Outcome | None:
        if not isinstance(outcome, Value):
            return outcome
        answer = self._until.holds([outcome.item])[0]
        if isinstance(answer, str):
            return Failed(answer)
        return outcome if answer else None

    def _once(self, values: list[JsonValue]) -> list[Outcome]:
        start: list[Outcome] = [Value(value) for value in values]
        results: dict[str, list[Outcome]] = {}
        for one in self._body.nodes:
            taken = [results[need] for need in one.parents] or [start]
            outcomes = self._works[one.name](taken).outcomes
            results[one.name] = [outcome for outcome in outcomes if outcome is not None]
        return results[self._body.result]
