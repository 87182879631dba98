import math

import numpy as np
import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.reads.block import Truths
from tasks.reads.formula import parse_formula
from tasks.reads.steps.evaluate import EvalExpression
from tests.reads.blocks import block, numbers, regions, run, sequences, strings, truths


def figure(text: str, **names: float) -> float:
    values = {name: np.array([value], np.float64) for name, value in names.items()}
    return parse_formula(text).evaluate(values, 1)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("10 - 2 - 3", 5),
        ("10 - 2 + 3", 11),
        ("10 + 2 - 3", 9),
        ("8 / 2 / 2", 2),
        ("6 / 2 * 3", 9),
        ("2 * 7 % 4", 6),  # % binds more than *
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", 4),  # a sign belongs to its value
        ("2 ^ -1", 0.5),
        ("-7 % 3", -1),
        ("[1 + 2] * (3)", 9),
        ("1.5k + 2m + .5", 1500.502),
        ("1e3 - 1E-3", 999.999),
        ("3 > 2 > 0", 1),
        ("1 == 1 != 0", 1),
        ("1 < 2 == 1", 1),
        ("0 or 5", 5),
        ("3 and 5", 5),
        ("0 && 1 || 2", 2),
        ("!0 + 1", 2),
        ("!!7", 1),
        ("0.1 + 0.2 == 0.3", 1),
        ("int(-2.7)", -2),
        ("round(2.5) + round(-2.5)", 0),
        ("round(0.5; 1.3)", 1.5),
        ("log(1000) + log(2, 8)", 6),
        ("min(3, 1, 2) + max[4]", 5),
        ("floor(1.5) + ceil(1.5) + abs(-1) + sign(-3)", 3),
        ("cos(pi())", -1),
        ("sin(0) + e() - e()", 0),
    ],
)
def test_operators_bind_and_functions_compute_as_in_fasteval(text, expected):
    assert figure(text) == pytest.approx(expected, rel=1e-12)


def test_a_multiline_formula_over_names_is_one_formula():
    assert figure("\n\ta_1 and\n b \n", a_1=1, b=0) == 0
    assert parse_formula("b + a * b").names == ("b", "a")


def test_division_by_nothing_is_infinite_and_a_missing_value_stays_missing():
    assert math.isinf(figure("1 / x", x=0))
    assert math.isnan(figure("1 + x", x=math.nan))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expression is empty"),
        ("1 +", "position 4: 'end'; expected a number, a name or a bracket"),
        ("a b", "position 3: 'b' is left over"),
        ("a = 1", "position 3: '=' is not known here; expected =="),
        ("(1", "expected ')'"),
        ("foo(1)", "position 1: function 'foo' is not known"),
        ("abs(1, 2)", "abs with 2 arguments; expected 1"),
        ("(" * 60 + "1" + ")" * 60, "too deep"),
        ("1" * 5000, "5000 characters"),
        ("__import__('os')", "is not known here"),
        ("2.x", "is left over"),
    ],
)
def test_what_is_no_formula_is_refused_with_the_place(text, message):
    with pytest.raises(InputError) as error:
        parse_formula(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def evaluated(expression: str, result: str, **given):
    before = block(**given)
    step = EvalExpression(out_label="x", expression=expression, result_type=result)
    return run(step, before).tags["x"]


def test_tags_are_numbers_truths_or_presence():
    tags = {
        "n": numbers(2.5, math.nan),
        "b": truths(True, False),
        "s": strings("", None),
        "r": regions([("read1", 0, 1, "A")], None),
    }
    found = evaluated("b + s * 10 + r * 100", "Numeric", read1=sequences("A", "C"), tags=tags)
    assert found.value.tolist() == [111, 0]
    assert evaluated("n", "Numeric", read1=sequences("A", "C"), tags=tags).value[0] == 2.5


def test_lengths_are_of_segments_and_of_tags():
    tags = {
        "s": strings("abc", None),
        "r": regions([("read1", 0, 2, "X"), ("", -1, 3, "Y")], None),
    }
    reads = {"read1": sequences("ACGT", ""), "read2": sequences("A", "AC"), "tags": tags}
    assert evaluated("len_read1 + len_read2", "Numeric", **reads).value.tolist() == [5, 2]
    assert evaluated("len_s * 10 + len_r", "Numeric", **reads).value.tolist() == [35, 0]


def test_read_numbers_are_those_of_the_input_from_0():
    found = evaluated("read_no % 2 != 0", "Bool", read1=sequences("A", "C"), first=7)
    assert isinstance(found, Truths)
    assert found.value.tolist() == [True, False]


def test_a_result_is_true_where_it_is_not_0():
    reads = sequences("A", "C", "G")
    found = evaluated("x1 - 0.3", "Bool", read1=reads, tags={"x1": numbers(0.1 + 0.2, -1, 4)})
    assert found.value.tolist() == [False, True, True]


def test_a_constant_is_a_value_for_each_molecule():
    assert evaluated("2", "Numeric", read1=sequences("A", "C")).value.tolist() == [2, 2]


def test_the_step_says_what_it_reads_and_makes():
    step = EvalExpression(
        out_label="x", expression="len_read1 + tag1 + read_no + tag1", result_type="Bool"
    )
    assert [(use.label, use.or_segment) for use in step.uses()] == [
        ("read1", True),
        ("tag1", False),
    ]
    assert step.gives()[0].kind == "bool"
    with pytest.raises(ValidationError, match="syntax error"):
        EvalExpression(out_label="x", expression="1 +", result_type="Bool")
