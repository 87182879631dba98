"""What joins make of several needs, some of which failed."""

import threading

import pytest

from blocks.errors import TransientError
from tasks.graphs.builder import graph, node
from tasks.graphs.streaming import GraphFailedError


def each(function, **options):
    """`d` is called once for 1 (of `b`) and once for 2 (of `c`)."""
    two = node("a", lambda n: n) >> [node("b", lambda n: n), node("c", lambda n: n + 1)]
    return graph(two >> node("d", function, join="each", **options))


def no_two(value):
    if value == 2:
        raise ValueError("no 2")
    return value * 10


def test_an_item_of_which_one_call_fails_has_failed():
    run = each(no_two).run([1, 5])

    assert run.failed("d") == {(0,): "c: ValueError: no 2"}
    assert run.outputs["d"] == [{"b": 50, "c": 60}]


def test_a_call_that_fails_stops_the_run_where_it_shall():
    with pytest.raises(GraphFailedError, match=r"node 'd', item 1: c: ValueError: no 2"):
        each(no_two, on_error="fail").run([1])


@pytest.mark.parametrize(
    ("options", "outputs", "skipped"),
    [
        ({"on_error": "default", "default": 0}, [0, {"b": 50, "c": 60}], {}),
        ({"on_error": "skip"}, [{"b": 50, "c": 60}], {(0,): "error"}),
    ],
    ids=["default", "skip"],
)
def test_on_error_holds_for_an_item_of_which_one_call_fails(options, outputs, skipped):
    run = each(no_two, **options).run([1, 5])

    assert (run.outputs["d"], run.skipped("d"), run.failed("d")) == (outputs, skipped, {})


def test_only_the_call_that_failed_is_tried_again():
    calls: list = []

    def busy_once(value):
        calls.append(value)
        if calls.count(2) == 1 and value == 2:
            raise TransientError("busy")
        return value

    run = each(busy_once, retries={"attempts": 2, "base_s": 0}).run([1])

    assert (run.outputs["d"], sorted(calls)) == ([{"b": 1, "c": 2}], [1, 2, 2])


def test_any_takes_the_first_declared_and_not_the_fastest():
    fast_is_done = threading.Event()

    def slow(value):
        return fast_is_done.wait(20) and f"slow {value}"

    def fast(value):
        fast_is_done.set()
        return f"fast {value}"

    first = node("a", lambda n: n) >> [node("b", slow), node("c", fast)]
    run = graph(first >> node("d", lambda text: text, join="any")).run([1])

    assert run.outputs["d"] == ["slow 1"]


def test_any_waits_for_the_fewest_inputs():
    two = node("a", lambda n: n) >> [node("b", no_two), node("c", lambda n: n)]
    run = graph(two >> node("d", lambda n: n, join="any", min_inputs=2)).run([1, 2])

    assert (run.outputs["d"], run.skipped("d")) == ([10], {(1,): "upstream_failed"})


def test_a_sub_graph_in_a_join_has_the_name_of_its_node():
    inner = graph(
        node("x", lambda n: n)
        >> [node("y", lambda n: n), node("z", lambda n: -n)]
        >> node("w", lambda both: both)
    )
    two = node("a", lambda n: n) >> [node("s", inner), node("c", lambda n: n + 1)]

    assert graph(two >> node("d", lambda both: both)).run([1]).outputs["d"] == [
        {"s": {"y": 1, "z": -1}, "c": 2}
    ]


def test_a_sub_graph_is_given_the_names_outside_of_it():
    inner = graph(node("x", lambda both: both))
    two = node("a", lambda n: n) >> [node("b", lambda n: n), node("c", lambda n: n + 1)]

    assert graph(two >> node("s", inner)).run([1]).outputs["s.x"] == [{"b": 1, "c": 2}]


@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [(int, "7", 7), (str, 7, "7"), (dict, {"n": 7}, {"n": 7}), (len, "seven", 5)],
    ids=["int", "str", "dict", "len"],
)
def test_built_in_types_are_functions_of_anything(function, given, expected):
    assert graph(node("a", function)).run([given]).outputs["a"] == [expected]


def test_branches_have_dicts_and_lists_of_their_own():
    def changes(item):
        item["n"].append(2)
        return item

    two = node("a", lambda n: {"n": [n]}) >> [node("b", changes), node("c", changes)]

    assert graph(two).run([1]).outputs == {"b": [{"n": [1, 2]}], "c": [{"n": [1, 2]}]}
