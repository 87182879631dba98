"""Forms of answers: what is right, what is wrong, and how that is told to a model."""

import pytest

from blocks.errors import InputError
from blocks.llm_shapes import Shape, complaint, json_text

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"tag": {"enum": ["a", "b"]}},
}


def told(shape, text):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 -- of pydantic, or plain
        shape.check(text)
    return complaint(raised.value)


def test_any_schema_may_be_asked_for():
    value = {"name": "x", "tags": ["a"]}

    assert Shape.of_schema("s", SCHEMA).check('{"name": "x", "tags": ["a"]}') == value
    assert Shape.of_schema("s", SCHEMA).schema == SCHEMA


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("nonsense", "Expecting value"),
        ('{"tags": []}', 'expected required: ["name"]'),
        ('{"name": "secret words"}', "name: expected maxLength: 5"),
        ('{"name": "x", "tags": ["c"]}', 'tags.0: expected enum: ["a","b"]'),
        ('{"name": "x", "more": 1}', "expected additionalProperties: false"),
        ("NaN", "NaN is no JSON"),
    ],
)
def test_mistakes_are_told_by_place_and_rule_without_the_answer(text, mistake):
    said = told(Shape.of_schema("s", SCHEMA), text)

    assert mistake in said
    assert "secret" not in said


@pytest.mark.parametrize("name", ["json", "copy", "schema", "model_config", "model_dump", "class"])
def test_a_field_may_have_any_name(name):
    shape = Shape.of_fields("answer", {name: "int"})

    assert shape.check(f'{{"{name}": 1}}') == {name: 1}
    assert shape.schema["required"] == [name]
    assert shape.schema["additionalProperties"] is False


def test_what_is_nested_too_deeply_is_a_mistake():
    assert told(Shape.of_schema("s", {}), "[" * 100_000) == "nested too deeply"


def test_a_truth_value_is_no_number():
    assert "expected type" in told(Shape.of_schema("s", {"type": "integer"}), "true")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "nonsense"}, "JSON schema, type: "),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "refers to 'file:///etc/passwd'"),
        ({"anyOf": [{"$ref": "https://a.org/x"}]}, "refers to 'https://a.org/x'"),
    ],
)
def test_a_schema_that_is_none_or_not_whole_is_refused(schema, message):
    with pytest.raises(InputError) as raised:
        Shape.of_schema("s", schema)

    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('Sure! [1, 2] Anything else {"b": 2}?', "[1, 2]"),
        ('{"a": "}"} and so on', '{"a": "}"}'),
        ("nothing", "nothing"),
        ('{"a":', '{"a":'),
        ('```json\n{"a": 1}', '{"a": 1}'),
        ("```\n" + "\n" * 200_000, "```"),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=[
        "plain",
        "fenced",
        "in words",
        "a bracket in a text",
        "none",
        "cut",
        "half a fence",
        "nothing in it",
        "deep",
    ],
)
def test_json_is_found_in_what_is_said_around_it(said, text):
    assert json_text(said) == text
