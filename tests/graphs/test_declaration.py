"""Declared graphs: what is accepted, what is refused with which words, and the way back to YAML."""

import pytest

from blocks.errors import InputError
from tasks.graphs.builder import from_yaml, graph, node
from tasks.graphs.compiled import compiled
from tasks.graphs.model import Declaration, GraphParams


def declared(*nodes: dict, **others) -> Declaration:
    return Declaration.model_validate({"nodes": nodes, **others})


def python(name: str, *needs: str, **others) -> dict:
    return {"name": name, "uses": "python", "needs": needs, "with": {"function": "f"}, **others}


SUB = {"name": "sub", "nodes": [python("x")]}


@pytest.mark.parametrize(
    ("nodes", "others", "expected"),
    [
        (
            [python("a", "c"), python("b", "a"), python("c", "b")],
            {},
            "nodes: a cycle: a -> c -> b -> a; expected nodes that do not wait for themselves",
        ),
        ([python("a"), python("a")], {}, "node 'a': declared twice; expected each name once"),
        ([python("a", "b")], {}, "node 'a': needs unknown 'b'; expected one of a"),
        ([python("a", "a")], {}, "node 'a': needs itself"),
        ([python("input")], {}, "node 'input': is the name of the input"),
        ([python("failed")], {}, "node 'failed': is the name of a file in the folder of a run"),
        ([python("a", when="n >")], {}, "node 'a', when: expression 'n >'"),
        ([python("a")], {"outputs": ["b"]}, "outputs: unknown 'b'"),
        (
            [python("a", on_error="fallback", fallback="b")],
            {},
            "node 'a': falls back to unknown 'b'",
        ),
        (
            [python("a", on_error="fallback", fallback="b"), python("b", "a")],
            {},
            "node 'b': is a fallback, and in the flow as well",
        ),
        (
            [
                python("a", on_error="fallback", fallback="b"),
                python("b", on_error="fallback", fallback="c"),
                python("c"),
            ],
            {},
            "node 'b': is a fallback, and falls back to 'c' itself; expected one fallback",
        ),
        (
            [{"name": "a", "uses": "python", "with": {"function": "g"}}],
            {},
            "node 'a': function 'g' is not registered; expected one of f",
        ),
        (
            [{"name": "a", "uses": "graph", "with": {"graph": "sup"}}],
            {"subgraphs": [SUB]},
            "node 'a': uses unknown sub-graph 'sup'; expected one of sub",
        ),
        (
            [{"name": "a", "uses": "graph", "with": {"graph": "one"}}],
            {
                "subgraphs": [
                    {"name": "one", "nodes": [{"name": "x", "uses": "graph", "with": {"graph": w}}]}
                    for w in ["one"]
                ]
            },
            "sub-graph 'one': needs itself",
        ),
        (
            [
                python("a"),
                {"name": "b", "uses": "batch", "needs": ["a"]},
                python("c", "a", "b"),
            ],
            {},
            "node 'c': joins different items: a has those of input, b has those of b",
        ),
        (
            [{"name": "a", "uses": "repeat", "with": {"graph": "sub", "until": "n > 1"}}],
            {"subgraphs": [{"name": "sub", "nodes": [{"name": "x", "uses": "aggregate"}]}]},
            "node 'a', x: aggregate cannot be repeated",
        ),
    ],
)
def test_what_is_wrong_is_told(nodes, others, expected):
    with pytest.raises(InputError) as told:
        compiled(declared(*nodes, **others), {"f": lambda value: value})

    assert expected in str(told.value)


def test_a_field_that_nothing_gives_is_told_before_the_run():
    nodes = declared({"name": "a", "uses": "filter", "with": {"keep": "scor > 1"}})

    with pytest.raises(InputError, match=r"reads field 'scor'.*did you mean 'score'"):
        compiled(nodes, input_fields={"score": float, "text": str})


def to_text(value: int) -> str:
    return str(value)


def of_number(value: float) -> float:
    return value


def of_truth(value: bool) -> int:
    return value


def of_list(value: list[str]) -> list[str]:
    return value


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        (of_truth, of_number, True),
        (to_text, of_number, False),
        (of_truth, of_truth, False),
        (of_list, of_list, True),
        (of_list, to_text, False),
        (to_text, lambda value: value, True),
    ],
)
def test_ends_are_checked_when_the_graph_is_built(first, second, fits):
    wired = node("one", first) >> node("two", second)
    if fits:
        graph(wired)
    else:
        with pytest.raises(InputError, match=r"node 'two': takes .* and one gives"):
            graph(wired)


def test_ends_are_checked_when_it_runs_and_a_truth_value_is_no_number():
    run = graph(node("a", of_number)).run([1, 2.5, True, "x"])

    assert run.outputs["a"] == [1, 2.5]
    assert list(run.failed("a")) == [(2,), (3,)]
    assert "expected float" in run.failed("a")[2,]


def test_both_ways_of_writing_give_the_same_graph_and_yaml_comes_back():
    def f(value):
        return value

    a = node("a", f, retries={"attempts": 3}, cache={"ttl_s": 60})
    built = graph(
        a >> [node("b", "filter", keep="n > 1"), node("c", f, when="n < 9")]
        >> node("d", "merge", conflict="last", min_inputs=1)
    )  # fmt: skip
    written = """
nodes:
  - {name: a, uses: python, with: {function: a}, retries: {attempts: 3}, cache: {ttl_s: 60}}
  - {name: b, uses: filter, needs: [a], with: {keep: n > 1}}
  - {name: c, uses: python, needs: [a], with: {function: c}, when: n < 9}
  - {name: d, uses: merge, needs: [b, c], with: {conflict: last}, min_inputs: 1}
"""
    assert from_yaml(written, built.functions).declaration == built.declaration
    assert from_yaml(built.to_yaml(), built.functions).declaration == built.declaration


def test_graphs_with_subgraphs_come_back_from_yaml():
    inner = graph(node("x", "filter", keep="n > 1") >> node("y", "merge"))
    built = graph(node("sub", inner) >> node("end", "aggregate", by="n"))

    assert from_yaml(built.to_yaml()).declaration == built.declaration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nodes: [{name: a, uses: os.system}]", "os.system"),
        ("nodes: [{name: a, uses: merge, with: {conflct: x}}]", "conflct"),
        ("nodes: [", "graph, line 1: ends within brackets"),
    ],
)
def test_yaml_names_registered_steps_only(text, expected):
    with pytest.raises(InputError) as told:
        from_yaml(text)

    assert expected in str(told.value)


def test_subgraphs_within_subgraphs_have_a_bottom():
    deep = [{"name": "s0", "nodes": [python("x")]}]
    for level in range(1, 12):
        inner = {"name": "x", "uses": "graph", "with": {"graph": f"s{level - 1}"}}
        deep.append({"name": f"s{level}", "nodes": [inner]})
    top = {"name": "a", "uses": "graph", "with": {"graph": "s11"}}

    with pytest.raises(InputError, match="subgraphs: 12 levels deep; expected at most 10"):
        compiled(declared(top, subgraphs=deep), {"f": len})


def test_whoever_gives_nodes_by_the_api_names_them_and_their_steps_only():
    schema = GraphParams.model_json_schema()
    for holder in (schema, schema["$defs"]["Subgraph"]):
        assert holder["properties"]["nodes"]["items"]["required"] == ["name", "uses"]
