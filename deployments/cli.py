"""`seqloom`: what Prefect's own command line does not do.

    seqloom plan design params.yaml     check parameters, print what a run would do
    seqloom run design params.yaml      run a pipeline in this process
    seqloom runs                        list runs; `runs show RUN`, `runs compare RUN RUN`
    seqloom doctor                      what is installed, what is missing, how to mend it

Exit status: 0 done, 1 something failed, 2 wrong input or parameters, 3 done but items failed.
Prefect is imported only by the commands that need it: `--help` answers at once.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from blocks.errors import InputError, InputProblems, Problem, SeqloomError
from deployments.listing import compared_text, run_text, runs_text

if TYPE_CHECKING:
    from types import ModuleType

    from pydantic import BaseModel

FAILED, WRONG_INPUT, ITEMS_FAILED = 1, 2, 3
STATE = Path(".seqloom")

app = App(name="seqloom", help="Sequence pipelines on Prefect.", help_format="plaintext")
runs_app = App(name="runs", help="Runs of all pipelines, from the ledger.")
app.command(runs_app)

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="print JSON for programs")]
ParameterFile = Annotated[Path, Parameter(help="YAML or JSON, `-` for standard input")]


@app.command
def plan(pipeline: str, parameters: ParameterFile, *, as_json: AsJson = False) -> int:
    """Check parameters and print the execution plan; nothing is predicted, nothing is paid."""
    module = _pipeline(pipeline)
    text, frame = module.plan(_validated(module, pipeline, parameters))
    if as_json:
        _print(json.dumps({"plan": frame.to_dict("records")}, indent=2))
    else:
        _print(f"{text}\n\n{frame.to_string(index=False)}")
    return 0


@app.command
def run(pipeline: str, parameters: ParameterFile, *, as_json: AsJson = False) -> int:
    """Run a pipeline in this process; the run is recorded like any other."""
    module = _pipeline(pipeline)
    result = getattr(module, pipeline)(_validated(module, pipeline, parameters))
    content = result.model_dump(mode="json")
    if as_json:
        _print(json.dumps(content, indent=2))
    else:
        shown = {name: value for name, value in content.items() if isinstance(value, str | int)}
        _print("\n".join(f"{name:<10} {value}" for name, value in shown.items() if value != ""))
    return ITEMS_FAILED if content.get("failed") else 0


@runs_app.default
def runs(
    *,
    pipeline: str | None = None,
    status: str | None = None,
    limit: int = 20,
    as_json: AsJson = False,
) -> int:
    """List runs, the newest first."""
    from blocks import ledger

    ledger.reconcile()
    found = ledger.runs(pipeline=pipeline, status=status, limit=limit)  # type: ignore[arg-type]
    _print(_json([one.model_dump(mode="json") for one in found]) if as_json else runs_text(found))
    return 0


@runs_app.command
def show(run: str, *, as_json: AsJson = False) -> int:
    """Show one run: parameters, counts, timing of each stage."""
    from blocks import ledger

    ledger.reconcile()
    found = ledger.run(run)
    _print(_json(found.model_dump(mode="json")) if as_json else run_text(found))
    return 0


@runs_app.command
def compare(old: str, new: str, *, as_json: AsJson = False) -> int:
    """Show what differs between two runs: parameters, versions, digests, counts, times."""
    from blocks import ledger

    found = ledger.compare(old, new)
    _print(_json(found.model_dump(mode="json")) if as_json else compared_text(found))
    return 0


@app.command
def doctor(*, as_json: AsJson = False) -> int:
    """Check programs, storage, database and server, and say how to mend what is wrong."""
    from deployments.doctor import checks, checks_json, format_checks, healthy

    found = checks()
    _print(checks_json(found) if as_json else format_checks(found))
    return 0 if healthy(found) else FAILED


def _json(content: object) -> str:
    return json.dumps(content, indent=2, default=str)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _pipeline(name: str) -> "ModuleType":
    """The module of a flow that has a plan."""
    from importlib import import_module

    import flows
    from tasks.dag import closest

    folder = Path(next(iter(flows.__path__)))
    known = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    if name not in known:
        raise InputError(f"pipeline {name!r}: not known; expected {closest(name, known)}")
    return import_module(f"flows.{name}")


def _validated(module: "ModuleType", name: str, path: Path) -> "BaseModel":
    from typing import get_type_hints

    from pydantic import ValidationError

    model = get_type_hints(getattr(module, name).fn)["params"]
    content = _read(path)
    if set(content) == {"params"}:
        content = content["params"]  # as in a deployment
    try:
        validated: BaseModel = model.model_validate(content)
    except ValidationError as error:
        raise InputProblems(list(_problems(str(path), error))) from None
    return validated


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
        content = yaml.safe_load(text)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected YAML or JSON") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read ({line}); expected YAML or JSON") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: {type(content).__name__}; expected names and values")
    return content


def _problems(source: str, error: Any) -> Iterable[Problem]:  # noqa: ANN401 -- pydantic's, imported late
    """Pydantic's findings in our form: place, what stands there, what was expected."""
    for found in error.errors(include_url=False):
        place = ".".join(str(part) for part in found["loc"])
        given = "nothing" if found["type"] == "missing" else repr(found["input"])[:80]
        message = found["msg"].removeprefix("Value error, ")
        yield Problem(f"{source}, {place}", given, message[:1].lower() + message[1:])


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is told at the head of this module."""
    _prepare_environment()
    try:
        return int(app(arguments, exit_on_error=False, result_action="return_value") or 0)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_INPUT
    except SeqloomError as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except KeyboardInterrupt:
        return 130
    except _usage_errors() as error:
        sys.stderr.write(f"{error}\n")
        return WRONG_INPUT


def _usage_errors() -> type[Exception]:
    from cyclopts import CycloptsError

    return CycloptsError


def _prepare_environment() -> None:
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


if __name__ == "__main__":
    sys.exit(main())
