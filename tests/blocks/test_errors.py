import pickle

import pytest

from blocks import errors

EXAMPLES = [
    errors.InputError("no such chain: 1abc_Z"),
    errors.InputProblems([errors.Problem("a.csv, row 2", "letter '1'", "a residue")]),
    errors.ToolError("blastp", 2, "database not found"),
    errors.BudgetError("1,000 requests"),
    errors.TransientError("connection lost"),
    errors.ServiceError("https://example.org/fold", "HTTP 503"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_survives_pickling(error):
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_every_error_has_an_example():
    ours = {c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)}

    assert ours - {type(example) for example in EXAMPLES} <= {errors.SeqloomError}


def test_many_problems_are_counted_not_printed():
    problems = [errors.Problem(f"row {n}", "empty", "a sequence") for n in range(25)]

    assert str(errors.InputProblems(problems)).splitlines()[-1] == "... and 5 more problems"
