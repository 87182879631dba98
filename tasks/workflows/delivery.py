"""The folder of a run of a workflow.

results/workflows/<run>/
    report.html                 open this: the graph, and links to the pages of its steps
    steps.csv                   a row for each step
    workflow.yaml workflow.mmd  as it ran, to be run again; in Mermaid's language
    pipeline_info/steps.json    parameters and results of each step
    pipeline_info/ checksums.sha256 RUN.json   as of every pipeline
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import yaml
from pydantic import Field, JsonValue

from blocks.errors import InputError
from blocks.masking import mask
from blocks.settings import settings
from tasks.parameters import Record
from tasks.policies import current_run, delivery, run_logger
from tasks.results import MANIFEST, run_folder
from tasks.workflows.facts import Facts
from tasks.workflows.model import Declaration
from tasks.workflows.page import WorkflowPage, diagram, steps_frame, workflow_page
from tasks.workflows.planning import Prepared
from tasks.workflows.running import Ended

PAGE = "report.html"
LIBRARIES = ("seqloom", "pydantic", "prefect")


class WorkflowResult(Record):
    """What a run of a workflow returns."""

    workflow: str
    folder: str = ""
    """Where the results lie; "" after a dry run."""
    page: str = ""
    done: int = 0
    """Steps that were run."""
    reused: int = 0
    """Steps that an earlier run had finished."""
    skipped: int = 0
    failed: int = 0
    states: dict[str, str] = Field({})
    """Step -> how it ended."""
    pages: dict[str, str] = Field({})
    folders: dict[str, str] = Field({})
    """Of the steps' runs."""
    decisions: dict[str, JsonValue] = Field({})
    undone: dict[str, str] = Field({})
    """Compensations that ran, in order -> how they ended."""
    degraded: bool = False
    """A step failed and the others went on, or something stood in for one."""
    notes: tuple[str, ...] = ()
    error: str = ""
    digests: dict[str, str] = Field({})
    inputs: dict[str, str] = Field({})
    versions: dict[str, str] = Field({})
    plan: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """A run that has come to its end."""

    run: Prepared
    ended: Ended
    facts: Facts
    started: datetime


@delivery
def deliver(finish: Finish) -> WorkflowResult:
    """The folder of the run: graph, steps, page, manifest."""
    run, ended = finish.run, finish.ended
    current = current_run(finish.started)
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    began = f"{finish.started:%Y-%m-%d %H:%M:%S} UTC"
    decisions, conditions = _in_the_end(finish.facts)
    with run_folder(settings().results, "workflows", current.id) as (folder, uri):
        text = to_yaml(run.declaration)
        folder.text("workflow.yaml", text)
        folder.text("workflow.mmd", diagram(run.declaration, run.needs, ended.steps))
        folder.csv("steps.csv", steps_frame(run.needs, ended))
        content = [end.model_dump(mode="json") for end in ended.steps.values()]
        undone = [end.model_dump(mode="json") for end in ended.undone]
        folder.json("pipeline_info/steps.json", mask({"steps": content, "undone": undone}))
        folder.json("pipeline_info/params.json", mask(run.params.model_dump(mode="json")))
        folder.versions(versions)
        seconds = (datetime.now(UTC) - finish.started).total_seconds()
        names = sorted(folder.names() | {PAGE, "checksums.sha256", MANIFEST})
        inputs = {f"input {name}": str(value) for name, value in run.declaration.inputs.items()}
        shown = WorkflowPage(
            f"{current.name}, {began}", seconds, run.declaration, run.needs, masked(ended),
            decisions, conditions, uri, text, mask(inputs) | versions, names,
        )  # fmt: skip
        folder.text(PAGE, workflow_page(shown))
        result = _result(finish, uri, decisions, versions)
        result = result.model_copy(update={"digests": folder.checksums("steps.csv")})
        folder.json(MANIFEST, {"run": current.name, "started": began, **result.model_dump()})
    run_logger().info("%s; page: %s", told(result), result.page)
    return result


def to_yaml(declaration: Declaration) -> str:
    """The workflow, to be run again; secrets are masked."""
    content = declaration.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(mask(content), sort_keys=False, allow_unicode=True, width=100)


def told(result: WorkflowResult) -> str:
    """How the steps ended, in one line."""
    parts = {
        "done": result.done, "finished before": result.reused, "skipped": result.skipped,
        "failed": result.failed, "undone": len(result.undone),
    }  # fmt: skip
    return ", ".join(f"{count} {what}" for what, count in parts.items() if count)


def masked(ended: Ended) -> Ended:
    """How it ended, without secrets."""
    steps = {name: end.model_validate(mask(end.model_dump())) for name, end in ended.steps.items()}
    undone = [end.model_validate(mask(end.model_dump())) for end in ended.undone]
    return Ended(steps, undone, ended.error and steps[ended.error.name])


def _in_the_end(facts: Facts) -> tuple[dict[str, JsonValue], dict[str, str]]:
    """Values of decisions, and of conditions, with all that is known."""
    conditions = {}
    for name in facts.declaration.conditions:
        try:
            conditions[name] = "yes" if facts.holds([name]) else "no"
        except InputError as error:
            conditions[name] = str(error)
    decisions: dict[str, JsonValue] = {}
    for one in facts.declaration.decisions:
        try:
            decisions[one.name] = facts.decided(one.name)
        except InputError as error:
            decisions[one.name] = str(error)
    return decisions, conditions


def _result(
    finish: Finish, uri: str, decisions: dict[str, JsonValue], versions: dict[str, str]
) -> WorkflowResult:
    run, ended = finish.run, masked(finish.ended)
    ends = [ended.steps[name] for name in run.needs]
    states = [end.state for end in ends]
    notes = [f"{one.name}: {one.reason}" for one in ends if one.reason]
    inputs: dict[str, str] = {}
    for end in ends:
        read = end.outcome.result.get("inputs") if end.outcome else None
        inputs |= _texts(read) if isinstance(read, Mapping) else {}
    source = {run.source.uri: run.source.digest} if run.source else {}
    return WorkflowResult(
        workflow=run.declaration.name,
        folder=uri,
        page=f"{uri}/{PAGE}",
        done=states.count("done"),
        reused=states.count("reused"),
        skipped=states.count("skipped"),
        failed=states.count("failed"),
        states={end.name: end.state for end in ends},
        pages={end.name: end.page for end in ends if end.page},
        folders={end.name: end.folder for end in ends if end.folder},
        decisions=decisions,
        undone={end.name: end.state for end in ended.undone},
        degraded="failed" in states or any(end.outcome and end.outcome.degraded for end in ends),
        notes=tuple(notes),
        error=ended.error.reason if ended.error else "",
        inputs=inputs | source,
        versions=versions,
    )


def _texts(content: Mapping[str, JsonValue]) -> dict[str, str]:
    return {name: value for name, value in content.items() if isinstance(value, str)}
