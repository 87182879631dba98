"""What is asked of BioLM's API and what comes back, without the way there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import SecretStr

Dialect = Literal["v3", "hub"]
"""`v3`: the hosted API, `/api/v3/{model}/{action}/`; `hub`: a self-hosted one, of which the paths
are `/api/v1/{model}/{action}`."""
Action = Literal["predict", "encode", "generate", "score", "fold", "log_prob"]
Item = Mapping[str, Any]
"""One item of a request, such as `{"sequence": "MKV"}`."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One service: where it is, who asks, and how much at once."""

    base_url: str
    """Without a slash at the end, such as `https://biolm.ai/api/v3`."""
    dialect: Dialect = "v3"
    token: SecretStr | None = field(default=None, repr=False)
    cookie: SecretStr | None = field(default=None, repr=False)
    """Of a log-in in the browser, where there is no token."""
    in_flight: int = 8
    """Most requests at once to one model."""
    timeout_s: float = 1_200.0
    """Longest that one attempt may take, whatever the server sends meanwhile."""
    stored_as: str = ""
    """Name under which predictions are kept; "": host and port."""


@dataclass(frozen=True, slots=True)
class Call:
    """A model's action with its parameters; the items come with each request."""

    model: str
    action: Action
    params: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int | None = None
    """Items per request; None: as many as the model takes."""
    per_second: float | None = None
    """Requests per second; None: as the service says."""
    whole: bool = False
    """One item per request, and all results together are its answer, however many there are."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model says of itself."""

    batch_size: int | None
    """Most items in a request; None: unknown."""
    per_second: float | None
    """Most requests per second; None: unknown, or none."""
    needs_params: bool = False
    """It refuses a request without `params`, even if there are none."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back for some items."""

    answers: Sequence[Any | None]
    """One per item, in the order of the items; None where it failed."""
    faults: Mapping[int, str] = field(default_factory=dict)
    """Place of each item that failed -> why, on one line."""
    requests: int = 1
    """HTTP requests that it took."""
