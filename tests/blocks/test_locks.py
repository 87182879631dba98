import asyncio
import copy
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prefect import flow, task
from prefect.cache_policies import INPUTS
from prefect.locking.protocol import LockManager
from prefect.transactions import IsolationLevel

from blocks.errors import InputError
from blocks.locks import FlockLockManager

ROOT = Path(__file__).parents[2]


@pytest.fixture
def locks(tmp_path):
    return FlockLockManager(tmp_path / "locks")


@pytest.fixture
def other_process(locks):
    """A process that takes the lock "k", says so and sleeps."""
    script = (
        "import time; from pathlib import Path; from blocks.locks import FlockLockManager\n"
        f"print(FlockLockManager(Path({str(locks.folder)!r})).acquire_lock('k', 'other', 0))\n"
        "time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-uc", script], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_prefect_takes_it_for_a_lock_manager(locks):
    assert isinstance(locks, LockManager)


def test_a_lock_has_one_holder_at_a_time(locks):
    assert locks.acquire_lock("k", "a")
    assert not locks.acquire_lock("k", "b", acquire_timeout=0)
    assert locks.is_lock_holder("k", "a")
    assert not locks.is_lock_holder("k", "b")
    locks.release_lock("k", "a")
    assert locks.acquire_lock("k", "b", acquire_timeout=0)
    locks.release_lock("k", "b")


def test_keys_do_not_disturb_each_other(locks):
    keys = ["k", "k/l", "../k", "x" * 1000]
    assert all(locks.acquire_lock(key, "a", acquire_timeout=0) for key in keys)
    for key in keys:
        locks.release_lock(key, "a")


def test_a_holder_gets_what_it_holds_and_one_release_frees_it(locks):
    assert locks.acquire_lock("k", "a")
    assert locks.acquire_lock("k", "a", acquire_timeout=0)
    locks.release_lock("k", "a")
    assert not locks.is_locked("k")


def test_only_the_holder_can_release(locks):
    with pytest.raises(ValueError, match="no lock held by a"):
        locks.release_lock("k", "a")
    locks.acquire_lock("k", "a")
    with pytest.raises(ValueError, match="no lock held by b"):
        locks.release_lock("k", "b")
    locks.release_lock("k", "a")


def test_waiting_ends_at_the_timeout_or_when_the_lock_is_free(locks):
    locks.acquire_lock("k", "a")
    begin = time.monotonic()
    assert not locks.wait_for_lock("k", timeout=0.2)
    assert not locks.acquire_lock("k", "b", acquire_timeout=0.2)
    assert 0.4 <= time.monotonic() - begin < 2
    threading.Timer(0.2, locks.release_lock, ("k", "a")).start()
    assert locks.wait_for_lock("k", timeout=5)


def test_a_lock_taken_for_a_time_frees_itself(locks):
    locks.acquire_lock("k", "a", hold_timeout=0.2)
    assert locks.is_locked("k")
    assert locks.acquire_lock("k", "b", acquire_timeout=5)
    locks.release_lock("k", "b")


def test_coroutines_wait_without_blocking_the_loop(locks):
    async def main() -> bool:
        await locks.aacquire_lock("k", "a")
        waiting = asyncio.create_task(locks.aacquire_lock("k", "b", acquire_timeout=5))
        assert not await locks.await_for_lock("k", timeout=0.1)
        locks.release_lock("k", "a")
        return await waiting

    assert asyncio.run(main())
    locks.release_lock("k", "b")


def test_threads_exclude_each_other(locks):
    inside, most = 0, 0

    def work(number: int) -> None:
        nonlocal inside, most
        assert locks.acquire_lock("k", f"thread {number}", acquire_timeout=30)
        inside += 1
        most = max(most, inside)
        time.sleep(0.002)
        inside -= 1
        locks.release_lock("k", f"thread {number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert most == 1


def test_a_killed_process_frees_its_lock(locks, other_process):
    assert locks.is_locked("k")
    assert not locks.acquire_lock("k", "a", acquire_timeout=0)
    other_process.send_signal(signal.SIGKILL)
    assert locks.acquire_lock("k", "a", acquire_timeout=5)
    locks.release_lock("k", "a")


FORK = """
import os, sys
from blocks.locks import FlockLockManager
locks = FlockLockManager(sys.argv[1])
locks.acquire_lock("k", "a")
to_child, from_parent = os.pipe()
pid = os.fork()
if pid == 0:  # stays alive after the parent has let go
    os.close(from_parent)
    os.read(to_child, 1)
    os._exit(int(locks.is_lock_holder("k", "a")))
locks.release_lock("k", "a")
print(locks.acquire_lock("k", "b", acquire_timeout=0))
os.close(from_parent)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_forked_child_neither_holds_nor_keeps_the_lock(locks):
    argv = [sys.executable, "-c", FORK, str(locks.folder)]
    assert subprocess.check_output(argv, text=True, cwd=ROOT) == "True\n0\n"


def test_a_copy_is_the_same_lock(locks):
    locks.acquire_lock("k", "a")
    for same in (copy.deepcopy(locks), pickle.loads(pickle.dumps(locks))):
        assert same == locks
        assert same.is_lock_holder("k", "a")
    locks.release_lock("k", "a")


def test_no_file_stays_behind(locks):
    locks.acquire_lock("k", "a")
    locks.release_lock("k", "a")
    assert list(locks.folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/locks: cannot be written to .*expected a folder"):
        FlockLockManager(tmp_path / "file" / "locks").acquire_lock("k", "a")


COUNT = """
import sys
from pathlib import Path
from blocks import locks
locks.POLL_S = 0.001
manager, counter = locks.FlockLockManager(sys.argv[1]), Path(sys.argv[2])
for _ in range(50):
    manager.acquire_lock("k", sys.argv[3])
    counter.write_text(str(int(counter.read_text()) + 1))
    manager.release_lock("k", sys.argv[3])
"""


def test_processes_exclude_each_other(locks, tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    argv = [sys.executable, "-c", COUNT, str(locks.folder), str(counter)]
    processes = [subprocess.Popen([*argv, str(number)], cwd=ROOT) for number in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert counter.read_text() == "150"


@task
def slow(calls: Path, number: int) -> int:
    with calls.open("a") as file:
        file.write(f"{number}\n")
    time.sleep(0.5)
    return number


@flow
def twice(calls: Path, locks: FlockLockManager) -> list[int]:
    once = slow.with_options(
        cache_policy=INPUTS.configure(
            isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=locks
        ),
        persist_result=True,
        result_serializer="json",
    )
    futures = [once.submit(calls, number) for number in (1, 1, 2, 1)]
    return [future.result() for future in futures]


@pytest.mark.engine
def test_tasks_that_want_the_same_result_compute_it_once(prefect_server, locks, tmp_path):
    assert twice(tmp_path / "calls", locks) == [1, 1, 2, 1]
    assert sorted((tmp_path / "calls").read_text().split()) == ["1", "2"]
    assert list(locks.folder.iterdir()) == []
