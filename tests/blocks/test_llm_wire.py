"""What is sent to models is what AWS's own service model takes, and what comes back is read."""

import json
from datetime import UTC, datetime

import botocore.session
import httpx
import numpy as np
import orjson
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from pydantic import SecretStr

from blocks import llm_bedrock, llm_openai
from blocks.llm_calls import AwsKeys, ModelConnection, Prompt
from blocks.llm_shapes import Shape
from blocks.llm_signing import Signer

MODEL = "us.amazon.nova-micro-v1:0"
ARN = "arn:aws:bedrock:us-east-1:1:inference-profile/x"
SHAPE = Shape.of_fields("label", {"label": ["good", "bad"], "score": "float"})
CONVERSE = (
    botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")
)


INVOKE = (
    botocore.session.get_session()
    .get_service_model("bedrock-runtime")
    .operation_model("InvokeModel")
)


def bedrock(structured="schema", model=MODEL):
    return ModelConnection("aws", "bedrock", "https://x", model, structured=structured)


PROMPTS = {
    "plain": Prompt("Classify: great"),
    "all": Prompt("q", "be brief", 64, 0.5, 7, ("\n\n",), SHAPE),
    "repair": Prompt("q", shape=SHAPE, turns=(("assistant", "{}"), ("user", "again"))),
    "no temperature": Prompt("q", temperature=None),
}


@pytest.mark.parametrize("structured", ["schema", "tool", "prompt"])
@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize("model", [MODEL, ARN], ids=["id", "arn"])
def test_aws_takes_the_request_and_would_send_the_same(prompt, structured, model):
    body = llm_bedrock.answer_body(bedrock(structured), prompt, prompt.system)
    serializer = create_serializer("rest-json", include_validation=True)
    theirs = serializer.serialize_to_request({"modelId": model, **body}, CONVERSE)

    assert theirs["url_path"] == llm_bedrock.answer_path(model)
    assert json.loads(theirs["body"]) == body


@pytest.mark.parametrize(
    "broken",
    [{"mesages": []}, {"messages": [{"role": "user"}]}, {"inferenceConfig": {"maxTokens": "9"}}],
    ids=["misspelt", "no content", "text for a number"],
)
def test_the_judge_is_strict(broken):
    body = llm_bedrock.answer_body(bedrock(), Prompt("q"), "")
    serializer = create_serializer("rest-json", include_validation=True)
    with pytest.raises(botocore.exceptions.ParamValidationError):
        serializer.serialize_to_request({"modelId": MODEL, **body, **broken}, CONVERSE)


def converse(blocks, stop="end_turn"):
    return {
        "output": {"message": {"role": "assistant", "content": blocks}},
        "stopReason": stop,
        "usage": {"inputTokens": 12, "outputTokens": 9, "totalTokens": 21},
        "metrics": {"latencyMs": 412},
    }


THINKS = {"reasoningContent": {"reasoningText": {"text": "hm"}}}
TOOL = {"toolUse": {"toolUseId": "1", "name": "label", "input": {"label": "good", "score": 1}}}


@pytest.mark.parametrize(
    ("data", "text", "finish"),
    [
        (converse([{"text": "a"}, {"text": "b"}]), "ab", "end"),
        (converse([THINKS, {"text": "b"}]), "b", "end"),
        (converse([TOOL], "tool_use"), '{"label": "good", "score": 1}', "end"),
        (converse([{"text": "a"}], "max_tokens"), "a", "length"),
        (converse([{"text": "no"}], "guardrail_intervened"), "no", "filtered"),
    ],
    ids=["texts", "reasoning", "tool", "cut", "filtered"],
)
def test_what_aws_reads_is_what_is_read(data, text, finish):
    raw = {"status_code": 200, "headers": {}, "body": orjson.dumps(data)}
    theirs = create_parser("rest-json").parse(raw, CONVERSE.output_shape)
    heard = llm_bedrock.read_answer(data)

    assert (heard.text, heard.finish) == (text, finish)
    assert heard.input_tokens == theirs["usage"]["inputTokens"]
    assert heard.output_tokens == theirs["usage"]["outputTokens"]
    texts = [block["text"] for block in theirs["output"]["message"]["content"] if "text" in block]
    assert "".join(texts) in heard.text


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"__type": "com.amazonaws#ThrottlingException", "message": "slow down"}, {}),
        ({"message": "slow down"}, {"x-amzn-errortype": "ThrottlingException:http://x"}),
    ],
    ids=["type in the body", "type in the header"],
)
def test_errors_are_read_as_aws_reads_them(body, headers):
    raw = {"status_code": 429, "headers": headers, "body": orjson.dumps(body)}
    theirs = create_parser("rest-json").parse(raw, CONVERSE.output_shape)

    assert theirs["Error"]["Message"] in llm_bedrock.error_text(body)


