"""What the engine promises about one item at one node, each promise with the smallest graph."""

import asyncio
import threading

import pytest

from blocks.errors import TransientError
from tasks.graphs.builder import graph, node
from tasks.graphs.step import Skipped, StepContext, Value
from tasks.graphs.streaming import Engine, GraphFailedError
from tasks.graphs.under_way import Limits, Silent

SMALL = Limits(chunk=2, workers=4, chunks_in_flight=4)


def add(letter: str, calls: list | None = None):
    def function(text: str) -> str:
        if calls is not None:
            calls.append(text)
        return text + letter

    return function


def same(value):
    return value


def bad_on(*bad):
    def function(value):
        if value in bad:
            raise ValueError(f"cannot do {value}")
        return value

    return function


def only(*kept):
    return lambda value: Value(value) if value in kept else Skipped()


def test_a_diamond_joins_once_and_gets_both_by_name():
    calls: list = []
    a = node("a", add("a"))
    d = a >> [node("b", add("b")), node("c", add("c"))] >> node("d", lambda v: calls.append(v) or v)

    run = graph(d).run(["x"])

    assert calls == [{"b": "xab", "c": "xac"}]
    assert run.outputs == {"d": [{"b": "xab", "c": "xac"}]}


def test_a_join_names_its_needs_in_the_declared_order():
    d = node("d", list, needs=["c", "b"])
    a = node("a", same)
    a >> [node("b", same), node("c", same)] >> d

    assert graph(d).run([1]).outputs == {"d": [["c", "b"]]}


def test_unequal_branches_all_run():
    calls: list = []
    a = node("a", same)
    long = a >> node("b", add("b", calls)) >> node("e", add("e", calls))
    d = [long, a >> node("c", add("c", calls))] >> node("d", same)

    assert graph(d).run(["x"]).outputs == {"d": [{"e": "xbe", "c": "xc"}]}
    assert sorted(calls) == ["x", "x", "xb"]


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        ("all", {"b": "xb", "c": "xc"}),
        ("any", "xb"),
        ("each", {"b": "xb!", "c": "xc!"}),
        ("reduce", "xb\nxc"),
    ],
)
def test_join_modes(join, expected):
    shout = (lambda text: text + "!") if join == "each" else same
    options = {"reduce": "concat"} if join == "reduce" else {}
    d = node("a", same) >> [node("b", add("b")), node("c", add("c"))]
    d >>= node("d", shout, join=join, **options)

    assert graph(d).run(["x"]).outputs["d"] == [expected]


def test_any_takes_the_first_declared_that_succeeded():
    d = node("a", same) >> [node("b", bad_on("x")), node("c", add("c"))]
    d >>= node("d", same, join="any")

    assert graph(d).run(["x", "y"]).outputs["d"] == ["xc", "y"]


def test_merge_refuses_two_values_of_one_field():
    d = node("a", same) >> [
        node("b", lambda item: {**item, "n": 1}),
        node("c", lambda item: {**item, "n": 1.0}),
    ]
    run = graph(d >> node("d", same, join="reduce")).run([{"t": "x"}])

    assert run.failed("d") == {
        (0,): "field 'n' differs between b and c; expected `conflict: first` or `last`, or a prefix"
    }


def test_a_skipped_need_is_left_out_and_all_skipped_skips():
    d = node("a", same) >> [node("b", only("x")), node("c", only("x", "y"))] >> node("d", same)

    run = graph(d).run(["x", "y", "z"])

    assert run.outputs["d"] == [{"b": "x", "c": "x"}, {"c": "y"}]
    assert run.skipped("d") == {(2,): "filtered"}


def test_missing_inputs_may_be_null():
    d = node("a", same) >> [node("b", only("x")), node("c", same)]

    run = graph(d >> node("d", same, on_missing="null")).run(["y"])

    assert run.outputs["d"] == [{"b": None, "c": "y"}]


def test_fewest_inputs_of_a_join():
    def joined(**options):
        d = node("a", same) >> [node("b", bad_on("y")), node("c", only("x", "y"))]
        return graph(d >> node("d", same, **options)).run(["x", "y", "z"])

    assert joined().skipped("d") == {(1,): "upstream_failed"}
    assert joined(min_inputs=1).outputs["d"] == [
        {"b": "x", "c": "x"}, {"c": "y"}, {"b": "z"},
    ]  # fmt: skip
    assert joined(min_inputs=2).skipped("d") == {(1,): "upstream_failed", (2,): "too_few_inputs"}


def test_a_filter_skips_and_none_stays_a_value():
    seen: list = []
    g = node("f", "filter", keep="n > 1") >> node("g", seen.append)

    run = graph(g).run([{"n": 1}, {"n": 2}, {}])

    assert seen == [{"n": 2}]
    assert run.outputs["g"] == [None]
    assert run.skipped("g") == {(0,): "filtered", (2,): "filtered"}
    assert run.tallies["f"].skipped == {"filtered": 2}


