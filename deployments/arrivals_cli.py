"""`seqloom arrivals` and `seqloom emit`: what arrived and what came of it; events by hand.

seqloom arrivals                     files: waiting, claimed, started, failed
seqloom arrivals watches             counts of each watch
seqloom arrivals retry WATCH         let the files of failed runs arrive anew
seqloom emit EVENT                   send an event, to which automations react
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from deployments.surroundings import prepare_environment
from deployments.telling import AsJson, put, table

if TYPE_CHECKING:
    from blocks.arrival_tables import Arrival

ID_LETTERS = 8

arrivals_app = App(name="arrivals", help="Files that arrived, and the runs that they started.")

State = Literal["waiting", "claimed", "started", "failed"]
Watch = Annotated[str, Parameter(help="as `seqloom arrivals watches` names it")]


@arrivals_app.default
def arrivals(
    *,
    watch: Annotated[str | None, Parameter(help="only files of this watch")] = None,
    state: Annotated[State | None, Parameter(help="only files in this state")] = None,
    limit: Annotated[int, Parameter(validator=Number(gte=1), help="most files listed")] = 50,
    as_json: AsJson = False,
) -> int:
    """List files, those seen last first.

    waiting: not settled yet, or one look has started as many runs as it may; claimed: its run is
    started by the next look; started: its run is in Prefect; failed: with the reason.
    """
    from blocks.arrivals import arrivals as listed
    from blocks.database import engine

    prepare_environment()
    found = listed(engine(), watch, state, limit)
    if as_json:
        put(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
    else:
        put(table([_row(one) for one in found]) if found else "no files yet")
    return 0


@arrivals_app.command
def watches(*, as_json: AsJson = False) -> int:
    """List the watches, with how many files are in which state."""
    from blocks.arrivals import counts
    from blocks.database import engine

    prepare_environment()
    found = counts(engine())
    if as_json:
        put(json.dumps(found, indent=2))
        return 0
    rows = [
        {"watch": watch, **{state: f"{files:,}" for state, files in states.items()}}
        for watch, states in found.items()
    ]
    put(table(rows) if rows else "no watch yet")
    return 0


@arrivals_app.command
def retry(watch: Watch, /) -> int:
    """Let the files of failed runs arrive anew; the next look takes them."""
    from blocks.arrivals import Arrivals, counts
    from blocks.database import engine
    from blocks.errors import InputError

    prepare_environment()
    known = counts(engine())
    if watch not in known:
        named = f"one of {', '.join(known)}" if known else "one that has looked; none has"
        raise InputError(f"watch {watch!r}: not known; expected {named}")
    put(f"{Arrivals(engine(), watch).forget_failed()} files will arrive anew")
    return 0


def emit(
    event: Annotated[str, Parameter(help="its name, as seqloom.data.arrived")],
    /,
    *,
    payload: Annotated[
        Path | None, Parameter(help="file in YAML or JSON; - for standard input",
                               allow_leading_hyphen=True)
    ] = None,
    resource: Annotated[str, Parameter(help="what it is about")] = "seqloom.cli",
) -> int:  # fmt: skip
    """Send an event to the Prefect server; automations react to it."""
    from deployments.parameter_files import read_parameters

    content = {} if payload is None else read_parameters(payload, whole=True)
    prepare_environment()
    from deployments.emitting import emitted

    put(f"event {emitted(event, resource, content)}")
    return 0


def _row(one: "Arrival") -> dict[str, str]:
    return {
        "file": one.uri, "bytes": f"{one.bytes:,}", "state": one.state,
        "seen (UTC)": f"{one.seen_at:%Y-%m-%d %H:%M:%S}", "deployment": one.deployment or "-",
        "run": one.flow_run_id[:ID_LETTERS] or "-", "error": one.error,
    }  # fmt: skip
