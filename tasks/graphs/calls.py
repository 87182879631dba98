"""What a node does with the items of a chunk: condition, cache, call, further tries, errors.

Everything here runs in worker threads and changes nothing but the object's counters.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import cast

import numpy as np
from pydantic import JsonValue

from blocks.errors import BudgetError, InputError
from tasks.conditions import Condition
from tasks.graphs import joins, kept_outcomes
from tasks.graphs.compiled import Ready
from tasks.graphs.keys import item_keys, node_key
from tasks.graphs.limited_calls import LimitedCall
from tasks.graphs.repeating import Repeat
from tasks.graphs.runners import MOST_AWAITED, FunctionRunner, failure, is_async, is_transient
from tasks.graphs.step import Failed, Item, Outcome, Runner, Skipped, StepContext, Value
from tasks.graphs.steps.nesting import RepeatParams
from tasks.graphs.surroundings import Done, Surroundings


class NodeWork:
    """A node at work."""

    def __init__(self, one: Ready, around: Surroundings) -> None:
        self.one = one
        self._node = one.node
        self._around = around
        self._runner = _runner(one, around)
        self._when = Condition(one.node.when) if one.node.when else None
        self.unseen = set(self._when.fields) if self._when is not None else set()
        """Fields that its condition reads and no item had so far; after functions without
        annotations nothing else tells of a name that is misspelt."""
        self._stand_in = NodeWork(one.stand_in, around) if one.stand_in else None
        self._whole = one.step.in_order or one.step.sees_all or one.step.closes
        kept = one.node.cache
        connection = one.step.connection(one.node.with_)
        self._asks = bool(connection)
        self._cached = kept.enabled if kept is not None else self._asks
        self._cached &= not self._whole and not around.masks
        context = around.context
        is_timed = one.function is not None and is_async(one.function)
        self._limited = one.node.time_limit_s is not None and not is_timed
        """Whether calls need threads; an async function is cancelled at its limit."""
        self._at_once = (one.node.concurrency or MOST_AWAITED) if self._asks else 1
        self._key = node_key(one, context.models, context.seed) if self._cached else b""
        self._jitter = np.random.default_rng(around.context.seed)

    def chunk(self, results: Sequence[Sequence[Outcome]]) -> Done:
        """All that happens to a chunk; `results` are those of the needs."""
        inputs, done = self.prepared(results)
        places = [place for place, outcome in enumerate(done.outcomes) if outcome is None]
        called = self.settled(
            [inputs[place] for place in places], [done.keys.get(place, "") for place in places]
        )
        for place, outcome in zip(places, called.outcomes, strict=True):
            done.outcomes[place] = outcome
        done.calls, done.tries, done.replaced = called.calls, called.tries, called.replaced
        done.seconds += called.seconds
        done.cpu_s += called.cpu_s
        return done

    def prepared(self, results: Sequence[Sequence[Outcome]]) -> tuple[list[JsonValue], Done]:
        """The inputs, and what is known of the outcomes without a call."""
        began, cpu = time.perf_counter(), time.thread_time()
        found = joins.given(self._node, results)
        inputs = [one.item if isinstance(one, Value) else None for one in found]
        outcomes: list[Outcome | None] = [None if isinstance(one, Value) else one for one in found]
        if self._when is not None:
            live = [place for place, one in enumerate(outcomes) if one is None]
            items = [inputs[place] for place in live]
            answers = self._when.holds(items)
            if self.unseen:
                self.unseen -= self._when.present(items)
            for place, answer in zip(live, answers, strict=True):
                if isinstance(answer, str):
                    outcomes[place] = Failed(answer)
                elif not answer:
                    outcomes[place] = Skipped("condition")
        keys = self._keys(inputs, outcomes) if self._cached else {}
        done = Done(outcomes, keys=keys, cached=self._looked_up(keys, outcomes))
        done.seconds, done.cpu_s = time.perf_counter() - began, time.thread_time() - cpu
        return inputs, done

    def _keys(
        self, inputs: Sequence[JsonValue], outcomes: Sequence[Outcome | None]
    ) -> dict[int, str]:
        """Names of the answers that are still open, by place."""
        live = [place for place, one in enumerate(outcomes) if one is None]
        return dict(zip(live, item_keys(self._key, [inputs[place] for place in live]), strict=True))

    def _looked_up(self, keys: Mapping[int, str], outcomes: list[Outcome | None]) -> int:
        """Put in what is known; how many of them are."""
        if self._around.refresh or not keys:
            return 0
        ttl_s = self._node.cache.ttl_s if self._node.cache else None
        known = self._around.context.cache.get(list(keys.values()), ttl_s)
        found = {place: known[key] for place, key in keys.items() if key in known}
        for place, answer in found.items():
            outcomes[place] = kept_outcomes.read(answer)
        return len(found)

    def settled(self, inputs: Sequence[JsonValue], keys: Sequence[str]) -> Done:
        """The outcomes of items that have to be called for; `keys` name their answers."""
        done = Done([])
        if not inputs:
            return done
        began, cpu = time.perf_counter(), time.thread_time()
        size = self._node.batch or len(inputs)
        for start in range(0, len(inputs), size):
            done.outcomes += self._called(inputs[start : start + size], done)
        if self._cached:
            self._around.context.cache.put(kept_outcomes.written(keys, done.outcomes))
        self._replace_failed(inputs, done)
        done.seconds, done.cpu_s = time.perf_counter() - began, time.thread_time() - cpu
        return done

    def _called(self, inputs: Sequence[JsonValue], done: Done) -> list[Outcome]:
        """Outcomes of items; with `join: each`, of one call for each value of an item."""
        if self._node.join != "each" or not self._node.needs[1:]:
            return self._tried(inputs, done)
        named = [given if isinstance(given, dict) else {} for given in inputs]
        answers = iter(self._tried([value for given in named for value in given.values()], done))
        return [joins.by_need({name: next(answers) for name in given}) for given in named]

    def _tried(self, inputs: Sequence[JsonValue], done: Done) -> list[Outcome]:
        """Outcomes after all tries that are allowed."""
        outcomes = self._guarded(inputs, done)
        for attempt in range(1, self._node.retries.attempts):
            again = [
                place
                for place, one in enumerate(outcomes)
                if isinstance(one, Failed) and one.transient
            ]
            if not again or self._around.stop.wait(self._delay(attempt)):
                break
            done.tries += len(again)
            answers = self._guarded([inputs[place] for place in again], done)
            for place, answer in zip(again, answers, strict=True):
                outcomes[place] = answer
        return outcomes

    def _delay(self, attempt: int) -> float:
        rule = self._node.retries
        longest = min(rule.cap_s, rule.base_s * 2 ** (attempt - 1))
        return float(longest * self._jitter.uniform(0.5, 1.0))

    def _guarded(self, inputs: Sequence[JsonValue], done: Done) -> list[Outcome]:
        """One call; where it raises, one for each item, so that only the bad ones fail.

        With a time limit there is one for each item at once: none is called a second time because
        another takes too long.
        """
        alone = not self._node.batch and not self._whole
        if not self._limited or not alone:
            outcomes = self._answered(inputs, self._begun(inputs, done))
            if outcomes is not None:
                return outcomes
            return [outcome for item in inputs for outcome in self._guarded([item], done)]
        found: list[Outcome] = []
        for start in range(0, len(inputs), self._at_once):
            given = [[item] for item in inputs[start : start + self._at_once]]
            begun = [self._begun(one, done) for one in given]
            for one, call in zip(given, begun, strict=True):
                found += self._answered(one, call) or ()
        return found

    def _begun(self, inputs: Sequence[JsonValue], done: Done) -> Callable[[], list[Outcome]]:
        """A call; one with a time limit begins here."""
        done.calls += 1
        limit = self._node.time_limit_s
        if limit is None or not self._limited:
            return partial(self._run, inputs)
        stop = self._around.stop
        if stop.is_set():
            raise CancelledError
        return partial(LimitedCall(partial(self._run, inputs), stop.is_set).result, limit)

    def _answered(
        self, inputs: Sequence[JsonValue], call: Callable[[], list[Outcome]]
    ) -> list[Outcome] | None:
        """What came of a call; None where it raised and each item shall have its own."""
        limit = self._node.time_limit_s
        try:
            return call()
        except (BudgetError, CancelledError):
            raise
        except Exception as error:
            if self._asks and isinstance(error, InputError):
                raise  # the service refuses key, account or model: no item will fare better
            if self._limited and isinstance(error, TimeoutError):
                text = "node %r: a call was given up after %g s; it goes on unheeded"
                self._around.context.log.warning(text, self._node.name, limit)
            alone = len(inputs) > 1 and not self._node.batch and not self.one.step.in_order
            if alone and not is_transient(error):
                return None
            return [failure(error, limit)] * len(inputs)

    def _run(self, inputs: Sequence[JsonValue]) -> list[Outcome]:
        items = cast("Sequence[Item]", inputs)  # objects, for all but functions
        if self.one.function is None and not all(isinstance(one, dict) for one in inputs):
            return [self._run_object(one) for one in inputs]
        outcomes = list(self._runner.run(items, self._around.context))
        if len(outcomes) != len(inputs):
            text = f"gave {len(outcomes)} outcomes for {len(inputs)} items"
            return [Failed(text)] * len(inputs)
        return outcomes

    def _run_object(self, value: JsonValue) -> Outcome:
        if not isinstance(value, dict):
            what = type(value).__name__
            return Failed(f"input is a {what}; expected an item with fields for {self._node.uses}")
        return self._run([value])[0]

    def _replace_failed(self, inputs: Sequence[JsonValue], done: Done) -> None:
        bad = [place for place, one in enumerate(done.outcomes) if isinstance(one, Failed)]
        if not bad:
            return
        done.replaced = len(bad)
        match self._node.on_error:
            case "default":
                for place in bad:
                    done.outcomes[place] = Value(self._node.default)
            case "skip":
                for place in bad:
                    done.outcomes[place] = Skipped("error")
            case "fallback" if self._stand_in is not None:
                others = self._stand_in.chunk([[Value(inputs[place]) for place in bad]])
                for place, other in zip(bad, others.outcomes, strict=True):
                    done.outcomes[place] = other
            case _:
                done.replaced = 0

    def finish(self) -> list[Item]:
        """The items that come at the end of a step that closes."""
        ending: Callable[[StepContext], Sequence[Item]] | None
        ending = getattr(self._runner, "finish", None)
        return list(ending(self._around.context)) if ending is not None else []


def _runner(one: Ready, around: Surroundings) -> Runner:
    if one.function is not None:
        return cast(Runner, FunctionRunner(one, around.loop))  # takes any JSON
    if one.body is not None and isinstance(one.node.with_, RepeatParams):
        works = {inner.name: NodeWork(inner, around).chunk for inner in one.body.nodes}
        return Repeat(one.node.with_, one.body, works)
    made: Runner = one.step.make(one.node.with_)
    return made
