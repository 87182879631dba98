"""What a graph's conditions may ask, which is checked when the graph is built."""

import pytest

from blocks.errors import InputError
from tasks.graphs.builder import graph, node


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
