"""Order, conditions, skipped branches, failures and compensations; nothing is really run."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest

from tasks import dag
from tasks.workflows.checking import Check
from tasks.workflows.facts import Facts
from tasks.workflows.model import Call, Step
from tasks.workflows.running import Ended, run_steps
from tasks.workflows.step_end import Outcome, StepEnd
from tests.workflows.declared import MAKE, declaration, known_of


class Pretending:
    """Ends steps when the next one is waited for; fails those that it is told to."""

    def __init__(self, fails: tuple[str, ...] = (), items: dict[str, int] | None = None) -> None:
        self.fails, self.items = fails, items or {}
        self.begun: list[str] = []
        self.shown: list[str] = []
        self.params: dict[str, Any] = {}

    def _end(self, call: Call, params: dict[str, Any]) -> StepEnd:
        self.params[call.name] = params
        if call.name in self.fails:
            return StepEnd(name=call.name, pipeline="make", state="failed", reason="on fire")
        result = {"folder": f"/r/{call.name}", "items": self.items.get(call.name, 1), "names": []}
        outcome = Outcome(result=result, pipeline="make")
        return StepEnd(
            name=call.name, pipeline="make", state="done", params=params, outcome=outcome
        )

    def begin(
        self, step: Step, params: dict[str, Any], above: Any, ended: Callable[[StepEnd], None]
    ) -> None:
        assert all(name in self.begun for name in above)
        self.begun.append(step.name)
        ended(self._end(step, params))

    def show(self, end: StepEnd) -> None:
        self.shown.append(end.name)

    def undo(self, call: Call, params: dict[str, Any], step: StepEnd) -> StepEnd:
        self.begun.append(f"{call.name} of {step.name}")
        return self._end(call, params)


def run(around: Pretending, *steps: dict[str, Any], **others: Any) -> Ended:
    declared = declaration(*steps, **others)
    check = Check(declared, known_of)
    assert check.problems == []
    needs = {name: check.needs[name] for name in dag.order(check.needs)}
    return run_steps(needs, Facts(declared, {}, dict.fromkeys(needs, MAKE.tables)), around)


def states(ended: Ended) -> dict[str, str]:
    return {name: end.state for name, end in ended.steps.items()}


A = {"name": "a"}
B = {"name": "b", "params": {"source": "${a.tables.rows}", "number": "${a.items}"}}


def test_results_are_handed_on():
    around = Pretending(items={"a": 7})
    assert states(run(around, B, A)) == {"a": "done", "b": "done"}
    assert around.begun == ["a", "b"]
    assert around.params["b"] == {"source": "/r/a/rows.csv", "number": 7}


def test_what_a_condition_rules_out_is_skipped_and_what_needs_it_too():
    around = Pretending(items={"a": 1})
    ended = run(
        around, A, {**B, "when": ["many"]}, {"name": "c", "params": {"source": "${b.folder}"}},
        {"name": "d", "needs": ["b"]},
        {"name": "e", "params": {"source": "${b.folder | a.folder}"}},
        {"name": "f", "when": ["not many"]},
        conditions={"many": "`a.items` > 1"},
    )  # fmt: skip
    assert states(ended) == {
        "a": "done", "b": "skipped", "c": "skipped", "d": "skipped", "e": "done", "f": "done",
    }  # fmt: skip
    assert ended.steps["b"].reason == "not so: many"
    assert ended.steps["c"].reason == "b was skipped"
    assert around.params["e"]["source"] == "/r/a"


@pytest.mark.parametrize(("items", "chosen"), [(1, "few"), (5, "some"), (50, "many")])
def test_the_first_row_of_a_decision_table_that_holds_decides(items, chosen):
    around = Pretending(items={"a": items})
    run(
        around, A, {"name": "b", "params": {"source": "${decisions.size}"}},
        conditions={"more": "`a.items` >= 2", "most": "`a.items` >= 20"},
        decisions=[
            {
                "name": "size",
                "rows": [
                    {"when": ["more", "most"], "choose": "many"},
                    {"when": ["more"], "choose": "some"},
                ],
                "otherwise": "few",
            }
        ],
    )  # fmt: skip
    assert around.params["b"] == {"source": chosen}


def test_a_decision_can_be_compared_by_a_condition():
    around = Pretending()
    ended = run(
        around, {"name": "a", "when": ["chosen"]},
        inputs={"n": 3},
        conditions={"big": "n > 2", "chosen": "way == 'long'"},
        decisions=[
            {"name": "way", "rows": [{"when": ["big"], "choose": "long"}], "otherwise": "short"}
        ],
    )  # fmt: skip
    assert states(ended) == {"a": "done"}


UNDOING = {
    "compensations": [
        {"name": "back", "pipeline": "make", "params": {"source": "${a.folder}"}},
        {"name": "forth", "pipeline": "make", "params": {"source": "${b.folder}"}},
    ]
}
CHAIN = [
    {**A, "undo": "back"},
    {**B, "undo": "forth"},
    {"name": "c", "needs": ["b"]},
    {"name": "d", "needs": ["c"]},
]


def test_after_a_failure_what_was_done_is_undone_the_last_first():
    around = Pretending(fails=("c",))
    ended = run(around, *CHAIN, **UNDOING)
    assert states(ended) == {"a": "done", "b": "done", "c": "failed", "d": "not started"}
    assert around.begun == ["a", "b", "c", "forth of b", "back of a"]
    assert around.params["back"] == {"source": "/r/a"}
    assert [(one.name, one.state) for one in ended.undone] == [("forth", "done"), ("back", "done")]
    assert ended.error.reason == "on fire"


def test_a_compensation_that_fails_keeps_no_other_from_running():
    around = Pretending(fails=("c", "forth"))
    ended = run(around, *CHAIN, **UNDOING)
    assert [one.state for one in ended.undone] == ["failed", "done"]


def test_without_a_failure_nothing_is_undone():
    around = Pretending()
    assert run(around, *CHAIN, **UNDOING).undone == []
    assert around.begun == ["a", "b", "c", "d"]


def test_a_step_may_fail_where_the_others_can_go_on():
    around = Pretending(fails=("a",))
    ended = run(
        around, {**A, "on_error": "continue"}, B,
        {"name": "c", "params": {"source": "${a.folder | ''}"}},
    )  # fmt: skip
    assert states(ended) == {"a": "failed", "b": "skipped", "c": "done"}
    assert ended.error is None
    assert ended.steps["b"].reason == "a was failed"


def test_a_condition_that_cannot_be_compared_fails_its_step():
    around = Pretending()
    ended = run(around, {**A, "when": ["odd"]}, conditions={"odd": "n > 1"}, inputs={"n": "text"})
    assert ended.error.name == "a"
    assert "condition 'odd'" in ended.error.reason
    assert around.begun == []


class Threaded(Pretending):
    """Ends a step only when others that it names have begun, each in a thread of its own."""

    def __init__(self, ends_after: dict[str, str]) -> None:
        super().__init__()
        self.started = {name: Event() for name in (*ends_after, *ends_after.values())}
        self.ends_after = ends_after
        self.in_time: dict[str, bool] = {}

    def begin(
        self, step: Step, params: dict[str, Any], above: Any, ended: Callable[[StepEnd], None]
    ) -> None:
        self.started[step.name].set()

        def work() -> None:
            other = self.ends_after.get(step.name)
            if other:
                self.in_time[step.name] = self.started[other].wait(30)
            ended(self._end(step, params))

        Thread(target=work, daemon=True).start()


def test_independent_steps_run_side_by_side_and_nothing_waits_for_a_level():
    around = Threaded({"slow": "after", "quick": "slow"})
    ended = run(
        around, {"name": "slow"}, {"name": "quick"}, {"name": "after", "needs": ["quick"]}
    )  # fmt: skip
    assert around.in_time == {"slow": True, "quick": True}
    assert list(ended.steps)[-1] in {"slow", "after"}
    assert set(states(ended).values()) == {"done"}
