"""Chat and embeddings as OpenAI's API has them: bodies of requests, answers read; pure.

Source:
    OpenAI API reference, `POST /v1/chat/completions` and `POST /v1/embeddings`; many servers
    speak the same (llama.cpp, vLLM, Ollama, LiteLLM).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from blocks.llm_calls import Finish, Heard, ModelConnection, Prompt, tokens_said
from blocks.llm_shapes import Shape

TEXTS_A_REQUEST = 64
"""Texts that are embedded by one request."""
_FINISHES: dict[str, Finish] = {"length": "length", "content_filter": "filtered"}


def answer_path(_: str) -> str:
    """Path of chat; the model stands in the body."""
    return "/chat/completions"


def embeddings_path(_: str) -> str:
    """Path of embeddings; the model stands in the body."""
    return "/embeddings"


def answer_body(connection: ModelConnection, prompt: Prompt, system: str) -> dict[str, Any]:
    """The body that asks for an answer; `system` is the prompt's with what a shape adds."""
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": prompt.text})
    messages.extend({"role": role, "content": text} for role, text in prompt.turns)
    body: dict[str, Any] = {
        "model": connection.model,
        "messages": messages,
        connection.limit_field: prompt.max_tokens,
    }
    if prompt.temperature is not None:
        body["temperature"] = prompt.temperature
    if prompt.seed is not None:
        body["seed"] = prompt.seed
    if prompt.stop:
        body["stop"] = list(prompt.stop)
    if prompt.shape is not None:
        body.update(_shape_fields(prompt.shape, connection.structured))
    return body


def _shape_fields(shape: Shape, way: str) -> dict[str, Any]:
    if way == "schema":
        schema = {"name": shape.name, "strict": is_strict(shape.schema), "schema": shape.schema}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    if way == "tool":
        function = {"name": shape.name, "parameters": shape.schema}
        return {
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": shape.name}},
        }
    return {}


def is_strict(schema: Any) -> bool:  # noqa: ANN401 -- JSON
    """Whether a schema is one that OpenAI's strict mode takes: closed objects, all required."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "object":
            closed = schema.get("additionalProperties") is False
            if not closed or {*schema.get("required", ())} != {*schema.get("properties", {})}:
                return False
        return all(map(is_strict, schema.values()))
    return all(map(is_strict, schema)) if isinstance(schema, list) else True


def read_answer(data: Any) -> Heard | None:  # noqa: ANN401 -- JSON
    """What a chat completion says; None where it is none."""
    try:
        (choice, *_) = data["choices"]
        message = choice["message"]
        calls = message.get("tool_calls") or []
        said = calls[0]["function"]["arguments"] if calls else message.get("content")
        finish = _FINISHES.get(choice.get("finish_reason") or "stop", "end")
        if message.get("refusal"):
            said, finish = message["refusal"], "filtered"
        usage = data.get("usage")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None
    tokens = (tokens_said(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    return Heard(None if said is None else str(said), finish, *tokens)


def texts_a_request(_: str) -> int:
    """How many texts are embedded at once."""
    return TEXTS_A_REQUEST


def embeddings_body(model: str, texts: Sequence[str]) -> dict[str, Any]:
    """The body that asks for vectors."""
    return {"model": model, "input": list(texts), "encoding_format": "float"}


def read_embeddings(data: Any, count: int) -> tuple[list[list[float]], int | None] | None:  # noqa: ANN401 -- JSON
    """Vectors in the order of the texts, and tokens; None where they are not as many as asked."""
    try:
        rows = sorted(data["data"], key=lambda row: row["index"])
        if [row["index"] for row in rows] != list(range(count)):
            return None
        vectors = [[float(number) for number in row["embedding"]] for row in rows]
        return vectors, tokens_said(data.get("usage"), "prompt_tokens")
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def error_text(data: Any) -> str:  # noqa: ANN401 -- JSON
    """What an error answer says; "" where it says nothing."""
    if not isinstance(data, dict):
        return ""
    error = data.get("error", data)
    said = error.get("message", "") if isinstance(error, dict) else error
    return str(said or data.get("detail") or "")
