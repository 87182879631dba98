"""Where Prefect keeps its files and whom it speaks to, when a command does not say so itself."""

import os
from pathlib import Path

STATE = Path(".seqloom")


def prepare_environment() -> None:
    """Keep Prefect's files in the project; speak to the server of `make serve` where it runs."""
    from deployments.local import environment, serving

    defaults = {
        "PREFECT_HOME": str((STATE / "prefect").absolute()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
        "DO_NOT_TRACK": "1",
    }
    served = serving(STATE.absolute()) if "PREFECT_API_URL" not in os.environ else None
    if served is not None:
        own = environment(served.folder, served.url)
        defaults |= {k: v for k, v in own.items() if k.startswith(("PREFECT_", "SEQLOOM_"))}
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
