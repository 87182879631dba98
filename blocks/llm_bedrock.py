"""Amazon Bedrock Runtime: bodies of `Converse` and of embeddings, answers read; pure.

Source:
    AWS's service model `bedrock-runtime` of 2023-09-30, as botocore ships it; for embeddings, which
    the model leaves open, the user guide's pages on Titan Text Embeddings and Cohere Embed.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from blocks.llm_calls import Finish, Heard, ModelConnection, Prompt, tokens_said
from blocks.llm_shapes import Shape

COHERE_TEXTS = 96
"""Texts that Cohere's models take in one request; Titan's take one."""
_FINISHES: dict[str, Finish] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "filtered",
    "content_filtered": "filtered",
}


def answer_path(model: str) -> str:
    """Path of `Converse`; nothing in a model's name is safe, ARNs have slashes.

    >>> answer_path("us.amazon.nova-micro-v1:0")
    '/model/us.amazon.nova-micro-v1%3A0/converse'
    """
    return f"/model/{quote(model, safe='')}/converse"


def embeddings_path(model: str) -> str:
    """Path of `InvokeModel`."""
    return f"/model/{quote(model, safe='')}/invoke"


def answer_body(connection: ModelConnection, prompt: Prompt, system: str) -> dict[str, Any]:
    """The body that asks for an answer; a seed is not among what it takes."""
    turns = [("user", prompt.text), *prompt.turns]
    limits: dict[str, Any] = {"maxTokens": prompt.max_tokens}
    if prompt.temperature is not None:
        limits["temperature"] = prompt.temperature
    if prompt.stop:
        limits["stopSequences"] = list(prompt.stop)
    body: dict[str, Any] = {
        "messages": [{"role": role, "content": [{"text": text}]} for role, text in turns],
        "inferenceConfig": limits,
    }
    if system:
        body["system"] = [{"text": system}]
    if prompt.shape is not None:
        body.update(_shape_fields(prompt.shape, connection.structured))
    return body


def _shape_fields(shape: Shape, way: str) -> dict[str, Any]:
    if way == "schema":
        structure = {"jsonSchema": {"name": shape.name, "schema": json.dumps(shape.schema)}}
        return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}}}
    if way == "tool":
        tool = {"name": shape.name, "inputSchema": {"json": shape.schema}}
        choice = {"tool": {"name": shape.name}}
        return {"toolConfig": {"tools": [{"toolSpec": tool}], "toolChoice": choice}}
    return {}


def read_answer(data: Any) -> Heard | None:  # noqa: ANN401 -- JSON
    """What an answer of `Converse` says, without what the model reasoned; None where it is none."""
    try:
        blocks = data["output"]["message"]["content"]
        calls = [block["toolUse"]["input"] for block in blocks if "toolUse" in block]
        texts = [block["text"] for block in blocks if "text" in block]
        text = "".join(texts) if texts else None
        said = json.dumps(calls[0], ensure_ascii=False) if calls else text
        finish = _FINISHES.get(data["stopReason"], "end")
        usage = data.get("usage")
        tokens = (tokens_said(usage, name) for name in ("inputTokens", "outputTokens"))
        return Heard(said, finish, *tokens)
    except (KeyError, TypeError, AttributeError):
        return None


def texts_a_request(model: str) -> int:
    """How many texts a model embeds at once."""
    return COHERE_TEXTS if "cohere." in model else 1


def embeddings_body(model: str, texts: Sequence[str]) -> dict[str, Any]:
    """The body that asks a Titan or Cohere model for vectors of unit length where it may say so."""
    if "cohere." in model:
        kind = {"input_type": "search_document", "embedding_types": ["float"]}
        return {"texts": list(texts), "truncate": "NONE", **kind}
    (text,) = texts
    if "titan-embed-text-v1" in model:
        return {"inputText": text}
    return {"inputText": text, "normalize": True}


def read_embeddings(data: Any, count: int) -> tuple[list[list[float]], int | None] | None:  # noqa: ANN401 -- JSON
    """Vectors in the order of the texts, and tokens; None where they are not as many as asked."""
    try:
        if "embedding" in data:
            rows = [data["embedding"]]
        else:
            given = data["embeddings"]
            rows = given["float"] if isinstance(given, Mapping) else given
        vectors = [[float(number) for number in row] for row in rows]
    except (KeyError, TypeError, ValueError):
        return None
    return (vectors, tokens_said(data, "inputTextTokenCount")) if len(vectors) == count else None


def error_text(data: Any) -> str:  # noqa: ANN401 -- JSON
    """Kind and words of an error answer; "" where it says nothing."""
    if not isinstance(data, dict):
        return ""
    kind = str(data.get("__type") or "").rpartition("#")[2]
    said = data.get("message") or data.get("Message") or ""
    return ": ".join(filter(None, [kind, str(said)]))