def test_a_condition_on_a_field_that_no_item_has_is_told_where_nothing_else_could(caplog):
    """A function without annotations says not which fields it gives."""
    items = [{"score": 1}, {"score": 2}]
    for when, told in [("score > 9", False), ("scor > 1", True)]:
        caplog.clear()
        run = graph(node("a", lambda item: item) >> node("b", same, when=when)).run(items)
        assert run.tallies["b"].skipped == {"condition": 2}
        assert ("node 'b', when: reads scor, which no item had" in caplog.text) == told


def test_when_skips_with_its_own_reason():
    run = graph(node("a", same, when="value > 1")).run([1, 2])

    assert run.outputs["a"] == [2]
    assert run.skipped("a") == {(0,): "condition"}


def test_a_condition_that_cannot_be_applied_fails_its_item_only():
    run = graph(node("a", "filter", keep="n > 1")).run([{"n": "two"}, {"n": 3}])

    assert run.outputs["a"] == [{"n": 3}]
    assert "expected" in run.failed("a")[0,]


def test_the_last_batch_is_processed_and_results_find_their_items():
    sizes: list = []

    def double(values: list) -> list:
        sizes.append(len(values))
        return [2 * value for value in values]

    g = node("keep", lambda v: Skipped() if v == 3 else Value(v)) >> node("b", double, batch=4)
    run = graph(g).run(range(8), limits=SMALL)

    assert sizes == [4, 3]
    assert run.outputs["b"] == [0, 2, 4, 8, 10, 12, 14]
    assert run.skipped("b") == {(3,): "filtered"}


def test_a_batch_of_another_length_fails_its_items_only():
    def lossy(values: list) -> list:
        return values[1:] if 0 in values else values

    run = graph(node("b", lossy, batch=2)).run(range(5))

    assert run.outputs["b"] == [2, 3, 4]
    assert run.failed("b") == dict.fromkeys(
        [(0,), (1,)], "gave 1 results for a batch of 2; expected one for each"
    )


def test_one_bad_item_fails_alone_and_what_needs_it_is_skipped():
    run = graph(node("a", bad_on(1)) >> node("b", same)).run(range(3))

    assert run.outputs["b"] == [0, 2]
    assert run.failed("a") == {(1,): "ValueError: cannot do 1"}
    assert run.skipped("b") == {(1,): "upstream_failed"}
    assert run.tallies["a"].state == "COMPLETED"


@pytest.mark.parametrize(
    ("options", "expected", "skipped"),
    [
        ({"on_error": "skip"}, [0, 2], {(1,): "error"}),
        ({"on_error": "default", "default": -1}, [0, -1, 2], {}),
        ({"on_error": "fallback", "fallback": "other"}, [0, 10, 2], {}),
    ],
    ids=["skip", "default", "fallback"],
)
def test_on_error(options, expected, skipped):
    other = node("other", lambda value: 10 * value)
    ends = [node("a", bad_on(1), **options)] + ([other] if "fallback" in options else [])

    run = graph(*ends, outputs=["a"]).run(range(3))

    assert run.outputs["a"] == expected
    assert run.skipped("a") == skipped
    assert run.tallies["a"].failed == 0
    assert run.tallies["a"].replaced == 1


def test_fail_stops_the_run_and_running_siblings_end():
    started, release, ended = threading.Event(), threading.Event(), []

    def slow(value):
        started.set()
        release.wait(10)
        ended.append(value)
        return value

    def fails(value):
        started.wait(10)
        release.set()
        raise ValueError("no")

    after: list = []
    a = node("a", same)
    d = a >> [node("slow", slow), node("fails", fails, on_error="fail")]
    built = graph(d >> node("after", after.append))
    before = threading.active_count()

    with pytest.raises(GraphFailedError, match="node 'fails', item 1: ValueError: no"):
        built.run([7])

    assert ended == [7]
    assert after == []
    assert threading.active_count() == before


def test_fail_cancels_siblings_that_wait():
    ended: list = []

    async def waits(value: int) -> int:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return value

    async def fails(value: int) -> int:
        await asyncio.sleep(0.05)
        raise ValueError("no")

    before = threading.active_count()
    built = graph(node("a", same) >> [node("w", waits), node("f", fails, on_error="fail")])

    with pytest.raises(GraphFailedError):
        built.run([1])

    assert ended == ["cancelled"]
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["raised", "several"])
def test_what_may_pass_is_tried_again_and_nothing_else(kind):
    tries: dict = {}

    def flaky(value):
        tries[value] = tries.get(value, 0) + 1
        if value == "busy" and tries[value] < 3:
            raise TransientError("busy")
        if value == "wrong":
            raise ValueError("wrong")
        return value

    items = ["busy", "wrong"] if kind == "several" else ["busy"]
    run = graph(node("a", flaky, retries={"attempts": 3, "base_s": 0})).run(items)

    assert run.outputs["a"] == ["busy"]
    assert tries["busy"] == 3
    assert tries.get("wrong", 1) == 1
    assert run.tallies["a"].tries == 2