def test_a_signature_is_aws_s_own(monkeypatch):
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_: moment)
    url = f"https://bedrock-runtime.us-east-1.amazonaws.com{llm_bedrock.answer_path(MODEL)}"
    request = httpx.Request("POST", url, headers={"content-type": "application/json"}, content=b"1")
    keys = AwsKeys(SecretStr("AKID"), SecretStr("s3cret"), SecretStr("session"))
    ours = Signer("us-east-1", keys)(request)
    theirs = AWSRequest("POST", url, {"Content-Type": "application/json"}, b"1")
    SigV4Auth(Credentials("AKID", "s3cret", "session"), "bedrock", "us-east-1").add_auth(theirs)

    assert ours["Authorization"] == theirs.headers["Authorization"]
    assert "/us-east-1/bedrock/aws4_request" in ours["Authorization"]
    assert (
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token" in ours["Authorization"]
    )
    assert ours["X-Amz-Security-Token"] == "session"
    assert "s3cret" not in str(ours)


@pytest.mark.parametrize("model", ["amazon.titan-embed-text-v2:0", ARN], ids=["id", "arn"])
def test_aws_sends_embeddings_to_the_same_place(model):
    body = orjson.dumps(llm_bedrock.embeddings_body(model, ["a"]))
    serializer = create_serializer("rest-json", include_validation=True)
    asked = {"modelId": model, "body": body, "contentType": "application/json"}
    theirs = serializer.serialize_to_request(asked, INVOKE)

    assert theirs["url_path"] == llm_bedrock.embeddings_path(model)
    assert theirs["body"] == body


# Bedrock's model leaves the bodies of embeddings open: these are the user guide's own examples.
@pytest.mark.parametrize(
    ("model", "texts", "body"),
    [
        ("amazon.titan-embed-text-v1", ["a"], {"inputText": "a"}),
        ("amazon.titan-embed-text-v2:0", ["a"], {"inputText": "a", "normalize": True}),
        (
            "cohere.embed-english-v3",
            ["a", "b"],
            {
                "texts": ["a", "b"],
                "truncate": "NONE",
                "input_type": "search_document",
                "embedding_types": ["float"],
            },
        ),
    ],
    ids=["titan 1", "titan 2", "cohere"],
)
def test_bodies_of_embeddings(model, texts, body):
    assert llm_bedrock.embeddings_body(model, texts) == body


@pytest.mark.parametrize(
    ("data", "count", "read"),
    [
        ({"embedding": [1, 0], "inputTextTokenCount": 3}, 1, ([[1, 0]], 3)),
        ({"embedding": [1], "inputTextTokenCount": "x"}, 1, ([[1]], None)),
        ({"embeddings": [[1], [2]]}, 2, ([[1], [2]], None)),
        ({"embeddings": {"float": [[1], [2]]}}, 2, ([[1], [2]], None)),
        ({"embeddings": {"float": [[1]]}}, 2, None),
        ({}, 1, None),
    ],
    ids=["titan", "bad count", "cohere floats", "cohere by type", "one is missing", "none"],
)
def test_vectors_of_bedrock(data, count, read):
    assert llm_bedrock.read_embeddings(data, count) == read


def test_openai_gets_what_its_reference_says():
    connection = ModelConnection("c", "openai", "x", "m", limit_field="max_completion_tokens")
    body = llm_openai.answer_body(connection, PROMPTS["all"], "be brief")

    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "q"},
    ]
    assert (body["model"], body["max_completion_tokens"], body["temperature"]) == ("m", 64, 0.5)
    assert (body["seed"], body["stop"]) == (7, ["\n\n"])
    schema = body["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"]) == ("label", True)
    assert schema["schema"]["required"] == ["label", "score"]


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (SHAPE.schema, True),
        (Shape.of(dict[str, int]).schema, False),
        (Shape.of(list[int]).schema, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, False),
    ],
    ids=["closed", "open", "no object", "optional"],
)
def test_only_closed_objects_are_strict(schema, strict):
    assert llm_openai.is_strict(schema) is strict


@pytest.mark.parametrize(
    ("message", "finish", "read"),
    [
        ({"content": "a"}, "stop", ("a", "end")),
        ({"content": "a"}, "length", ("a", "length")),
        ({"content": None, "refusal": "I can't"}, "stop", ("I can't", "filtered")),
        ({"content": None, "tool_calls": [{"function": {"arguments": "{}"}}]}, "x", ("{}", "end")),
    ],
    ids=["text", "cut", "refusal", "tool"],
)
def test_chat_answers(message, finish, read):
    heard = llm_openai.read_answer({"choices": [{"message": message, "finish_reason": finish}]})

    assert (heard.text, heard.finish) == read


def test_an_answer_of_nothing_but_reasoning_holds_no_text():
    assert llm_bedrock.read_answer(converse([THINKS])).text is None
    assert llm_bedrock.read_answer(converse([])).text is None
    assert llm_bedrock.read_answer(converse([{"text": ""}])).text == ""


@pytest.mark.parametrize("data", [None, [], {}, {"choices": []}, {"choices": [{}]}, "text"])
def test_what_is_no_answer_is_none(data):
    assert llm_openai.read_answer(data) is None
    assert llm_bedrock.read_answer(data) is None
    assert llm_openai.read_embeddings(data, 1) is None


def test_vectors_come_in_the_order_of_the_texts():
    rows = [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]

    assert llm_openai.read_embeddings({"data": rows}, 2) == ([[1.0], [2.0]], None)
    assert llm_openai.read_embeddings({"data": rows[:1]}, 2) is None
    assert llm_openai.read_embeddings({"data": [rows[0], rows[0]]}, 2) is None
    assert np.array(llm_openai.read_embeddings({"data": rows}, 2)[0]).shape == (2, 1)
