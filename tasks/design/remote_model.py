"""Models that a service runs: what settings they have in common, and how they are asked."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, Protocol

from pydantic import Field, JsonValue, field_validator

from tasks.parameters import Params

Action = Literal["predict", "encode", "generate", "score", "fold", "log_prob"]
Item = Mapping[str, Any]
NOTES = "notes"
"""Place in `DataFrame.attrs` of the lines that a run should show; they are a list of str."""
MAX_PARAMS = 20_000
"""Most bytes of JSON in `params`."""
_SECRETS = frozenset(
    ("apikey", "authorization", "bearer", "cookie", "credential", "credentials", "passphrase",
     "passwd", "password", "secret")
)  # fmt: skip
_KEY_OF = frozenset(("api", "private", "access", "auth"))
_TOKEN_OF = _KEY_OF | {"biolm", "biolmai", "hf", "id", "refresh", "service", "session", "user"}


class RemoteSettings(Params):
    """Which model of which service, and how it is asked."""

    model: str = Field(
        pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$",
        title="Model",
        description="as it stands in the service's addresses, e.g. esm2-8m",
    )
    action: Action = Field("predict", title="Action", description="what the model is asked to do")
    connection: str = Field(
        "",
        max_length=200,
        title="Connection",
        description="name of a saved BioLM block; empty: what the environment says",
    )
    params: dict[str, JsonValue] = Field(
        default_factory=dict,
        title="Model parameters",
        description="sent to the model as they are; JSON, up to 20 kB, no secrets",
    )
    batch_size: int | None = Field(
        None,
        ge=1,
        le=10_000,
        title="Batch size",
        description="items in a request; empty: as many as the model takes",
    )
    requests_per_second: float | None = Field(
        None, gt=0, le=10_000, title="Requests per second", description="empty: as the service says"
    )
    in_flight: int | None = Field(
        None,
        ge=1,
        le=256,
        title="Requests in flight",
        description="most requests at once; empty: as the connection says",
    )
    deadline_s: float = Field(
        21_600.0,
        gt=0,
        le=604_800,
        title="Deadline",
        description="longest that the stage waits for the service [s]",
    )

    @field_validator("params")
    @classmethod
    def _plain(cls, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Sorted, so that the order of writing decides nothing."""
        try:
            text = json.dumps(given, sort_keys=True, allow_nan=False)
        except ValueError as error:
            raise ValueError("params: a number that JSON does not know; expected finite") from error
        if len(text.encode()) > MAX_PARAMS:
            raise ValueError(f"params: {len(text.encode())} bytes; expected at most {MAX_PARAMS}")
        secret = next(filter(_looks_secret, _keys(given)), None)
        if secret is not None:
            raise ValueError(
                f"params, {secret!r}: looks like a secret; expected it in the connection"
            )
        return dict(json.loads(text))


@dataclass(frozen=True, slots=True)
class Request:
    """One item of its own, with parameters on top of those of the settings."""

    item: Item
    params: Mapping[str, Any] = field(default_factory=dict)


class RemoteModel(Protocol):
    """A model of a service; cuts batches itself, and sends as many at once as it may."""

    def ask(self, items: Sequence[Item]) -> tuple[list[Any | None], dict[int, str]]:
        """One answer per item in their order, None where it failed; its place -> why.

        Raises:
            SeqloomError: The service as a whole refused, or did not answer.
        """
        ...

    def generate(
        self, requests: Sequence[Request]
    ) -> tuple[list[list[Any] | None], dict[int, str]]:
        """What each request gave, as it came: more or fewer results than one, maybe nested.

        Returns:
            One list per request in their order, None where it failed; its place -> why.

        Raises:
            SeqloomError: The service as a whole refused, or did not answer.
        """
        ...


def _keys(given: JsonValue) -> Iterator[str]:
    """All keys, those of inner objects too."""
    if isinstance(given, dict):
        for key, value in given.items():
            yield key
            yield from _keys(value)
    elif isinstance(given, list):
        for value in given:
            yield from _keys(value)


def _looks_secret(key: str) -> bool:
    """Whether a key names a secret; `mask_token` and `max_tokens` are what models do take."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", key)]
    return (
        words == ["token"]
        or not _SECRETS.isdisjoint(words)
        or any(
            (last == "key" and first in _KEY_OF) or (last == "token" and first in _TOKEN_OF)
            for first, last in pairwise(words)
        )
    )
