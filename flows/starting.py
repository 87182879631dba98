"""Start runs of deployments without waiting for them, none twice for a key."""

from collections.abc import Iterable, Mapping

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from pydantic import JsonValue

from blocks.errors import InputError, ServiceError
from tasks.plain_values import refuse_hydrated

SERVICE = "Prefect server"
NOT_WORTH_ANOTHER_TRY = {400, 404, 409, 413, 422}
"""The server has understood, and will say the same again."""


def started(
    deployment: str,
    parameters: Mapping[str, JsonValue],
    *,
    key: str | None = None,
    tags: Iterable[str] = (),
) -> tuple[str, str]:
    """Id and name of a new run, or of the one that this key has started already.

    Args:
        deployment: As `design/quickstart`.
        parameters: Those that differ from the deployment's own.
        key: A second start with it makes no second run.

    Raises:
        InputError: There is no such deployment, or the server refuses the parameters.
        ServiceError: The server does not answer, or has trouble of its own.
    """
    refuse_hydrated(parameters, "parameters")
    try:
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(deployment)
            run = client.create_flow_run_from_deployment(
                found.id, parameters=dict(parameters), idempotency_key=key, tags=list(tags)
            )
    except ObjectNotFound:
        raise InputError(
            f"deployment {deployment!r}: not on the server; expected `make deploy` to be done"
        ) from None
    except PrefectHTTPStatusError as error:
        told = _told(error.response)
        if error.response.status_code in NOT_WORTH_ANOTHER_TRY:
            raise InputError(f"deployment {deployment!r}: {told}; expected other values") from None
        raise ServiceError(SERVICE, told) from error
    except (httpx.HTTPError, OSError, RuntimeError) as error:  # the last: it gave up waiting
        raise ServiceError(SERVICE, " ".join(str(error).split()) or type(error).__name__) from error
    return str(run.id), run.name


def _told(response: httpx.Response) -> str:
    """What the server says is wrong."""
    try:
        detail = response.json().get("detail", "")
    except (ValueError, AttributeError):
        detail = response.text
    return f"HTTP {response.status_code}: {' '.join(str(detail).split())[:500]}"