def test_a_time_limit_fails_the_item_that_takes_too_long():
    async def wait(value: float) -> float:
        await asyncio.sleep(value)
        return value

    run = graph(node("a", wait, time_limit_s=0.2)).run([0.0, 30.0])

    assert run.outputs["a"] == [0.0]
    assert run.failed("a") == {(1,): "took longer than 0.2 s"}


def test_sync_functions_have_a_time_limit_too():
    stop = threading.Event()

    def wait(value):
        return stop.wait(20) if value else value

    timer = threading.Timer(1.5, stop.set)
    timer.start()
    run = graph(node("a", wait, time_limit_s=0.4)).run([True, False])
    timer.join()

    assert run.failed("a") == {(0,): "took longer than 0.4 s"}
    assert run.outputs["a"] == [False]


def test_async_functions_run_at_the_same_time():
    async def meet(value: int) -> int:
        nonlocal inside
        inside += 1
        while inside < 3:
            await asyncio.sleep(0)
        return value

    inside = 0

    assert graph(node("a", meet)).run([1, 2, 3]).outputs["a"] == [1, 2, 3]


def test_a_function_cannot_change_what_its_sibling_gets():
    def spoil(item: dict) -> dict:
        item["list"].append("spoilt")
        return item

    d = node("a", same) >> [node("b", spoil), node("c", same)] >> node("d", same)

    run = graph(d).run([{"list": []}])

    assert run.outputs["d"] == [{"b": {"list": ["spoilt"]}, "c": {"list": []}}]


def test_repeat_ends_when_its_condition_holds_or_fails():
    double = graph(node("double", lambda item: {"n": 2 * item["n"]}))
    body = node("body", double, when="n < 0")  # only to declare it
    loop = node("loop", "repeat", graph="body", until="n > 10", max_iterations=3)

    run = graph(loop, body, outputs=["loop"]).run([{"n": 2}, {"n": 1}])

    assert run.outputs["loop"] == [{"n": 16}]
    assert run.failed("loop") == {(1,): "n > 10 does not hold after 3 repetition(s)"}


def test_a_subgraph_is_a_node():
    twice = graph(node("first", add("1")) >> node("second", add("2")))
    built = graph(node("a", add("a")) >> node("twice", twice) >> node("b", add("b")))

    run = built.run(["x"])

    assert run.outputs == {"b": ["xa12b"]}
    assert list(run.tallies) == ["a", "twice.first", "twice.second", "b"]


def test_states_say_what_holds_for_all_items():
    a = node("a", bad_on(0, 1))
    run = graph([a >> node("b", same), node("c", same, when="value > 5")] >> node("d", same)).run(
        [0, 1]
    )

    assert {name: one.state for name, one in run.tallies.items()} == {
        "a": "FAILED", "b": "SKIPPED", "c": "SKIPPED", "d": "SKIPPED",
    }  # fmt: skip
    assert run.tallies["c"].reason == "condition"
    for one in run.tallies.values():
        assert one.items == one.passed + one.spread + one.failed + sum(one.skipped.values())


def test_states_while_a_run_is_under_way():
    seen: list = []

    class Watch(Silent):
        def moved(self, node, tally):
            seen.append({name: one.state for name, one in engine.tallies.items()})

    class Nowhere:
        def chunk(self, chunk):
            pass

        def closing(self, node, numbers, items):
            pass

    built = graph(node("a", same) >> node("b", same)).compiled
    limits = Limits(chunk=1, workers=1, chunks_in_flight=1)
    engine = Engine(built, StepContext(), limits, Nowhere(), Watch())
    engine.run([1])

    assert seen == [{"a": "RUNNING", "b": "PENDING"}, {"a": "RUNNING", "b": "RUNNING"}]
    assert {one.state for one in engine.tallies.values()} == {"COMPLETED"}


def test_items_are_grouped_and_counted():
    g = node("groups", "batch", size=2) >> node("sizes", lambda one: {"size": len(one["items"])})
    g >>= node("figures", "aggregate", by="size")

    run = graph(g).run([{"n": n} for n in range(5)], limits=SMALL)

    assert run.outputs["figures"] == [
        {"size": "1", "items": 1, "share": 0.333333},
        {"size": "2", "items": 2, "share": 0.666667},
    ]
