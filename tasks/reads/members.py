"""Members on their way: cut from the files' texts, compressed by workers, written in order."""

from collections.abc import Callable, Sequence

from tasks.reads.channel import Budget
from tasks.reads.workers import AT_ONCE, Clock, Job
from tasks.reads.writing import Member, OutputFiles


class MembersUnderWay:
    """Belongs to the coordinator's thread."""

    def __init__(
        self, files: OutputFiles, budget: Budget, clock: Clock, hand_out: Callable[[Job], None]
    ) -> None:
        """Nothing is under way yet.

        Args:
            files: Where members are written.
            budget: Gets the bytes of a block back when its last member is written.
            clock: Measures writing.
            hand_out: Gives a job to the workers.
        """
        self._files = files
        self._budget = budget
        self._clock = clock
        self._hand_out = hand_out
        self._cut = 0
        self._written = 0
        self._done: dict[int, Job] = {}

    @property
    def all_written(self) -> bool:
        """Whether none is under way."""
        return self._written == self._cut

    def start(self, members: Sequence[Member], size: int | None) -> None:
        """Have members compressed and written.

        Args:
            members: In order; all of one block.
            size: Bytes of the block, taken from the budget; None: no block's.
        """
        if not members and size is not None:
            self._budget.give_back(size)
        for place, member in enumerate(members, 1):
            job = Job(self._cut, AT_ONCE, member, size if place == len(members) else None)
            self._cut += 1
            if member.pack is None:
                job.packed = member.packed()
                self._done[job.number] = job
            else:
                self._hand_out(job)
        self._write()

    def take(self, job: Job) -> None:
        """A job that comes back from a worker."""
        self._done[job.number] = job
        self._write()

    def _write(self) -> None:
        """Write the members whose turn has come."""
        while (job := self._done.pop(self._written, None)) is not None:
            with self._clock.time("write"):
                self._files.write(job.member, job.packed)
            self._written += 1
            if job.ends is not None:
                self._budget.give_back(job.ends)
