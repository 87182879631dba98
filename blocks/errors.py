"""Errors that Seqloom raises on purpose.

    SeqloomError
    ├── InputError          the caller's mistake: the same call will fail again
    │   └── InputProblems   several of them, found in one pass
    ├── ToolError           a program ended badly
    ├── BudgetError         a limit the user set was reached; what was done is kept
    └── TransientError      something outside failed: the same call may succeed later
        └── ServiceError    a service did not answer, or asked to be left alone

Each error hands all its fields to `super().__init__`, in order, so that it survives pickling
between processes.
"""

from dataclasses import dataclass


class SeqloomError(Exception):
    """Base of every error raised on purpose."""


class InputError(SeqloomError):
    """Data or parameters are wrong; the message names thing, place and what was expected."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input."""

    where: str
    """Place: file, row, column, parameter."""
    what: str
    """What stands there."""
    expected: str
    """What should stand there, or what to do about it."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; expected {self.expected}"


class InputProblems(InputError):  # noqa: N818 -- a plural of errors, not an error among others
    """All problems of one input, found in one pass before any work."""

    SHOWN = 20
    """Problems printed; the rest are counted."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[: self.SHOWN]]
        if len(self.problems) > self.SHOWN:
            lines.append(f"... and {len(self.problems) - self.SHOWN} more problems")
        return "\n".join(lines)

    def __repr__(self) -> str:
        """As errors with a text are shown; Prefect logs this."""
        return f"{type(self).__name__}({str(self)!r})"


class ToolError(SeqloomError):
    """An external program ended with a non-zero exit status or ran past its limit."""

    def __init__(self, tool: str, status: int, output_tail: str) -> None:
        super().__init__(tool, status, output_tail)
        self.tool = tool
        self.status = status
        self.output_tail = output_tail

    def __str__(self) -> str:
        return f"{self.tool} exited with status {self.status}: {self.output_tail}"


class BudgetError(SeqloomError):
    """A limit that the user set was reached; finished work is kept."""


class TransientError(SeqloomError):
    """Something outside failed; the same call may succeed later."""


class ServiceError(TransientError):
    """A remote service did not answer, or answered that it is busy."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(service, reason)
        self.service = service
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.service}: {self.reason}"
