"""`make deploy`: bring deployments and automations to the running server."""

import os
import sys
from pathlib import Path

from blocks.errors import SeqloomError
from deployments.automating import apply_automations
from deployments.local import LocalPrefect, deploy, environment, register_blocks, serving


def main() -> int:
    """Bring them to the server of `PREFECT_API_URL`, else with that of `make serve`."""
    folder = Path(".seqloom").absolute()
    address = os.environ.get("PREFECT_API_URL", "").removesuffix("/api")
    prefect = (
        LocalPrefect(address, environment(folder, address), folder) if address else serving(folder)
    )
    if prefect is None:
        sys.stderr.write("no Prefect server: expected PREFECT_API_URL, or `make serve` running\n")
        return 2
    try:
        sys.stdout.write(deploy(prefect) + register_blocks(prefect))
        sys.stdout.write(apply_automations(prefect))
    except SeqloomError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
