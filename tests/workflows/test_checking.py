"""All that is wrong with a workflow is told before anything runs, a line for each thing."""

import pytest

from blocks.errors import InputError, InputProblems
from tasks.workflows.checking import Check
from tasks.workflows.model import WorkflowParams
from tasks.workflows.reading import read_declaration, with_inputs
from tests.workflows.declared import declaration, known_of, problems_of

FIRST = {"name": "first"}


@pytest.mark.parametrize(
    ("steps", "others", "told"),
    [
        pytest.param(
            [{"name": "a", "needs": ["b"]}, {"name": "b", "params": {"source": "${a.folder}"}}],
            {},
            "steps: a cycle: a -> b -> a; expected steps that do not wait for themselves",
            id="a cycle through a reference",
        ),
        pytest.param(
            [FIRST, {"name": "b", "params": {"source": "${first.foldr}"}}], {},
            "step 'b', ${first.foldr}: unknown field 'foldr'; expected one of folder, items, names"
            " (did you mean 'folder'?)",
            id="a field that no run returns",
        ),
        pytest.param(
            [FIRST, {"name": "b", "params": {"source": "${first.tables.row}"}}], {},
            "step 'b', ${first.tables.row}: unknown table 'row'; expected one of rows"
            " (did you mean 'rows'?)",
            id="a table that there is not",
        ),
        pytest.param(
            [{"name": "b", "params": {"source": "${frist.folder}"}}], {},
            "step 'b', ${frist.folder}: unknown step 'frist'; expected one of b",
            id="an unknown step",
        ),
        pytest.param(
            [FIRST, {"name": "b", "params": {"number": "${first.names}"}}], {},
            "step 'b', params, number: ['of-a-step']; expected a whole number",
            id="a result of another type",
        ),
        pytest.param(
            [{"name": "b", "params": {"numbr": 1}}], {},
            "step 'b', params, numbr: no such setting; expected one of source, number, names"
            " (did you mean 'number'?)",
            id="a parameter that the pipeline has not",
        ),
        pytest.param(
            [{"name": "b", "pipeline": "mak"}], {},
            "step 'b': pipeline 'mak': not known; expected one of make",
            id="an unknown pipeline",
        ),
        pytest.param(
            [{"name": "b", "when": ["not dep"]}], {"conditions": {"deep": "x > 1"},
             "inputs": {"x": 1}},
            "step 'b': unknown condition 'dep'; expected one of deep (did you mean 'deep'?)",
            id="an unknown condition",
        ),
        pytest.param(
            [FIRST], {"conditions": {"deep": "x >"}},
            "condition 'deep': ",
            id="a condition that is none",
        ),
        pytest.param(
            [FIRST], {"conditions": {"deep": "frist == 1"}},
            "condition 'deep': unknown 'frist'; expected one of first (did you mean 'first'?)",
            id="a condition over nothing",
        ),
        pytest.param(
            [FIRST], {"inputs": {"first": 1}},
            "step 'first': is the name of a input; expected another name",
            id="one name for two things",
        ),
        pytest.param(
            [{"name": "b", "params": {"source": "${inputs.x}"}}], {"inputs": {"x": ""}},
            "inputs, x: empty; expected a value: step 'b' needs it",
            id="an input without a value",
        ),
        pytest.param(
            [{"name": "b", "undo": "back"}], {},
            "step 'b': undo: unknown compensation 'back'; expected ",
            id="an unknown compensation",
        ),
        pytest.param(
            [{"name": "a", "undo": "back"}, {"name": "b", "needs": ["a"]}],
            {"compensations": [
                {"name": "back", "pipeline": "make", "params": {"source": "${b.folder}"}}
            ]},
            "compensation 'back': ${b.folder} is of a step that may come after 'a'; expected 'a'"
            " or a step that it needs",
            id="a compensation that speaks of the future",
        ),
        pytest.param(
            [{"name": "b", "deployment": "other/one"}], {},
            "step 'b': deployment 'other/one'; expected one of make/usual",
            id="a deployment of another pipeline",
        ),
        pytest.param(
            [{"name": "a", "params": {"source": "${decisions.x}"}}],
            {"inputs": {"n": 1}, "conditions": {"c": "y == 1", "d": "x == 1"}, "decisions": [
                {"name": "x", "rows": [{"when": ["c"], "choose": 1}], "otherwise": 2},
                {"name": "y", "rows": [{"when": ["d"], "choose": 1}], "otherwise": 2},
            ]},
            "decisions: a cycle: x -> y -> x",
            id="decisions that wait for each other",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_place(steps, others, told):
    (only,) = problems_of(*steps, **others)
    assert only.startswith(told)


def test_all_mistakes_are_told_at_once():
    found = problems_of({"name": "a", "needs": ["b", "b"]}, {"name": "a", "pipeline": "none"})
    assert [line.split(";")[0] for line in found] == [
        "step 'a': pipeline 'none': not known",
        "step 'a': declared twice",
        "step 'a': needs unknown 'b'",
        "step 'a': needs unknown 'b'",
        "step 'a': needs 'b' twice",
    ]
    assert all("; expected " in line for line in found)


def test_steps_wait_for_all_that_they_speak_of():
    check = Check(
        declaration(
            {"name": "a"},
            {"name": "b"},
            {"name": "c"},
            {"name": "d"},
            {
                "name": "last",
                "needs": ["a"],
                "when": ["many"],
                "params": {"source": "${b.folder}", "number": "${decisions.size}"},
            },
            conditions={"many": "`c.items` > 1", "more": "`d.items` > 1"},
            decisions=[{"name": "size", "rows": [{"when": ["more"], "choose": 2}], "otherwise": 1}],
        ),
        known_of,
    )
    assert check.problems == []
    assert sorted(check.needs["last"]) == ["a", "b", "c", "d"]


def test_values_of_references_are_no_reason_to_complain():
    assert (
        problems_of(
            {"name": "a"},
            {"name": "b", "params": {"number": "${a.items}", "names": "${a.names}"}},
        )
        == []
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps: []", "w.yaml: no `steps` in it"),
        ("- a", "w.yaml: no `steps` in it"),
        ("steps: [{name: A, pipeline: make}]", "w.yaml, .*name: 'A'; expected a-z, 0-9 and _"),
        ("steps:\n\t- x", "w.yaml, line 2: a tab"),
        ("steps: [{name: a, pipeline: make}]\nstep: 1", "step: no such setting"),
        ("steps: &a [*a]", "w.yaml, line 1: an alias"),
    ],
)
def test_a_file_that_is_no_workflow_is_told(text, told):
    with pytest.raises(InputError, match=told):
        read_declaration(text.encode(), "w.yaml")


def test_an_input_that_the_workflow_has_not_is_told():
    read = read_declaration(b"inputs: {deep: 1}\nsteps: [{name: a, pipeline: make}]", "w.yaml")
    assert with_inputs(read, {"deep": 2}, "w").inputs == {"deep": 2}
    with pytest.raises(InputError, match="w has no 'dep'; expected one of deep"):
        with_inputs(read, {"dep": 2}, "w")


@pytest.mark.parametrize(
    "given", [{}, {"workflow": "w.yaml", "steps": [{"name": "a", "pipeline": "make"}]}]
)
def test_a_workflow_is_declared_once(given):
    with pytest.raises(ValueError, match="expected"):
        WorkflowParams.model_validate(given)


def test_the_shipped_campaign_has_no_mistake_and_a_wrong_field_in_it_is_found():
    from pathlib import Path

    from flows.workflows import known_of as registered
    from tasks.workflows.planning import prepare

    path = Path(__file__).parents[2] / "deployments/example/campaign/campaign.yaml"
    read = read_declaration(path.read_bytes(), "campaign.yaml")
    assert Check(read, registered).problems == []
    wrong = path.read_text().replace("${positions.gain}", "${positions.gian}")
    spoilt = read_declaration(wrong.encode(), "campaign.yaml").model_dump()
    with pytest.raises(InputProblems, match="did you mean 'gain'"):
        prepare(WorkflowParams.model_validate(spoilt), registered)
