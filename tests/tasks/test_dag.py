import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import dag

DIAMOND = {"make": [], "left": ["make"], "right": ["make"], "join": ["left", "right"]}


def test_all_faults_are_named_at_once():
    declared = [("a", ["b", "nowhere"]), ("b", []), ("b", []), ("d", ["d"])]

    messages = [str(problem) for problem in dag.faults(declared)]

    assert len(messages) == 3, messages
    assert "stage 'b': declared twice; expected each name once" in messages
    assert any("needs unknown 'nowhere'" in message for message in messages)
    assert "stage 'd': needs itself; expected other stages in `needs`" in messages


def test_cycle_is_named_in_the_direction_of_needs():
    (problem,) = dag.faults([("a", []), ("b", ["a", "d"]), ("c", ["b"]), ("d", ["c"])])

    assert problem.what == "a cycle: b -> d -> c -> b"


def test_unknown_need_suggests_the_closest():
    (problem,) = dag.faults([("profile", []), ("score", ["profle"])])

    assert "did you mean 'profile'?" in problem.expected


def test_levels_are_for_the_eye():
    assert dag.levels(DIAMOND) == [["make"], ["left", "right"], ["join"]]


def test_ancestors_come_in_running_order():
    assert dag.ancestors(DIAMOND, "join") == ["make", "left", "right"]


@st.composite
def graphs(draw):
    size = draw(st.integers(0, 8))
    names = draw(st.permutations([f"s{i}" for i in range(size)]))
    edges = {
        f"s{i}": draw(st.sets(st.integers(0, max(i - 1, 0)))) if i else set() for i in range(size)
    }
    return {name: sorted(f"s{j}" for j in edges[name]) for name in names}


@given(graphs())
def test_every_stage_comes_after_what_it_needs(graph):
    ordered = dag.order(graph)

    assert sorted(ordered) == sorted(graph)
    assert all(ordered.index(need) < ordered.index(name) for name in graph for need in graph[name])


def test_declared_order_is_kept_where_needs_allow_it():
    assert dag.order({"b": [], "a": [], "c": ["a"]}) == ["b", "a", "c"]


@pytest.mark.parametrize("graph", [{}, {"a": []}])
def test_small_graphs_have_a_plan(graph):
    assert dag.plan_text(graph).startswith(f"Execution plan: {len(graph)} stages")
