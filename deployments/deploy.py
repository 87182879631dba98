"""`make deploy`: register every deployment of `prefect.yaml` with the running server."""

import os
import sys
from pathlib import Path

from blocks.errors import SeqloomError
from deployments.local import LocalPrefect, deploy_all, environment, register_blocks, serving


def main() -> int:
    """Register with the server of `PREFECT_API_URL`, else with that of `make serve`."""
    folder = Path(".seqloom").absolute()
    address = os.environ.get("PREFECT_API_URL", "").removesuffix("/api")
    prefect = (
        LocalPrefect(address, environment(folder, address), folder) if address else serving(folder)
    )
    if prefect is None:
        sys.stderr.write("no Prefect server: expected PREFECT_API_URL, or `make serve` running\n")
        return 2
    try:
        sys.stdout.write(deploy_all(prefect) + register_blocks(prefect))
    except SeqloomError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
