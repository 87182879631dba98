"""What a graph's conditions may ask, which is checked when the graph is built."""

import pytest

from blocks.errors import InputError
from tasks.graphs.builder import graph, node
from tasks.graphs.compiled import compiled


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("n > mean(n)", "mean"),
        ("n > median(n)", "median"),
        ("n > std(n)", "std"),
        ("n > quantile(n, 0.5)", "quantile"),
        ("not (1 < rank(n))", "rank"),
        ("abs(zscore(n)) > 1", "zscore"),
        ("n == min(n)", "min"),
        ("n == max(n)", "max"),
    ],
)
def test_figures_of_a_column_are_no_part_of_a_condition(text, name):
    refused = rf"{name} is over a column, and a condition sees one item; expected functions of"
    with pytest.raises(InputError, match=refused):
        graph(node("a", "filter", keep=text))
    with pytest.raises(InputError, match=refused):
        graph(node("a", lambda item: item, when=text))
    with pytest.raises(InputError, match=refused):
        node("a", "repeat", graph="inner", until=text).declared()


def test_the_smaller_of_two_fields_is_a_condition():
    built = graph(node("a", "filter", keep="min(n, m) > 1 and max(n, m) < 9"))

    assert built.run([{"n": 2, "m": 3}, {"n": 1, "m": 3}]).outputs["a"] == [{"n": 2, "m": 3}]


def counted(text: str) -> int:
    return len(text)


def same(value):
    return value


UNKNOWN = r"when: reads field 'score', which nothing gives; expected "


def test_when_may_only_read_fields_that_are_there():
    built = graph(node("a", "clean") >> node("b", same, when="score > 1"))

    with pytest.raises(InputError, match=f"node 'b', {UNKNOWN}one of "):
        compiled(built.declaration, built.functions, {"text": str})


def test_when_of_a_join_reads_the_names_of_its_needs():
    two = node("a", same) >> [node("b", same), node("c", same)]

    with pytest.raises(InputError, match=f"node 'd', {UNKNOWN}one of b, c"):
        graph(two >> node("d", same, when="score > 1"))


def test_when_knows_an_item_without_fields_as_value():
    with pytest.raises(InputError, match=f"node 'b', {UNKNOWN}one of value"):
        graph(node("a", counted) >> node("b", same, when="score > 1"))


def test_when_reads_fields_of_what_the_needs_give():
    two = node("a", same) >> [node("b", same), node("c", same)]
    built = graph(two >> node("d", same, when="`b.score` > 1"))

    assert built.run([{"score": 2}, {"score": 0}]).skipped("d") == {(1,): "condition"}
