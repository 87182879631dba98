"""Locks on results: two tasks that want the same one at the same time compute it once.

A lock is flock(2) on a file of its own. The kernel frees it when its holder dies, however it dies;
Prefect's own lock files stay and block every later run. Works between the processes of one
machine, and of several where the folder lies on a file system that passes flock on (NFS does).

Prefect asks for objects with the methods of `prefect.locking.protocol.LockManager`; nothing is
derived from it, so that this module does not import Prefect.
"""

import errno
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from blocks.cancellation import stop_if_cancelled
from blocks.errors import InputError

_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}
POLL_S = 0.1
"""How often a waiting holder looks again."""


@dataclass(slots=True)
class _Lease:
    """A lock that this process holds."""

    holder: str
    handle: int
    timer: threading.Timer | None = None


# One table per process, not per manager: equal managers then agree, and one can be copied or
# pickled without a thought.
_LEASES: dict[Path, _Lease] = {}
_GUARD = threading.Lock()


def _forget_in_child() -> None:
    """A forked child is no holder; its copies of the handles must not keep the locks alive."""
    global _GUARD  # noqa: PLW0603 -- the old one may have been taken at the time of the fork
    _GUARD = threading.Lock()
    for lease in _LEASES.values():
        os.close(lease.handle)
    _LEASES.clear()


os.register_at_fork(after_in_child=_forget_in_child)


@dataclass(frozen=True, slots=True)
class FlockLockManager:
    """Locks by key, as files in `folder`; threads exclude each other as processes do.

    A holder that asks again for what it holds gets it at once, and one release frees it. A lock
    whose holder neither releases it nor dies stays, unless it was taken with a `hold_timeout`.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).absolute())

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """Whether `holder` has the lock now.

        Args:
            key: What is locked.
            holder: Who asks; unique among all processes.
            acquire_timeout: Longest wait [s]; None for ever, 0 for one try.
            hold_timeout: After this time the lock is freed [s]; None for never.

        Raises:
            InputError: The folder cannot be written to.
            asyncio.CancelledError: Prefect gave up the run that waits.
        """
        give_up = _deadline(acquire_timeout)
        while not self._try(key, holder, hold_timeout):
            if time.monotonic() >= give_up:
                return False
            _pause_allowed(key)
            time.sleep(POLL_S)
        return True

    async def aacquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        """See `acquire_lock`."""
        give_up = _deadline(acquire_timeout)
        while not self._try(key, holder, hold_timeout):
            if time.monotonic() >= give_up:
                return False
            await _moment()
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Free the lock.

        Raises:
            ValueError: `holder` does not hold it.
        """
        if not self._release(key, holder):
            raise ValueError(f"no lock held by {holder} for {key}")

    def is_locked(self, key: str) -> bool:
        """Whether anyone holds the lock, in this process or another."""
        path = self._path(key)
        with _GUARD:
            if path in _LEASES:
                return True
            try:
                handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(handle)
            return False

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether `holder`, in this process, holds the lock."""
        with _GUARD:
            lease = _LEASES.get(self._path(key))
            return lease is not None and lease.holder == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Whether the lock became free within `timeout` [s]; None waits for ever."""
        give_up = _deadline(timeout)
        while self.is_locked(key):
            if time.monotonic() >= give_up:
                return False
            _pause_allowed(key)
            time.sleep(POLL_S)
        return True

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """See `wait_for_lock`."""
        give_up = _deadline(timeout)
        while self.is_locked(key):
            if time.monotonic() >= give_up:
                return False
            await _moment()
        return True

    def _path(self, key: str) -> Path:
        # a digest, for keys may be long, or hold slashes
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.lock"

    def _try(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        path = self._path(key)
        with _GUARD:
            lease = _LEASES.get(path)
            if lease is not None:
                return lease.holder == holder
            handle = _locked_handle(path)
            if handle is None:
                return False
            lease = _LEASES[path] = _Lease(holder, handle)
            if hold_timeout is not None:
                lease.timer = threading.Timer(hold_timeout, self._release, (key, holder))
                lease.timer.daemon = True
                lease.timer.start()
        return True

    def _release(self, key: str, holder: str) -> bool:
        path = self._path(key)
        with _GUARD:
            lease = _LEASES.get(path)
            if lease is None or lease.holder != holder:
                return False
            del _LEASES[path]
            if lease.timer is not None:
                lease.timer.cancel()
            with suppress(OSError):
                path.unlink()  # while it is locked: whoever opened it before notices, see below
            os.close(lease.handle)
        return True


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Whether nobody else has `path`, which is a file as long as it is claimed.

    Where the file system knows no locks, everybody is told so.

    Raises:
        InputError: The folder cannot be written to.
    """
    handle = _locked_handle(path, needed=False)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            with suppress(OSError):
                path.unlink()
            os.close(handle)


@contextmanager
def claimed(path: Path, waits: Callable[[], object]) -> Iterator[None]:
    """Have `path` for oneself; where somebody else has it, wait until it is free.

    Args:
        waits: Called once, if it has to be waited for.

    Raises:
        InputError: The folder cannot be written to.
        asyncio.CancelledError: Prefect gave up the run that waits.
    """
    waited = False
    while True:
        with claim(path) as mine:
            if mine:
                yield
                return
        if not waited:
            waits()
            waited = True
        _pause_allowed(path.name)
        time.sleep(POLL_S)


def _locked_handle(path: Path, *, needed: bool = True) -> int | None:
    """An open handle that holds the lock on `path`, None where another one does."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            reason = f"cannot be written to ({error.strerror})"
            told = f"{path.parent}: {reason}; expected a folder that can be written to"
            raise InputError(told) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_ino == path.stat().st_ino:
                return handle
        except FileNotFoundError:
            pass
        except OSError as error:
            if not needed and error.errno in _NO_LOCKS:
                return handle
            os.close(handle)
            if isinstance(error, BlockingIOError):
                return None
            reason = f"does not allow locks ({error.strerror})"
            raise InputError(f"{path.parent}: {reason}; expected a folder that does") from None
        os.close(handle)  # the holder removed the file after it was opened here: once more


def _deadline(timeout_s: float | None) -> float:
    return float("inf") if timeout_s is None else time.monotonic() + timeout_s


async def _moment() -> None:
    import asyncio  # not at the top: `seqloom reads` begins sooner without it

    await asyncio.sleep(POLL_S)


def _pause_allowed(key: str) -> None:
    """A thread that waits for a lock is not interrupted when its run is given up."""
    stop_if_cancelled(f"waiting for {key} ended because the run was cancelled")
