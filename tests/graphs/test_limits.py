"""Time limits of calls that cannot be ended."""

import os
import signal
import subprocess
import sys
import threading

from tasks.graphs.builder import graph, node

HANGS = """
import sys, threading
from tasks.graphs.builder import graph, node

def hang(value):
    print("called", flush=True)
    threading.Event().wait()

run = graph(node("a", hang, {options})).run([1])
print(run.failed("a"))
"""


def started(options: str) -> subprocess.Popen:
    code = HANGS.format(options=options)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_each_item_is_called_once_though_one_takes_too_long():
    calls: list[int] = []
    never = threading.Event()

    def slow(value: int) -> int:
        calls.append(value)
        if value == 3:
            never.wait(60)
        return value

    run = graph(node("a", slow, time_limit_s=2)).run(range(6))
    never.set()

    assert calls == [0, 1, 2, 3, 4, 5]
    assert run.failed("a") == {(3,): "took longer than 2 s"}
    assert run.outputs["a"] == [0, 1, 2, 4, 5]


def test_a_call_that_is_given_up_is_told(caplog):
    never = threading.Event()
    graph(node("a", lambda _: never.wait(60), time_limit_s=0.1)).run([1])
    never.set()

    assert "node 'a': a call was given up after 0.1 s; it goes on unheeded" in caplog.messages


def test_a_process_ends_though_a_call_with_a_limit_does_not():
    process = started("time_limit_s=0.1")

    assert process.communicate(timeout=120)[0] == "called\n{(0,): 'took longer than 0.1 s'}\n"
    assert process.returncode == 0


def test_an_interrupt_ends_a_process_whose_call_does_not():
    process = started("")
    assert process.stdout is not None
    assert process.stdout.readline() == "called\n"
    os.kill(process.pid, signal.SIGINT)

    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGINT
