"""`seqloom agents`: what can be asked of a finished review.

seqloom agents check latest         look up again what its summary says
"""

import json
from typing import Annotated

from cyclopts import App, Parameter

from deployments.surroundings import prepare_environment
from deployments.telling import AsJson, put

FAILED = 1

agents_app = App(name="agents", help="Reviews by agents.")
Run = Annotated[str, Parameter(help="folder of the run, its name below results/agents, or latest")]


@agents_app.command
def check(run: Run = "latest", /, *, as_json: AsJson = False) -> int:
    """Look each number, date and name of the summary up in the tables that it cites.

    Exit status 1 where one is not found: the summary or a table was changed.
    """
    from tasks.agents.rechecking import recheck
    from tasks.agents.sources import run_folder_of

    prepare_environment()
    found = recheck(run_folder_of(run if "/" in run else f"agents/{run}"))
    if as_json:
        put(json.dumps(found.model_dump(), indent=2))
    else:
        told = "all found" if not found.missing else f"{len(found.missing)} sentences do not hold"
        put(f"{found.sentences} sentences, {found.numbers} numbers and names: {told}")
        for line in found.missing:
            put(f"  {line}")
    return FAILED if found.missing else 0
