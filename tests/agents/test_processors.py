"""What each agent does with records: mentions, structure, uniform values, figures, rules."""

import orjson
import pytest

from blocks.errors import InputProblems
from tasks.agents.analysis import anomalies, column_figures
from tasks.agents.extraction import entities, structure, telling, texts_of, together
from tasks.agents.generated import generated
from tasks.agents.model import Generated, Rule, TransformParams
from tasks.agents.quantities import quantity
from tasks.agents.table_data import TableData, flat_rows
from tasks.agents.transformation import transformed
from tasks.agents.validation import quality, require_known, violations
from tasks.text.patterns import KINDS


def table(*rows, **more):
    return TableData("t", flat_rows(rows), **more)


def test_mentions_stand_in_the_order_of_the_records_at_their_places():
    notes = table(
        {"id": 1, "text": "P02144 on 2024-03-05: 5 of 7, write to a@b.org"},
        {"id": 2, "text": "a term and 10.1234/x1", "tags": ["V600E", "none"]},
    )
    texts = list(texts_of(notes))
    found = entities(texts, KINDS, ["term"])

    assert [(one["row"], one["kind"], one["text"]) for one in found] == [
        (1, "uniprot", "P02144"), (1, "date", "2024-03-05"), (1, "number", "5"), (1, "number", "7"),
        (1, "email", "a@b.org"), (2, "term", "term"), (2, "doi", "10.1234/x1"),
        (2, "variant", "V600E"),
    ]  # fmt: skip
    by_field = {(one.row, one.field): one.text for one in texts}
    assert all(
        by_field[one["row"], one["field"]][one["start"] : one["end"]] == one["text"]
        for one in found
    )
    assert found[-1]["field"] == "tags[0]"
    assert found == entities(texts, KINDS, ["term"])


def test_mentions_of_a_model_come_in_where_nothing_else_was_found():
    texts = list(texts_of(table({"text": "lipase P02144 binds"})))
    found = entities(texts, ["uniprot"])
    own = {**found[0], "kind": "protein", "by": "c: m"}
    both = together(found, [{**own, "start": 0, "end": 6}, {**own, "start": 0, "end": 13}], ["t"])
    assert [(one["start"], one["kind"]) for one in both] == [(0, "protein"), (7, "uniprot")]


def test_structure_counts_paths_and_types():
    rows = structure("t", [{"a": {"b": 1}, "l": [1, "x"]}, {"a": {"b": True}, "n": None}])
    by_path = {row["path"]: row for row in rows}
    assert by_path["a.b"]["types"] == "number 1, truth 1"
    assert not by_path["a.b"]["one_type"]
    assert by_path["l[]"]["values"] == 2
    assert by_path["n"]["types"] == "null 1"


def test_the_sentence_that_shares_most_comes_first():
    text = (
        "Rain fell all day long. The lipase of plate A is stable in water. "
        "A lipase of plate A binds. The stable lipase binds in water."
    )
    rows = telling(list(texts_of(table({"text": text}))))
    assert rows[-1]["text"] == "Rain fell all day long."
    assert "lipase" in rows[0]["text"]
    assert text[rows[0]["start"] : rows[0]["end"]] == rows[0]["text"]


def test_records_are_made_uniform_and_none_is_lost():
    given = table(
        {"Gene ID": " A1 ", "dose": "5 mg/mL", "n": "12", "day": "5 March 2024", "x": {"pH": 7}},
        {"Gene ID": "b", "dose": "20 µg/mL", "n": "7", "day": "2024-03-06", "x": {"pH": None}},
        {"Gene ID": "", "dose": None, "n": None, "day": None},
    )
    made = transformed(given, TransformParams(lower=("Gene ID",)))
    assert made.rows == [
        {
            "gene_id": "a1",
            "dose": 5.0,
            "dose_unit": "g/L",
            "n": 12,
            "day": "2024-03-05",
            "x_p_h": 7,
        },
        {
            "gene_id": "b",
            "dose": 0.02,
            "dose_unit": "g/L",
            "n": 7,
            "day": "2024-03-06",
            "x_p_h": None,
        },
        {"gene_id": None, "dose": None, "dose_unit": None, "n": None, "day": None, "x_p_h": None},
    ]
    assert {one["operation"] for one in made.changes} == {
        "tidy", "lower case", "number", "date", "base unit", "name",
    }  # fmt: skip
    assert made.completeness == pytest.approx(11 / 18)


