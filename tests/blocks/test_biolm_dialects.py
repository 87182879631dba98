"""What the two dialects say, in the shapes that were seen."""

import pytest
from pydantic import SecretStr

from blocks import biolm_dialects as dialects
from blocks.biolm_calls import Connection, Limits
from blocks.errors import InputError


def test_only_v3_ends_with_a_slash():
    assert dialects.request_path("v3", "esm2-8m", "encode") == "/esm2-8m/encode/"
    assert dialects.request_path("hub", "esm2", "encode") == "/esm2/encode"


@pytest.mark.parametrize("model", ["", "..", "a/b", "a?b", "a b", "é"])
def test_a_model_cannot_lead_elsewhere(model):
    with pytest.raises(InputError, match="names no model"):
        dialects.request_path("v3", model, "encode")


def test_headers_carry_one_credential():
    token, cookie = SecretStr("t"), SecretStr("access=a")

    assert dialects.headers(Connection("https://x", token=token, cookie=cookie)) == {
        "Authorization": "Token t"
    }
    assert dialects.headers(Connection("https://x", cookie=cookie)) == {"Cookie": "access=a"}
    assert dialects.headers(Connection("https://x")) == {}


@pytest.mark.parametrize(
    ("rate", "per_second"),
    [("1000/second", 1000.0), ("30/minute", 0.5), ("3600/hour", 1.0), ("5/s", 5.0),
     ("0/second", None), ("many", None), (7, None), (None, None)],
)  # fmt: skip
def test_limits_of_a_schema(rate, per_second):
    schema = {"throttle_rate": rate, "properties": {"items": {"type": "array", "maxItems": 32}}}

    assert dialects.limits_from_schema(schema) == Limits(32, per_second)


@pytest.mark.parametrize("schema", [None, [], {}, {"properties": {"items": {"maxItems": "8"}}}])
def test_what_a_schema_does_not_say_is_unknown(schema):
    assert dialects.limits_from_schema(schema) == Limits(None, None)


def test_limits_of_a_hub():
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Encode"}}}}
    document = {
        "paths": {
            "/": {"get": {}},
            "/api/v1/esm2/encode": {"post": {"requestBody": body}},
            "/api/v1/esm2/predict": {"post": {"requestBody": {}}},
        },
        "components": {"schemas": {"Encode": {"properties": {"items": {"maxItems": 8}}}}},
    }

    assert dialects.limits_from_openapi(document) == {
        ("esm2", "encode"): Limits(8, None),
        ("esm2", "predict"): Limits(None, None),
    }


@pytest.mark.parametrize(
    "data",
    [
        {"error": {"items__3__sequence": ["bad residue"]}, "status_code": 400},
        {"error": '{"items__3__sequence": ["bad residue"]}', "status_code": 400},
        {"items__3__sequence": ["bad residue"], "status_code": 400},
        {"detail": [{"loc": ["body", "items", 3, "sequence"], "msg": "bad residue", "input": "X"}]},
    ],
)
def test_the_item_is_named(data):
    refusal = dialects.refusal(400, data)

    assert refusal.named == {3: "sequence: bad residue"}
    assert refusal.max_items is None
    assert not refusal.about_params


@pytest.mark.parametrize(
    "data", [{"error": {"items": {"1": {"pdb": ["bad"]}}}}, {"items": [{}, {"pdb": ["bad"]}]}]
)
def test_nested_items_are_named(data):
    assert dialects.refusal(400, data).named == {1: "pdb: bad"}


def test_several_complaints_about_one_item_are_kept():
    complaints = [{"loc": ["body", "items", 0, "pdb"], "msg": why} for why in ("short", "odd")]

    assert dialects.refusal(422, {"detail": complaints}).named == {0: "pdb: short; pdb: odd"}


@pytest.mark.parametrize(
    "data",
    [
        {"detail": [{"type": "too_long", "loc": ["body", "items"], "msg": "List should have at "
                     "most 8 items after validation, not 9", "ctx": {"max_length": 8}}]},
        {"detail": [{"loc": ["body", "items"], "msg": "x", "ctx": {"limit_value": 8}}]},
        {"error": {"items": ["Ensure this field has no more than 8 elements."]}},
        {"detail": "At most 8 items are taken"},
    ],
)  # fmt: skip
def test_too_many_items_tell_how_many(data):
    refusal = dialects.refusal(422, data)

    assert (refusal.max_items, refusal.named) == (8, {})


def test_wrong_parameters_are_nobodys_item():
    detail = [{"loc": ["body", "params", "species"], "msg": "unknown"}]

    assert dialects.refusal(422, {"detail": detail}).about_params
    assert dialects.refusal(400, {"error": {"params__species": ["unknown"]}}).about_params
    assert not dialects.refusal(400, {"detail": "Invalid input"}).about_params


@pytest.mark.parametrize(
    ("data", "text", "message"),
    [
        ({"detail": "chains not found", "errors": [], "code": "user"}, "", "chains not found"),
        ({"error": "boom"}, "", "boom"),
        (None, "<html>", "<html>"),
        ({}, "", "HTTP 400"),
        (None, "", "HTTP 400"),
        (["odd"], "", "odd"),
    ],
)
def test_the_general_message(data, text, message):
    assert dialects.refusal(400, data, text).message == message


@pytest.mark.parametrize(
    ("data", "is_error"),
    [
        ({"results": []}, False),
        ({"results": [], "error": None, "detail": ""}, False),
        ({"results": [], "error": "some failed"}, True),
        ({"error": "boom"}, True),
        ({"detail": "boom"}, True),
        ({}, True),
    ],
)
def test_a_good_status_may_tell_of_an_error(data, is_error):
    assert dialects.success_error(data) is is_error


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"score": 1}, None),
        ({"score": 1, "error": "low"}, None),
        (0.0, None),
        ({}, None),
        ({"error": None}, None),
        ({"error": "no"}, "no"),
        ({"error": {"sequence": ["no"]}, "status_code": 400}, "sequence: no"),
        (None, "the service answered nothing for this item"),
    ],
)
def test_an_entry_may_be_a_fault(entry, fault):
    assert dialects.entry_fault(entry) == fault
