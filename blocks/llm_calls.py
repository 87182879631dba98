"""What is asked of a language model and what comes back, without the way there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import JsonValue, SecretStr

from blocks.llm_shapes import Shape

Provider = Literal["openai", "bedrock"]
"""`openai`: any server with OpenAI's chat and embeddings; `bedrock`: Amazon Bedrock Runtime."""
Structured = Literal["schema", "tool", "prompt"]
"""How a shape is asked for: by the service's JSON schema, by a tool that the model must call, or
by words in the prompt alone."""
Finish = Literal["end", "length", "filtered"]
"""Why a model stopped: it was done; at the limit of tokens; its service kept something back."""
Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """Keys of an AWS account."""

    access_key_id: SecretStr = field(repr=False)
    secret_access_key: SecretStr = field(repr=False)
    session_token: SecretStr | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ModelConnection:
    """One model behind one service: where it is, who asks, how much at once, at what price."""

    name: str
    """What the user calls it."""
    provider: Provider
    base_url: str
    """Without a slash at the end, such as `http://127.0.0.1:8080/v1`."""
    model: str = ""
    """Model that answers prompts; "": none."""
    embedding_model: str = ""
    """Model that embeds texts; "": none."""
    region: str = ""
    """AWS region, for signatures."""
    key: SecretStr | None = field(default=None, repr=False)
    """Bearer key."""
    aws: AwsKeys | None = field(default=None, repr=False)
    """None without a bearer key: as AWS's own tools find them."""
    in_flight: int = 8
    """Most requests at once to one model."""
    per_second: float | None = None
    """Most requests that start per second; None: no limit."""
    timeout_s: float = 120.0
    """Longest that one attempt may take."""
    deadline_s: float = 600.0
    """Longest that an answer may take with all its attempts."""
    attempts: int = 5
    """Most tries where the service fails."""
    structured: Structured = "schema"
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """How the service calls the limit of an answer; only of `openai`."""
    input_price: float | None = None
    """USD per million tokens of prompts; None: unknown."""
    output_price: float | None = None
    """USD per million tokens of answers; None: unknown."""
    fallbacks: tuple[str, ...] = ()
    """Connections that are asked where this one gives no answer, in order."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request to a model."""

    text: str
    system: str = ""
    max_tokens: int = 1024
    """Most tokens of the answer."""
    temperature: float | None = 0.0
    """None: as the service does; some models take no other."""
    seed: int | None = None
    """For services that take one."""
    stop: tuple[str, ...] = ()
    shape: Shape | None = None
    """Form of the answer; None: text."""
    turns: tuple[tuple[Role, str], ...] = ()
    """What was said after `text`, for a repair."""

    def identity(self) -> dict[str, JsonValue]:
        """What of a prompt decides its answer, as JSON."""
        return {
            "text": self.text,
            "system": self.system,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
            "stop": list(self.stop),
            "shape": self.shape.canonical if self.shape else None,
        }


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used; usages add up."""

    requests: int = 0
    """Requests that were sent, retries among them."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    """USD, at the prices of the connection; 0 where they are unknown."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said."""

    text: str
    model: str
    """Connection and model that answered, `connection: model`."""
    finish: Finish = "end"
    value: JsonValue = None
    """What a prompt with a shape asked for."""
    usage: Usage = Usage()
    """What it took, a repair and models that failed before among it."""
    repaired: bool = False
    """Whether a second turn was needed for the shape."""
    fell_back: bool = False
    """Whether another model than the first of its chain answered."""
    cached: bool = False
    """Whether nobody was asked."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no answer to one prompt."""

    reason: str
    """One line, without secrets."""
    kind: Literal["refused", "unusable", "cut", "unavailable"]
    """The service refuses the prompt; the answer has not the shape asked for; it was cut off; the
    service cannot be reached or keeps failing."""
    usage: Usage = Usage()

    @property
    def transient(self) -> bool:
        """Whether the same prompt may be answered later."""
        return self.kind == "unavailable"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one reply of a service says, read."""

    text: str | None
    """None: the reply holds none, and no call of a tool either."""
    finish: Finish
    input_tokens: int | None
    """None: the service does not say."""
    output_tokens: int | None


MOST_TOKENS = 2**53
"""More were never counted."""


def tokens_said(usage: Any, name: str) -> int | None:  # noqa: ANN401 -- JSON
    """A count of tokens in what a service says of its use; None where it says none.

    >>> tokens_said({"prompt_tokens": 3, "completion_tokens": -1}, "prompt_tokens")
    3
    >>> tokens_said({"prompt_tokens": 3, "completion_tokens": -1}, "completion_tokens")
    """
    count = usage.get(name) if isinstance(usage, Mapping) else None
    return count if type(count) is int and 0 <= count <= MOST_TOKENS else None
