"""`seqloom`: what Prefect's own command line does not do.

    seqloom pipelines                   list what can be run
    seqloom plan design params.yaml     check parameters, print what a run would do
    seqloom run design params.yaml      run a pipeline in this process
    seqloom parameters design p.yaml    the same file for `prefect deployment run --params -`
    seqloom runs                        list runs; `runs show RUN`, `failed RUN`, `stats`, `report`
    seqloom start design params.yaml    start a run on the work pool, without waiting for it
    seqloom emit EVENT                  send an event, to which automations react
    seqloom arrivals                    files that arrived, and the runs that they started
    seqloom reads process cfg.toml      FASTQ processing; `seqloom reads --help` for the rest
    seqloom domains status BATCH        how far a batch of proteins is; `domains failed BATCH`
    seqloom graphs run graph.yaml       text and language-model steps; `seqloom graphs --help`
    seqloom gateway                     runs over HTTP; `seqloom keys --help`, `audit --help`
    seqloom agents check latest         look the numbers of a summary up in its tables again
    seqloom doctor                      what is installed, what is missing, how to mend it

Exit status: 0 done, 1 something failed, 2 wrong input or parameters, 3 done but items failed.
Prefect is imported only by the commands that need it: `--help` answers at once.
"""

import json
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from cyclopts.exceptions import UnusedCliTokensError

from blocks.errors import InputError, SeqloomError
from deployments.access_cli import audit_app, gateway, keys_app
from deployments.agents_cli import agents_app
from deployments.arrivals_cli import arrivals_app, emit
from deployments.domains_cli import domains_app
from deployments.graphs_cli import graphs_app
from deployments.reads_cli import reads_app
from deployments.runs_cli import runs_app
from deployments.surroundings import prepare_environment
from deployments.telling import AsJson, put, table, tell

if TYPE_CHECKING:
    from pydantic import BaseModel

    from flows.registry import Pipeline

FAILED, WRONG_INPUT, ITEMS_FAILED = 1, 2, 3

app = App(
    name="seqloom",
    help="Sequence pipelines on Prefect.",
    help_format="plaintext",
    version=partial(version, "seqloom"),
)
app.command(runs_app)
app.command(reads_app)
app.command(domains_app)
app.command(graphs_app)
app.command(gateway)
app.command(keys_app)
app.command(audit_app)
app.command(arrivals_app)
app.command(emit)
app.command(agents_app)

Name = Annotated[str, Parameter(help="of the pipeline, e.g. design; `seqloom pipelines`")]
ParameterFile = Annotated[
    Path,
    Parameter(help="file in YAML or JSON; - for standard input", allow_leading_hyphen=True),
]


@app.command
def pipelines(*, as_json: AsJson = False) -> int:
    """List what can be run, with its deployments."""
    from dataclasses import asdict

    from flows.registry import PIPELINES

    rows = [asdict(one) for one in PIPELINES.values()]
    if as_json:
        put(_json(rows))
        return 0
    shown = ("name", "owner", "sensitivity", "deployments", "description")
    put(
        table(
            [
                {**{n: row[n] for n in shown}, "deployments": ", ".join(row["deployments"])}
                for row in rows
            ]
        )
    )
    return 0


@app.command
def plan(pipeline: Name, parameters: ParameterFile, /, *, as_json: AsJson = False) -> int:
    """Check parameters and print the execution plan; nothing is predicted, nothing is paid."""
    asked, params = _asked_for(pipeline, parameters)
    text, frame = asked.plan(params)
    if as_json:
        put(json.dumps({"plan": frame.to_dict("records")}, indent=2))
    else:
        put(f"{text}\n\n{frame.to_string(index=False)}")
    return 0


@app.command
def run(pipeline: Name, parameters: ParameterFile, /, *, as_json: AsJson = False) -> int:
    """Run a pipeline in this process; the run is recorded like any other."""
    asked, params = _asked_for(pipeline, parameters)
    _announce_server()
    result: Any = asked.flow(params)
    content = result.model_dump(mode="json")
    if as_json:
        put(json.dumps(content, indent=2))
    elif content.get("plan"):
        put(table(content["plan"]))
    else:
        shown = {name: value for name, value in content.items() if isinstance(value, str | int)}
        put("\n".join(f"{name:<10} {value}" for name, value in shown.items() if value != ""))
    return ITEMS_FAILED if content.get("failed") or content.get("refused") else 0


@app.command
def start(
    pipeline: Name,
    parameters: ParameterFile,
    /,
    *,
    deployment: Annotated[str, Parameter(help="of the pipeline; its usual one if not given")] = "",
    key: Annotated[str, Parameter(help="a second start with it starts nothing")] = "",
    as_json: AsJson = False,
) -> int:
    """Start a run of a deployment on its work pool, without waiting for it."""
    asked, params = _asked_for(pipeline, parameters)
    from deployments.emitting import require_server
    from flows.runner import deployment_of
    from flows.starting import started

    require_server()
    name = deployment_of(asked, deployment)
    content = {"params": params.model_dump(mode="json", exclude_unset=True)}
    run, called = started(name, content, key=f"cli:{key}" if key else None, tags=["cli"])
    told = {"run": run, "name": called, "deployment": name}
    put(
        _json(told) if as_json else "\n".join(f"{what:<10} {value}" for what, value in told.items())
    )
    return 0


@app.command(name="parameters")
def checked_parameters(pipeline: Name, parameters: ParameterFile, /) -> int:
    """Check parameters and print them as `prefect deployment run --params -` takes them."""
    _, params = _asked_for(pipeline, parameters)
    put(json.dumps({"params": params.model_dump(mode="json", exclude_unset=True)}, indent=2))
    return 0


@app.command
def doctor(*, as_json: AsJson = False) -> int:
    """Check programs, storage, database and server, and say how to mend what is wrong."""
    from deployments.doctor import checks, checks_json, format_checks, healthy

    prepare_environment()
    found = checks()
    put(checks_json(found) if as_json else format_checks(found))
    return 0 if healthy(found) else FAILED


def _announce_server() -> None:
    """Say what takes time where no server runs: Prefect starts one for this process."""
    from prefect.settings import get_current_settings

    if get_current_settings().api.url is None:
        tell("starting a temporary Prefect server; `make serve` keeps one running ...")


def _json(content: object) -> str:
    return json.dumps(content, indent=2, default=str)


def _asked_for(name: str, path: Path) -> "tuple[Pipeline, BaseModel]":
    """A pipeline and its parameters, checked; Prefect is imported once both are there."""
    from deployments.parameter_files import read_parameters
    from flows.registry import pipeline
    from tasks.wording import validated

    found = pipeline(name)
    content = read_parameters(path)
    prepare_environment()
    return found, validated(found.parameters, content, str(path))


def run_command(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is told at the head of this module."""
    try:
        done = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        return int(done or 0)
    except InputError as error:
        tell(str(error))
        return WRONG_INPUT
    except SeqloomError as error:
        tell(str(error))
        return FAILED
    except OSError as error:  # a place or service outside: its own words say more than a traceback
        tell(" ".join(str(error).split()))
        return FAILED
    except CycloptsError as error:
        tell(f"{_usage(error)}; see `seqloom --help`")
        return WRONG_INPUT


def _usage(error: CycloptsError) -> str:
    """What is wrong with the command line."""
    match error:
        case UnusedCliTokensError(unused_tokens=tokens):
            return f"{' '.join(tokens or [])}: not understood; expected nothing more"
        case _:
            return " ".join(str(error).split()).rstrip(".")
