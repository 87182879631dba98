"""How chunks travel: overlap, order, bounds, and nothing left behind."""

import asyncio
import gc
import random
import threading
import time
import weakref

import pytest

from blocks.errors import BudgetError
from tasks.graphs.builder import graph, node
from tasks.graphs.step import StepContext
from tasks.graphs.streaming import Engine
from tasks.graphs.under_way import Limits


class Nowhere:
    """A sink that keeps nothing."""

    def chunk(self, chunk):
        pass

    def closing(self, node, numbers, items):
        pass


def run_nowhere(built, items, limits):
    return Engine(built.compiled, StepContext(), limits, Nowhere()).run(items)


def same(value):
    return value


def test_a_later_node_starts_while_an_earlier_one_works_on_the_next_chunk():
    reached = threading.Event()

    def first(value):
        return value if value == 0 else reached.wait(20) and value

    def second(value):
        reached.set()
        return value

    run = graph(node("first", first) >> node("second", second)).run(
        range(2), limits=Limits(chunk=1)
    )

    assert run.outputs["second"] == [0, 1]


def test_branches_of_one_chunk_run_at_the_same_time():
    meeting = threading.Barrier(2, timeout=20)

    def meet(value):
        meeting.wait()
        return value

    d = node("a", same) >> [node("b", meet), node("c", meet)] >> node("d", same)

    assert graph(d).run([1]).outputs["d"] == [{"b": 1, "c": 1}]


@pytest.mark.parametrize("workers", [1, 8])
def test_order_is_kept_whatever_the_workers_do(workers):
    shuffled = random.Random(1)

    def slow(value):
        time.sleep(shuffled.random() / 500)
        return value

    built = graph(node("a", slow) >> [node("b", slow), node("c", slow)] >> node("d", slow))
    run = built.run(range(60), limits=Limits(chunk=3, workers=workers))

    assert run.outputs["d"] == [{"b": n, "c": n} for n in range(60)]


def test_items_that_a_node_made_and_what_came_of_them_can_be_joined():
    made = node("made", "batch", size=2)
    counted = node("counted", lambda group: len(group["items"]))
    both = node("both", same)
    made >> [counted, both]
    counted >> both

    run = graph(both).run([{"n": 1}, {"n": 2}, {"n": 3}])

    assert run.outputs["both"] == [
        {"made": {"items": [{"n": 1}, {"n": 2}]}, "counted": 2},
        {"made": {"items": [{"n": 3}]}, "counted": 1},
    ]


def test_items_are_read_only_when_there_is_room():
    read, passed = [], []
    gate = threading.Event()

    def source():
        for n in range(100):
            read.append(n)
            if n == 8:
                gate.set()
            yield n

    def hold(value):
        gate.wait(20)
        passed.append((value, len(read)))
        return value

    limits = Limits(chunk=2, workers=2, chunks_in_flight=5)
    run_nowhere(graph(node("a", hold)), source(), limits)

    assert max(seen - value for value, seen in passed) <= (5 + 1) * 2


def test_memory_does_not_grow_with_the_input():
    alive = weakref.WeakSet()
    most = 0

    class Big:
        """An item that can be watched."""

    def source():
        nonlocal most
        for n in range(3_000):
            item = Big()
            alive.add(item)
            if n % 100 == 0:
                gc.collect()
                most = max(most, len(alive))
            yield item

    limits = Limits(chunk=10, workers=2, chunks_in_flight=4)
    run_nowhere(graph(node("a", same) >> node("b", same)), source(), limits)

    assert most <= 10 * (4 + 4)


def test_at_most_so_many_calls_of_a_node_at_once():
    inside, most, lock = 0, 0, threading.Lock()

    def count(value):
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.002)
        with lock:
            inside -= 1
        return value

    graph(node("a", count, concurrency=2)).run(range(40), limits=Limits(chunk=1, workers=8))

    assert most == 2


def test_at_most_so_many_awaited_calls_of_a_node_at_once_over_all_chunks():
    inside, most = 0, 0

    async def count(value: int) -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.002)
        inside -= 1
        return value

    graph(node("a", count, concurrency=3)).run(range(40), limits=Limits(chunk=4, workers=4))

    assert most == 3


def test_a_batch_larger_than_what_is_under_way_is_still_whole():
    sizes: list = []

    def note(values: list) -> list:
        sizes.append(len(values))
        return values

    built = graph(node("f", "filter", keep="n % 10 == 0") >> node("b", note, batch=7))
    limits = Limits(chunk=4, workers=2, chunks_in_flight=2)
    run = built.run(({"n": n} for n in range(200)), limits=limits)

    assert sizes == [7, 7, 6]
    assert [one["n"] for one in run.outputs["b"]] == list(range(0, 200, 10))


@pytest.mark.parametrize("ending", ["budget", "source"])
def test_no_thread_is_left_when_a_run_breaks(ending):
    async def slow(value: int) -> int:
        await asyncio.sleep(0.01)
        return value

    def breaks(value):
        if ending == "budget" and value == 20:
            raise BudgetError("spent")
        return value

    def source():
        yield from range(40)
        if ending == "source":
            raise OSError("the disk is gone")

    before = threading.active_count()
    built = graph(node("a", slow) >> node("b", breaks))

    with pytest.raises((BudgetError, OSError)):
        built.run(source(), limits=Limits(chunk=4))

    assert threading.active_count() == before


def test_a_run_that_is_interrupted_ends_its_calls():
    before = threading.active_count()

    async def forever(value: int) -> int:
        await asyncio.sleep(3_600)
        return value

    class Interrupts:
        def began(self, node):
            pass

        def moved(self, node, tally):
            if node == "a":
                raise KeyboardInterrupt

        def ended(self, node, tally):
            pass

    built = graph(node("a", same) >> node("b", forever))
    engine = Engine(
        built.compiled, StepContext(), Limits(chunk=1, chunks_in_flight=2), Nowhere(), Interrupts()
    )
    with pytest.raises(KeyboardInterrupt):
        engine.run(range(3))

    assert threading.active_count() == before


def test_an_empty_input_ends_well():
    run = graph(node("a", same) >> node("b", "aggregate")).run([])

    assert run.outputs == {"b": []}
    assert {one.state for one in run.tallies.values()} == {"COMPLETED"}