@pytest.mark.parametrize(
    "texts",
    [["5 mg", "5 mL"], ["5 mg", "some"], ["007", "12"], ["5 mg", 3]],
    ids=["two dimensions", "not all", "leading zeros", "mixed"],
)
def test_a_column_that_is_not_all_of_one_kind_stays(texts):
    made = transformed(table(*({"v": text} for text in texts)), TransformParams())
    assert [row["v"] for row in made.rows] == texts


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [("5 mg", 0.005, "g"), ("52 °C", 325.15, "K"), ("3 kDa", 3000, "Da"),
     ("1e-3 M", 0.001, "mol/L"), ("12 %", 0.12, "share"), ("2.5 h", 9000, "s"),
     ("1 ng/µL", 0.001, "g/L")],
)  # fmt: skip
def test_quantities(text, value, unit):
    found = quantity(text)
    assert (found.value, found.unit) == (value, unit)


def test_truth_is_no_number_and_nan_is_missing():
    rows = column_figures(table({"a": 1, "b": True}, {"a": 3, "b": False}, {"a": float("nan")}))
    a, b = rows
    names = ("kind", "values", "missing", "mean", "min")
    assert [a[name] for name in names] == ["number", 2, 1, 2.0, 1.0]
    assert (b["kind"], b["mean"]) == ("truth", None)


def test_what_is_odd_is_told_with_its_rows():
    rows = [{"v": n, "m": n} for n in range(10)] + [{"v": 1000, "m": "x"}, {"v": None, "m": 1}]
    rows.append({"v": None, "m": 1})
    odd = {(one["column"], one["anomaly"]): one for one in anomalies(table(*rows))}
    assert odd["v", "outliers"]["first"] == "11"
    assert odd["v", "missing"]["rows"] == 2
    assert odd["m", "mixed types"]["detail"] == "number 12, text 1"
    assert odd["", "double rows"]["first"] == "13"
    assert odd["m", "mixed types"]["severity"] == "medium"


def test_rules_name_each_record_that_breaks_them():
    given = table(
        {"id": "a", "n": 5, "s": "AB"}, {"id": "b", "n": -1, "s": "ab"}, {"id": "b", "n": True},
    )  # fmt: skip
    rules = [
        Rule(field="n", min=0),
        Rule(field="id", unique=True),
        Rule(field="s", needed=True, pattern="[A-Z]+"),
        Rule(condition="n >= 0 or n < -5"),
    ]
    broken = violations(rules[:3], {"t": given})
    assert [(one["row"], one["field"], one["expected"]) for one in broken] == [
        (2, "n", "a number of at least 0"), (2, "s", "the pattern [A-Z]+"),
        (3, "n", "a number of at least 0"), (3, "id", "a value of its own, row 2 has it"),
        (3, "s", "a value"),
    ]  # fmt: skip
    assert quality(given, broken)["validity"] == pytest.approx(1 / 3)
    plain = table({"n": 5}, {"n": -1})
    assert [one["row"] for one in violations(rules[3:], {"t": plain})] == [2]


def test_a_rule_about_nothing_is_told_before_the_work():
    with pytest.raises(InputProblems, match="field 'm' is in no table; expected"):
        require_known([Rule(field="m", needed=True)], {"t": table({"n": 1})})
    with pytest.raises(InputProblems, match="table 'u' is not there"):
        require_known([Rule(table="u", field="n", needed=True)], {"t": table({"n": 1})})


def test_a_pattern_that_never_ends_is_stopped(monkeypatch):
    monkeypatch.setattr("tasks.agents.validation.PATTERN_S", 0.05)
    with pytest.raises(Exception, match=r"takes longer than 0\.05 s"):
        violations([Rule(field="s", pattern="(a|aa)+b")], {"t": table({"s": "a" * 60})})


@pytest.mark.parametrize("data", ["user_messages", "json_objects", "text_samples", "numeric_data"])
@pytest.mark.parametrize("complexity", ["simple", "medium", "complex"])
def test_generated_records_depend_on_the_seed_alone(data, complexity):
    given = {"data": data, "complexity": complexity, "count": 20}
    first = generated(Generated(**given, seed=3))

    assert orjson.dumps(first) == orjson.dumps(generated(Generated(**given, seed=3)))
    assert first != generated(Generated(**given, seed=4))
    assert first[:5] == generated(Generated(**{**given, "count": 5}, seed=3))
    assert len({one["id"] for one in first}) == 20


def test_generated_records_are_the_same_everywhere():
    made = generated(Generated(data="numeric_data", complexity="simple", count=2, seed=1))
    assert [one["activity"] for one in made] == [1.0187, 0.972]
