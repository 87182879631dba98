"""uvicorn around the gateway."""

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from blocks.access_keys import AccessKeys
from blocks.audit import Audit
from blocks.errors import InputError
from deployments.gateway.application import application
from deployments.gateway.prefect_runs import PrefectRuns
from deployments.gateway.state import Gateway
from deployments.prefect_http import api_url, client

PREFECT_S = 30.0
"""Longest that Prefect may take for one answer."""
REQUESTS_AT_ONCE = 200


def serve(
    host: str,
    port: int,
    certificate: Path | None,
    private_key: Path | None,
    listening: Callable[[str], None],
) -> None:
    """Serve until interrupted.

    Args:
        port: 0: any that is free.
        listening: Told the address, once it is taken.

    Raises:
        InputError: There is no Prefect server to speak to, or the address cannot be taken.
    """
    url = api_url()
    if url is None:
        raise InputError("no Prefect server: expected PREFECT_API_URL, or `make serve` running")
    try:
        taken = socket.create_server((host, port), backlog=512)
    except OSError as error:
        told = f"{host}:{port}: cannot be taken ({error.strerror})"
        raise InputError(f"{told}; expected a free port of this machine") from None
    with taken, client(url, PREFECT_S) as http:
        shared = Gateway(PrefectRuns(http), AccessKeys(), Audit())
        config = configured(shared, certificate, private_key)
        listening(f"http{'s' * config.is_ssl}://{host}:{taken.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[taken])


def configured(
    shared: Gateway, certificate: Path | None = None, private_key: Path | None = None
) -> uvicorn.Config:
    """How the gateway is served."""
    return uvicorn.Config(
        application(shared),
        access_log=False,  # the audit tells who asked for what
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # else callers say themselves where they come from
        limit_concurrency=REQUESTS_AT_ONCE,
        ssl_certfile=certificate,
        ssl_keyfile=private_key,
    )
