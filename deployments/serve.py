"""`make serve`: server, worker and deployments in the foreground until Ctrl-C."""

import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx

from deployments.automating import apply_automations
from deployments.local import (
    POLL_S,
    announced,
    deploy,
    free_port,
    register_blocks,
    server,
    worker,
)

DEFAULT_PORT = 4200


def _port() -> int:
    """Prefect's usual port where it is free."""
    with suppress(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{DEFAULT_PORT}/api/health", timeout=1)
        return free_port()
    return DEFAULT_PORT


def main() -> int:
    """Serve until interrupted; exit status 1 when the worker ended on its own."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(".seqloom").absolute()
    sys.stdout.write("Starting the Prefect server ...\n")
    try:
        with server(folder, _port()) as prefect, worker(prefect) as process, announced(prefect):
            deploy(prefect)
            register_blocks(prefect)
            apply_automations(prefect)
            sys.stdout.write(
                f"UI        {prefect.url}\n"
                f"commands  export PREFECT_API_URL={prefect.api}\n"
                "Deployments are ready; Ctrl-C stops server and worker.\n"
            )
            sys.stdout.flush()
            while process.poll() is None:
                time.sleep(POLL_S)
            sys.stderr.write(f"the worker ended; see {folder / 'worker.log'}\n")
            return 1
    except KeyboardInterrupt:
        sys.stdout.write("\nStopped.\n")
        return 0


if __name__ == "__main__":
    sys.exit(main())
