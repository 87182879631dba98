"""Where a language model is and who asks: as a form, as the environment says, and checked."""

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from blocks.errors import InputError
from blocks.llm_budget import ModelLimits
from blocks.llm_calls import AwsKeys, ModelConnection
from blocks.services import is_loopback

PREFIX = "SEQLOOM_LLM_"
ENVIRONMENT = "environment"
"""Name of the connection that the environment describes."""
_EXPECTED_URL = "expected such as https://api.openai.com/v1 or http://127.0.0.1:8080/v1"
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


class ModelForm(BaseModel):
    """What a user says of a model; fields of the block and, with a prefix, of the environment."""

    provider: Literal["openai", "bedrock"] = Field(
        "openai",
        title="Provider",
        description="openai: any server with OpenAI's API; bedrock: Amazon Bedrock",
    )
    base_url: str = Field(
        "",
        title="Base URL",
        description="such as http://127.0.0.1:8080/v1; Bedrock: empty for the region's own",
    )
    region: str = Field("", title="AWS region", description="Bedrock only, such as us-east-1")
    model: str = Field("", title="Model", description="answers prompts; empty: none")
    embedding_model: str = Field(
        "", title="Embedding model", description="turns texts into vectors; empty: none"
    )
    key: SecretStr = Field(
        SecretStr(""), title="Key", description="bearer key; sent to this host only; empty: none"
    )
    access_key_id: SecretStr = Field(
        SecretStr(""),
        title="AWS access key id",
        description="Bedrock without a bearer key; empty: as AWS's own tools find keys",
    )
    secret_access_key: SecretStr = Field(SecretStr(""), title="AWS secret access key")
    session_token: SecretStr = Field(SecretStr(""), title="AWS session token")
    in_flight: int = Field(
        8, ge=1, le=256, title="Requests at once", description="to this model, over all nodes"
    )
    per_second: float | None = Field(
        None, gt=0, title="Requests per second", description="empty: no limit"
    )
    timeout_s: float = Field(120, gt=0, title="Time limit of an attempt [s]")
    deadline_s: float = Field(
        600, gt=0, title="Time limit of an answer [s]", description="with all its attempts"
    )
    attempts: int = Field(5, ge=1, le=20, title="Attempts", description="where the service fails")
    structured: Literal["schema", "tool", "prompt"] = Field(
        "schema",
        title="Structured answers by",
        description="schema: the service's JSON schema; tool: a tool to call; prompt: words only",
    )
    limit_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", title="Limit of answers is called", description="OpenAI's newer models differ"
    )
    input_price: float | None = Field(
        None, ge=0, title="Price of prompts", description="USD per million tokens"
    )
    output_price: float | None = Field(
        None, ge=0, title="Price of answers", description="USD per million tokens"
    )
    fallbacks: list[str] = Field(
        default_factory=list,
        title="Fallbacks",
        description="blocks that are asked, in order, where this one gives no answer",
    )


class _Environment(ModelForm, BaseSettings):
    """The same from `SEQLOOM_LLM_PROVIDER`, `SEQLOOM_LLM_KEY` and so on."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )


def environment_connection() -> ModelConnection | None:
    """The connection that the environment describes, checked; None where it names no model.

    Raises:
        InputError: It cannot be used.
    """
    try:
        form = _Environment()
    except ValidationError as error:
        (first, *_) = error.errors(include_input=False)
        field = f"{PREFIX}{str(first['loc'][0]).upper()}"
        problem = f"{field}: {first['msg']}; expected what the field of the block takes"
    else:
        return connection_of_form(ENVIRONMENT, form) if form.model or form.embedding_model else None
    raise InputError(problem)  # outside of the handler: pydantic's text may show a value


def connection_of_form(name: str, form: ModelForm) -> ModelConnection:
    """The connection that a form describes.

    Raises:
        InputError: Something is missing, or a secret would be sent where others can read it.
    """
    where = f"connection {name!r}"
    if not (form.model or form.embedding_model):
        raise InputError(f"{where}: names no model; expected a model or an embedding model")
    base_url = form.base_url.strip().rstrip("/")
    if form.provider == "bedrock":
        if not _REGION.fullmatch(form.region):
            raise InputError(f"{where}: region {form.region!r}; expected such as us-east-1")
        base_url = base_url or f"https://bedrock-runtime.{form.region}.amazonaws.com"
    keys = _aws_keys(where, form)
    url = _split(where, base_url)
    secrets = {"key": form.key, "access key id": form.access_key_id}
    secrets |= {"secret access key": form.secret_access_key, "session token": form.session_token}
    for what, secret in secrets.items():
        value = secret.get_secret_value()
        if value and not (value.isascii() and value.isprintable() and " " not in value):
            raise InputError(f"{where}: {what} holds what no header takes; expected plain text")
    if url.scheme == "http" and form.key.get_secret_value() and not is_loopback(url.hostname or ""):
        raise InputError(f"{where}: a key over plain http to {url.hostname}; expected https://")
    said = form.model_dump(
        exclude={"key", "access_key_id", "secret_access_key", "session_token", "base_url"},
        include=set(ModelForm.model_fields),
    )
    said["fallbacks"] = tuple(form.fallbacks)
    key = form.key if form.key.get_secret_value() else None
    return ModelConnection(name=name, base_url=base_url, key=key, aws=keys, **said)


def _aws_keys(where: str, form: ModelForm) -> AwsKeys | None:
    given = bool(form.access_key_id.get_secret_value())
    if given != bool(form.secret_access_key.get_secret_value()):
        raise InputError(f"{where}: half of a pair of AWS keys; expected both, or none")
    token = form.session_token if form.session_token.get_secret_value() else None
    return AwsKeys(form.access_key_id, form.secret_access_key, token) if given else None


def _split(where: str, base_url: str) -> SplitResult:
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError:
        raise InputError(f"{where}: base_url is no URL; {_EXPECTED_URL}") from None
    if url.username is not None or url.password is not None:
        raise InputError(f"{where}: a login in base_url; expected none, and a key instead")
    clean = base_url.isascii() and base_url.isprintable() and " " not in base_url
    if url.scheme not in {"http", "https"} or not url.hostname or port == 0 or not clean:
        raise InputError(f"{where}: base_url {base_url[:100]!r}; {_EXPECTED_URL}")
    if url.query or url.fragment:
        raise InputError(f"{where}: base_url has a query; {_EXPECTED_URL}")
    return url


def check_together(connections: Mapping[str, ModelConnection], limits: ModelLimits) -> None:
    """Refuse what can be known to fail before anything is asked.

    Raises:
        InputError: A fallback that is not there, or a limit of cost without prices.
    """
    for name, connection in connections.items():
        for fallback in connection.fallbacks:
            if fallback not in connections or not connections[fallback].model:
                raise InputError(
                    f"connection {name!r}: fallback {fallback!r} is no connection of this run "
                    "with a model; expected one that is"
                )
        unpriced = connection.input_price is None or connection.output_price is None
        if limits.cost is not None and unpriced:
            raise InputError(
                f"connection {name!r}: no prices; expected input_price and output_price, "
                "since the cost of the run is limited"
            )
