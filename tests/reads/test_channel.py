"""What blocks wait in, and what bounds them."""

import threading
import time

import pytest

from tasks.reads.channel import Budget, Channel, Closed


def test_a_channel_wakes_whoever_waits_when_it_is_closed() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    ended = []

    def put() -> None:
        try:
            channel.put(2)
        except Closed:
            ended.append("put")

    thread = threading.Thread(target=put)
    thread.start()
    time.sleep(0.02)
    channel.close()
    thread.join(timeout=5)
    assert ended == ["put"]
    assert channel.get() == 1
    with pytest.raises(Closed):
        channel.get()


def test_a_budget_lets_one_thing_of_any_size_pass() -> None:
    budget = Budget(3, 100)
    budget.take(1000)
    waits = threading.Thread(target=budget.take, args=(1,))
    waits.start()
    waits.join(timeout=0.05)
    assert waits.is_alive()
    budget.give_back(1000)
    waits.join(timeout=5)
    assert budget.used_size == 1
