"""`make demo`: redesign a myoglobin through a deployment, from an empty machine to a page.

Starts a Prefect server and a process worker of its own on free ports, or uses those of
`make serve`, registers a deployment, runs it through Prefect's command line and shows what came
out. A second demo is answered from the caches, and says so.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from deployments.local import LocalPrefect
from deployments.watched_runs import say, watched

PARAMETERS = Path("deployments/example/design.yaml")
DEPLOYMENT = "design/quickstart"
SHOWN = 10
COLUMNS = ("rank", "id", "profile_bits", "parent_identity", "instability_index", "mutations")


def _show(prefect: LocalPrefect, run: dict[str, Any], seconds: float) -> None:
    latest = Path(prefect.environment["SEQLOOM_RESULTS"]) / "design" / "latest"
    manifest = json.loads((latest / "RUN.json").read_text())
    designs = pd.read_csv(latest / "designs.csv", nrows=SHOWN)
    shown = designs[[column for column in COLUMNS if column in designs]]
    say("\nTop designs\n" + shown.to_string(index=False, max_colwidth=48))
    new, stored = manifest["computed"], manifest["cached"]
    origin = "all from the caches" if new == 0 else f"{stored:,} of them from the caches"
    say(
        f"\n{manifest['items']:,} variants: {manifest['kept']:,} kept, {manifest['dropped']:,} "
        f"dropped, {manifest['failed']:,} failed; {new + stored:,} predictions, {origin}.\n"
        f"  page     {manifest['page']}\n"
        f"  files    {manifest['folder']}\n"
        f"  run      {run['name']} ({run['id'][:8]}): `make serve` shows it in the Prefect UI,\n"
        f"           now at {prefect.url} for as long as this demo runs\n"
        f"  records  .venv/bin/seqloom runs show {run['id'][:8]}\n"
        f"From the command to the end it took {seconds:.0f} s; most of that is starting Prefect."
    )


def main() -> int:
    """Run the demo; exit status 1 when it failed, with one line that says why."""
    return watched(DEPLOYMENT, yaml.safe_load(PARAMETERS.read_text()), _show)


if __name__ == "__main__":
    sys.exit(main())
