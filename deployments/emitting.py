"""Events by hand: what automations react to, sent to the Prefect server."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings
from pydantic import JsonValue

from blocks.errors import InputError, ServiceError

RESERVED = "prefect."


def require_server() -> str:
    """Address of the server's API.

    Raises:
        InputError: None is known; a temporary one would have neither workers nor automations.
    """
    url = get_current_settings().api.url
    if url is None:
        raise InputError("no Prefect server: expected PREFECT_API_URL, or `make serve` running")
    return url


def emitted(event: str, resource: str, payload: Mapping[str, JsonValue]) -> str:
    """Send an event; its id.

    Args:
        event: Its name, as `seqloom.data.arrived`.
        resource: What it is about, as `seqloom.plate.7`.

    Raises:
        InputError: A name is empty, or Prefect's own; or the server refuses the event.
        ServiceError: The server does not answer.
    """
    for what, name in (("event", event), ("resource", resource)):
        if not name.strip() or name.startswith(RESERVED):
            raise InputError(f"{what} {name!r}: expected a name that does not begin with prefect.")
    require_server()
    content = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": event,
        "resource": {"prefect.resource.id": resource},
        "related": [],
        "payload": dict(payload),
    }
    try:
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[content])
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise InputError(f"event {event!r}: HTTP {status}; expected a smaller payload") from None
    except httpx.HTTPError as error:
        raise ServiceError("Prefect server", type(error).__name__) from error
    return str(content["id"])
