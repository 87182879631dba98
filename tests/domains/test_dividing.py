"""A query that makes a program fail, among others that do not."""

import pytest

from blocks.errors import ToolError
from tasks.domains.dividing import MOST_SINGLES, ask_dividing


class Program:
    """Fails when it gets one of the bad letters."""

    def __init__(self, bad: str, status: int = 139) -> None:
        self.bad, self.status = bad, status
        self.calls: list[str] = []
        self.kept: list[str] = []

    def ask(self, letters) -> str:
        self.calls.append("".join(letters))
        if set(letters) & set(self.bad):
            raise ToolError("blastp", self.status, "crashed")
        return "".join(letters).upper()

    def keep(self, letters, answer: str) -> None:
        assert "".join(letters).upper() == answer
        self.kept += letters

    def failures(self, letters: str) -> dict[str, str]:
        return dict(ask_dividing(list(letters), self.ask, self.keep))


@pytest.mark.parametrize("bad", ["", "a", "h", "d", "cf"], ids=repr)
def test_only_those_that_make_it_fail_are_lost(bad):
    program = Program(bad)

    assert program.failures("abcdefgh").keys() == set(bad)
    assert sorted(program.kept) == sorted(set("abcdefgh") - set(bad))


def test_without_trouble_there_is_one_call():
    program = Program("")
    program.failures("abcd")

    assert program.calls == ["abcd"]
    assert Program("").failures("") == {}


def test_a_time_limit_is_not_tried_again_in_halves():
    program = Program("c", status=124)

    assert program.failures("abcd").keys() == set("abcd")
    assert program.calls == ["abcd"]


def test_when_all_fail_the_rest_is_not_tried():
    letters = "abcdefghijklmnopqrstuvwxyz"
    program = Program(letters)

    failed = program.failures(letters)

    assert failed.keys() == set(letters)
    assert sum(len(call) == 1 for call in program.calls) == MOST_SINGLES
    assert failed["z"] == "not tried alone, 5 others failed: blastp exited with status 139: crashed"
